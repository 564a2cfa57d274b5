"""ROIs on the page of a stack that counts."""

from pathlib import Path

import numpy as np
import pytest

from napari_matssl.labels.exchange.matching import Matched
from napari_matssl.labels.exchange.shapes import (
    AnnotatedImage,
    Annotation,
    StackPosition,
    Stroke,
)
from napari_matssl.labels.exchange.stack_positions import StackPage, has_positions, on_one_page

DOT = Stroke(np.zeros((1, 2)))


def image(*positions):
    """Make an image with dots in classes called by their number."""
    dots = (Annotation(str(n), DOT, position) for n, position in enumerate(positions))
    return Matched(Path("a.tif"), ((Path("a.zip"), AnnotatedImage("a", None, tuple(dots))),))


def taken(page, *positions):
    found, line = on_one_page(image(*positions), page)
    return [int(one.name) for _, part in found.parts for one in part.annotations], line


P = StackPosition


def test_those_of_the_page_that_counts_and_of_all_are_taken():
    line = "a.tif: page 2 counts, 3 ROIs are left out: page 1, page 5."
    assert taken(StackPage(2), P(1), None, P(2), P(5), P(5)) == ([1, 2], line)
    assert taken(StackPage(2), None, P(2)) == ([0, 1], "")
    assert taken(StackPage(2), P(3)) == ([], "a.tif: page 2 counts, 1 ROI is left out: page 3.")


def test_a_single_page_gets_those_of_the_first_position():
    line = "a.tif: those of page 3 are drawn, 1 ROI is left out: page 5."
    assert taken(None, P(5), P(3), None) == ([1, 2], line)
    line = "a.tif has one page, and its ROIs are of a stack: those of page 3 are drawn."
    assert taken(None, P(3), P(3)) == ([0, 1], line)
    assert taken(None, P(1), None, P(channel=1, slice=1)) == ([0, 1, 2], "")
    assert taken(None, P(frame=2), P(1))[0] == [1]


@pytest.mark.parametrize(
    ("page", "position", "holds"),
    [
        (1, P(channel=1, slice=1, frame=1), True),
        (2, P(channel=2, slice=1, frame=1), True),
        (3, P(channel=1, slice=2, frame=1), True),
        (4, P(slice=2), True),
        (4, P(channel=1, slice=2), False),
        (7, P(channel=1, slice=1, frame=2), True),
        (7, P(frame=1), False),
        (5, P(channel=1), True),
    ],
)
def test_channels_slices_and_frames_follow_one_another_as_in_imagej(page, position, holds):
    assert StackPage(page, sizes=(2, 3)).holds(position) == holds


@pytest.mark.parametrize(
    ("position", "holds"),
    [(P(channel=1, slice=4, frame=1), True), (P(frame=4), True), (P(slice=4, frame=4), False),
     (P(channel=1, slice=3, frame=1), False)],
)  # fmt: skip
def test_without_the_sizes_of_a_stack_one_axis_alone_tells_the_page(position, holds):
    assert StackPage(4).holds(position) == holds


def test_images_without_positions_are_told_from_others():
    assert has_positions(image(None, P(1)))
    assert not has_positions(image(None, None))
