"""Columns of one part of a layer that stand where those of another part do."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from napari_matssl.measure.layer_line import LayerLine


def doubles(
    line: LayerLine,
    met: NDArray[np.bool_],
    upper: NDArray[np.floating],
    lower: NDArray[np.floating],
) -> NDArray[np.bool_]:
    """Tell which columns see a place of the layer that columns of another part see, too.

    Each part's line goes on straight beyond its end, and may run into another part. Of two such
    columns, the one nearer to the end of its own part is the double.

    Parameters
    ----------
    met
        ``(N,)`` columns that meet the layer.
    upper, lower
        ``(N,)`` distance of the interfaces from the line, um (px).
    """
    found = np.zeros(len(met), dtype=np.bool_)
    parts = range(int(line.parts.max()) + 1)
    if len(parts) == 1 or not met.any():
        return found
    from_end = _from_end(line)
    seen = np.flatnonzero(met)
    depth = (upper + lower)[seen, None] / 2
    middles = line.points[seen] + depth * line.normals[seen]
    for number in parts:
        own = np.flatnonzero(line.parts == number)
        others = line.parts[seen] != number
        columns, places = seen[others], middles[others]
        distance, nearest = KDTree(line.points[own]).query(
            places, distance_upper_bound=2 * line.reach
        )
        near = np.isfinite(distance)
        columns, places, there = columns[near], places[near], own[nearest[near]]
        away = places - line.points[there]
        across = (away * line.normals[there]).sum(axis=1)
        aside = np.sqrt(np.maximum((away**2).sum(axis=1) - across**2, 0))
        same = met[there] & (aside <= line.spacing)
        same &= (across >= upper[there]) & (across <= lower[there])
        farther = from_end[there] > from_end[columns]
        farther |= (from_end[there] == from_end[columns]) & (number < line.parts[columns])
        found[columns[same & farther]] = True
    return found


def _from_end(line: LayerLine) -> NDArray[np.floating]:
    """Count the points from each point to the nearer end of its part; a ring has none."""
    found = np.full(len(line.points), np.inf)
    for number in np.unique(line.parts):
        if number not in line.closed:
            part = np.flatnonzero(line.parts == number)
            place = np.arange(len(part))
            found[part] = np.minimum(place, place[::-1])
    return found
