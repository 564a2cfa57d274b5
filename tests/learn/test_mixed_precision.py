"""Layers that are computed in another way on a processor with bfloat16."""

import copy

import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from napari_matssl.learn.dense_decoder import decode
from napari_matssl.learn.mixed_precision import compute_fast
from napari_matssl.learn.networks import build_network


def learn(network, images):
    """Output and gradients under bfloat16."""
    images = images.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = network(images)
    found.float().square().mean().backward()
    gradients = {name: one.grad for name, one in network.named_parameters()}
    return found.float(), {"images": images.grad, **gradients}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("side", "padding"), [(3, 1), (5, 2), (7, 3), (5, 0), (2, 0), (1, 0)])
@pytest.mark.parametrize("same", [False, True])
def test_depthwise_convolutions_have_the_gradients_of_float32(side, padding, stride, same, bias):
    torch.manual_seed(0)
    kind = Conv2dSame if same else nn.Conv2d
    conv = kind(8, 8, side, stride, 0 if same else padding, groups=8, bias=bias)
    conv = conv.to(memory_format=torch.channels_last)
    images = torch.randn(2, 8, 21, 18).to(memory_format=torch.channels_last)
    fast = copy.deepcopy(conv)
    compute_fast(fast)
    precise = images.clone().requires_grad_()
    expected = conv(precise)
    expected.square().mean().backward()
    found, gradients = learn(fast, images)
    assert torch.allclose(found, expected, atol=0.03)
    wanted = {"images": precise.grad, **{n: p.grad for n, p in conv.named_parameters()}}
    for name, gradient in gradients.items():
        scale = float(wanted[name].abs().max())
        assert torch.allclose(gradient, wanted[name], atol=0.02 * scale), name
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.allclose(fast(images).float(), found.detach(), atol=0.02)


def test_convolutions_that_pad_in_a_way_of_their_own_keep_it():
    network = build_network("efficientnet-b0", 2)
    images = torch.randn(2, 3, 64, 64)
    fast = copy.deepcopy(network)
    compute_fast(fast)
    with torch.no_grad():
        expected = network.encoder(images)
    found = fast.encoder(images)
    assert any(hasattr(type(module), "is_fast") for module in fast.modules())
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape


def test_relu6_keeps_its_input_where_something_is_learnt():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU6(inplace=True))
    compute_fast(network)
    images = torch.randn(1, 3, 5, 5)
    between = network[0](images)
    assert (between < 0).any()
    network[1](between)
    assert (between < 0).any()
    with torch.no_grad():
        network[1](between)
    assert (between >= 0).all()


@pytest.mark.parametrize("encoder", ["tf_efficientnet_lite0", "resnet18"])
def test_the_decoder_gives_what_that_of_the_library_gives_and_the_same_gradients(encoder):
    network = build_network(encoder, 3)
    stages = network.encoder(torch.randn(2, 3, 64, 96))
    expected, found = network.decoder(stages), decode(network.decoder, stages)
    assert torch.equal(found, expected)
    weights = list(network.decoder.parameters())
    wanted, had = (
        torch.autograd.grad(one.square().mean(), weights, retain_graph=True)
        for one in (expected, found)
    )
    for one, other in zip(had, wanted, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-3 * float(other.abs().max()))
