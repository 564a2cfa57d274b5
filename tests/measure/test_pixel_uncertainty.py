"""How sure a segmentation is."""

import numpy as np

from napari_matssl.measure.pixel_uncertainty import uncertainty


def test_a_tie_is_uncertain_and_certainty_is_not():
    probabilities = np.array([[[255, 128, 100]], [[0, 127, 100]], [[0, 0, 55]]], np.uint8)
    found = uncertainty(probabilities)
    np.testing.assert_allclose(found, [[0, 1 - 1 / 255, 1]], rtol=1e-6)
    assert found.dtype == np.float32


def test_where_nothing_was_analysed_nothing_is_uncertain():
    assert uncertainty(np.zeros((2, 3, 4), np.uint8)).max() == 0
