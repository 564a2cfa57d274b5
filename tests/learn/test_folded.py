"""Networks whose batch norms and activations are folded into their convolutions."""

import pytest
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import nn

from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.folded import fold
from napari_matssl.learn.networks import build_network


def with_statistics(network):
    """Give batch norms statistics that a training might have left."""
    random = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=random)
            module.running_var.uniform_(0.3, 3, generator=random)
            nn.init.uniform_(module.weight, 0.3, 2, generator=random)
            nn.init.normal_(module.bias, 0, 0.3, generator=random)
    return network.eval()


def norms(network):
    return sum(isinstance(one, nn.BatchNorm2d) for one in network.modules())


@pytest.mark.parametrize(
    ("architecture", "encoder", "left"),
    [
        ("guided-unet++", "tf_efficientnet_lite0", 0),
        ("unet++", "mobilenet_v2", 0),
        ("unet++", "resnet18", 0),
        ("unet++", "efficientnet-b0", 49),  # its convolutions pad in a way of their own
        ("unet++", "densenet121", 62),  # those before a convolution stay
        ("pixel-classifier", "test_efficientnet", 0),
        ("segformer", "mit_b0", 0),
    ],
)
def test_a_folded_network_gives_the_same_logits(architecture, encoder, left):
    network = with_statistics(build_network(encoder, 3, architecture=architecture))
    for name, parameter in network.named_parameters():
        if name.startswith("segmentation_head"):
            nn.init.normal_(parameter, 0, 0.1)  # the correction of a classifier starts at zero
    images = torch.randn(2, 3, 96, 64)
    folded = fold(network, torch.float32)
    assert norms(folded) == left < norms(network)
    with torch.inference_mode():
        expected, found = network(images), folded(images)
    scale = float(expected.abs().max())
    assert torch.allclose(found, expected, rtol=0, atol=1e-3 * scale)
    assert (expected.std(dim=(0, 2, 3)) > 0.01 * scale).all()  # something to compare


def test_a_folded_network_is_as_near_to_float32_as_one_in_mixed_precision():
    network = with_statistics(build_network("tf_efficientnet_lite0", 3, architecture="unet++"))
    images = torch.randn(1, 3, 128, 128)
    with torch.inference_mode():
        precise = network(images)
        folded = fold(network, torch.bfloat16)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            off = [(one(images).float() - precise).abs().mean() for one in (folded, network)]
    assert off[0] < 1.5 * off[1]


class Crossed(nn.Module):
    """Layers that do not follow each other in the order in which they are listed."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 1)

    def forward(self, images):
        return self.norm(self.second(self.first(images).sin()))


def test_a_network_that_cannot_be_folded_stays_as_it_is():
    crossed = with_statistics(Crossed())
    assert fold(crossed, torch.float32) is crossed
    plain = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()).eval()
    assert fold(plain, torch.float32) is plain


def test_an_activation_that_cannot_be_folded_is_kept():
    network = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), BatchNormAct2d(4, act_layer=nn.SiLU))
    network = with_statistics(network)
    images = torch.randn(1, 3, 8, 8)
    with torch.inference_mode():
        folded = fold(network, torch.float32)
        assert norms(folded) == 0
        assert torch.allclose(folded(images), network(images), atol=1e-5)


def test_placing_a_network_to_segment_leaves_the_network_itself_alone():
    network = with_statistics(build_network("resnet18", 2))
    before = {name: one.clone() for name, one in network.state_dict().items()}
    placed = choose_compute("cpu").place_to_segment(network)
    assert placed is not network
    assert norms(placed) == 0
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
