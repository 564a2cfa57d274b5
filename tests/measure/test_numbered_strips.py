"""Components are the same, strip by strip."""

from dataclasses import fields

import numpy as np
import pytest
from scipy import ndimage

from napari_matssl.measure import numbered_strips
from napari_matssl.measure.components import find_components
from napari_matssl.measure.numbered_strips import Strips, number_components
from napari_matssl.measure.object_cuts import without_small_spots


def noise(seed, size=(40, 23), share=0.4):
    return np.random.default_rng(seed).random(size) < share


def strips_of(mask, corners=True):
    return Strips(lambda start, stop: mask[start:stop], mask.shape, corners)


@pytest.mark.parametrize("rows", [1, 2, 7, 39])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("corners", [False, True])
def test_numbers_are_those_of_the_whole_mask(monkeypatch, rows, seed, corners):
    mask = noise(seed)
    expected, count = ndimage.label(mask, np.ones((3, 3)) if corners else None)
    monkeypatch.setattr(numbered_strips, "_STRIP", rows * mask.shape[1])
    strips = strips_of(mask, corners)
    assert strips.count == count
    np.testing.assert_array_equal(strips.whole(), expected)
    for start, found in strips:
        below = start + strips.height(start) + 1
        np.testing.assert_array_equal(found, expected[start:below])


def test_a_component_through_many_strips_is_one(monkeypatch):
    mask = np.zeros((30, 9), np.bool_)
    mask[:, 1] = mask[:, 7] = mask[29, 1:8] = True  # a U, which is one in its last row alone
    mask[3, 4] = True
    monkeypatch.setattr(numbered_strips, "_STRIP", 4 * 9)
    strips = strips_of(mask)
    assert strips.count == 2
    numbers = np.concatenate([rows[: strips.height(start)] for start, rows in strips])
    np.testing.assert_array_equal(numbers, number_components(mask))


def with_spots():
    """Squares with an excluded core, some with a larger one that reaches into the next."""
    mask, analysed = np.zeros((2, 60, 46), np.bool_)
    analysed[:] = True
    for row in range(3, 52, 9):
        for column in range(3, 38, 7):
            mask[row : row + 6, column : column + 5] = True
            analysed[row + 2 : row + 4, column + 2] = False
    analysed[12:21, 4] = analysed[48, 30:46] = analysed[30:36, 20:30] = False
    return mask & analysed, analysed


@pytest.mark.parametrize("rows", [1, 3, 4])
@pytest.mark.parametrize(
    ("mask", "analysed"),
    [(noise(5), None), (noise(5), noise(9, share=0.97)), with_spots()],
)
def test_objects_are_those_of_the_whole_mask(monkeypatch, mask, analysed, rows):
    expected = find_components(mask, analysed)
    assert len(expected) > 10
    if analysed is not None:
        assert 0 < expected.cut_by_spots.sum() < expected.inside.sum()
    monkeypatch.setattr(numbered_strips, "_STRIP", rows * mask.shape[1])
    found = find_components(mask, analysed)
    for one in fields(expected):
        np.testing.assert_array_equal(getattr(found, one.name), getattr(expected, one.name))


@pytest.mark.parametrize("rows", [1, 3, 60])
def test_small_spots_are_filled_alike(monkeypatch, rows):
    _, analysed = with_spots()
    monkeypatch.setattr(numbered_strips, "_STRIP", rows * analysed.shape[1])
    filled = without_small_spots(analysed, 10)
    whole = without_small_spots(analysed, 100)
    assert np.argwhere(~whole).tolist() == [[48, column] for column in range(30, 46)]  # at the edge
    left = {(row, column) for row, column in np.argwhere(~filled)}
    assert left >= {(30, 20), (35, 29), (12, 4), (20, 4), (48, 45)}
    assert filled[5, 5]


def test_a_mask_without_rows_or_pixels_of_the_class_has_none():
    assert strips_of(np.zeros((5, 4), np.bool_)).count == 0
    assert len(find_components(np.zeros((5, 4), np.bool_))) == 0
