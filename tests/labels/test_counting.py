"""Counting pixels by value."""

import numpy as np
import pytest

from napari_matssl.labels.counting import count_values


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_a_panorama_is_counted_in_pieces_and_whole(dtype):
    """Of five million pixels, in runs: the last piece is a short one with a value of its own."""
    values = np.repeat(np.arange(250), 20_000).reshape(500, 10_000).astype(dtype)
    values[-1] = 7
    counts = count_values(values)
    assert counts == dict.fromkeys(range(249), 20000) | {7: 30_000, 249: 10_000}
    assert list(counts) == sorted(counts)
