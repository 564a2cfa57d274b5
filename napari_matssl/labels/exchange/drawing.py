"""Draw shapes: a pixel belongs to an area if its centre lies inside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_matssl.labels.exchange.shapes import (
    Annotation,
    Bitmap,
    BrokenAnnotationError,
    Disc,
    Points,
    Shape,
    Stroke,
)

MOST_CROSSINGS = 1 << 23
"""Rows that all edges of one shape may cross, which bounds time and memory."""


@dataclass(frozen=True)
class _Window:
    """The part of an image in which a shape may lie: its first row and column, and the pixels."""

    top: int
    left: int
    inside: NDArray[np.bool_]


@dataclass(frozen=True)
class Drawn:
    """A label image that was drawn.

    Parameters
    ----------
    ids
        ``(H, W)`` uint8, 0 where nothing is.
    overlapping
        Pixels that were drawn in two classes or more, of which the last counts.
    lost
        Outlines, discs and strokes that cover no pixel: outside of the image, or between centres.
    """

    ids: NDArray[np.uint8]
    overlapping: int
    lost: int


def draw(
    annotations: Sequence[Annotation],
    ids: Mapping[str, int],
    height: int,
    width: int,
    line_width: float,
) -> Drawn:
    """Draw annotations one over the other.

    Parameters
    ----------
    annotations
        In the order of drawing.
    ids
        The value by the name of the class.
    height, width
        Of the image, px.
    line_width
        Of lines and dots that have no width of their own, px.

    Raises
    ------
    BrokenAnnotationError
        If a shape can't be drawn.
    """
    drawn = np.zeros((height, width), np.uint8)
    twice = np.zeros((height, width), np.bool_)
    lost = 0
    for one in annotations:
        window = _window(one.shape, height, width, line_width)
        lost += not isinstance(one.shape, Bitmap) and not window.inside.any()
        rows, columns = window.inside.shape
        part = np.s_[window.top : window.top + rows, window.left : window.left + columns]
        value, before = ids[one.name], drawn[part]
        twice[part] |= window.inside & (before != 0) & (before != value)
        before[window.inside] = value
    return Drawn(drawn, int(np.count_nonzero(twice)), lost)


def _window(shape: Shape, height: int, width: int, line_width: float) -> _Window:
    if isinstance(shape, Bitmap):
        return _placed(shape, height, width)
    if isinstance(shape, Disc):
        spans = [_round(shape, height)]
    elif isinstance(shape, Stroke):
        return _line(shape, shape.width or line_width, height, width)
    else:
        spans = [_crossings(shape.rings, height)]
    return _filled(spans, height, width)


def _placed(shape: Bitmap, height: int, width: int) -> _Window:
    """Unpack a bitmap, which has to lie in the image."""
    inside = shape.left >= 0 and shape.top >= 0 and shape.width > 0 and shape.height > 0
    if not inside or shape.left + shape.width > width or shape.top + shape.height > height:
        raise BrokenAnnotationError(
            f"a mask of {shape.width} x {shape.height} pixels at ({shape.left}, {shape.top}) "
            "lies outside of the image"
        )
    pixels = shape.decode()
    if pixels.shape != (shape.height, shape.width):
        found = f"{pixels.shape[1]} x {pixels.shape[0]}"
        raise BrokenAnnotationError(
            f"a mask has {found} pixels instead of {shape.width} x {shape.height}"
        )
    return _Window(shape.top, shape.left, pixels)


@dataclass(frozen=True)
class _Spans:
    """Where the centre lines of rows enter and leave an area, by turns.

    Parameters
    ----------
    rows
        ``(2 N,)``, the same in each pair.
    x
        ``(2 N,)``, ascending in each pair.
    """

    rows: NDArray[np.int64]
    x: NDArray[np.float64]


def _crossings(rings: Sequence[Points], height: int) -> _Spans:
    """Find where the centre lines of rows cross the edges of an area."""
    start = np.concatenate(rings)
    end = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    upper, lower = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    # Rows whose centre is at upper or below, and above lower: a vertex counts for one edge alone.
    first = np.clip(np.ceil(upper - 0.5), 0, height).astype(np.int64)
    behind = np.clip(np.ceil(lower - 0.5), 0, height).astype(np.int64)
    count = np.maximum(behind - first, 0)
    total = int(count.sum())
    if total > MOST_CROSSINGS:
        raise BrokenAnnotationError("an outline has too many points for its size")
    edge = np.repeat(np.arange(len(start)), count)
    rows = np.arange(total) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    (x0, y0), (x1, y1) = start[edge].T, end[edge].T
    x = x0 + (rows + 0.5 - y0) * ((x1 - x0) / np.where(y1 == y0, 1.0, y1 - y0))
    order = np.lexsort((x, rows))
    return _Spans(rows[order], x[order])


def _round(disc: Disc, height: int) -> _Spans:
    first = max(0, int(np.ceil(max(disc.y - disc.radius, 0) - 0.5)))
    behind = int(np.ceil(min(disc.y + disc.radius, height) - 0.5))
    rows = np.arange(first, max(first, behind))
    half = np.sqrt(np.maximum(disc.radius**2 - (rows + 0.5 - disc.y) ** 2, 0))
    return _Spans(np.repeat(rows, 2), np.stack([disc.x - half, disc.x + half], axis=1).ravel())


def _line(stroke: Stroke, line_width: float, height: int, width: int) -> _Window:
    """Draw a line or a dot; if it is so thin that no centre lies inside, where its points are."""
    window = _filled(_thick(stroke, line_width, height), height, width)
    if window.inside.any():
        return window
    return _filled([_pixels(stroke.points, height)], height, width)


def _pixels(points: Points, height: int) -> _Spans:
    """Make an area of the pixels that hold points."""
    x, y = np.floor(points[(points[:, 1] >= 0) & (points[:, 1] < height)]).T
    return _Spans(np.repeat(y.astype(np.int64), 2), np.stack([x, x + 1], axis=1).ravel())


def _thick(stroke: Stroke, width: float, height: int) -> list[_Spans]:
    """Make a line of rectangles with discs at their ends."""
    points, half = stroke.points, width / 2
    spans, rows = list[_Spans](), 0
    for number, start in enumerate(points):
        spans.append(_round(Disc(float(start[0]), float(start[1]), half), height))
        rows += len(spans[-1].rows)
        end = points[min(number + 1, len(points) - 1)]
        x, y = end - start
        length = float(np.hypot(x, y))
        if length > 0:
            across = np.array([-y, x]) * (half / length)
            corners = [start + across, end + across, end - across, start - across]
            spans.append(_crossings([np.array(corners)], height))
            rows += len(spans[-1].rows)
        if rows > MOST_CROSSINGS:
            raise BrokenAnnotationError("a line has too many points for its size")
    return spans


def _filled(spans: Sequence[_Spans], height: int, width: int) -> _Window:
    """Fill what lies in any of some areas."""
    rows = np.concatenate([one.rows for one in spans])
    x = np.concatenate([one.x for one in spans])
    # Pixels whose centre is at x or to the right of it.
    columns = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
    if rows.size == 0 or columns.min() == columns.max():
        return _Window(0, 0, np.zeros((0, 0), np.bool_))
    top, left = int(rows.min()), int(columns.min())
    shape = (int(rows.max()) - top + 1, int(columns.max()) - left + 1)
    steps = np.zeros(shape, np.int32)
    enters = np.arange(rows.size) % 2 == 0  # each of the spans has an even number
    np.add.at(steps, (rows - top, columns - left), np.where(enters, 1, -1))
    np.cumsum(steps, axis=1, out=steps)
    return _Window(top, left, steps[:, :-1] > 0)  # in the last column all areas have ended
