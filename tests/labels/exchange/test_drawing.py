"""Shapes as pixels: a centre inside counts."""

from itertools import pairwise

import numpy as np
import pytest
import skimage.draw
from hypothesis import given
from hypothesis import strategies as st

from napari_matssl.labels.exchange import drawing
from napari_matssl.labels.exchange.drawing import draw
from napari_matssl.labels.exchange.fields import box
from napari_matssl.labels.exchange.shapes import (
    Annotation,
    Bitmap,
    BrokenAnnotationError,
    Disc,
    Outline,
    Stroke,
)

# No edge passes through the centre of a pixel, where two rules may differ: the shifts of x and y
# have an irrational ratio.
TENTHS = st.integers(-30, 130).map(lambda n: n / 10)
PLACES = st.tuples(TENTHS.map(lambda x: x + 0.037), TENTHS.map(lambda y: y + 0.037 * 2**0.5))


def drawn(*shapes, height=10, width=12, line_width=1.0):
    """Draw shapes as classes 1, 2, ..."""
    named = [Annotation(str(n), shape) for n, shape in enumerate(shapes, 1)]
    ids = {one.name: int(one.name) for one in named}
    return draw(named, ids, height, width, line_width)


@given(st.lists(PLACES, min_size=3, max_size=12))
def test_polygons_are_filled_as_by_scikit_image(points):
    xy = np.array(points)
    ours = drawn(Outline((xy,))).ids
    expected = np.zeros_like(ours)
    expected[skimage.draw.polygon(xy[:, 1] - 0.5, xy[:, 0] - 0.5, ours.shape)] = 1
    assert np.array_equal(ours, expected)


def test_a_box_on_whole_numbers_covers_its_pixels():
    ids = drawn(box(2, 1, 5, 4)).ids
    assert ids.sum() == 9
    assert ids[1:4, 2:5].all()


def test_boxes_side_by_side_leave_no_gap_and_share_no_pixel():
    found = drawn(box(0, 0, 4.5, 10), box(4.5, 0, 12, 10))
    assert found.overlapping == 0
    assert (found.ids > 0).all()


def test_inner_rings_are_holes():
    outer, inner = box(1, 1, 9, 9).rings[0], box(3, 3, 6, 6).rings[0]
    ids = drawn(Outline((outer, inner))).ids
    assert ids.sum() == 64 - 9
    assert not ids[3:6, 3:6].any()


def test_the_later_class_counts_and_pixels_in_both_are_told():
    found = drawn(box(0, 0, 6, 6), box(3, 3, 9, 9), box(4, 4, 5, 5))
    assert found.overlapping == 9
    assert (found.ids[3, 3], found.ids[4, 4], found.ids[0, 0]) == (2, 3, 1)


def test_one_class_over_itself_is_no_overlap():
    parts = [Annotation("a", box(0, 0, 6, 6)), Annotation("a", box(3, 3, 9, 9))]
    assert draw(parts, {"a": 1}, 10, 12, 1.0).overlapping == 0


def test_discs_hold_the_centres_within_their_radius():
    ids = drawn(Disc(6.2, 4.9, 3.4)).ids
    y, x = np.mgrid[:10, :12] + 0.5
    assert np.array_equal(ids == 1, np.hypot(x - 6.2, y - 4.9) < 3.4)


@given(st.lists(PLACES, min_size=1, max_size=4))
def test_lines_hold_the_centres_within_half_their_width(points):
    xy = np.array(points)
    ids = drawn(Stroke(xy, 2.6)).ids
    y, x = np.mgrid[:10, :12] + 0.5
    ends = list(pairwise(xy)) or [(xy[0], xy[0])]
    distance = np.min([_distance(x, y, *pair) for pair in ends], axis=0)
    clear = np.abs(distance - 1.3) > 1e-6
    assert np.array_equal((ids == 1)[clear], (distance < 1.3)[clear])


def _distance(x, y, start, end):
    along = end - start
    length = float(along @ along) or 1.0
    t = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / length, 0, 1)
    return np.hypot(x - start[0] - t * along[0], y - start[1] - t * along[1])


def test_lines_without_a_width_get_the_given_one():
    dot = Stroke(np.array([[5.5, 5.5]]))
    assert drawn(dot, line_width=1.0).ids.sum() == 1
    assert drawn(dot, line_width=3.0).ids.sum() == 9


@pytest.mark.parametrize("place", [(5, 5), (5.5, 5.5), (5.98, 5.02), (5.5, 5)])
@pytest.mark.parametrize("width", [0.2, 1.0])
def test_the_pixel_that_holds_a_dot_is_drawn(place, width):
    ids = drawn(Stroke(np.array([place], float)), line_width=width).ids
    assert np.argwhere(ids).tolist() == [[5, 5]]


def test_a_line_that_meets_no_centre_is_drawn_at_its_points():
    ids = drawn(Stroke(np.array([[4.9, 6.0], [5.1, 6.0]]), 0.5)).ids
    assert np.argwhere(ids).tolist() == [[6, 4], [6, 5]]


@pytest.mark.parametrize("place", [(-0.1, 5), (12, 5), (5, 10), (5, -1e7)])
def test_dots_outside_of_the_image_are_nothing(place):
    assert not drawn(Stroke(np.array([place], float))).ids.any()


@pytest.mark.parametrize("place", [(-1e7, -1e7, -9e6, -9e6), (1e6, 2, 1e7, 4), (2, 2, 2, 2)])
def test_what_lies_outside_of_the_image_is_nothing(place):
    assert not drawn(box(*place)).ids.any()
    assert not drawn(Disc(place[0], place[1], 0.1)).ids.any()


def test_shapes_that_cover_no_pixel_are_counted():
    between = box(2.6, 2.6, 3.4, 3.4)
    shapes = (box(1, 1, 3, 3), box(20, 2, 30, 4), between, Disc(-9, 5, 2))
    found = draw([Annotation("a", one) for one in shapes], {"a": 1}, 10, 12, 1.0)
    assert (found.lost, int(found.ids.sum())) == (3, 4)


def test_what_reaches_out_of_the_image_is_cut():
    assert drawn(box(-1e7, -1e7, 1e7, 1e7)).ids.all()
    assert drawn(Disc(5, 5, 1e7)).ids.all()


def bitmap(left, top, width, height, pixels=None):
    made = np.ones((height, width), bool) if pixels is None else pixels
    return Bitmap(left, top, width, height, lambda: made)


def test_bitmaps_lie_where_they_say():
    ids = drawn(bitmap(3, 2, 2, 4)).ids
    assert ids[2:6, 3:5].all()
    assert ids.sum() == 8


@pytest.mark.parametrize("place", [(-1, 0, 3, 3), (0, 8, 3, 3), (11, 0, 2, 1), (0, 0, 0, 3)])
def test_bitmaps_outside_of_the_image_are_refused_before_they_are_unpacked(place):
    def never():
        raise AssertionError("unpacked")

    with pytest.raises(BrokenAnnotationError, match="outside of the image"):
        drawn(Bitmap(*place, never))


def test_bitmaps_of_another_size_than_they_claim_are_refused():
    with pytest.raises(BrokenAnnotationError, match="5 x 4 pixels instead of 2 x 3"):
        drawn(bitmap(0, 0, 2, 3, np.ones((4, 5), bool)))


def test_outlines_that_cross_too_many_rows_are_refused(monkeypatch):
    monkeypatch.setattr(drawing, "MOST_CROSSINGS", 100)
    zigzag = np.array([(x, 10 * (x % 2)) for x in range(12)], float)
    with pytest.raises(BrokenAnnotationError, match="too many points"):
        drawn(Outline((zigzag,)))


def test_lines_that_cross_too_many_rows_are_refused(monkeypatch):
    monkeypatch.setattr(drawing, "MOST_CROSSINGS", 100)
    with pytest.raises(BrokenAnnotationError, match="a line has too many points"):
        drawn(Stroke(np.zeros((30, 2)), 8.0))
