"""Find the scale bar in an info bar: a line between two marks, an arrow, or a ruler."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from napari_matssl.micrograph.bar_text import read_length
from napari_matssl.micrograph.image import LUMINANCE, Micrograph, PixelSize

ROUND = (1, 2, 3, 4, 5)
"""What scale bars are long, times a power of ten: FEI and ZEISS have 3 and 4, too."""

_LENGTH_PX, _LENGTH_SHARE = 1.5, 0.01  # how far a length may be off, px and share
_SHORTEST_PX, _SHORTEST, _LONGEST = 15, 0.02, 0.6  # share of the image's width
_THICKEST = 8  # px of a line; of one that is as thick, ends can't be told from letters
_INK = (0.7, 0.5, 0.35)  # of the strongest contrast; thin lines of images that were resized fade
_HEAD = 8  # columns at the end of a line in which its mark is looked for
_CLEAR = 3  # columns beyond a mark without ink
_LOWEST = 1 / 8  # of the height
_LARGEST = 1 << 22  # px of it that are looked through; larger images keep their info bars
_SAMPLE = 1 << 20  # px that tell the ground
_GROUND = 0.2  # share of one colour, at least: a specimen with noise has less
_STROKES = 5  # of a ruler, at least
_MOST_LINES = 300  # more are an image, and no info bar
_PLAIN = 0.85  # share of a line's columns that are as thin as it
_ARROW_PX, _PART_PX, _GAP = 60, 15, 0.6  # a line in two parts, its parts, share of the gap


@dataclass(frozen=True)
class ScaleBar:
    """A scale bar in the pixels of an image.

    Parameters
    ----------
    row
        Of its line.
    first, last
        Columns of its ends: the middles of the marks there.
    printed_um
        Length that is printed beside it; None where it wasn't read.
    """

    row: float
    first: float
    last: float
    printed_um: float | None = None

    @property
    def length_px(self) -> float:
        """Length from mark to mark."""
        return self.last - self.first


@dataclass(frozen=True)
class _Line:
    """A horizontal run of ink: columns `first` to `last` of rows `top` to `bottom`."""

    top: int
    bottom: int
    first: int
    last: int


@dataclass(frozen=True)
class _Mark:
    """What stands across the end of a line."""

    column: float
    above: int
    below: int

    @property
    def height(self) -> int:
        return self.above + self.below


def find_scale_bar(micrograph: Micrograph) -> ScaleBar | None:
    """Find the scale bar in a micrograph's info bar; None where there is none for certain.

    Without an info bar, which resizing may have blurred, it is looked for in the lowest eighth.

    A scale bar is a thin horizontal line of 15 px or more with the same mark at both ends: strokes
    (ZEISS), heads of arrows with a number between (FEI), or strokes on one side of a ruler
    (TESCAN). Nothing may follow beyond the marks. If two different lines would do, neither is.
    """
    if micrograph.info_bar is not None:
        return scale_bar_in(micrograph.pixels, micrograph.info_bar.row)
    first = round((1 - _LOWEST) * micrograph.height)
    if (micrograph.height - first) * micrograph.width > _LARGEST:
        return None
    return scale_bar_in(micrograph.pixels, first)


def scale_bar_in(pixels: NDArray[np.generic], first_row: int) -> ScaleBar | None:
    """Find the scale bar in the lowest rows of an image, as :func:`find_scale_bar`."""
    strip = pixels[first_row:].astype(np.float32)
    grey = strip if strip.ndim == 2 else strip @ LUMINANCE.astype(np.float32)
    if not grey.size or not np.isfinite(grey).all():
        return None
    step = math.ceil((grey.size / _SAMPLE) ** 0.5)
    sample = grey[::step, ::step]
    values, counts = np.unique(sample, return_counts=True)
    ground, span = values[counts.argmax()], float(values[-1] - values[0])
    if not span or np.mean(np.abs(sample - ground) <= span / 32) < _GROUND:
        return None
    off = np.abs(grey - ground)
    for share in _INK:
        found = list(_bars(off > share * off.max()))
        lengths = [one.length_px for one in found]
        if found and max(lengths) - min(lengths) <= 2:
            best = found[0]
            printed = read_length(grey, best.row, best.first, best.last)
            return ScaleBar(best.row + first_row, best.first, best.last, printed)
        if found:
            return None
    return None


def nearest_round(um: float) -> float:
    """Return the length that a scale bar of about this length is most likely to have."""
    power = 10.0 ** math.floor(math.log10(um))
    return min((n * power for n in (*ROUND, 10)), key=lambda one: abs(math.log(one / um)))


def doubt_of(bar: ScaleBar, size: PixelSize) -> str:
    """Return why a scale bar and a pixel size don't fit each other; empty if they do.

    They fit if the bar is as long as the number beside it, within 1 % and 1.5 px. Where that wasn't
    read, it has to be of a round length (1, 2, 3, 4 or 5 times a power of ten): then a wrong size
    that leads from one round length to another isn't found.
    """
    um = bar.length_px * size.x_um
    right = bar.printed_um or nearest_round(um)
    if abs(um / right - 1) <= _LENGTH_SHARE + _LENGTH_PX / bar.length_px:
        return ""
    printed = f", but {length_in_words(right)} is printed beside it" if bar.printed_um else ""
    return (
        f"pixel size and scale bar disagree: the bar of {bar.length_px:.4g} px would be "
        f"{length_in_words(um)} long{printed}; a resized export?"
    )


def length_in_words(um: float) -> str:
    """Write a length with a unit that suits it: ``1.2 mm``, ``40 µm``, ``500 nm``."""
    for unit, factor in (("mm", 1e-3), ("µm", 1.0)):
        if um * factor >= 0.9995:
            return f"{um * factor:.3g} {unit}"
    return f"{um * 1e3:.3g} nm"


def _bars(ink: NDArray[np.bool_]) -> Iterator[ScaleBar]:
    width = ink.shape[1]
    shortest = max(_SHORTEST_PX, _SHORTEST * width)
    lines = list(islice(_lines(ink, shortest / 3), _MOST_LINES + 1))
    if len(lines) > _MOST_LINES:
        return
    for line in lines:
        if shortest <= line.last - line.first + 1 <= _LONGEST * width:
            yield from _bar(ink, line, line)
    for left in lines:
        for right in lines:
            length = right.last - left.first
            alike = abs((left.last - left.first) - (right.last - right.first)) <= 4
            apart = 3 < right.first - left.last <= _GAP * length
            same_rows = abs(left.top - right.top) <= 1 and abs(left.bottom - right.bottom) <= 1
            long = left.last - left.first >= _PART_PX and length >= max(shortest, _ARROW_PX)
            if alike and apart and same_rows and long and length <= _LONGEST * width:
                yield from _bar(ink, left, right)


def _lines(ink: NDArray[np.bool_], shortest: float) -> Iterator[_Line]:
    """List horizontal runs of ink; those of neighbouring rows with the same ends are one."""
    open_lines: list[_Line] = []
    for row in range(len(ink) + 1):
        runs = _runs(ink[row], shortest) if row < len(ink) else []
        going_on = []
        for first, last in runs:
            above = next(
                (x for x in open_lines if abs(x.first - first) <= 2 and abs(x.last - last) <= 2),
                None,
            )
            top = row if above is None else above.top
            if above is not None:
                open_lines.remove(above)
                first, last = min(first, above.first), max(last, above.last)
            going_on.append(_Line(top, row, first, last))
        yield from (x for x in open_lines if x.bottom - x.top < _THICKEST)
        open_lines = going_on


def _runs(row: NDArray[np.bool_], shortest: float) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(np.int8)))
    return [
        (int(a), int(b) - 1)
        for a, b in zip(edges[::2], edges[1::2], strict=True)
        if b - a >= shortest
    ]


def _bar(ink: NDArray[np.bool_], left: _Line, right: _Line) -> Iterator[ScaleBar]:
    """Yield a bar if both ends of a line, or of a line in two parts, have the same mark."""
    if left.first < _CLEAR or right.last >= ink.shape[1] - _CLEAR:
        return
    one, other = _mark(ink, left, left.first), _mark(ink, right, right.last)
    if one is None or other is None:
        return
    if abs(one.above - other.above) > 2 or abs(one.below - other.below) > 2:
        return
    if max(one.height, other.height) >= right.last - left.first:  # the letter H
        return
    rows = slice(max(0, left.top - max(one.above, other.above)), left.bottom + 1 + one.below)
    beyond = (ink[rows, left.first - _CLEAR : left.first], ink[rows, right.last + 1 :][:, :_CLEAR])
    if any(part.any() for part in beyond):
        return
    across = abs(one.above - one.below) <= 2 + one.height / 6
    if not ((across and _is_plain(ink, left, right)) or _is_ruler(ink, left, one)):
        return
    yield ScaleBar((left.top + left.bottom) / 2, one.column, other.column)


def _mark(ink: NDArray[np.bool_], line: _Line, end: int) -> _Mark | None:
    """Find the mark near an end of a line; None if the line just ends there."""
    inwards = 1 if end == line.first else -1
    heights = []
    for column in range(end, end + inwards * _HEAD, inwards):
        above = _extent(ink[: line.top, column][::-1])
        below = _extent(ink[line.bottom + 1 :, column])
        heights.append((above, below))
    most = max(above + below for above, below in heights)
    if most < 2 or most < (line.bottom - line.top + 1) / 2:
        return None
    tall = [n for n, (above, below) in enumerate(heights) if above + below >= most - 1]
    if tall[-1] - tall[0] >= _HEAD - 2:  # no mark, but a block
        return None
    above, below = heights[tall[len(tall) // 2]]
    return _Mark(end + inwards * (tall[0] + tall[-1]) / 2, above, below)


def _extent(column: NDArray[np.bool_]) -> int:
    """Count the pixels of ink from the first on."""
    free = np.flatnonzero(~column)
    return int(free[0]) if free.size else len(column)


def _is_plain(ink: NDArray[np.bool_], left: _Line, right: _Line) -> bool:
    """Whether nothing crosses a line between the marks at its ends."""
    inside = [
        slice(left.first + _HEAD, left.last + 1 - _HEAD * (left is right)),
        slice(right.first, right.last + 1 - _HEAD),
    ]
    for part in inside[: 1 if left is right else 2]:
        near = ink[[max(0, left.top - 2), min(len(ink) - 1, left.bottom + 2)], part]
        if near.shape[1] < 1 or np.mean(~near.any(axis=0)) < _PLAIN:
            return False
    return True


def _is_ruler(ink: NDArray[np.bool_], line: _Line, mark: _Mark) -> bool:
    """Whether strokes at equal distances stand on one side of a line."""
    if min(mark.above, mark.below) > 2:
        return False
    row = line.top - 3 if mark.above > mark.below else line.bottom + 3
    if not 0 <= row < len(ink):
        return False
    runs = _runs(ink[row, line.first : line.last + 1], 1)
    strokes = [(a + b) / 2 for a, b in runs]
    steps = [b - a for a, b in pairwise(strokes)]
    if len(strokes) < _STROKES or max(steps) - min(steps) > 2 + 0.1 * max(steps):
        return False
    thin = max(b - a + 1 for a, b in runs) <= max(2, 0.3 * min(steps))
    to_the_ends = runs[0][0] <= 2 and runs[-1][1] >= line.last - line.first - 2
    return thin and to_the_ends and line.bottom - line.top < 5
