"""Regions in which a model is unsure."""

import numpy as np
import pytest

from napari_matssl.learn.unsure_regions import turn, unsure_regions


def unsure(shape=(240, 300), *squares):
    """Squares (row, column, side) of an image in which two classes are alike."""
    values = np.zeros(shape, np.float32)
    for row, column, side in squares:
        values[row : row + side, column : column + side] = 0.9
    return values


def test_the_most_uncertain_regions_come_first_and_lie_where_it_is_unsure():
    first, second = unsure_regions(unsure((240, 300), (20, 30, 15), (150, 200, 30)), 5)
    assert first.side == second.side == 40  # a sixth of the shorter side
    assert first.share == pytest.approx(30**2 / 40**2)
    assert first.row <= 150
    assert first.row + 40 >= 180
    assert first.column <= 200
    assert first.column + 40 >= 230
    assert second.share == pytest.approx(15**2 / 40**2)
    assert first.uncertainty == pytest.approx(0.9 * 900)


def test_regions_do_not_overlap_and_lie_in_the_image():
    values = np.random.default_rng(0).random((130, 170)).astype(np.float32)
    found = unsure_regions(values, 100)
    for n, one in enumerate(found):
        assert 0 <= one.row <= 130 - one.side
        assert 0 <= one.column <= 170 - one.side
        for other in found[:n]:
            apart = max(abs(one.row - other.row), abs(one.column - other.column))
            assert apart >= one.side
    assert len(found) >= 9


def test_a_sure_model_leaves_nothing_to_paint():
    assert unsure_regions(unsure(), 5) == []
    assert unsure_regions(unsure((240, 300), (20, 30, 5)), 5) == []  # 25 of 1600 px


def test_painted_pixels_do_not_count():
    values = unsure((240, 300), (20, 30, 15), (150, 200, 30))
    painted = np.zeros(values.shape, bool)
    painted[150:180, 200:230] = True
    (one,) = unsure_regions(values, 5, painted)
    assert one.row < 60


def test_a_small_image_is_one_region():
    (one,) = unsure_regions(np.ones((20, 25), np.float32), 1)
    assert (one.side, one.share, one.row) == (20, 1, 0)


def test_of_regions_that_are_uncertain_all_over_the_most_uncertain_comes_first():
    values = np.full((240, 240), 0.95, np.float32)
    values[160:200, 80:120] = 1.0
    (one,) = unsure_regions(values, 1)
    assert (one.row, one.column, one.share) == (160, 80, 1)


def test_images_without_strokes_come_first_and_second_regions_last():
    due = [(rank, painted) for rank in (0, 1, 2) for painted in (True, False)]
    found = sorted(due, key=lambda one: turn(*one))
    assert found[:2] == [(0, False), (0, True)]
    assert [rank for rank, _painted in found] == [0, 0, 1, 1, 2, 2]
