"""Strokes that are connected, found in painted labels."""

import numpy as np

from napari_matssl.labels.strokes import find_strokes, stroke_pixels


def painted():
    """Two strokes of class 1, one of them bent; a dot of class 2 that touches it."""
    ids = np.zeros((20, 30), np.uint8)
    ids[2, 3:9] = 1
    ids[3:6, 9] = 1  # goes on at a corner
    ids[15:17, 20:22] = 1
    ids[6, 9] = 2
    return ids


def test_pixels_of_a_class_that_touch_also_at_corners_are_a_stroke():
    first, second, third = find_strokes(painted())
    assert (first.class_id, first.pixels) == (1, 9)
    assert (first.row, first.column) == (2, 3)
    assert (first.top, first.left, first.height, first.width) == (2, 3, 4, 7)
    assert (second.class_id, second.pixels) == (1, 4)
    assert (second.row, second.column, second.height, second.width) == (15, 20, 2, 2)
    assert (third.class_id, third.pixels, third.row, third.column) == (2, 1, 6, 9)


def test_the_first_pixel_is_one_of_the_stroke_where_it_leans():
    ids = np.zeros((8, 8), np.uint8)
    ids[[1, 2, 3], [6, 5, 4]] = 3
    (stroke,) = find_strokes(ids)
    assert (stroke.row, stroke.column) == (1, 6)
    assert (stroke.left, stroke.width) == (4, 3)


def test_pixels_of_a_stroke_are_found_again_as_the_labels_are_now():
    ids = painted()
    stroke = find_strokes(ids)[0]
    ids[2, 0:3] = 1  # it was made longer
    rows, columns = stroke_pixels(ids, stroke)
    assert len(rows) == 12
    assert (ids[rows, columns] == 1).all()
    ids[2, 3] = 2
    assert len(stroke_pixels(ids, stroke)[0]) == 0, "painted over where it began"
    assert len(stroke_pixels(ids[:2], stroke)[0]) == 0, "of another size"


def test_nothing_painted_has_no_strokes():
    assert find_strokes(np.zeros((5, 5), np.uint8)) == []
