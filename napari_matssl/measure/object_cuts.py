"""Which objects the edge of the analysed area cuts, and which spots in or beside them cut none."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_matssl.measure.numbered_strips import Strips

# Views of an image in which each pixel meets one of its neighbours: the pixel, the neighbour, and
# whether an object may not count that has an edge there.
_EVERY, _FIRST, _LAST = slice(None), slice(None, -1), slice(1, None)
_SIDES = (
    ((_EVERY, _LAST), (_EVERY, _FIRST), True),  # to its left
    ((_FIRST, _EVERY), (_LAST, _EVERY), True),  # below
    ((_EVERY, _FIRST), (_EVERY, _LAST), False),
    ((_LAST, _EVERY), (_FIRST, _EVERY), False),
)


@dataclass(frozen=True)
class Cuts:
    """Which of N objects the edge of the analysed area cuts.

    Parameters
    ----------
    forbidden
        ``(N,)`` at their left or below: such objects don't count.
    anywhere
        ``(N,)`` on any side.
    by_spots
        ``(N,)`` where nothing but spots cuts them.
    seen
        ``(H, W)`` the analysed area, with spots that cut nothing, and those smaller than the mean
        object that nothing cuts. None where everything was analysed.
    """

    forbidden: NDArray[np.bool_]
    anywhere: NDArray[np.bool_]
    by_spots: NDArray[np.bool_]
    seen: NDArray[np.bool_] | None


class Contacts:
    """What objects touch, from one strip to the next.

    A *spot* wasn't analysed, nor does it reach the edge of the image. It cuts no object where it
    touches one alone, and either is smaller than the object or lies within it: the object is seen
    around it then. A spot that touches several may divide what is one, so it cuts them all.

    Parameters
    ----------
    count
        How many objects there are.
    shape
        Height and width of the mask.
    analysed
        ``(H, W)``; None where everything was.
    """

    def __init__(
        self, count: int, shape: tuple[int, ...], analysed: NDArray[np.bool_] | None
    ) -> None:
        self._count, self._shape, self._analysed = count, shape, analysed
        self._spots = None if analysed is None else spots_of(analysed)
        spots = 0 if self._spots is None else self._spots.count
        self._strips = iter(self._spots or ())
        self._sizes = np.zeros(spots + 1, dtype=np.int64)
        self._at_edge = np.zeros(spots + 1, dtype=np.bool_)
        self._open = np.zeros(spots + 1, dtype=np.bool_)  # beside something that is no object
        self._forbidden = [np.zeros(0, dtype=np.int64)]  # pairs of a spot and an object
        self._other = [np.zeros(0, dtype=np.int64)]

    def look_at(self, rows: NDArray[np.int32]) -> None:
        """Look at the next strip of objects' numbers, with the row below it."""
        if self._spots is None:
            return
        start, spots = next(self._strips)
        height = self._spots.height(start)
        _add_strip(self._sizes, self._at_edge, spots[:height], start, self._shape[0])
        for here, there, forbidden in _SIDES:
            beside, own = spots[there], rows[here]
            touches = (beside > 0) & (spots[here] == 0)
            self._open[beside[touches & (own == 0)]] = True
            touches &= own > 0
            pairs = np.unique(beside[touches] * np.int64(self._count + 1) + own[touches])
            (self._forbidden if forbidden else self._other).append(pairs)

    def told(self, boxes: NDArray[np.int64], area: NDArray[np.int64]) -> Cuts:
        """Tell what is cut.

        Parameters
        ----------
        boxes, area
            ``(N, 4)`` and ``(N,)``, of the objects, as in
            :class:`~napari_matssl.measure.components.Components`.
        """
        height, width = self._shape[:2]
        forbidden = (boxes[:, 2] == 0) | (boxes[:, 1] == height)
        anywhere = forbidden | (boxes[:, 3] == width) | (boxes[:, 0] == 0)
        left_or_below = np.unique(np.concatenate(self._forbidden))
        pairs = np.union1d(left_or_below, np.concatenate(self._other))
        cutting = self._cutting(pairs, area)
        at_edge = self._at_edge[pairs // (self._count + 1)]
        anywhere[self._objects(pairs[at_edge])] = True
        by_spots = np.zeros_like(anywhere)
        by_spots[self._objects(pairs[cutting & ~at_edge])] = True
        by_spots &= ~anywhere
        forbidden[self._objects(np.intersect1d(pairs[cutting], left_or_below))] = True
        anywhere |= by_spots
        whole = area[~anywhere] if not anywhere.all() else area
        hides = np.zeros_like(self._at_edge)
        hides[pairs[cutting] // (self._count + 1)] = True
        touched = np.zeros_like(hides)
        touched[pairs // (self._count + 1)] = True
        filled = (touched & ~hides) | (self._sizes < (whole.mean() if len(whole) else 0))
        filled[0] = False
        return Cuts(forbidden, anywhere, by_spots, self._seen(filled & ~self._at_edge))

    def _seen(self, filled: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Return the analysed area with some of the spots."""
        if self._spots is None or not filled.any():
            return self._analysed
        return _with_spots(self._spots, filled)

    def _cutting(self, pairs: NDArray[np.int64], area: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell in which pairs the spot cuts the object."""
        spot = pairs // (self._count + 1)
        alone = np.bincount(spot, minlength=len(self._sizes))[spot] == 1
        seen_around = (self._sizes[spot] < area[self._objects(pairs)]) | ~self._open[spot]
        cutting: NDArray[np.bool_] = self._at_edge[spot] | ~(alone & seen_around)
        return cutting

    def _objects(self, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
        return pairs % (self._count + 1) - 1


def spots_of(analysed: NDArray[np.bool_]) -> Strips:
    """Give numbers to what wasn't analysed; pixels that meet at corners touch."""
    return Strips(lambda start, stop: ~analysed[start:stop], analysed.shape)


def _add_strip(
    sizes: NDArray[np.int64],
    at_edge: NDArray[np.bool_],
    spots: NDArray[np.int32],
    start: int,
    height: int,
) -> None:
    """Add the sizes of spots in a strip, and which of them are at the edge of the image."""
    sizes += np.bincount(spots.ravel(), minlength=len(sizes))
    at_edge[spots[:, [0, -1]]] = True
    if start == 0:
        at_edge[spots[0]] = True
    if start + len(spots) == height:
        at_edge[spots[-1]] = True


def without_small_spots(analysed: NDArray[np.bool_], smaller_px: float) -> NDArray[np.bool_]:
    """Return the analysed area with all spots within it that are smaller than so many px."""
    strips = spots_of(analysed)
    sizes = np.zeros(strips.count + 1, dtype=np.int64)
    at_edge = np.zeros(strips.count + 1, dtype=np.bool_)
    for start, spots in strips:
        _add_strip(sizes, at_edge, spots[: strips.height(start)], start, len(analysed))
    return _with_spots(strips, ~at_edge & (sizes < smaller_px))


def _with_spots(strips: Strips, filled: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what was analysed, with some spots: ``(H, W)``."""
    inside = filled.copy()
    inside[0] = True
    area = np.empty(strips.shape, dtype=np.bool_)
    for start, spots in strips:
        height = strips.height(start)
        area[start : start + height] = inside[spots[:height]]
    return area
