"""Grains per area by the planimetric method (Jeffries, Saltykov; "E112-style")."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_matssl.measure.boundaries import BoundaryNetwork
from napari_matssl.measure.numbered_strips import Strips

INSIDE, CUT, CORNER = 1, 2, 3
"""What a grain counted as, in a layer of grains: once, half, a quarter for each corner."""

# Side of the square at a corner in which its grain is looked for.
_CORNER = 16


@dataclass(frozen=True)
class GrainCounts:
    """Grains of a field, each with what it counted as.

    Parameters
    ----------
    numbers
        Those of the grains, from 1, in the bounding box of the analysed area; 0 elsewhere.
    pixels
        ``(N + 1,)`` px of each grain between boundaries.
    counted
        ``(N + 1,)`` what each grain counted as: 1 inside, 0.5 cut by the edge, 0.25 for each
        corner of the area in it; 0 for what is no grain.
    kind
        ``(N + 1,)`` ``INSIDE``, ``CUT``, ``CORNER``; 0 for what is no grain.
    area_px
        The area that they are counted in, px.
    pixel
        Height and width of a pixel, um; None if the field isn't calibrated.
    offset
        Row and column of the box in the field's mask.
    """

    numbers: Strips
    pixels: NDArray[np.int64]
    counted: NDArray[np.float64]
    kind: NDArray[np.uint8]
    area_px: int
    pixel: tuple[float, float] | None
    offset: tuple[int, int] = (0, 0)

    @property
    def inside(self) -> int:
        """Grains that lie inside as a whole."""
        return int(np.count_nonzero(self.kind == INSIDE))

    @property
    def cut(self) -> int:
        """Grains that the edge cuts, those in corners among them."""
        return int(np.count_nonzero(self.kind >= CUT))

    @property
    def grains(self) -> float:
        """Grains that belong to the area: those inside, half of those cut, a quarter of corners."""
        return float(self.counted.sum())

    @property
    def mean_area_px(self) -> float | None:
        """Mean area in px, boundaries shared among grains; None without a grain inside."""
        return self.area_px / self.grains if self.inside else None

    @property
    def mean_area_um2(self) -> float | None:
        """The same in um2; None also if the field isn't calibrated."""
        if self.mean_area_px is None or self.pixel is None:
            return None
        return self.mean_area_px * self.pixel[0] * self.pixel[1]

    @property
    def per_mm2(self) -> float | None:
        """Grains per mm2; None as above."""
        return None if self.mean_area_um2 is None else 1e6 / self.mean_area_um2

    @property
    def inside_mean_area_px(self) -> float | None:
        """Mean area of the grains inside alone in px ("E1382-style"); None without one.

        Cut grains are in neither count nor area. Boundaries are shared out by area.
        """
        if not self.inside:
            return None
        shared = self.area_px / self.pixels[self.kind > 0].sum()
        return float(shared * self.pixels[self.kind == INSIDE].sum()) / self.inside

    def layer(self) -> NDArray[np.uint8]:
        """Show what each grain counted as: ``(H, W)`` with 0, INSIDE, CUT or CORNER."""
        shown = np.empty(self.numbers.shape, dtype=np.uint8)
        for rows, numbers in self.numbers.parts():
            shown[rows] = self.kind[numbers]
        return shown


def count_grains(network: BoundaryNetwork) -> GrainCounts:
    """Count grains in the analysed area.

    A grain at the edge counts half, and one in a corner of the bounding box a quarter, once for
    each corner in it; where a boundary lies in the corner, the nearest grain does if the edge cuts
    it. What was left out of the area is an edge, too, unless it hides no grain: a spot inside one
    grain, or smaller than the mean grain. Such spots count as area.
    """
    spots = _Spots.of(network.analysed)
    numbers = network.grains()
    grains, (height, width) = numbers.count, numbers.shape
    area = height * width
    if network.analysed is not None:
        area -= int(np.count_nonzero(~network.analysed))
    if network.other is not None:
        area -= int(np.count_nonzero(network.other))
    pixels = np.zeros(grains + 1, dtype=np.int64)
    frame = _Frame(height, width)
    for rows, part in numbers.parts():
        pixels += np.bincount(part.ravel(), minlength=grains + 1)
        frame.take(rows, part)
        if spots is not None:
            spots.meet(rows, part)
    kind = np.full(grains + 1, INSIDE, dtype=np.uint8)
    kind[frame.edge] = CUT
    corners = frame.in_corners(network.analysed)
    corners = corners[kind[corners] == CUT]  # by the edge: one near it isn't in a corner
    if spots is not None:
        cut, bridged = spots.cut(grains, area)
        kind[cut] = CUT
        area += bridged
    counted = np.where(kind == CUT, 0.5, 1.0)
    counted[corners], kind[corners] = 0.0, CORNER
    np.add.at(counted, corners, 0.25)
    counted[0], kind[0] = 0.0, 0
    pixel = network.pixel if network.calibrated else None
    return GrainCounts(numbers, pixels, counted, kind, area, pixel, network.offset)


class _Frame:
    """The numbers along the edge of the box, and near its corners."""

    def __init__(self, height: int, width: int) -> None:
        self._last = height - 1
        self._left = np.empty((height, min(_CORNER, width)), dtype=np.int32)
        self._right = np.empty_like(self._left)
        self._ends = list[NDArray[np.int32]]()

    def take(self, rows: slice, numbers: NDArray[np.int32]) -> None:
        """Take what is along the edge in some rows, from the top downwards."""
        near = self._left.shape[1]
        self._left[rows], self._right[rows] = numbers[:, :near], numbers[:, -near:]
        self._ends += [numbers[0]] * (rows.start == 0)
        self._ends += [numbers[-1]] * (rows.stop > self._last)

    @property
    def edge(self) -> NDArray[np.int32]:
        """The numbers of all pixels along the edge."""
        return np.concatenate([self._left[:, 0], self._right[:, -1], *self._ends])

    def in_corners(self, analysed: NDArray[np.bool_] | None) -> NDArray[np.int32]:
        """Return the grain nearest to each corner that was analysed."""
        found = []
        for down in (1, -1):
            for right, beside in ((1, self._left), (-1, self._right)):
                if analysed is not None and not analysed[::down, ::right][0, 0]:
                    continue
                near = beside[::down, ::right][:_CORNER]
                rows, columns = np.nonzero(near)
                if len(rows):
                    nearest = (rows**2 + columns**2).argmin()
                    found.append(near[rows[nearest], columns[nearest]])
        return np.array(found, dtype=np.int32)


class _Spots:
    """What was left out of the area, by its pixels beside the area.

    Parameters
    ----------
    places
        ``(n,)`` flat index of pixels of the area beside what was left out, in ascending order.
    spot
        ``(n,)`` number of the spot that each is beside.
    sizes
        ``(M + 1,)`` px of each spot.
    at_edge
        ``(M + 1,)`` whether a spot touches the edge of the box.
    """

    def __init__(
        self,
        places: NDArray[np.intp],
        spot: NDArray[np.int32],
        sizes: NDArray[np.int64],
        at_edge: NDArray[np.bool_],
    ) -> None:
        self._places, self._spot, self._sizes, self._at_edge = places, spot, sizes, at_edge
        self._beside = np.zeros(len(places), dtype=np.int32)

    @classmethod
    def of(cls, analysed: NDArray[np.bool_] | None) -> "_Spots | None":
        """Find the spots; None where everything was analysed."""
        if analysed is None:
            return None
        numbered = Strips(lambda start, stop: ~analysed[start:stop], analysed.shape)
        height, width = numbered.shape
        sizes = np.zeros(numbered.count + 1, dtype=np.int64)
        at_edge = np.zeros(numbered.count + 1, dtype=np.bool_)
        places, spot = [], []
        for start, numbers in numbered:
            rows = numbers[: numbered.height(start)]
            sizes += np.bincount(rows.ravel(), minlength=len(sizes))
            at_edge[rows[:, 0]] = at_edge[rows[:, -1]] = True
            if start == 0:
                at_edge[rows[0]] = True
            if start + len(rows) == height:
                at_edge[rows[-1]] = True
            for here, there in _sides(numbers, rows):
                found = np.nonzero((there.numbers > 0) & (here.numbers == 0))
                places.append((found[0] + start + here.down) * width + found[1] + here.right)
                spot.append(there.numbers[found])
        place = np.concatenate(places)
        order = np.argsort(place, kind="stable")
        return cls(place[order], np.concatenate(spot)[order], sizes, at_edge)

    def meet(self, rows: slice, numbers: NDArray[np.int32]) -> None:
        """Look up the grains beside spots in some rows of the area's numbers."""
        width = numbers.shape[1]
        first, last = np.searchsorted(self._places, (rows.start * width, rows.stop * width))
        here = self._places[first:last] - rows.start * width
        self._beside[first:last] = numbers.ravel()[here]

    def cut(self, grains: int, area: int) -> tuple[NDArray[np.int64], int]:
        """Return the grains that spots cut, and the area of spots that cut none.

        Parameters
        ----------
        grains
            How many there are; all rows of their numbers were met.
        area
            That was analysed, px.
        """
        touched = self._beside > 0
        beside, at = self._beside[touched], self._spot[touched]
        pairs = np.unique(at.astype(np.int64) * (grains + 1) + beside)
        spot, grain = np.divmod(pairs, grains + 1)
        neighbours = np.bincount(spot, minlength=len(self._sizes))
        small = self._sizes * max(grains, 1) < area
        bridged = ~self._at_edge & (small | (neighbours == 1))
        bridged[0] = False
        return grain[~bridged[spot]], int(self._sizes[bridged].sum())


class _Side(NamedTuple):
    """Some of the numbers of a strip, and where their first one lies in it."""

    numbers: NDArray[np.int32]
    down: int
    right: int


def _sides(numbers: NDArray[np.int32], rows: NDArray[np.int32]) -> tuple[tuple[_Side, _Side], ...]:
    """Return views such that each pixel meets its four neighbours: `numbers` have a row more."""
    upper, lower = _Side(numbers[:-1], 0, 0), _Side(numbers[1:], 1, 0)
    left, right = _Side(rows[:, :-1], 0, 0), _Side(rows[:, 1:], 0, 1)
    return (upper, lower), (lower, upper), (left, right), (right, left)
