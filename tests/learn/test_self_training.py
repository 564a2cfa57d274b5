"""Learning from unpainted pixels."""

import numpy as np
import pytest
import torch

from napari_matssl.labels.painted import IGNORE
from napari_matssl.learn.self_training import BEGIN, FULL, confident_targets, strength


def test_only_unpainted_pixels_of_which_classifier_and_network_are_sure_are_taken():
    network = torch.tensor([[0.95, 0.85, 0.05, 0.95, 0.5, 0.95]])
    classifier = torch.tensor([[0.7, 0.7, 0.1, 0.9, 0.5, 0.4]])
    network, classifier = (
        torch.cat([p, 1 - p]).log()[None, :, None] for p in (network, classifier)
    )
    targets = torch.tensor([[[IGNORE, IGNORE, IGNORE, 1, IGNORE, IGNORE]]], dtype=torch.uint8)
    found = confident_targets(classifier, network - classifier, targets, 0.9)
    assert found.dtype == torch.uint8
    assert found.flatten().tolist() == [0, IGNORE, 1, IGNORE, IGNORE, IGNORE]


def test_unpainted_pixels_count_more_and_more():
    targets = torch.full((1, 10, 10), IGNORE, dtype=torch.uint8)
    weights = [strength(f, targets) for f in (0.0, BEGIN, (BEGIN + FULL) / 2, FULL, 1.0)]
    np.testing.assert_allclose(weights, [0, 0, 0.5, 1, 1])


@pytest.mark.parametrize(("unpainted", "expected"), [(9, 0.0), (10, 1.0)])
def test_a_few_unpainted_pixels_are_not_worth_the_time(unpainted, expected):
    targets = torch.zeros((1, 10, 10), dtype=torch.uint8)
    targets.view(-1)[:unpainted] = IGNORE
    assert strength(1.0, targets) == expected
