"""U-Net++ that corrects a pixel classifier."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.card import CARD_KEY, ModelCard
from napari_matssl.learn.guided_unet import GuidedUnetPlusPlus
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.pixel_classifier import PixelClassifier
from napari_matssl.learn.segmenter import read_segmenter, write_segmenter
from napari_matssl.progress import drain
from napari_matssl.settings import FinetuneSettings, IntensityScalingSettings
from napari_matssl.tasks.finetune.job import finetune

TINY = "test_efficientnet"


def fill(network):
    """Give the classifier's heads weights, as a fit would."""
    for head in [*network.heads.context, *network.heads.filters]:
        nn.init.normal_(head.weight, std=0.1, generator=torch.Generator().manual_seed(4))
        nn.init.normal_(head.bias, generator=torch.Generator().manual_seed(5))
    return network


@pytest.fixture
def images():
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def network():
    return fill(build_network(TINY, 3, 2, "guided-unet++"))


def quick(**values):
    given = {"encoder": TINY, "weights": "random", "epochs": 1, "minutes": None,
             "crop_size": 64, "device": "cpu", "freeze_batch_norm": False,
             "architecture": "guided-unet++"}  # fmt: skip
    return FinetuneSettings(**{**given, **values})


def test_before_training_it_gives_the_output_of_its_classifier(network, images):
    classifier = PixelClassifier(TINY, 3).eval()
    classifier.load_state_dict(
        {k: v for k, v in network.state_dict().items() if k in classifier.state_dict()}
    )
    network.eval()
    with torch.no_grad():
        found, expected = network(images), classifier(images)
    assert found.shape == (2, 3, 64, 96)
    assert float(expected.std()) > 0.1
    torch.testing.assert_close(found, expected)


def test_dropout_hides_channels_from_the_decoder_not_from_the_classifier(network, images):
    nn.init.zeros_(network.segmentation_head[0].weight)
    network.dropout.share = 0.5
    network.train()
    network.encoder.eval()
    before = network(images)
    torch.testing.assert_close(network(images), before)  # the classifier's alone
    nn.init.normal_(network.segmentation_head[0].weight, std=0.1)
    network.decoder.eval()
    assert not torch.allclose(network(images), network(images))
    network.eval()
    torch.testing.assert_close(network(images), network(images))


def test_training_reaches_encoder_and_decoder_but_not_the_classifier(network, images):
    nn.init.normal_(network.segmentation_head[0].weight, std=0.1)
    network.train()
    network(images).square().mean().backward()
    for part in ("encoder", "decoder", "segmentation_head"):
        gradients = [p.grad for p in getattr(network, part).parameters() if p.grad is not None]
        assert any(float(g.abs().max()) > 0 for g in gradients), part
    assert all(p.grad is None for p in [*network.heads.context.parameters()])
    assert all(p.grad is None for p in [*network.heads.filters.parameters()])


def test_it_can_be_trained_unlike_the_classifier(network):
    assert network.train().training
    assert network.decoder.training
    assert not network.eval().training
    assert not PixelClassifier(TINY, 3).train().training


def test_a_trained_one_is_written_and_read(tmp_path, two_phases, images):
    result = drain(finetune([two_phases(1)], numbered_table([1, 2]), quick()))
    assert result.segmenter.card.architecture == "guided-unet++"
    write_segmenter(tmp_path / "a.safetensors", result.segmenter)
    again = read_segmenter(tmp_path / "a.safetensors")
    assert isinstance(again.network, GuidedUnetPlusPlus)
    with torch.no_grad():
        torch.testing.assert_close(again.network(images), result.segmenter.network(images))


def test_a_model_with_former_names_of_network_and_tensors_is_read(tmp_path, network, images):
    path = tmp_path / "old.safetensors"
    card = ModelCard(
        kind="segmenter", encoder=TINY, architecture="guided-unet++", channels="grey",
        intensity_scaling=IntensityScalingSettings(), classes=numbered_table([1, 2, 3]),
    )  # fmt: skip
    old = card.model_dump_json().replace("guided-unet++", "residual-unet++")
    old = (
        old.replace('"encoder":', '"encoder_name":')
        .replace("intensity_scaling", "normalisation")
        .replace('version":3', 'version":2')
    )
    state = network.state_dict()
    assert any(name.startswith("heads.") for name in state)
    former = {name.removeprefix("heads."): tensor for name, tensor in state.items()}
    save_file(former, path, metadata={CARD_KEY: old})
    again = read_segmenter(path)
    assert (again.card.architecture, again.card.encoder) == ("guided-unet++", TINY)
    with torch.no_grad():
        torch.testing.assert_close(again.network(images), network.eval()(images), rtol=0, atol=0)


def test_going_on_keeps_the_classifier_of_old_classes_and_fits_it_for_new_ones(two_phases):
    one = two_phases(1)
    first = drain(finetune([one], numbered_table([1, 2]), quick())).segmenter
    labels = one.labels.copy()
    labels[:40] = 3
    other = PaintedMicrograph(one.micrograph, labels)
    second = drain(finetune([other], numbered_table([1, 2, 3]), quick(), start=first)).segmenter
    for group in ("context", "filters"):
        for mine, theirs in zip(
            getattr(second.network.heads, group), getattr(first.network.heads, group), strict=True
        ):
            np.testing.assert_array_equal(mine.weight[:2].detach(), theirs.weight.detach())
            np.testing.assert_array_equal(mine.bias[:2].detach(), theirs.bias.detach())
            assert float(mine.weight[2].detach().abs().max()) > 0


def test_a_model_goes_on_with_the_architecture_it_has(two_phases):
    table, one = numbered_table([1, 2]), two_phases(1)
    plain = drain(finetune([one], table, quick(architecture="unet++"))).segmenter
    further = drain(finetune([one], table, quick(), start=plain)).segmenter
    assert further.card.architecture == plain.card.architecture == "unet++"
    instant = drain(finetune([one], table, quick(architecture="pixel-classifier"))).segmenter
    grown = drain(finetune([one], table, quick(), start=instant)).segmenter
    assert grown.card.architecture == "guided-unet++"


def test_its_logits_are_the_classifiers_and_the_correction():
    network = GuidedUnetPlusPlus("test_efficientnet", 3).eval()
    torch.nn.init.normal_(network.segmentation_head[0].weight)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        classifier = network.heads(network.encoder(images), images)
        correction = network.segmentation_head(network.decoder(network.encoder(images)))
        assert correction.abs().max() > 0
        torch.testing.assert_close(network(images), classifier + correction)
