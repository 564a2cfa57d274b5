"""What objects that lie wholly inside a field count, by their chance to do so.

A large object touches the edge more often than a small one, so those that lie wholly inside are too
small on the average. Each is weighted by the inverse of its chance to lie inside
(Miles 1974, Lantuejoul 1980): that of its enclosing rectangle, in an area of any form.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_matssl.measure.size_distribution import SizedObjects

_SIDE = 1024
"""Longer side in px of the reduced image of an area that is no rectangle."""


@dataclass(frozen=True)
class EdgeWeights:
    """What each of N objects counts.

    Parameters
    ----------
    weights
        ``(N,)``: an object as small as a pixel has about 1; one whose rectangle isn't analysed as a
        whole has 0.
    area_px
        The area that they are weighted by.
    rectangle
        Whether that is a rectangle, in which none has 0.
    """

    weights: NDArray[np.float64]
    area_px: int
    rectangle: bool

    def sized(self, sizes: NDArray[np.float64]) -> SizedObjects:
        """Return the sizes ``(N,)`` and weights of those objects that count."""
        counts = self.weights > 0
        return SizedObjects(sizes[counts], self.weights[counts])


def edge_weights(
    shape: tuple[int, ...],
    analysed: NDArray[np.bool_] | None,
    boxes: NDArray[np.int64],
) -> EdgeWeights:
    """Weigh objects that no edge of a field cuts.

    A box of h x w px has (H - h - 1) * (W - w - 1) places in a field of H x W px at which it
    touches no edge. In an area that is no rectangle its places are counted.

    Parameters
    ----------
    shape
        Height and width of the mask.
    analysed
        ``(H, W)``, also what cuts nothing; None where everything was.
    boxes
        ``(N, 4)`` first row, row after the last, first column, column after the last.
    """
    height, width, area = _extent(shape, analysed)
    rows, columns = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
    if analysed is None or height * width == area:
        places = np.maximum((height - rows - 1.0) * (width - columns - 1.0), 1.0)
        return EdgeWeights(area / places, area, True)
    # Room is that of rectangles, so what counts are objects whose rectangle isn't cut either.
    weights = np.where(_uncut(analysed, boxes), area / _room(analysed, rows, columns), 0.0)
    return EdgeWeights(weights, area, False)


def _extent(shape: tuple[int, ...], analysed: NDArray[np.bool_] | None) -> tuple[int, int, int]:
    """Return height and width of the box around the analysed area, and its pixels."""
    if analysed is None:
        return shape[0], shape[1], shape[0] * shape[1]
    area = int(np.count_nonzero(analysed))
    if not area:
        return 0, 0, 0
    down, right = (np.flatnonzero(analysed.any(axis=axis)) for axis in (1, 0))
    return int(np.ptp(down)) + 1, int(np.ptp(right)) + 1, area


def _uncut(analysed: NDArray[np.bool_], boxes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which rectangles, and the pixels around them, were analysed as a whole."""
    around = (
        analysed[top - 1 : down + 1, left - 1 : right + 1] for top, down, left, right in boxes
    )
    return np.array([bool(one.all()) for one in around], dtype=np.bool_)


def _room(
    analysed: NDArray[np.bool_], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Count the places in px where rectangles touch neither edge nor what wasn't analysed.

    To a reduced pixel.
    """
    factor = max(1, -(-max(analysed.shape) // _SIDE))
    shut = np.stack(
        [
            np.logical_or.reduceat(
                ~analysed[top : top + factor].all(axis=0), np.arange(0, analysed.shape[1], factor)
            )
            for top in range(0, analysed.shape[0], factor)
        ]
    )
    sums = np.pad(np.pad(shut, 1, constant_values=True).astype(np.int32), ((1, 0), (1, 0)))
    sums = sums.cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)
    sizes = np.stack([-(-(rows + 2) // factor), -(-(columns + 2) // factor)], axis=1)
    kinds, of_kind = np.unique(sizes, axis=0, return_inverse=True)
    free = np.ones(len(kinds))
    for index, (down, right) in enumerate(kinds):
        inside = sums[down:, right:] - sums[:-down, right:] - sums[down:, :-right]
        inside += sums[:-down, :-right]
        free[index] = max(int((inside == 0).sum()), 1) * factor**2
    room: NDArray[np.float64] = free[of_kind.ravel()]
    return room
