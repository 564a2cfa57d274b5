"""Model files that somebody tampered with: an error in words, or a model that answers."""

import json
import os
import random
import resource
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_matssl.errors import ModelFileError
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.learn.card import CARD_KEY, EncoderCard, ModelCard
from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.encoders import build_encoder
from napari_matssl.learn.modelfile import check_weights, read_tensors, write_tensors
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.segmenter import Segmenter, read_segmenter, write_segmenter
from napari_matssl.learn.start_weights import load_start_weights
from napari_matssl.learn.tensorfile import read_header
from napari_matssl.settings import IntensityScalingSettings

TINY = "test_efficientnet"
SEED = 20


def card(**changes):
    return ModelCard(
        kind="segmenter",
        encoder=TINY,
        channels="grey",
        intensity_scaling=IntensityScalingSettings(),
        classes=numbered_table([1, 2]),
        pixel_size_um=0.2,
    ).model_copy(update=changes)


def encoder_card(name=TINY):
    return EncoderCard(encoder=name, channels="grey", intensity_scaling=IntensityScalingSettings())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A model as finetune writes it."""
    path = tmp_path_factory.mktemp("whole") / "model.safetensors"
    write_segmenter(path, Segmenter(build_network(TINY, 2, seed=1, architecture="unet++"), card()))
    return path


def tampered(path, whole, change_card=None, change_tensors=None):
    """Write a copy of a model with another card or other tensors."""
    metadata = json.loads(read_header(whole).metadata[CARD_KEY])
    tensors = load_file(whole)
    if change_card is not None:
        change_card(metadata)
    if change_tensors is not None:
        change_tensors(tensors)
    text = json.dumps(metadata)
    save_file(tensors, path, metadata={CARD_KEY: text})
    return path


CARDS = {
    "scale 0": ("scale", 0),
    "scale -1": ("scale", -1),
    "scale 1e-9": ("scale", 1e-9),
    "scale 1e9": ("scale", 1e9),
    "scale infinite": ("scale", float("inf")),
    "scale NaN": ("scale", float("nan")),
    "pixel size -1": ("pixel_size_um", -1),
    "pixel size 0": ("pixel_size_um", 0),
    "pixel size 1e30": ("pixel_size_um", 1e30),
    "no channels": ("channels", "infrared"),
    "percentiles": ("intensity_scaling", {"low_percent": 99, "high_percent": 1}),
    "percentile NaN": ("intensity_scaling", {"low_percent": float("nan")}),
    "no classes": ("classes", None),
    "a class with a line break": (
        "classes",
        {"classes": [{"id": 1, "name": "fer\nrite", "colour": "#000000"}]},
    ),
    "a class id too large": (
        "classes",
        {"classes": [{"id": 999, "name": "ferrite", "colour": "#000000"}]},
    ),
    "an encoder of two lines": ("encoder", "res\nnet50"),
    "a version of two lines": ("package_version", "1\n2"),
    "a date that is none": ("created", "yesterday"),
    "a share above 1": ("painted_share", 2),
    "an unpainted value": ("unlabelled", -7),
    "a layer of no class": (
        "unbroken",
        [{"class_id": 9, "inside": 1, "outside": 1, "images": 2}],
    ),
    "a version of the format": ("format_version", -1),
    "an absurd figure": ("metrics", {"minutes": 1e300}),
    "a figure of letters": ("metrics", {"minutes": "many"}),
}


@pytest.mark.parametrize("name", CARDS)
def test_a_card_with_what_cannot_be_is_refused(tmp_path, whole, name):
    key, value = CARDS[name]
    path = tampered(tmp_path / "odd.safetensors", whole, lambda data: data.update({key: value}))
    with pytest.raises(ModelFileError, match=r"odd\.safetensors") as caught:
        read_card(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelFileError):
        read_segmenter(path)


def test_an_encoder_that_is_not_there_is_named(tmp_path, whole):
    path = tampered(tmp_path / "odd.safetensors", whole, lambda d: d.update(encoder="resnet9"))
    with pytest.raises(ModelFileError, match=r"odd\.safetensors.*'resnet9'"):
        read_segmenter(path)


@pytest.mark.timeout(60)
def test_a_card_that_promises_a_huge_network_takes_no_memory(tmp_path, whole):
    def huge(data):
        data["encoder"] = "resnext101_32x48d"

    path = tampered(tmp_path / "odd.safetensors", whole, huge)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelFileError, match=r"odd\.safetensors lacks the tensor"):
        read_segmenter(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000, "kB, not 3 GB"


def test_deep_and_huge_json_is_refused(tmp_path, whole):
    tensors = load_file(whole)
    for text in (
        "[" * 100_000,
        '{"format_version": ' + "9" * 5000 + "}",
        '{"format_version": 1e999}',
    ):
        path = tmp_path / "odd.safetensors"
        save_file(tensors, path, metadata={CARD_KEY: text})
        with pytest.raises(ModelFileError, match="damaged"):
            read_card(path)


def spoil(name, value):
    """Set all numbers of the tensors whose names end so."""

    def change(tensors):
        for key, tensor in tensors.items():
            if key.endswith(name) and tensor.is_floating_point():
                tensors[key] = torch.full_like(tensor, value)

    return change


def spoil_one(value):
    def change(tensors):
        tensors["decoder.blocks.x_0_0.conv1.0.weight"].view(-1)[5] = value

    return change


def other_dtype(tensors):
    name = "decoder.blocks.x_0_0.conv1.0.weight"
    tensors[name] = tensors[name].view(torch.int32)


WEIGHTS = {
    "all NaN": spoil("weight", float("nan")),
    "one NaN": spoil_one(float("nan")),
    "one infinite": spoil_one(float("-inf")),
    "one 1e30": spoil_one(1e30),
    "all zero": spoil("", 0),
    "weights zero": spoil("weight", 0),
    "a head of zeros": spoil("segmentation_head.0.weight", 0),
    "a head of ones": spoil("segmentation_head.0.weight", 1),
    "a bias of 1e30": spoil("segmentation_head.0.bias", 1e30),
    "a negative variance": spoil("running_var", -1),
    "numbers of another type": other_dtype,
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_answer_the_same_to_every_image_are_refused(tmp_path, whole, name):
    path = tampered(tmp_path / "odd.safetensors", whole, change_tensors=WEIGHTS[name])
    with pytest.raises(ModelFileError, match=r"odd\.safetensors"):
        read_segmenter(path)


def test_an_encoder_of_a_network_that_is_not_there_is_refused_by_its_file(tmp_path):
    path = tmp_path / "enc.safetensors"
    write_tensors(path, encoder_card("resnet9"), {})
    with pytest.raises(ModelFileError, match=r"enc\.safetensors.*'resnet9'"):
        load_start_weights(build_encoder(TINY), TINY, str(path))


def test_an_encoder_of_nothing_is_refused_too(tmp_path):
    state = {f"encoder.{k}": t for k, t in build_encoder(TINY).state_dict().items()}
    path = tmp_path / "enc.safetensors"
    write_tensors(path, encoder_card(), state)
    encoder = build_encoder(TINY, seed=4)
    load_start_weights(encoder, TINY, str(path))
    spoil("conv_stem.weight", float("nan"))(state)
    write_tensors(path, encoder_card(), state)
    with pytest.raises(ModelFileError, match=r"enc\.safetensors is damaged.*conv_stem"):
        load_start_weights(encoder, TINY, str(path))
    bare = {k.removeprefix("encoder."): t for k, t in state.items()}
    torch.save(bare, tmp_path / "enc.pth")
    with pytest.raises(ModelFileError, match=r"enc\.pth is damaged.*conv_stem"):
        load_start_weights(encoder, TINY, str(tmp_path / "enc.pth"))


@pytest.mark.parametrize("architecture", ["guided-unet++", "pixel-classifier", "unet++"])
def test_a_network_as_it_is_born_is_no_damage(architecture):
    """A run of one step leaves the correction of a pixel classifier at zero."""
    network = build_network(TINY, 2, seed=1, architecture=architecture)
    if architecture == "guided-unet++":
        check_weights(network.state_dict(), "a", ("segmentation_head.",))
    else:
        check_weights(network.state_dict(), "a")


@pytest.mark.timeout(10)
@pytest.mark.parametrize("read", [read_card, read_tensors, read_segmenter, read_header])
def test_pipes_devices_and_folders_are_refused_unopened(tmp_path, read):
    os.mkfifo(tmp_path / "pipe.safetensors")
    for path in (tmp_path / "pipe.safetensors", Path("/dev/zero"), tmp_path):
        with pytest.raises(ModelFileError, match="not a file"):
            read(path)


def test_a_header_larger_than_any_card_is_refused_unread(tmp_path):
    path = tmp_path / "odd.safetensors"
    with path.open("wb") as file:
        file.write((90 << 20).to_bytes(8, "little") + b"{")
        file.truncate(100 << 20)
    with pytest.raises(ModelFileError, match="header of 94 MB"):
        read_card(path)


def mutations(count):
    """Change bytes, cut, double, or swap numbers of a file; the seed is part of the test."""
    for number in range(count):
        yield number, random.Random(SEED * 1000 + number)


def mutate(raw, chance):
    length = int.from_bytes(raw[:8], "little")
    how = chance.choice(["byte", "bytes", "digits", "cut", "length", "zeros"])
    place = chance.randrange(8, 8 + length)
    if how == "byte":
        raw[place] = chance.randrange(256)
    elif how == "bytes":
        raw[place : place + 8] = chance.randbytes(8)
    elif how == "digits":
        digits = [at for at in range(8, 8 + length) if chr(raw[at]).isdigit()]
        for at in chance.sample(digits, 5):
            raw[at] = ord(chance.choice("0123456789"))
    elif how == "cut":
        del raw[chance.randrange(len(raw)) :]
    elif how == "length":
        raw[chance.randrange(8)] ^= 1 << chance.randrange(8)
    else:
        raw[place : place + 40] = bytes(len(raw[place : place + 40]))
    return raw


@pytest.mark.timeout(240)
def test_mutated_files_are_refused_in_words_or_answer(tmp_path, whole):
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    raw, refused = whole.read_bytes(), 0
    path = tmp_path / "mutated.safetensors"
    for number, chance in mutations(60):
        path.write_bytes(mutate(bytearray(raw), chance))
        try:
            segmenter = read_segmenter(path)
        except ModelFileError:
            refused += 1
            continue
        with torch.no_grad():
            assert segmenter.network(image).isfinite().all(), number
        assert 0.01 <= segmenter.card.scale <= 8, number
    assert refused > 30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "kB"
