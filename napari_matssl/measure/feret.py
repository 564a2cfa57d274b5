"""Feret diameters: the largest and the smallest distance of two parallels that touch an object."""

import numpy as np
from numpy.typing import NDArray

_KEPT_ROWS = 8  # shapes of so few rows recur so often that they are computed once


def feret_diameters(
    extents: NDArray[np.int64], count: int, pixel: tuple[float, float]
) -> NDArray[np.float64]:
    """Measure the convex hulls of objects, corner to corner of their pixels.

    The largest diameter lies between two corners of the hull; of the smallest, one parallel lies
    along a side of it (Freeman and Shapira 1975). So both are exact, not sampled by angles.

    Parameters
    ----------
    extents
        ``(M, 4)`` as :class:`~napari_matssl.measure.components.Components` has them.
    count
        How many objects there are.
    pixel
        Height and width of a pixel, in the unit of the result.

    Returns
    -------
    ``(N, 2)``, largest and smallest.
    """
    result = np.zeros((count, 2))
    begins = np.searchsorted(extents[:, 0], np.arange(count + 1))
    known: dict[bytes, tuple[float, float]] = {}
    for n in range(count):
        rows = extents[begins[n] : begins[n + 1], 1:]
        if len(rows) > _KEPT_ROWS:
            result[n] = _of_hull(_hull(rows), pixel)
            continue
        shape = rows - (rows[0, 0], rows[0, 1], rows[0, 1])
        key = shape.tobytes()
        if key not in known:
            known[key] = _of_hull(_hull(shape), pixel)
        result[n] = known[key]
    return result


def _hull(rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the corners of the hull, ``(K, 2)`` y and x, once around."""
    lines = rows.tolist()
    left = _chain([(y + dy, -x) for y, x, _ in lines for dy in (0, 1)])
    right = _chain([(y + dy, x) for y, _, x in lines for dy in (0, 1)])
    return np.array([(y, -x) for y, x in left] + right[::-1], dtype=np.float64)


def _chain(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the outline of largest x, of points in ascending order of y (Andrew 1979)."""
    chain: list[tuple[int, int]] = []
    for y, x in points:
        if chain and chain[-1][0] == y:  # the lower edge of a row, the upper one of the next
            if x <= chain[-1][1]:
                continue
            chain.pop()
        while len(chain) > 1:
            (y1, x1), (y2, x2) = chain[-2:]
            if (x2 - x1) * (y - y1) > (x - x1) * (y2 - y1):
                break
            chain.pop()
        chain.append((y, x))
    return chain


def _of_hull(corners: NDArray[np.float64], pixel: tuple[float, float]) -> tuple[float, float]:
    points = corners * pixel
    sides = np.roll(points, -1, axis=0) - points
    lengths = np.hypot(sides[:, 0], sides[:, 1])
    sides, lengths = sides[lengths > 0], lengths[lengths > 0]
    normals = np.stack([-sides[:, 1], sides[:, 0]], axis=1) / lengths[:, None]
    heights = normals @ points.T
    smallest = float((heights.max(axis=1) - heights.min(axis=1)).min())
    # Corners that are farthest apart are so along one of some directions; all pairs would need
    # the square of their number, which is small but for objects that fill a panorama.
    if len(points) > 512:
        angles = np.linspace(0, np.pi, 2048, endpoint=False)
        along = np.stack([np.sin(angles), np.cos(angles)], axis=1) @ points.T
        ends = np.unique(np.concatenate([along.argmax(axis=1), along.argmin(axis=1)]))
        points = points[ends]
    apart = points[:, None] - points[None]
    return float(np.hypot(apart[..., 0], apart[..., 1]).max()), smallest
