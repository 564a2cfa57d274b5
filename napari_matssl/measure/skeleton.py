"""Skeletons: lines one pixel wide as graphs, their length, the longest way through them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import connected_components, dijkstra

TILE = 2048
_MARGIN = 64

_SMOOTHING = 16
"""Steps of 1-2-1 averaging along a line before its length is taken, about 3 px."""

_STRAIGHT = 3.0
"""A line goes on at its end as it does on the average over its width and so many px more."""

_TIP_STEP = 0.1
"""In px, by which the tip of a line is looked for."""


@dataclass(frozen=True)
class Skeleton:
    """Pixels of a skeleton and which of them are neighbours.

    Parameters
    ----------
    pixels
        ``(N, 2)`` rows and columns; whole numbers but for tips.
    radii
        ``(N,)`` distance to the edge of what was thinned, in the unit of `scale`.
    links
        ``(N, N)`` symmetric, distances between the centres of neighbours in the unit of `scale`.
        A diagonal that cuts the corner of two straight links isn't one.
    scale
        Height and width of a pixel.
    """

    pixels: NDArray[np.number[Any]]
    radii: NDArray[np.floating]
    links: csr_array
    scale: tuple[float, float]

    @property
    def points(self) -> NDArray[np.floating]:
        """``(N, 2)`` y and x of the pixels' centres in the unit of `scale`."""
        points: NDArray[np.floating] = self.pixels * np.asarray(self.scale)
        return points

    def within(self, kept: NDArray[np.bool_]) -> "Skeleton":
        """Leave out pixels, and the links to them."""
        return Skeleton(self.pixels[kept], self.radii[kept], self.links[kept][:, kept], self.scale)


def thin(region: NDArray[np.bool_], scale: tuple[float, float] = (1.0, 1.0)) -> Skeleton:
    """Thin a region to lines one pixel wide (Zhang and Suen 1984), tile by tile."""
    from skimage.morphology import skeletonize

    lines = np.zeros(region.shape, dtype=np.bool_)
    radii = []
    height, width = region.shape
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            first = max(top - _MARGIN, 0), max(left - _MARGIN, 0)
            part = region[first[0] : top + TILE + _MARGIN, first[1] : left + TILE + _MARGIN]
            if not part.any():
                continue
            core = np.s_[top - first[0] :, left - first[1] :]
            lines_here = skeletonize(part)[core][:TILE, :TILE]  # type: ignore[no-untyped-call]
            lines[top : top + TILE, left : left + TILE] = lines_here
            depth = ndimage.distance_transform_edt(part, sampling=scale)[core][:TILE, :TILE]
            found = np.argwhere(lines_here)
            radii.append(((found + np.array([top, left])) @ (width, 1), depth[lines_here]))
    pixels = np.argwhere(lines)
    depths = np.zeros(len(pixels))
    if radii:
        places, values = map(np.concatenate, zip(*radii, strict=True))
        depths = values[np.argsort(places)]
    return Skeleton(pixels, depths, _links(lines, pixels, scale), scale)


def _links(
    lines: NDArray[np.bool_], pixels: NDArray[np.intp], scale: tuple[float, float]
) -> csr_array:
    """Link neighbours; diagonals only where no corner pixel links the two already."""
    framed = np.pad(lines, 1)
    width = framed.shape[1]
    flat = framed.ravel()
    places = (pixels + 1) @ (width, 1)
    rows, columns, lengths = [], [], []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        linked = flat[places + down * width + right]
        if down and right:
            linked &= ~(flat[places + right] | flat[places + down * width])
        start = np.flatnonzero(linked)
        end = np.searchsorted(places, places[start] + down * width + right)
        rows.append(start)
        columns.append(end)
        lengths.append(np.full(len(start), np.hypot(down * scale[0], right * scale[1])))
    first, second, values = map(np.concatenate, (rows, columns, lengths))
    half = csr_array((values, (first, second)), shape=(len(pixels), len(pixels)))
    return (half + half.T).tocsr()


def without_spurs(skeleton: Skeleton, factor: float = 1.0) -> Skeleton:
    """Remove side branches that are shorter than the line that they leave is wide.

    Parameters
    ----------
    factor
        Of the width at the junction.
    """
    degree = np.diff(skeleton.links.indptr)
    junction = degree > 2
    if not junction.any():
        return skeleton
    pairs = skeleton.links.tocoo()
    plain = ~junction[pairs.row] & ~junction[pairs.col]
    inner = csr_array(
        (pairs.data[plain], (pairs.row[plain], pairs.col[plain])),
        shape=skeleton.links.shape,
    )
    count, branch = connected_components(inner, directed=False)
    length = np.bincount(branch[pairs.row[plain]], pairs.data[plain], count) / 2
    leaf = np.zeros(count, dtype=np.bool_)
    leaf[branch[(degree <= 1) & ~junction]] = True
    width = np.zeros(count)
    meets = junction[pairs.row] & ~junction[pairs.col]
    np.maximum.at(width, branch[pairs.col[meets]], 2 * skeleton.radii[pairs.row[meets]])
    np.add.at(length, branch[pairs.col[meets]], pairs.data[meets])
    spur = leaf & (width > 0) & (length < factor * width)
    return skeleton.within(junction | ~spur[branch])


def with_tips(skeleton: Skeleton, region: NDArray[np.bool_]) -> Skeleton:
    """Lengthen lines at their loose ends, straight on up to the edge of what was thinned.

    Thinning shortens a line by about half of its width at each end.

    Parameters
    ----------
    region
        ``(H, W)``, what was thinned.
    """
    links, points, scale = skeleton.links, skeleton.points, np.asarray(skeleton.scale)
    ends = np.flatnonzero(np.diff(links.indptr) == 1)
    inner = points[np.array([_inwards(skeleton, int(end)) for end in ends], dtype=np.intp)]
    ways = zip(points[ends] / scale, inner / scale, skeleton.radii[ends], strict=True)
    found = [_tip(end, back, region, 2 * radius / min(scale)) for end, back, radius in ways]
    tips = np.array(found).reshape(-1, 2)
    away = np.hypot(*(tips * scale - points[ends]).T)
    count = len(points)
    pairs = links.tocoo()
    new = count + np.arange(len(ends))
    longer = csr_array(
        (
            np.concatenate([pairs.data, away, away]),
            (
                np.concatenate([pairs.row, ends, new]),
                np.concatenate([pairs.col, new, ends]),
            ),
        ),
        shape=(count + len(ends),) * 2,
    )
    return Skeleton(
        np.concatenate([skeleton.pixels, tips]),
        np.concatenate([skeleton.radii, np.zeros(len(ends))]),
        longer,
        skeleton.scale,
    )


def _inwards(skeleton: Skeleton, end: int) -> int:
    """Return a place on the line of an end, farther from it than the line is wide."""
    links, before, here, gone = skeleton.links, -1, end, 0.0
    while gone < 2 * skeleton.radii[end] + _STRAIGHT * max(skeleton.scale):
        first, after = links.indptr[here : here + 2]
        onwards = [place for place in range(first, after) if links.indices[place] != before]
        if len(onwards) != 1:
            break
        gone += float(links.data[onwards[0]])
        before, here = here, int(links.indices[onwards[0]])
    return here


def _tip(
    end: NDArray[np.floating],
    inner: NDArray[np.floating],
    region: NDArray[np.bool_],
    farthest: float,
) -> NDArray[np.floating]:
    """Return where a line from an inner place through its end leaves a region; all in px.

    At most so far from its end: a line may end where another one goes on.
    """
    step = (end - inner) / np.hypot(*(end - inner)) * _TIP_STEP
    ways = end + np.arange(1, int(farthest / _TIP_STEP) + 2)[:, None] * step
    row, column = np.floor(ways + 0.5).astype(int).T
    there = (row >= 0) & (row < region.shape[0]) & (column >= 0) & (column < region.shape[1])
    there[there] = region[row[there], column[there]]
    gone = len(ways) if there.all() else int(there.argmin())
    tip: NDArray[np.floating] = end + (gone + 0.5) * step
    return tip


def line_length(skeleton: Skeleton, inside: NDArray[np.floating] | None = None) -> float:
    """Length of all lines of a skeleton, in the unit of its scale.

    A staircase of pixels is longer than the line it stands for, by up to 8 %. So the pixels of
    each line are averaged along it first, with ends and junctions held; straight lines of any
    direction come out within 1 %.

    Parameters
    ----------
    inside
        ``(N,)`` how far inside of something each pixel lies, negative outside: lines count as far
        as they lie inside. None counts all.
    """
    links = skeleton.links
    if links.nnz == 0:
        return 0.0
    neighbours = csr_array((np.ones(links.nnz), links.indices, links.indptr), shape=links.shape)
    moves = np.where(np.diff(links.indptr) == 2, 0.25, 0.0)
    step = diags_array(moves) @ neighbours + diags_array(1 - 2 * moves)
    points = skeleton.points
    for _ in range(_SMOOTHING):
        points = step @ points
    pairs = links.tocoo()
    apart = points[pairs.row] - points[pairs.col]
    lengths = np.hypot(apart[:, 0], apart[:, 1])
    if inside is not None:
        first, second = inside[pairs.row], inside[pairs.col]
        high, low = np.maximum(first, second), np.minimum(first, second)
        share = np.where(low >= 0, 1.0, 0.0)
        crosses = (high > 0) & (low < 0)
        share[crosses] = high[crosses] / (high[crosses] - low[crosses])
        lengths = lengths * share
    return float(lengths.sum() / 2)


def trunk(skeleton: Skeleton) -> tuple[NDArray[np.intp], bool]:
    """Find the longest way through a connected skeleton.

    Returns
    -------
    Positions in ``skeleton.pixels`` in order, and whether they form a ring. A ring is taken where
    the longest way follows less than two thirds of it.
    """
    far = int(np.argmax(dijkstra(skeleton.links, indices=0)))
    distances, before = dijkstra(skeleton.links, indices=far, return_predecessors=True)
    end = int(np.argmax(distances))
    way = _way_back(before, end)
    ring = _ring(skeleton, way)
    if ring is not None and len(ring) > 1.5 * len(way):
        return ring, True
    return way, False


def _ring(skeleton: Skeleton, way: NDArray[np.intp]) -> NDArray[np.intp] | None:
    """Find the shortest ring through the middle of a way."""
    middle = int(way[len(way) // 2])
    links = skeleton.links
    beside = links.indices[links.indptr[middle] : links.indptr[middle + 1]]
    if len(beside) != 2:
        return None
    kept = np.ones(len(skeleton.pixels), dtype=np.bool_)
    kept[middle] = False
    others = np.flatnonzero(kept)
    first, second = np.searchsorted(others, beside)
    distances, before = dijkstra(links[kept][:, kept], indices=first, return_predecessors=True)
    if not np.isfinite(distances[second]):
        return None
    return np.concatenate([[middle], others[_way_back(before, int(second))]])


def _way_back(before: NDArray[np.integer], end: int) -> NDArray[np.intp]:
    way = [end]
    while before[way[-1]] >= 0:
        way.append(int(before[way[-1]]))
    return np.array(way)
