"""Model files: what is written comes back, and what is broken is refused."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
import torchvision
from file_events import when_file_is
from limits import largest_file
from safetensors.torch import save_file
from torch import nn

from napari_matssl.errors import ModelFileError, OutputError
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.learn.card import CARD_KEY, CheckpointCard, EncoderCard, ModelCard, TrainingImage
from napari_matssl.learn.card_files import encoder_of_file, read_card
from napari_matssl.learn.modelfile import load_checked, read_tensors, write_tensors
from napari_matssl.settings import FinetuneSettings, IntensityScalingSettings

CARD = ModelCard(
    kind="segmenter",
    encoder="resnet18",
    channels="rgb",
    intensity_scaling=IntensityScalingSettings(low_percent=0.3),
    classes=numbered_table([1, 2, 7]),
    unlabelled=0,
    pixel_size_um=0.123456789,
    scale=0.3,
    settings=FinetuneSettings(seed=3).model_dump(mode="json"),
    training_images=(TrainingImage(name="größe.tif", sha256="ab"),),
    metrics={"loss": 0.1 + 0.2},
    start="ImageNet",
)


def tensors():
    random = torch.Generator().manual_seed(0)
    return {
        "weight": torch.randn(4, 3, generator=random).T,  # not contiguous
        "half": torch.randn(5, generator=random).bfloat16(),
        "odd": torch.tensor([0.0, -0.0, float("inf"), float("nan"), 1e-42]),
        "count": torch.tensor(7),
    }


def bits(tensor):
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.safetensors"
    write_tensors(path, CARD, tensors())
    return path


def test_card_and_tensors_come_back_bit_by_bit(model):
    read = read_tensors(model)
    assert read_card(model) == CARD
    assert read.keys() == tensors().keys()
    for name, tensor in tensors().items():
        assert read[name].dtype is tensor.dtype
        assert read[name].shape == tensor.shape
        assert bits(read[name]) == bits(tensor)


def test_tensors_that_share_memory_can_be_written(tmp_path):
    tensor = torch.arange(6.0)
    write_tensors(tmp_path / "a.safetensors", CARD, {"a": tensor, "b": tensor, "c": tensor[2:]})
    read = read_tensors(tmp_path / "a.safetensors")
    assert read["c"].tolist() == [2, 3, 4, 5]


def test_the_card_is_read_without_torch(model):
    code = (
        "import sys; from pathlib import Path; "
        "from napari_matssl.learn.card_files import read_card; "
        "print(read_card(Path(sys.argv[1])).encoder, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(model)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["resnet18", "False"]


def test_a_figure_that_is_not_finite_leaves_a_file_that_can_be_read(tmp_path):
    path = tmp_path / "model.safetensors"
    card = CARD.model_copy(update={"metrics": {"val_miou": float("nan"), "loss": 0.5}})
    write_tensors(path, card, tensors())
    assert read_card(path).metrics["loss"] == 0.5


FACTS = {"encoder": "resnet18", "channels": "grey", "intensity_scaling": IntensityScalingSettings()}

CARDS = {
    "segmenter": CARD,
    "encoder": EncoderCard(**FACTS),
    "checkpoint": CheckpointCard(
        **FACTS, step=2, seconds=1.0, batch_size=4, planned_steps=None, epoch_losses=(0.5,)
    ),
}


@pytest.mark.parametrize("kind", CARDS)
def test_a_card_comes_back_as_what_it_is(tmp_path, kind):
    path = tmp_path / "a.safetensors"
    write_tensors(path, CARDS[kind], {})
    assert read_card(path) == read_card(path, kind) == CARDS[kind]
    assert type(read_card(path)) is type(CARDS[kind])


@pytest.mark.parametrize(
    ("kind", "wanted", "remedy"),
    [
        ("encoder", "segmenter", "finetune"),
        ("segmenter", "encoder", "pretrain"),
        ("segmenter", "checkpoint", "pretrain"),
        ("checkpoint", "encoder", "pretrain"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, kind, wanted, remedy):
    path = tmp_path / "a.safetensors"
    write_tensors(path, CARDS[kind], {})
    with pytest.raises(ModelFileError, match=f"{kind}; {wanted} needed") as caught:
        read_tensors(path, kind=wanted)
    assert str(path) in caught.value.what
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("share", [0, 0.001, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path, share):
    path = tmp_path / "model.safetensors"
    write_tensors(path, CARD, {"weight": torch.zeros(5000)})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    for read in (read_card, read_tensors):
        with pytest.raises(ModelFileError, match="damaged") as caught:
            read(path)
        assert str(path) in caught.value.what


@pytest.mark.parametrize(
    ("card", "complaint"),
    [
        ({"format_version": 4}, "newer than this program's 3"),
        ({"format_version": 99, "kind": "a kind of the future"}, "Update"),
        ({"format_version": "x"}, "damaged"),
        ({"kind": "encoder", "format_version": 1}, "damaged"),
        ([], "damaged"),
    ],
)
def test_cards_that_are_newer_or_damaged_are_refused(tmp_path, card, complaint):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={CARD_KEY: json.dumps(card)})
    with pytest.raises(ModelFileError, match=complaint) as caught:
        read_card(path)
    assert str(path) in caught.value.what


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("name", ["model.pth", "model.safetensors"])
def test_a_pickle_is_no_file_of_ours_whatever_its_suffix(tmp_path, legacy, name):
    path = tmp_path / name
    state = torchvision.models.resnet18().state_dict()
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    assert read_card(path).encoder == "resnet18"
    with pytest.raises(ModelFileError, match="pickled PyTorch file") as caught:
        read_tensors(path)
    assert str(path) in caught.value.what
    torch.save({"a": torch.zeros(1)}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ModelFileError, match="no encoder that is known"):
        read_tensors(path)


@pytest.mark.parametrize("start", [b"\x80\x03", b"\x80\x04", b"\x80\x05"])
def test_a_model_is_no_pickle_because_of_the_length_of_its_header(tmp_path, start):
    """A safetensors file begins with that length, which can look like a pickle's first bytes."""
    path = tmp_path / "model.safetensors"
    card = EncoderCard(encoder="", channels="grey", intensity_scaling=IntensityScalingSettings())
    for padding in range(0, 2000, 8):
        card = card.model_copy(update={"start": "x" * padding})
        write_tensors(path, card, {"weight": torch.zeros(3)})
        if path.read_bytes()[:2] == start:
            break
    assert path.read_bytes()[:2] == start
    assert read_card(path) == card
    assert read_tensors(path)["weight"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_safetensors_of_others_are_refused(tmp_path, metadata):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata=metadata)
    with pytest.raises(ModelFileError, match=r"not one of napari-matssl.*pretrain or finetune"):
        read_tensors(path)


def test_what_is_no_model_at_all_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match=r"There is no .*missing"):
        read_card(tmp_path / "missing.safetensors")
    with pytest.raises(ModelFileError, match="is a folder"):
        read_card(tmp_path)
    text = tmp_path / "readme.txt"
    text.write_text("a text of more than a few bytes, which is no model\n" * 20)
    with pytest.raises(ModelFileError, match="no model file"):
        read_card(text)


def test_an_interrupted_write_leaves_the_old_file_and_nothing_beside_it(model):
    before = model.read_bytes()
    with (
        when_file_is("replaced", str(model), lambda _: signal.raise_signal(signal.SIGINT)),
        pytest.raises(KeyboardInterrupt),
    ):
        write_tensors(model, CARD, {"weight": torch.ones(1)})
    assert model.read_bytes() == before
    assert list(model.parent.iterdir()) == [model]


def test_a_full_disk_is_one_clear_line_and_leaves_the_old_file(model):
    before = model.read_bytes()
    with largest_file(50_000), pytest.raises(OutputError, match=r"model\.safetensors"):
        write_tensors(model, CARD, {"weight": torch.ones(100_000)})
    assert model.read_bytes() == before
    assert list(model.parent.iterdir()) == [model]


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="Choose another place"):
        write_tensors(tmp_path / "file" / "model.safetensors", CARD, {})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda t: t.pop("weight"), r"lacks the tensor 'weight'"),
        (lambda t: t.update(extra=torch.zeros(1)), r"unexpected tensor 'extra'"),
        (lambda t: t.update(e=torch.zeros(1), f=torch.zeros(1)), r"'e' and 1 more"),
        (lambda t: t.update(weight=torch.zeros(3, 2)), r"'weight' has the shape \(3, 2\) instead"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named_and_nothing_is_loaded(tmp_path, change, complaint):
    network = nn.Linear(2, 2)
    before = network.weight.detach().clone()
    state = {name: torch.full_like(t, 9) for name, t in network.state_dict().items()}
    change(state)
    with pytest.raises(ModelFileError, match=complaint):
        load_checked(network, state, tmp_path / "model.safetensors")
    assert torch.equal(network.weight, before)


def test_the_encoder_of_a_file_is_found_without_its_name(model, tmp_path):
    published = tmp_path / "matssl.PTH"
    torch.save(torchvision.models.resnet34().state_dict(), published)
    assert encoder_of_file(str(model)) == "resnet18"
    assert encoder_of_file(str(published)) == "resnet34"
    assert encoder_of_file("imagenet") is None
    assert encoder_of_file(str(tmp_path / "missing.safetensors")) is None


def test_numbers_of_the_card_survive_exactly(model):
    card = read_card(model)
    assert card.metrics["loss"] == 0.1 + 0.2
    assert card.pixel_size_um == 0.123456789
    assert np.float64(card.scale) == 0.3
