"""Counting pixels by value."""

import numpy as np
import pytest

from napari_matssl.labels.counting import count_values


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_counting_in_pieces_is_counting(monkeypatch, dtype):
    values = np.random.default_rng(0).integers(0, 300, (37, 11)).astype(dtype)
    whole = count_values(values)
    monkeypatch.setattr("napari_matssl.labels.counting._CHUNK", 50)
    assert count_values(values) == whole
    assert whole[7] == (values == 7).sum()
    assert list(whole) == sorted(whole)
