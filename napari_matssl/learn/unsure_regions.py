"""Regions of an image in which a model is unsure: where strokes teach most."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_matssl.learn.uncertain_area import CLOSE

_SIDE_SHARE, _SMALLEST = 1 / 6, 32  # of the shorter side; px
_LEAST = 0.05  # of a region that is worth a look


@dataclass(frozen=True)
class UnsureRegion:
    """A square of an image.

    Parameters
    ----------
    row, column
        Of its upper left pixel.
    side
        px; the region may end at the image's edge before.
    share
        Of its pixels that are uncertain, 0 to 1.
    uncertainty
        Of its uncertain pixels, summed up; by it the regions of an image are ranked. Numbers of
        pixels are all alike where a model is unsure all over.
    """

    row: int
    column: int
    side: int
    share: float
    uncertainty: float


def side_of_regions(height: int, width: int) -> int:
    """Return the side of the regions of an image, px: a sixth of its shorter side."""
    return min(max(round(_SIDE_SHARE * min(height, width)), _SMALLEST), height, width)


def unsure_regions(
    uncertainty: NDArray[np.float32], count: int, ignore: NDArray[np.bool_] | None = None
) -> list[UnsureRegion]:
    """Find the regions with the most uncertain pixels.

    Parameters
    ----------
    uncertainty
        ``(H, W)``, one minus the margin between the two most probable classes.
    count
        Of regions at most; they do not overlap.
    ignore
        ``(H, W)`` pixels that don't count, such as painted ones.

    Returns
    -------
    The most uncertain one first; none of which less than 5 % is uncertain.
    """
    uncertain = uncertainty > 1 - CLOSE
    if ignore is not None:
        uncertain &= ~ignore
    height, width = uncertain.shape
    side = side_of_regions(height, width)
    share = ndimage.uniform_filter(uncertain.astype(np.float32), side, mode="constant")
    weight = ndimage.uniform_filter(
        np.where(uncertain, uncertainty, 0).astype(np.float32), side, mode="constant"
    )
    half = side // 2
    inner = np.full_like(share, -1)  # only squares that lie in the image
    rows, columns = slice(half, height - side + half + 1), slice(half, width - side + half + 1)
    inner[rows, columns] = np.where(share >= _LEAST, weight, -1)[rows, columns]
    found: list[UnsureRegion] = []
    while len(found) < count:
        place = int(inner.argmax())
        row, column = divmod(place, width)
        if inner[row, column] < 0:
            break
        part, whole = float(share[row, column]), side**2 * float(inner[row, column])
        found.append(UnsureRegion(row - half, column - half, side, part, whole))
        rows = slice(max(row - side + 1, 0), row + side)
        columns = slice(max(column - side + 1, 0), column + side)
        inner[rows, columns] = -1
    return found


def turn(rank: int, painted: bool) -> int:
    """Return when a region is due among those of many images; those with a low turn come first.

    A model that has seen little is unsure nearly everywhere, so that its most uncertain regions lie
    side by side in one image. Strokes on images that differ teach more: first the best region of
    each image without strokes is due, then the best of each other image, then all second ones.

    Parameters
    ----------
    rank
        Of the region in its image, from 0.
    painted
        Whether the image has strokes.
    """
    return 2 * rank or int(painted)
