"""Components are the same, strip by strip."""

from dataclasses import fields

import numpy as np
import pytest
from scipy import ndimage

from napari_matssl.measure import numbered_strips
from napari_matssl.measure.components import find_components
from napari_matssl.measure.numbered_strips import Strips, number_components


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


@pytest.mark.parametrize("analysed", [None, noise(9, share=0.97)])
def test_objects_are_those_of_the_whole_mask(monkeypatch, analysed):
    mask = noise(5)
    expected = find_components(mask, analysed)
    assert len(expected) > 10
    monkeypatch.setattr(numbered_strips, "_STRIP", 3 * mask.shape[1])
    found = find_components(mask, analysed)
    for one in fields(expected):
        np.testing.assert_array_equal(getattr(found, one.name), getattr(expected, one.name))


def test_a_mask_without_rows_or_pixels_of_the_class_has_none():
    assert strips_of(np.zeros((5, 4), np.bool_)).count == 0
    assert len(find_components(np.zeros((5, 4), np.bool_))) == 0
