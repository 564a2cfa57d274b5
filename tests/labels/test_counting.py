"""Counting pixels by value."""

import numpy as np

from napari_matssl.labels.counting import count_values


def test_counting_in_pieces_is_counting(monkeypatch):
    values = np.random.default_rng(0).integers(0, 300, (37, 11))
    whole = count_values(values)
    monkeypatch.setattr("napari_matssl.labels.counting._CHUNK", 50)
    assert count_values(values) == whole
    assert whole[7] == (values == 7).sum()
    assert list(whole) == sorted(whole)
