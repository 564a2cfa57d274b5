"""Cracks in a layer: those that run through it, their spacing, the length of all."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from napari_matssl.measure.layer_columns import STEP, Band, ColumnKind, Columns
from napari_matssl.measure.skeleton import line_length, thin, with_tips, without_spurs

_LEVELS = np.arange(0.2, 0.81, 0.1)
"""Shares of the thickness at which the branches of a through-crack are counted."""


@dataclass(frozen=True)
class LayerCracks:
    """Cracks of a layer.

    Parameters
    ----------
    through
        ``(M, 2)`` row and column of each through-crack about halfway between the interfaces.
    spacing
        Mean distance along the layer from one through-crack to the next, um (px); None for fewer
        than two.
    length
        Of all cracks inside the layer, along their skeletons, um (px).
    """

    through: NDArray[np.floating]
    spacing: float | None
    length: float


def find_cracks(
    band: Band, columns: Columns, cracks: NDArray[np.bool_], tolerance_percent: float
) -> LayerCracks:
    """Find the cracks of a layer.

    A through-crack reaches both interfaces. It may be interrupted, or end before an interface, by
    the tolerance. A crack whose branches cross the layer beside each other counts as often as it
    has branches at most levels from 20 to 80 % of the thickness.

    Parameters
    ----------
    cracks
        ``(H, W)`` pixels of crack classes.
    tolerance_percent
        Of the mean thickness; at least 2 px.
    """
    there = columns.counted
    if not there.any():
        return LayerCracks(np.zeros((0, 2)), None, 0.0)
    thickness = float(np.mean(columns.thickness_px[there]))
    tolerance = max(2.0, tolerance_percent / 100 * thickness)
    through = _through(band, columns, tolerance)
    line = columns.line
    places = np.flatnonzero(np.isfinite(through))
    depths = through[places] * columns.lengths[places]
    points = (line.points[places] + depths[:, None] * line.normals[places]) / columns.scale
    gaps = np.diff(places)[np.diff(line.parts[places]) == 0]
    spacing = float(gaps.mean()) * line.spacing if len(gaps) else None
    return LayerCracks(points, spacing, _length_inside(cracks, columns))


def _through(band: Band, columns: Columns, tolerance: float) -> NDArray[np.floating]:
    """Give the depth in px of the through-crack at each column where there is one, else NaN."""
    found = np.full(len(columns.kinds), np.nan)
    upper = np.nan_to_num((columns.upper - band.start) / STEP, nan=-1.0)
    lower = np.nan_to_num((columns.lower - band.start) / STEP, nan=-1.0)
    margin = tolerance / STEP
    row = np.arange(len(band.codes))[:, None]
    inside = band.cracks
    inside &= (row >= upper - margin) & (row < lower + margin) & columns.counted
    if not inside.any():
        return found
    columns_px = columns.line.spacing / float(np.median(columns.lengths))
    # Cracks run across the layer: pieces of one are joined in that direction, hardly sideways.
    beside = max(2.0, tolerance / 4)
    reach = (2 * int(margin / 2) + 1, 2 * int(beside / columns_px / 2) + 1)
    joined = np.empty(inside.shape, dtype=np.int32)
    wide = ndimage.maximum_filter(inside, size=reach)
    count = ndimage.label(wide, np.ones((3, 3)), output=joined)
    depth, column = np.nonzero(inside)
    number = joined[depth, column]
    reaches = np.zeros((2, count + 1), dtype=np.bool_)
    # An interface may be steep: the nearest of its places counts.
    sideways = 2 * int(tolerance / columns_px) + 1
    highest = ndimage.maximum_filter1d(upper, sideways) + margin
    lowest = ndimage.minimum_filter1d(np.where(lower < 0, np.inf, lower), sideways) - 1 - margin
    reaches[0, number[depth <= highest[column]]] = True
    reaches[1, number[depth >= lowest[column]]] = True
    whole = reaches[0] & reaches[1]
    levels = np.clip(upper + _LEVELS[:, None] * (lower - upper), 0, len(band.codes) - 1)
    numbers = joined[levels.astype(np.intp), np.arange(len(upper))] * columns.counted
    before = np.pad(numbers, ((0, 0), (1, 0)))[:, :-1]
    starts = (numbers > 0) & (numbers != before) & whole[numbers]
    branches = np.stack(
        [np.bincount(n[s], minlength=count + 1) for n, s in zip(numbers, starts, strict=True)]
    )
    for one in np.flatnonzero(whole):
        usual = np.sort(branches[:, one])[len(_LEVELS) // 2]
        alike = np.flatnonzero(branches[:, one] == usual)
        level = alike[np.argmin(abs(_LEVELS[alike] - 0.5))]
        for run in _runs(numbers[level] == one):
            middle = int(run.mean())
            found[middle] = band.start[middle] + levels[level, middle] * STEP
    return found


def _runs(there: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Split the places that are True into runs of neighbours."""
    places = np.flatnonzero(there)
    return np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)


def _length_inside(cracks: NDArray[np.bool_], columns: Columns) -> float:
    """Add up the skeletons of cracks between the interfaces of counted columns."""
    lines = with_tips(without_spurs(thin(cracks, columns.scale)), cracks)
    if not len(lines.pixels):
        return 0.0
    line = columns.line
    points = lines.points
    single = np.flatnonzero(columns.kinds != ColumnKind.DOUBLE)
    nearest = single[KDTree(line.points[single]).query(points)[1]]
    depths = ((points - line.points[nearest]) * line.normals[nearest]).sum(axis=1)
    depths /= columns.lengths[nearest]
    inside = np.minimum(depths - columns.upper[nearest], columns.lower[nearest] - depths)
    return line_length(lines, np.where(columns.counted[nearest], inside, -np.inf))
