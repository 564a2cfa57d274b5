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
    """

    row: int
    column: int
    side: int
    share: float

    @property
    def pixels(self) -> float:
        """Number of uncertain pixels, by which regions are ranked."""
        return self.share * self.side**2


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
    half = side // 2
    inner = np.full_like(share, -1)  # only squares that lie in the image
    rows, columns = slice(half, height - side + half + 1), slice(half, width - side + half + 1)
    inner[rows, columns] = share[rows, columns]
    found: list[UnsureRegion] = []
    while len(found) < count:
        place = int(inner.argmax())
        row, column = divmod(place, width)
        most = float(inner[row, column])
        if most < _LEAST:
            break
        found.append(UnsureRegion(row - half, column - half, side, most))
        rows = slice(max(row - side + 1, 0), row + side)
        columns = slice(max(column - side + 1, 0), column + side)
        inner[rows, columns] = -1
    return found
