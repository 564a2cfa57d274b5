"""Regions of an image in which a model is unsure: where strokes teach most."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_matssl.learn.uncertain_area import CLOSE

_SIDE_SHARE, _SMALLEST = 1 / 6, 32  # of the shorter side; px
_LEAST = 0.05  # of a region that is worth a look
_SAME_IMAGE, _FAR = 0.3, 1.4  # spreads of the folder: added to distances; of two random images


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
    weight
        Mean over its pixels of the uncertainty of those that are uncertain, 0 to 1; by it regions
        are ranked. Where all pixels are uncertain, shares are all alike.
    """

    row: int
    column: int
    side: int
    share: float
    weight: float


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
        found.append(
            UnsureRegion(
                row - half,
                column - half,
                side,
                float(share[row, column]),
                float(inner[row, column]),
            )
        )
        rows = slice(max(row - side + 1, 0), row + side)
        columns = slice(max(column - side + 1, 0), column + side)
        inner[rows, columns] = -1
    return found


def spread_out(
    regions: Sequence[tuple[int, UnsureRegion]],
    apart: NDArray[np.float64],
    painted: Collection[int],
) -> list[int]:
    """Order regions of several images so that strokes in the first ones teach most.

    A model that has seen little is unsure nearly everywhere, and what it is most unsure of lies
    side by side in one image. So the next region is always the one with the largest weight times
    distance of its image from those with strokes and those with a region before it; a constant is
    added to distances, as two places in one image may well differ.

    Parameters
    ----------
    regions
        Each with the number of its image.
    apart
        ``(n, n)`` distances of the images, from :func:`~napari_matssl.learn.variety.distances`.
    painted
        Numbers of the images that have strokes.

    Returns
    -------
    Places in `regions`.
    """
    nearest = np.full(len(apart), _FAR)
    for one in painted:
        nearest = np.minimum(nearest, apart[one])
    order: list[int] = []
    left = list(range(len(regions)))
    while left:
        best = max(
            left, key=lambda n: regions[n][1].weight * (_SAME_IMAGE + nearest[regions[n][0]])
        )
        order.append(best)
        left.remove(best)
        nearest = np.minimum(nearest, apart[regions[best][0]])
    return order
