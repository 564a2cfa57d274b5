"""Columns across a layer: where each meets the two interfaces, and which of them count."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_matssl.measure.double_columns import doubles
from napari_matssl.measure.layer_line import LayerLine

STEP = 0.5
"""Distance of samples along a column in px; both ends of a column are known to half of it."""

LARGEST_BAND = 2**27
"""Samples in all; longer layers get fewer columns."""

OTHER, LAYER, CRACK, NOT_ANALYSED, PORE, POROUS_CRACK = range(6)
"""What a class is to the layer; a porous crack is a crack that counts as a pore, too."""

_BLOCK = 1024


class ColumnKind(IntEnum):
    """What became of a column."""

    GAP = 0
    """No layer here, but to both sides."""
    COUNTED = 1
    CUT = 2
    """An interface lies outside the image or next to what wasn't analysed, or may do so."""
    BEYOND = 3
    """Before a part of the layer begins, or after it ends."""
    DOUBLE = 4
    """Beyond the end of its part, in another part, whose own columns stand there."""


@dataclass(frozen=True)
class Band:
    """The image sampled along the columns of a layer.

    Parameters
    ----------
    codes
        ``(D, N)`` OTHER, LAYER, CRACK, NOT_ANALYSED, PORE or POROUS_CRACK, a column of the layer
        in each column.
    lengths
        ``(N,)`` um (px) of one px along each column; they differ where pixels aren't square.
    start
        ``(N,)`` px from the line to the upper end of the first sample, negative.
    """

    codes: NDArray[np.uint8]
    lengths: NDArray[np.floating]
    start: NDArray[np.floating]

    @property
    def cracks(self) -> NDArray[np.bool_]:
        """``(D, N)`` samples of cracks."""
        cracks: NDArray[np.bool_] = (self.codes == CRACK) | (self.codes == POROUS_CRACK)
        return cracks


@dataclass(frozen=True)
class Columns:
    """Columns across a layer.

    Parameters
    ----------
    kinds
        ``(N,)`` :class:`ColumnKind`.
    upper, lower
        ``(N,)`` distance of the interfaces from the line in px, downwards; NaN unless counted.
    lengths
        ``(N,)`` um (px) of one px along each column.
    line
        What the columns stand on, ``N`` points.
    scale
        Height and width of a pixel.
    """

    kinds: NDArray[np.uint8]
    upper: NDArray[np.floating]
    lower: NDArray[np.floating]
    lengths: NDArray[np.floating]
    line: LayerLine
    scale: tuple[float, float]

    @property
    def counted(self) -> NDArray[np.bool_]:
        """``(N,)`` which columns count."""
        counted: NDArray[np.bool_] = self.kinds == ColumnKind.COUNTED
        return counted

    @property
    def thickness_px(self) -> NDArray[np.floating]:
        """``(N,)`` from interface to interface in px along the column; NaN unless counted."""
        return self.lower - self.upper

    @property
    def thickness(self) -> NDArray[np.floating]:
        """``(N,)`` the same in um (px if uncalibrated)."""
        return self.thickness_px * self.lengths

    @property
    def ends(self) -> NDArray[np.floating]:
        """``(M, 2, 2)`` row and column of both ends of the counted columns, as napari counts.

        Whole numbers are the middles of pixels. As ``viewer.add_shapes(ends, shape_type="line")``
        takes them.
        """
        there = self.counted
        points, normals = self.line.points[there], self.line.normals[there]
        depths = (
            np.stack([self.upper[there], self.lower[there]], axis=1) * self.lengths[there, None]
        )
        placed = points[:, None] + depths[..., None] * normals[:, None]
        ends: NDArray[np.floating] = placed / np.asarray(self.scale)
        return ends


def samples_of(line: LayerLine, scale: tuple[float, float]) -> int:
    """Count the samples of a band."""
    return len(line.points) * int(2 * line.reach / min(scale) / STEP + 2)


def sample_band(
    mask: NDArray[np.integer],
    analysed: NDArray[np.bool_] | None,
    line: LayerLine,
    codes: NDArray[np.uint8],
    scale: tuple[float, float],
) -> Band:
    """Read the class nearest to each sample of each column.

    Parameters
    ----------
    codes
        ``(256,)`` what each class id is to the layer, as in :class:`Band`.
    """
    size = np.asarray(scale)
    lengths = 1 / np.hypot(line.normals[:, 0] / size[0], line.normals[:, 1] / size[1])
    # Each column starts at another part of a step (golden ratio): the lengths of runs are right on
    # average then, also where the tilt and the grid of pixels are in step, as at 30 degrees.
    phase = np.arange(len(lengths)) * 0.6180339887498949 % 1
    phase[np.abs(line.normals).min(axis=1) < 1e-9] = 0.0  # whole rows or columns of pixels
    start = -np.ceil(line.reach / lengths) - STEP * phase
    depth = int(-2 * start.min() / STEP)
    steps = (np.arange(depth) + 0.5) * STEP
    found = np.full((depth, len(lengths)), NOT_ANALYSED, dtype=np.uint8)
    height, width = mask.shape
    for first in range(0, len(lengths), _BLOCK):
        part = np.s_[first : first + _BLOCK]
        across = (steps[:, None] + start[part]) * lengths[part]
        # Halves go up, never to the even neighbour: a run of n pixels has 2n samples.
        row = (line.points[part, 0] + across * line.normals[part, 0]) / size[0] + 0.5
        column = (line.points[part, 1] + across * line.normals[part, 1]) / size[1] + 0.5
        row, column = (
            np.floor(row + 1e-9).astype(np.int32),
            np.floor(column + 1e-9).astype(np.int32),
        )
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        if analysed is not None:
            inside[inside] = analysed[row[inside], column[inside]]
        found[:, part][inside] = codes[mask[row[inside], column[inside]]]
    return Band(found, lengths, start)


def layer_body(band: Band, spacing_px: float) -> tuple[NDArray[np.bool_], float]:
    """Tell the layer from pieces that lie apart from it.

    The largest connected piece is layer (cracks connect; corners, too). Others are, from large to
    small, unless they are smaller than a square of half the layer's thickness, or lie above or
    below what is layer already: over more than half of their own columns, and either smaller than
    a tenth of it there or farther away than half a thickness.

    Parameters
    ----------
    spacing_px
        Distance of neighbouring columns in px.

    Returns
    -------
    ``(D, N)`` where the layer's outline encloses pixels of it, and the share of its area that was
    left out.
    """
    pieces, count = ndimage.label(
        (band.codes == LAYER) | band.cracks, np.ones((3, 3)), output=np.int32
    )
    if count <= 1:
        return pieces > 0, 0.0
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    places = ndimage.find_objects(pieces)
    order = np.argsort(-sizes)[:count]
    kept = np.zeros(count + 1, dtype=np.bool_)
    upper = np.full(band.codes.shape[1], band.codes.shape[0])
    lower = np.full(band.codes.shape[1], -1)
    for number in order:
        place = places[number - 1]
        piece = pieces[place] == number
        columns = np.flatnonzero(piece.any(axis=0)) + place[1].start
        first = piece.argmax(axis=0)[columns - place[1].start] + place[0].start
        last = place[0].stop - 1 - piece[::-1].argmax(axis=0)[columns - place[1].start]
        taken = lower[columns] >= 0
        if kept.any():
            whole = lower >= 0
            thickness = float(np.median((lower - upper + 1)[whole]))
            # In samples: half as long along a column as a px, spacing_px apart.
            if sizes[number] * spacing_px < (thickness / 2) ** 2 * STEP:
                break
            if taken.mean() > 0.5:
                beside = columns[taken]
                away = np.maximum(first[taken] - lower[beside], upper[beside] - last[taken])
                own = (lower - upper + 1)[beside].sum()
                if sizes[number] < own / 10 or np.median(away) > thickness / 2:
                    continue
        kept[number] = True
        upper[columns] = np.minimum(upper[columns], first)
        lower[columns] = np.maximum(lower[columns], last)
    return kept[pieces], float(sizes[~kept].sum() / sizes.sum())


def find_columns(
    body: NDArray[np.bool_], band: Band, line: LayerLine, scale: tuple[float, float]
) -> Columns:
    """Find both ends of each column: outermost interface to outermost interface.

    Holes between them belong to the thickness. A crack does as far as the layer would reach
    without it: it may run on into what lies above or below.
    """
    depth, count = body.shape
    met = np.asarray(body.any(axis=0))
    upper = _outermost(body, band.codes, band.start)
    lower = -_outermost(body[::-1], band.codes[::-1], -(band.start + depth * STEP))
    first = np.floor((upper - band.start) / STEP + 1e-6).astype(np.intp)
    last = np.ceil((lower - band.start) / STEP - 1e-6).astype(np.intp) - 1
    every = np.arange(count)
    shut = np.zeros((depth + 1, count), dtype=np.int32)
    np.cumsum(band.codes == NOT_ANALYSED, axis=0, out=shut[1:])
    # From the sample above the layer to the one below it; of a gap, the whole column.
    above, below = np.where(met, first - 1, 0), np.where(met, last + 2, depth)
    hidden = shut[np.clip(below, 0, depth), every] > shut[np.clip(above, 0, depth), every]
    hidden |= met & ((first <= 0) | (last >= depth - 1))
    kinds = np.where(hidden, ColumnKind.CUT, ColumnKind.COUNTED).astype(np.uint8)
    kinds[~met & ~hidden] = ColumnKind.GAP
    kinds[met & (lower <= upper)] = ColumnKind.GAP  # a crack beside the layer
    double = doubles(line, met, upper * band.lengths, lower * band.lengths)
    there = kinds == ColumnKind.COUNTED
    upper[~there | double] = lower[~there | double] = np.nan
    _mark_beyond(kinds, met & ~double, line)
    kinds[double] = ColumnKind.DOUBLE
    return Columns(kinds, upper, lower, band.lengths, line, scale)


def _mark_beyond(kinds: NDArray[np.uint8], met: NDArray[np.bool_], line: LayerLine) -> None:
    """Mark the columns before the first and after the last of each part that meet the layer."""
    for number in range(int(line.parts.max()) + 1):
        part = np.flatnonzero(line.parts == number)
        ends = np.flatnonzero(met[part])
        if not len(ends):
            kinds[part] = ColumnKind.BEYOND
        elif number not in line.closed:
            kinds[part[: ends[0]]] = kinds[part[ends[-1] + 1 :]] = ColumnKind.BEYOND


def _outermost(
    body: NDArray[np.bool_], codes: NDArray[np.uint8], start: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Find where the layer begins, in px; where a crack comes first, as beside the crack."""
    layer = body & (codes == LAYER)
    has_layer = layer.any(axis=0)
    outer: NDArray[np.floating] = start + body.argmax(axis=0) * STEP
    inner = np.where(has_layer, start + layer.argmax(axis=0) * STEP, np.inf)
    cracked = body.any(axis=0) & (outer < inner)
    plain = np.flatnonzero(has_layer & ~cracked)
    if not cracked.any() or not len(plain):
        return outer
    between = np.interp(np.arange(len(outer)), plain, inner[plain])
    outer[cracked] = np.maximum(outer, np.minimum(between, inner))[cracked]
    return outer
