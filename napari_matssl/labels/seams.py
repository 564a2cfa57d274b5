"""Values that only smoothing, resampling or compression can have made."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_matssl.labels.counting import count_values

MOST_VALUES = 256
"""More distinct values are no matter of smoothed edges."""

_SHARE = 0.8
"""Share of a value's pixels that have two other values or more right beside them."""


def seam_values(images: Iterable[NDArray[np.integer]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Separate the values of areas from those only in seams between areas.

    A mask of two values whose edges were smoothed holds values in between, each a line along the
    edges. A stroke of one pixel is none of these: it has one other value beside it, the unpainted.

    Parameters
    ----------
    images
        ``(H, W)`` each.

    Returns
    -------
    The values of seams, and the others, in ascending order.
    """
    all_pixels: dict[int, int] = {}
    in_seams: dict[int, int] = {}
    for image in images:
        _add(all_pixels, count_values(image))
        if len(all_pixels) > MOST_VALUES:
            return (), tuple(sorted(all_pixels))
        _add(in_seams, count_values(image[_meets_two_others(image)]))
    seams = {v for v, pixels in in_seams.items() if pixels >= _SHARE * all_pixels[v]}
    return tuple(sorted(seams)), tuple(sorted(all_pixels.keys() - seams))


def look_smoothed(images: Iterable[NDArray[np.integer]]) -> tuple[int, ...]:
    """Return the values that smoothing made, if they are half of all values or more; else none."""
    seams, others = seam_values(images)
    # In noise, all values look like seams. Fewer than two areas have no seam between them.
    made = len(seams) >= 2 and len(others) >= 2 and len(seams) >= len(others)
    return seams if made else ()


def _meets_two_others(image: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Find where three different values or more lie within 3 x 3 pixels, ``(H, W)``."""
    low = ndimage.minimum_filter(image, 3, mode="nearest")
    high = ndimage.maximum_filter(image, 3, mode="nearest")
    padded = np.pad(image, 1, mode="edge")
    height, width = image.shape
    found = np.zeros(image.shape, dtype=bool)
    for row in range(3):
        for column in range(3):
            beside = padded[row : row + height, column : column + width]
            found |= (beside > low) & (beside < high)
    return found


def _add(total: dict[int, int], more: dict[int, int]) -> None:
    for value, pixels in more.items():
        total[value] = total.get(value, 0) + pixels
