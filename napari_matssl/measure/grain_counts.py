"""Grains per area by the planimetric method (Jeffries, Saltykov; "E112-style")."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_matssl.measure.boundaries import BoundaryNetwork

INSIDE, CUT, CORNER = 1, 2, 3
"""What a grain counted as, in a layer of grains: once, half, a quarter for each corner."""

# Side of the square at a corner in which its grain is looked for.
_CORNER = 16
_ROWS = 256
_ALL_AROUND = np.ones((3, 3), dtype=np.bool_)


@dataclass(frozen=True)
class GrainCounts:
    """Grains of a field, each with what it counted as.

    Parameters
    ----------
    labels
        ``(H, W)``, grains from 1, in the bounding box of the analysed area; 0 elsewhere.
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

    labels: NDArray[np.int32]
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
        pixels = np.zeros(len(self.kind), dtype=np.int64)
        for start in range(0, len(self.labels), _ROWS):  # in one go it takes 8 bytes per pixel
            strip = self.labels[start : start + _ROWS].ravel()
            pixels += np.bincount(strip, minlength=len(self.kind))
        shared = self.area_px / pixels[self.kind > 0].sum()
        return float(shared * pixels[self.kind == INSIDE].sum()) / self.inside

    def layer(self) -> NDArray[np.uint8]:
        """Show what each grain counted as: ``(H, W)`` with 0, INSIDE, CUT or CORNER."""
        return self.kind[self.labels]


def count_grains(network: BoundaryNetwork) -> GrainCounts:
    """Count grains in the analysed area.

    A grain at the edge counts half, and one in a corner of the bounding box a quarter, once for
    each corner in it; where a boundary lies in the corner, the nearest grain does if the edge cuts
    it. What was left out of the area is an edge, too, unless it hides no grain: a spot inside one
    grain, or smaller than the mean grain. Such spots count as area.
    """
    spots = _Spots.of(network.analysed)
    labels = network.grains()
    grains = int(labels.max(initial=0))
    area = labels.size
    if network.analysed is not None:
        area -= int(np.count_nonzero(~network.analysed))
    if network.other is not None:
        area -= int(np.count_nonzero(network.other))
    kind = np.full(grains + 1, INSIDE, dtype=np.uint8)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        kind[edge] = CUT
    corners = _in_corners(labels, network.analysed)
    corners = corners[kind[corners] == CUT]  # by the edge: one near it isn't in a corner
    if spots is not None:
        cut, bridged = spots.cut(labels, grains, area)
        kind[cut] = CUT
        area += bridged
    counted = np.where(kind == CUT, 0.5, 1.0)
    counted[corners], kind[corners] = 0.0, CORNER
    np.add.at(counted, corners, 0.25)
    counted[0], kind[0] = 0.0, 0
    pixel = network.pixel if network.calibrated else None
    return GrainCounts(labels, counted, kind, area, pixel, network.offset)


def _in_corners(labels: NDArray[np.int32], analysed: NDArray[np.bool_] | None) -> NDArray[np.int32]:
    """Return the grain nearest to each corner of the box."""
    found = []
    for down, right in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        if analysed is not None and not analysed[::down, ::right][0, 0]:
            continue
        near = labels[::down, ::right][:_CORNER, :_CORNER]
        rows, columns = np.nonzero(near)
        if len(rows):
            nearest = (rows**2 + columns**2).argmin()
            found.append(near[rows[nearest], columns[nearest]])
    return np.array(found, dtype=np.int32)


@dataclass(frozen=True)
class _Spots:
    """What was left out of the area, by its pixels beside the area.

    Parameters
    ----------
    places
        ``(n,)`` flat index of pixels of the area beside what was left out.
    spot
        ``(n,)`` number of the spot that each is beside.
    sizes
        ``(M + 1,)`` px of each spot.
    at_edge
        ``(M + 1,)`` whether a spot touches the edge of the box.
    """

    places: NDArray[np.intp]
    spot: NDArray[np.int32]
    sizes: NDArray[np.int64]
    at_edge: NDArray[np.bool_]

    @classmethod
    def of(cls, analysed: NDArray[np.bool_] | None) -> "_Spots | None":
        """Find the spots; None where everything was analysed."""
        if analysed is None:
            return None
        numbers, count = ndimage.label(~analysed, _ALL_AROUND)
        sizes = np.zeros(count + 1, dtype=np.int64)
        for row in numbers:
            sizes += np.bincount(row, minlength=count + 1)
        at_edge = np.zeros(count + 1, dtype=np.bool_)
        for edge in (numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]):
            at_edge[edge] = True
        places, spot = [], []
        for here, there in _sides():
            rows, columns = np.nonzero((numbers[there] > 0) & (numbers[here] == 0))
            down, right = (one.start or 0 for one in here)
            places.append((rows + down) * analysed.shape[1] + columns + right)
            spot.append(numbers[there][rows, columns])
        return cls(np.concatenate(places), np.concatenate(spot), sizes, at_edge)

    def cut(
        self, labels: NDArray[np.int32], grains: int, area: int
    ) -> tuple[NDArray[np.int64], int]:
        """Return the grains that spots cut, and the area of spots that cut none."""
        beside = labels.ravel()[self.places]
        touched = beside > 0
        pairs = np.unique(self.spot[touched].astype(np.int64) * (grains + 1) + beside[touched])
        spot, grain = np.divmod(pairs, grains + 1)
        neighbours = np.bincount(spot, minlength=len(self.sizes))
        small = self.sizes * max(grains, 1) < area
        bridged = ~self.at_edge & (small | (neighbours == 1))
        bridged[0] = False
        return grain[~bridged[spot]], int(self.sizes[bridged].sum())


def _sides() -> list[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Return views of an image such that each pixel meets its four neighbours."""
    first, last, every = slice(None, -1), slice(1, None), slice(None)
    down, right = ((first, every), (last, every)), ((every, first), (every, last))
    return [down, down[::-1], right, right[::-1]]
