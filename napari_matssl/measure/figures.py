"""Test figures that are laid over a field: parallel lines, and circles with lines.

Places are in units of a pixel's width, row before column, from the outer corner of the first pixel,
so that angles and circles are true also where pixels aren't square.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ANGLES = (0, 45, 90, 135)
"""Directions of the line grid in degrees, anticlockwise from the rows."""

_DIAMETERS = (0.7958, 0.5305, 0.2653)
"""Of the three circles as shares of the pattern's side; together they are 5 sides long."""

_MARGIN = 0.05
"""Distance of the pattern's horizontal and vertical line from its edge, as a share of its side."""


class Curve(Protocol):
    """One test line, straight or a circle."""

    @property
    def closed(self) -> bool:
        """Whether it has no ends."""

    @property
    def length(self) -> float:
        """Length in pixel widths."""

    def points(self, step: float, aside: float = 0.0) -> Floats:
        """Return ``(n, 2)`` places from end to end, at most `step` apart.

        Parameters
        ----------
        aside
            Distance from the curve at which they run beside it; its sign names the side.
        """

    def distances(self, places: Floats) -> tuple[Floats, Floats]:
        """Return the signed distance of places from the curve, and how far along they are."""


@dataclass(frozen=True)
class Line:
    """A straight test line from end to end."""

    start: tuple[float, float]
    end: tuple[float, float]

    @property
    def closed(self) -> bool:
        """Whether it has no ends."""
        return False

    @property
    def length(self) -> float:
        """Length in pixel widths."""
        return float(np.hypot(*np.subtract(self.end, self.start)))

    def points(self, step: float, aside: float = 0.0) -> Floats:
        """Return places as :class:`Curve` does."""
        share = np.linspace(0, 1, int(np.ceil(self.length / step)) + 1)[:, None]
        along = self._along()
        beside = aside * np.array([along[1], -along[0]])
        points: Floats = (1 - share) * np.array(self.start) + share * np.array(self.end) + beside
        return points

    def distances(self, places: Floats) -> tuple[Floats, Floats]:
        """Return distances as :class:`Curve` does."""
        offset, along = places - np.array(self.start), self._along()
        return offset @ np.array([along[1], -along[0]]), offset @ along

    def _along(self) -> Floats:
        return np.subtract(self.end, self.start) / self.length


@dataclass(frozen=True)
class Circle:
    """A test circle."""

    centre: tuple[float, float]
    radius: float

    @property
    def closed(self) -> bool:
        """Whether it has no ends."""
        return True

    @property
    def length(self) -> float:
        """Length in pixel widths."""
        return 2 * np.pi * self.radius

    def points(self, step: float, aside: float = 0.0) -> Floats:
        """Return places as :class:`Curve` does; the last is the first."""
        radius = self.radius + aside
        angle = np.linspace(0, 2 * np.pi, int(np.ceil(2 * np.pi * radius / step)) + 1)
        return np.array(self.centre) + radius * np.column_stack([np.sin(angle), np.cos(angle)])

    def distances(self, places: Floats) -> tuple[Floats, Floats]:
        """Return distances as :class:`Curve` does."""
        down, right = (places - np.array(self.centre)).T
        along = np.arctan2(down, right) % (2 * np.pi) * self.radius
        return np.hypot(down, right) - self.radius, along


def line_grid(extent: tuple[float, float], pitch: float, height: float = 1.0) -> tuple[Line, ...]:
    """Lay parallel lines over an area, at 0, 45, 90 and 135 degrees.

    Parameters
    ----------
    extent
        Height and width of the area, in pixel widths.
    pitch
        Distance of neighbouring lines, in pixel widths. There is one line at least per direction.
    height
        Of a pixel, in pixel widths.
    """
    lines = []
    for angle in ANGLES:
        turn = np.deg2rad(angle)
        along = np.round([-np.sin(turn), np.cos(turn)], 12)
        across = np.array([along[1], -along[0]])
        reach = float(np.abs(across) @ np.array(extent))
        count = max(1, int(reach / pitch + 1e-9))
        middle = np.array(extent) / 2
        for offset in (np.arange(count) - (count - 1) / 2) * pitch:
            through = middle + offset * across
            if angle % 90 == 0:
                # Between two rows a line is equally near to either, as a line in any other place.
                through = np.round(through / (height, 1.0)) * (height, 1.0)
            line = _clipped(through, along, extent)
            if line is not None:
                lines.append(line)
    return tuple(lines)


def circle_pattern(extent: tuple[float, float]) -> tuple[Curve, ...]:
    """Lay three concentric circles and four lines over a square, "E112-style".

    The lines are one along the lower and one along the left edge of the square, and its diagonals.
    In a long area, as many squares as fit stand side by side.

    Parameters
    ----------
    extent
        Height and width of the area, in pixel widths.
    """
    side = min(extent)
    count = int(max(extent) / side + 1e-9)
    middle = np.array(extent) / 2
    lengthwise = np.array([1.0, 0.0]) if extent[0] > extent[1] else np.array([0.0, 1.0])
    curves: list[Curve] = []
    for offset in (np.arange(count) - (count - 1) / 2) * side:
        top, left = middle + offset * lengthwise - side / 2
        bottom, right = top + side, left + side
        low, first = bottom - _MARGIN * side, left + _MARGIN * side
        centre = (top + side / 2, left + side / 2)
        curves += [Circle(centre, share * side / 2) for share in _DIAMETERS]
        curves += [Line((low, left), (low, right)), Line((top, first), (bottom, first))]
        curves += [Line((top, left), (bottom, right)), Line((bottom, left), (top, right))]
    return tuple(curves)


def _clipped(through: Floats, along: Floats, extent: tuple[float, float]) -> Line | None:
    """Return the part of an endless line that lies in an area; None if it passes it by."""
    first, last = -np.inf, np.inf
    for place, step, size in zip(through, along, extent, strict=True):
        if step == 0:
            if not 0 <= place <= size:
                return None
            continue
        ends = sorted(((0 - place) / step, (size - place) / step))
        first, last = max(first, ends[0]), min(last, ends[1])
    if last - first < 1:
        return None
    start, end = through + first * along, through + last * along
    return Line((float(start[0]), float(start[1])), (float(end[0]), float(end[1])))
