"""Perimeters of convex hulls whose truth is known."""

import numpy as np
import pytest

from napari_matssl.measure.components import find_components
from napari_matssl.measure.hulls import hull_perimeters


def perimeters(region, pixel=(1.0, 1.0)):
    found = find_components(region)
    return hull_perimeters(found.extents, len(found), pixel)


def disc(diameter, pixel=(1.0, 1.0), side=161):
    row, column = np.indices((side, side))
    y, x = (row - side // 2 + 0.2) * pixel[0], (column - side // 2 - 0.3) * pixel[1]
    return np.hypot(y, x) <= diameter / 2


@pytest.mark.parametrize("diameter", [10, 20, 60, 140])
def test_discs(diameter):
    assert perimeters(disc(diameter)) == pytest.approx(
        np.pi * diameter, rel=0.15 / diameter + 0.003
    )


def test_pixels_that_are_not_square():
    pixel = (0.5, 0.4)
    assert perimeters(disc(36, pixel), pixel) == pytest.approx(np.pi * 36, rel=0.005)


def test_rectangles_lose_little_at_their_corners():
    region = np.zeros((60, 90), dtype=bool)
    region[10:30, 20:70] = True
    assert perimeters(region) == pytest.approx(140, abs=2.5)


def test_a_notch_is_bridged():
    notched = disc(100)
    notched[78:82, 80:] = False
    assert perimeters(notched) == pytest.approx(perimeters(disc(100)), rel=0.002)


def test_many_objects_and_none():
    region = np.zeros((40, 60), dtype=bool)
    region[5:9, 5:25] = region[5:9, 30:50] = region[20, 20] = True
    found = perimeters(region)
    assert found[0] == pytest.approx(found[1])
    assert found[2] == pytest.approx(np.pi / 2)
    assert len(perimeters(np.zeros((5, 5), dtype=bool))) == 0
