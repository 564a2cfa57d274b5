"""Gated fusion of the encoder's stages."""

import numpy as np
import pytest
import torch

from napari_matssl.learn.gated import GatedFusion

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
