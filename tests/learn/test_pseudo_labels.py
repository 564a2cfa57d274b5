"""Learning from unpainted pixels."""

import numpy as np
import pytest
import torch

from napari_matssl.labels.painted import IGNORE_INDEX
from napari_matssl.learn.pseudo_labels import (
    BEGIN,
    FULL,
    Drift,
    choose_pseudo_labels,
    find_unpainted,
    ramp_up,
)


def test_only_unpainted_pixels_are_taken_that_were_proposed_and_are_sure():
    network = torch.tensor([[0.95, 0.85, 0.05, 0.95, 0.5, 0.95, 0.95]])
    logits = torch.cat([network, 1 - network]).log()[None, :, None]
    proposed = torch.tensor([[[0, 0, 1, 0, 0, 1, IGNORE_INDEX]]], dtype=torch.uint8)
    targets = torch.tensor(
        [[[IGNORE_INDEX, IGNORE_INDEX, IGNORE_INDEX, 1, *[IGNORE_INDEX] * 3]]], dtype=torch.uint8
    )
    found = choose_pseudo_labels(logits, proposed, targets, 0.9)
    assert found.dtype == torch.uint8
    assert found.flatten().tolist() == [
        0,
        IGNORE_INDEX,
        1,
        IGNORE_INDEX,
        IGNORE_INDEX,
        IGNORE_INDEX,
        IGNORE_INDEX,
    ]


def test_unpainted_pixels_count_more_and_more():
    targets = torch.full((1, 10, 10), IGNORE_INDEX, dtype=torch.uint8)
    proposed = torch.zeros_like(targets)
    weights = [ramp_up(f, targets, proposed) for f in (0.0, BEGIN, (BEGIN + FULL) / 2, FULL, 1.0)]
    np.testing.assert_allclose(weights, [0, 0, 0.5, 1, 1])


@pytest.mark.parametrize(("unpainted", "expected"), [(9, 0.0), (10, 1.0)])
def test_a_few_unpainted_pixels_are_not_worth_the_time(unpainted, expected):
    targets = torch.zeros((1, 10, 10), dtype=torch.uint8)
    targets.view(-1)[:unpainted] = IGNORE_INDEX
    proposed = torch.zeros_like(targets)
    assert ramp_up(1.0, targets, proposed) == expected
    # What lies beyond the image isn't painted either.
    beyond = torch.full((1, 10, 10), IGNORE_INDEX, dtype=torch.uint8)
    padded = [torch.cat([one, beyond]) for one in (targets, proposed)]
    assert ramp_up(1.0, *padded) == 0


def test_unpainted_are_pixels_of_the_image_without_paint():
    targets = torch.tensor([[[IGNORE_INDEX, 0, IGNORE_INDEX, 1]]], dtype=torch.uint8)
    proposed = torch.tensor([[[1, 0, IGNORE_INDEX, 0]]], dtype=torch.uint8)
    assert find_unpainted(targets, proposed).flatten().tolist() == [True, False, False, False]


def logits_of(channels, classes=2):
    """Return logits ``(1, K, H, W)`` that are certain of these channels."""
    return 10 * torch.nn.functional.one_hot(channels.long(), classes).permute(0, 3, 1, 2).float()


def halves(first):
    """Return channels ``(1, 10, 10)`` of which this share is the first class."""
    return (torch.arange(100).view(1, 10, 10) >= 100 * first).to(torch.uint8)


EVERYWHERE = torch.ones(1, 10, 10, dtype=torch.bool)


def test_pseudo_labels_of_a_network_that_keeps_the_fractions_count_in_full():
    drift = Drift()
    proposed = halves(0.5)
    drift.follow(logits_of(proposed.flip(1)), proposed, EVERYWHERE)  # other pixels, as many
    assert drift.trust == 1


def test_the_further_fractions_move_the_less_pseudo_labels_count():
    drift = Drift()
    drift.follow(logits_of(halves(0.4)), halves(0.5), EVERYWHERE)
    assert drift.trust == pytest.approx(0.5)


def test_a_class_that_swallows_another_ends_them_and_one_that_returns_brings_them_back():
    drift = Drift()
    for _ in range(3):
        drift.follow(logits_of(halves(1.0)), halves(0.5), EVERYWHERE)
    assert drift.trust == 0
    for _ in range(40):
        drift.follow(logits_of(halves(0.5)), halves(0.5), EVERYWHERE)
    assert drift.trust > 0.9


def test_painted_pixels_are_no_drift():
    drift = Drift()
    drift.follow(logits_of(halves(1.0)), halves(0.5), ~EVERYWHERE)
    assert drift.trust == 1
