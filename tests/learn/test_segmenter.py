"""The segmenter: from file to file, and from one class table to another."""

import json
from typing import get_args

import pytest
import torch
from safetensors.torch import save_file

from napari_matssl.errors import ModelFileError, SettingsError
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass
from napari_matssl.learn.card import CARD_KEY, Architecture, ModelCard
from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.modelfile import read_tensors, write_tensors
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.segmenter import Segmenter, adopt, read_segmenter, write_segmenter
from napari_matssl.settings import IntensityScalingSettings

TINY = "test_efficientnet"


def table(*names):
    return ClassTable(
        classes=tuple(
            LabelClass(id=n + 1, name=name, colour=COLOURS[n]) for n, name in enumerate(names)
        )
    )


def segmenter(*names, seed=0, encoder=TINY, architecture="unet++"):
    card = ModelCard(
        kind="segmenter",
        encoder=encoder,
        architecture=architecture,
        channels="grey",
        intensity_scaling=IntensityScalingSettings(),
        classes=table(*names),
    )
    network = build_network(encoder, len(names), seed, architecture).eval()
    return Segmenter(network, card)


def logits(network):
    images = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return network(images)


@pytest.mark.parametrize("encoder", [TINY, "tf_efficientnet_lite0", "tu-resnet10t"])
def test_a_segmenter_comes_back_from_its_file_with_bit_equal_logits(tmp_path, encoder):
    made = segmenter("matrix", "carbide", "crack", encoder=encoder)
    made.network.train()
    logits(made.network)  # batch-norm statistics of its own
    made.network.eval()
    write_segmenter(tmp_path / "model.safetensors", made)
    read = read_segmenter(tmp_path / "model.safetensors")
    assert read.card == made.card
    assert not read.network.training
    assert logits(read.network).shape == (1, 3, 64, 96)
    assert torch.equal(logits(read.network), logits(made.network))


def test_a_file_whose_tensors_do_not_fit_its_card_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    made = segmenter("a", "b")
    write_tensors(path, made.card, segmenter("a", "b", "c").network.state_dict())
    with pytest.raises(ModelFileError, match="segmentation_head"):
        read_segmenter(path)
    state = made.network.state_dict()
    del state["encoder.model.conv_stem.weight"]
    write_tensors(path, made.card, state)
    with pytest.raises(ModelFileError, match=r"lacks.*conv_stem\.weight"):
        read_segmenter(path)


def test_a_segmenter_without_classes_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    write_segmenter(path, segmenter("a", "b"))
    values = read_card(path).model_dump(mode="json", exclude={"classes"})
    save_file(read_tensors(path), path, metadata={CARD_KEY: json.dumps(values)})
    with pytest.raises(ModelFileError, match=r"model\.safetensors is damaged.*its card: classes"):
        read_segmenter(path)


def test_the_seed_decides_the_random_weights():
    first, same, other = (build_network(TINY, 2, seed) for seed in (3, 3, 4))
    assert torch.equal(logits(first.eval()), logits(same.eval()))
    assert not torch.equal(logits(first), logits(other.eval()))


@pytest.mark.parametrize("name", ["no_such_net", "test_vit"])
def test_an_encoder_that_cannot_be_used_is_an_error_that_names_it(name):
    with pytest.raises(SettingsError, match=name):
        build_network(name, 2)


def test_going_on_keeps_all_weights_and_the_head_of_equal_classes():
    start = segmenter("ferrite", "pearlite", seed=1)
    own = table("crack", "pearlite", "ferrite")
    network = build_network(TINY, 3, seed=2).eval()
    fresh = {k: v.clone() for k, v in network.state_dict().items()}
    adopt(network, own, start)
    mine, theirs = network.state_dict(), start.network.state_dict()
    heads = {name for name in mine if name.startswith("segmentation_head")}
    assert len(heads) == 2
    for name in mine.keys() - heads:
        assert torch.equal(mine[name], theirs[name]), name
    for name in heads:
        assert torch.equal(mine[name][2], theirs[name][0])
        assert torch.equal(mine[name][1], theirs[name][1])
        assert torch.equal(mine[name][0], fresh[name][0])
    torch.testing.assert_close(logits(network)[:, [2, 1]], logits(start.network))


def test_going_on_with_fewer_classes_keeps_those_that_are_left():
    start = segmenter("ferrite", "pearlite", "scratch", seed=1)
    network = build_network(TINY, 2, seed=2).eval()
    adopt(network, table("scratch", "ferrite"), start)
    torch.testing.assert_close(logits(network), logits(start.network)[:, [2, 0]])


def state(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def change(network):
    """Give a network other weights than any that is built."""
    generator = torch.Generator().manual_seed(7)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(torch.rand(tensor.shape, generator=generator))


ARCHITECTURES = get_args(Architecture)

COMMON = [
    (own, theirs, encoder)
    for encoder, networks in (
        (TINY, [one for one in ARCHITECTURES if one != "segformer"]),
        ("mit_b0", ["segformer", "pixel-classifier"]),
    )
    for own in networks
    for theirs in networks
]
"""Pairs of networks that can have the same encoder."""


@pytest.mark.parametrize(("own", "theirs", "encoder"), COMMON)
def test_the_encoder_goes_from_any_architecture_to_any(own, theirs, encoder):
    start = segmenter("ferrite", "pearlite", architecture=theirs, encoder=encoder)
    change(start.network)
    network = build_network(encoder, 2, 2, own).eval()
    adopt(network, table("ferrite", "pearlite"), start)
    mine, given = network.encoder.state_dict(), start.network.encoder.state_dict()
    assert mine.keys() == given.keys()
    assert all(torch.equal(tensor, given[name]) for name, tensor in mine.items())


@pytest.mark.parametrize(
    ("own", "theirs"), [("unet++", "pixel-classifier"), ("pixel-classifier", "unet++")]
)
@pytest.mark.parametrize("names", [("ferrite", "pearlite"), ("crack", "pearlite", "ferrite")])
def test_unets_and_pixel_classifiers_have_no_more_than_the_encoder_in_common(own, theirs, names):
    start = segmenter("ferrite", "pearlite", architecture=theirs)
    change(start.network)
    network = build_network(TINY, len(names), 2, own).eval()
    before = state(network)
    adopt(network, table(*names), start)
    after = network.state_dict()
    rest = [name for name in before if not name.startswith("encoder.")]
    assert rest
    assert all(torch.equal(before[name], after[name]) for name in rest)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_comes_back_from_its_file(tmp_path, architecture):
    encoder = "mit_b0" if architecture == "segformer" else TINY
    made = segmenter("ferrite", "pearlite", architecture=architecture, encoder=encoder)
    write_segmenter(tmp_path / "model.safetensors", made)
    read = read_segmenter(tmp_path / "model.safetensors")
    assert read.card.architecture == architecture
    assert torch.equal(logits(read.network), logits(made.network))


def test_the_model_that_was_gone_on_from_stays_as_it_is():
    start = segmenter("ferrite", "pearlite", architecture="pixel-classifier")
    before = state(start.network)
    network = build_network(TINY, 2, 2)
    adopt(network, table("ferrite", "pearlite"), start)
    change(network)
    after = start.network.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
