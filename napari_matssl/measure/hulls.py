"""Perimeters of the convex hulls of objects."""

import numpy as np
from numpy.typing import NDArray

_DIRECTIONS = 90


def hull_perimeters(
    extents: NDArray[np.int64], count: int, pixel: tuple[float, float]
) -> NDArray[np.float64]:
    """Measure the perimeters of the convex hulls of objects, all at once.

    The perimeter of a convex outline is pi times its mean diameter over all directions (Cauchy);
    90 are taken. The hull of the pixels' corners would be longer than a disc by 4 % at 20 px, that
    of their centres shorter: each pixel stands for a disc half as wide as itself (an ellipse,
    where it isn't square). Discs come out within 1 % from 10 px.

    Parameters
    ----------
    extents
        ``(M, 4)`` as :class:`~napari_matssl.measure.components.Components` has them.
    count
        How many objects there are, each with at least one row.
    pixel
        Height and width of a pixel, in the unit of the result.
    """
    total = np.zeros(count)
    if not count:
        return total
    starts = np.searchsorted(extents[:, 0], np.arange(count))
    row, first, last = extents[:, 1], extents[:, 2], extents[:, 3] - 1
    for angle in np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS:
        down, right = np.sin(angle) * pixel[0], np.cos(angle) * pixel[1]
        left_end, right_end = row * down + first * right, row * down + last * right
        high = np.maximum.reduceat(np.maximum(left_end, right_end), starts)
        low = np.minimum.reduceat(np.minimum(left_end, right_end), starts)
        total += high - low + np.hypot(down, right) / 2
    return np.pi / _DIRECTIONS * total
