"""Learning from unpainted pixels."""

import numpy as np
import pytest
import torch

from napari_matssl.labels.painted import IGNORE
from napari_matssl.learn.self_training import (
    BEGIN,
    FULL,
    confident_targets,
    find_unpainted,
    strength,
)


def test_only_unpainted_pixels_are_taken_that_were_guessed_and_are_sure():
    network = torch.tensor([[0.95, 0.85, 0.05, 0.95, 0.5, 0.95, 0.95]])
    logits = torch.cat([network, 1 - network]).log()[None, :, None]
    guess = torch.tensor([[[0, 0, 1, 0, 0, 1, IGNORE]]], dtype=torch.uint8)
    targets = torch.tensor([[[IGNORE, IGNORE, IGNORE, 1, *[IGNORE] * 3]]], dtype=torch.uint8)
    found = confident_targets(logits, guess, targets, 0.9)
    assert found.dtype == torch.uint8
    assert found.flatten().tolist() == [0, IGNORE, 1, IGNORE, IGNORE, IGNORE, IGNORE]


def test_unpainted_pixels_count_more_and_more():
    targets = torch.full((1, 10, 10), IGNORE, dtype=torch.uint8)
    guess = torch.zeros_like(targets)
    weights = [strength(f, targets, guess) for f in (0.0, BEGIN, (BEGIN + FULL) / 2, FULL, 1.0)]
    np.testing.assert_allclose(weights, [0, 0, 0.5, 1, 1])


@pytest.mark.parametrize(("unpainted", "expected"), [(9, 0.0), (10, 1.0)])
def test_a_few_unpainted_pixels_are_not_worth_the_time(unpainted, expected):
    targets = torch.zeros((1, 10, 10), dtype=torch.uint8)
    targets.view(-1)[:unpainted] = IGNORE
    guess = torch.zeros_like(targets)
    assert strength(1.0, targets, guess) == expected
    # What lies beyond the image isn't painted either.
    beyond = torch.full((1, 10, 10), IGNORE, dtype=torch.uint8)
    padded = [torch.cat([one, beyond]) for one in (targets, guess)]
    assert strength(1.0, *padded) == 0


def test_unpainted_are_pixels_of_the_image_without_paint():
    targets = torch.tensor([[[IGNORE, 0, IGNORE, 1]]], dtype=torch.uint8)
    guess = torch.tensor([[[1, 0, IGNORE, 0]]], dtype=torch.uint8)
    assert find_unpainted(targets, guess).flatten().tolist() == [True, False, False, False]
