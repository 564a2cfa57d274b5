"""U-Net++ with dropout between encoder and decoder."""

import segmentation_models_pytorch as smp
import torch

from napari_matssl.learn.networks import build_network

TINY = "test_efficientnet"


def images():
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def test_its_weights_and_logits_are_those_of_the_published_network():
    network = build_network(TINY, 3, 2, "unet++").eval()
    published = smp.UnetPlusPlus(encoder_name=f"tu-{TINY}", encoder_weights=None, classes=3).eval()
    published.load_state_dict(network.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(network(images()), published(images()))


def test_dropout_hides_channels_while_training_alone():
    network = build_network(TINY, 3, 2, "unet++").train()
    network.encoder.eval()
    network.decoder.eval()
    torch.testing.assert_close(network(images()), network(images()))
    network.dropout.share = 0.5
    assert not torch.allclose(network(images()), network(images()))
    network.eval()
    torch.testing.assert_close(network(images()), network(images()))
