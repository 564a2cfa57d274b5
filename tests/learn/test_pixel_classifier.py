"""The pixel classifier: what it computes, what stays as it is, and its file."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from napari_matssl.errors import ModelFileError, SettingsError
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.learn.card import CARD_KEY, ModelCard
from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.encoders import build_encoder
from napari_matssl.learn.filters import filter_maps
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.pixel_classifier import PixelClassifier
from napari_matssl.learn.segmenter import Segmenter, read_segmenter, write_segmenter
from napari_matssl.settings import IntensityScalingSettings

TINY = "test_efficientnet"
IMAGES = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def classifier(classes=3, encoder=TINY, seed=0):
    """With random heads."""
    network = PixelClassifier(encoder, classes).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for head in (*network.heads.context, *network.heads.filters):
            head.weight.normal_(0, 0.3, generator=generator)
            head.bias.normal_(0, 0.3, generator=generator)
    return network


def logits(network, images=IMAGES):
    with torch.no_grad():
        return network(images)


def segmenter(network, architecture="pixel-classifier", encoder=TINY):
    card = ModelCard(
        kind="segmenter",
        encoder=encoder,
        architecture=architecture,
        channels="grey",
        intensity_scaling=IntensityScalingSettings(),
        classes=numbered_table([1, 2, 3]),
    )
    return Segmenter(network, card)


def test_logits_are_a_linear_map_of_all_features_of_the_pixel():
    """Whether features or logits are made larger is the same, since both steps are linear."""
    network = classifier()
    with torch.no_grad():
        maps = [*network.encoder(IMAGES)[1:], *filter_maps(IMAGES)]
    heads = [*network.heads.context, *network.heads.filters]
    assert len(maps) == len(heads)
    total = np.zeros((2, 3, 64, 96))
    for features, head in zip(maps, heads, strict=True):
        large = functional.interpolate(features, size=(64, 96), mode="bilinear").numpy()
        weight, bias = head.weight[:, :, 0, 0].detach().numpy(), head.bias.detach().numpy()
        total += np.einsum("kc,nchw->nkhw", weight, large) + bias[None, :, None, None]
    found = logits(network)
    assert found.dtype is torch.float32
    np.testing.assert_allclose(found.numpy(), total, atol=1e-4 * np.abs(total).max())


@pytest.mark.parametrize("encoder", [TINY, "resnet18"])
def test_every_stage_of_the_encoder_is_looked_at(encoder):
    network = classifier(encoder=encoder)
    before = logits(network)
    assert before.shape == (2, 3, 64, 96)
    for head in network.heads.context:
        weight = head.weight.detach().clone()
        with torch.no_grad():
            head.weight.zero_()
        assert not torch.equal(logits(network), before)
        with torch.no_grad():
            head.weight.copy_(weight)


@pytest.mark.parametrize("encoder", ["test_convnext", "mit_b0"])
def test_an_encoder_without_a_stage_at_half_size_is_used(encoder):
    """Networks that begin with patches of 4 px have nothing at half the size."""
    network = build_network(encoder, 3, architecture="pixel-classifier")
    assert logits(network).shape == (2, 3, 64, 96)


def test_an_encoder_that_cannot_be_used_is_an_error_that_names_it():
    with pytest.raises(SettingsError, match="test_vit"):
        build_network("test_vit", 2, architecture="pixel-classifier")


def test_statistics_of_the_encoder_are_part_of_the_features_from_the_start():
    network = PixelClassifier(TINY, 3)
    before = {name: tensor.clone() for name, tensor in network.encoder.state_dict().items()}
    logits(network)
    after = network.encoder.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_images_of_a_batch_do_not_mix_even_in_training_mode():
    network = classifier().train()
    assert not any(part.training for part in network.modules())
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    together, alone = logits(network), logits(network, IMAGES[1:])
    torch.testing.assert_close(together[1:], alone)
    after = network.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_the_encoder_is_not_trained():
    network = classifier()
    network(IMAGES).square().mean().backward()
    assert all(p.grad is None for p in network.encoder.parameters())
    heads = [*network.heads.context.parameters(), *network.heads.filters.parameters()]
    assert all(p.grad is not None and bool((p.grad != 0).any()) for p in heads)


def test_its_encoder_is_the_one_that_other_networks_have():
    own = PixelClassifier(TINY, 2).encoder.state_dict()
    other = build_encoder(TINY).state_dict()
    assert own.keys() == other.keys() == build_network(TINY, 2).encoder.state_dict().keys()
    assert {n: t.shape for n, t in own.items()} == {n: t.shape for n, t in other.items()}


def test_logits_are_float32_where_the_encoder_is_not():
    network = classifier()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = logits(network)
    assert mixed.dtype is torch.float32
    exact = logits(network)
    assert (mixed - exact).abs().mean() < 0.05 * exact.std()


def test_it_comes_back_from_its_file_with_bit_equal_logits(tmp_path):
    path = tmp_path / "model.safetensors"
    made = segmenter(classifier())
    write_segmenter(path, made)
    assert read_card(path).architecture == "pixel-classifier"
    read = read_segmenter(path)
    assert isinstance(read.network, PixelClassifier)
    assert read.card == made.card
    assert not read.network.training
    assert torch.equal(logits(read.network), logits(made.network))


def test_a_card_from_before_there_were_pixel_classifiers_means_a_unet(tmp_path):
    path = tmp_path / "old.safetensors"
    made = segmenter(build_network(TINY, 3).eval(), "unet++")
    write_segmenter(path, made)
    values = made.card.model_dump(mode="json")
    assert values.pop("architecture") == "unet++"
    save_file(load_file(path), path, metadata={CARD_KEY: json.dumps(values)})
    assert read_card(path).architecture == "unet++"
    assert torch.equal(logits(read_segmenter(path).network), logits(made.network))


@pytest.mark.parametrize("claimed", ["unet++", "pixel-classifier", "forest"])
def test_a_file_whose_network_differs_from_its_card_is_refused(tmp_path, claimed):
    path = tmp_path / "model.safetensors"
    network = build_network(TINY, 3) if claimed == "pixel-classifier" else classifier()
    write_segmenter(path, segmenter(network))
    values = {**read_card(path).model_dump(mode="json"), "architecture": claimed}
    save_file(load_file(path), path, metadata={CARD_KEY: json.dumps(values)})
    with pytest.raises(ModelFileError, match=r"model\.safetensors"):
        read_segmenter(path)
