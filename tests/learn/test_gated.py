"""Gated fusion of the encoder's stages."""

import numpy as np
import pytest
import torch
from torch import nn

from napari_matssl.learn.encoders import LITE0, build_encoder
from napari_matssl.learn.gated import ContrastiveNetwork, GatedFusion

CHANNELS = (3, 5)


def stages():
    random = np.random.default_rng(0)
    return [
        random.normal(size=(2, c, side, side + 1)).astype(np.float32)
        for c, side in zip(CHANNELS, (8, 4), strict=True)
    ]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("form", "equation"),
    [
        ("paper", lambda pooled, gate: sigmoid(pooled) * gate),
        ("released", lambda pooled, gate: sigmoid(gate) * pooled),
    ],
)
def test_fusion_agrees_with_its_equation(form, equation):
    maps = stages()
    gates = [np.linspace(-2, 3, c, dtype=np.float32) for c in CHANNELS]
    fusion = GatedFusion(CHANNELS, form)
    with torch.no_grad():
        for parameter, gate in zip(fusion.gates, gates, strict=True):
            parameter.copy_(torch.from_numpy(gate)[None])
    expected = np.concatenate(
        [equation(f.mean(axis=(2, 3)), g) for f, g in zip(maps, gates, strict=True)], axis=1
    )
    result = fusion([torch.from_numpy(f) for f in maps]).detach().numpy()
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", ["paper", "released"])
def test_gates_start_at_one_and_learn(form):
    fusion = GatedFusion(CHANNELS, form)
    assert all(bool((gate == 1).all()) for gate in fusion.gates)
    fusion([torch.from_numpy(f) for f in stages()]).square().sum().backward()
    assert all(bool((gate.grad != 0).all()) for gate in fusion.gates)


def test_another_gate_form_is_an_error():
    with pytest.raises(ValueError, match="'sum'"):
        GatedFusion(CHANNELS, "sum")


def test_resnet50_gives_the_papers_3840_features():
    encoder = build_encoder("resnet50")
    network = ContrastiveNetwork(encoder, encoder.out_channels)
    assert [gate.shape[1] for gate in network.fusion.gates] == [256, 512, 1024, 2048]
    assert network.fusion.out_channels == 3840
    widths = [m.weight.shape for m in network.head if isinstance(m, nn.Linear)]
    assert widths == [(2048, 3840), (128, 2048)]


def test_every_part_of_the_network_learns_from_the_embeddings():
    encoder = build_encoder(LITE0)
    network = ContrastiveNetwork(encoder, encoder.out_channels, hidden=16, out=8)
    embeddings = network(torch.randn(3, 3, 64, 64))
    assert embeddings.shape == (3, 8)
    embeddings.square().sum().backward()
    for part in (network.encoder, network.fusion, network.head):
        grads = [p.grad for p in part.parameters()]
        assert all(g is not None for g in grads)
        assert any(bool(g.abs().sum() > 0) for g in grads)
