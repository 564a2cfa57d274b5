"""Cleaning of masks: small regions are removed, holes filled.

The mask is cut into regions once, by bands of rows; all the rest happens on the graph of which
region touches which, quick enough to follow a slider.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from napari_matssl.labels.class_table import ClassTable
from napari_matssl.measure.mask_regions import Bands, Ids, Regions, find_regions, sums
from napari_matssl.settings.cleaning import Cleaning, whole_px


def clean_mask(
    mask: NDArray[np.uint8],
    table: ClassTable,
    cleaning: Cleaning,
    pixel_area_um2: float | None = None,
) -> NDArray[np.uint8]:
    """Remove small regions, then fill holes.

    Pixels are connected at edges and at corners. Pixels without a class (``table.no_class``, as in
    the info bar) neither change nor spread; classes to exclude are treated like all others.

    A small region lies below the smallest size of its class. Regions are removed smallest first,
    of equal neighbours that of the lower id. Each takes the class with most contacts to it, of
    equals the one with the lower id; the region it joins may then be large enough to stay. A
    region that touches no other class stays, however small.

    A hole of a class is a connected area of any other classes that touches nothing but that class:
    neither the edge of the image nor pixels of no class. It is filled up to the
    largest size of the class around it. The holes of the class with the lowest id are filled first.

    Parameters
    ----------
    mask
        ``(H, W)``, class ids, and ``table.no_class`` where there is no class.
    table
        The classes of the mask.
    cleaning
        The sizes of every class.
    pixel_area_um2
        Area of one pixel, um2. None: sizes in um2 are not applied.

    Returns
    -------
    A new mask ``(H, W)``.
    """
    return CleanedRows(
        lambda start, stop: mask[start:stop], mask.shape, table, cleaning, pixel_area_um2
    ).read(0, len(mask))


class CleanedRows:
    """A mask that is cleaned, and read by rows: neither it nor what it becomes is whole in memory.

    Parameters
    ----------
    read
        Returns the rows of the mask from one to before another; each is read twice, or more often
        if rows are read in another order than from top to bottom.
    size
        Height and width.
    table, cleaning, pixel_area_um2
        As for :func:`clean_mask`.

    Attributes
    ----------
    counts
        Pixels by value, after cleaning; None where nothing is cleaned.

    Raises
    ------
    InputError
        If the mask has too many regions.
    """

    def __init__(
        self,
        read: Callable[[int, int], Ids],
        size: tuple[int, ...],
        table: ClassTable,
        cleaning: Cleaning,
        pixel_area_um2: float | None = None,
    ) -> None:
        self._mask, self._height = read, size[0]
        self._bands: Bands | None = None  # nothing is cleaned
        self.counts: Mapping[int, int] | None = None
        self._last: tuple[int, Ids] | None = None
        # No hole is as large as all of the mask, which counts as less than what is of no class.
        area, most = pixel_area_um2, size[0] * size[1]
        smallest = [whole_px(cleaning.smallest_region_of(i), area, True, most) for i in table.ids]
        largest = [whole_px(cleaning.largest_hole_of(i), area, False, most) for i in table.ids]
        if max(smallest) <= 1 and max(largest) == 0:
            return
        place = np.full(256, len(table), dtype=np.uint8)
        place[list(table.ids)] = np.arange(len(table))
        self._bands = Bands(read, (size[0], size[1]), place, len(table))
        regions, self._offsets = find_regions(self._bands)
        if max(smallest) > 1:
            regions = _give_specks_away(regions, np.array([*smallest, 0]))
        for index in np.flatnonzero(largest):
            # One pass is enough. Filling the holes of a class makes no new holes in a class that
            # was filled before: the pixels outside that class only merge.
            regions = _fill_holes(regions, int(index), largest[index])
        ids = np.array([*table.ids, 0], dtype=np.uint8)
        self._ids = ids[regions.classes[regions.of_label]]
        of_class = sums(regions.classes, regions.sizes)[: len(table)].tolist()
        counts = {i: n for i, n in zip(table.ids, of_class, strict=False) if n}
        if rest := size[0] * size[1] - sum(counts.values()):
            counts[table.no_class] = rest
        self.counts = dict(sorted(counts.items()))

    def read(self, start: int, stop: int) -> Ids:
        """Return the rows from one to before another, a new array ``(stop - start, W)``."""
        if self._bands is None:
            return self._mask(start, stop).copy()
        parts = [
            self._cleaned(number)[max(0, start - first) : stop - first]
            for number, (first, after) in enumerate(self._bands.rows)
            if first < stop and start < after
        ]
        return np.concatenate(parts)

    def _cleaned(self, number: int) -> Ids:
        """Return a band; the last one is kept, as rows are read one after another."""
        assert self._bands is not None
        if self._last is None or self._last[0] != number:
            self._last = None
            numbers = self._bands.inner(number)
            ids = self._ids[np.where(numbers, numbers + self._offsets[number], 0)]
            mask = self._mask(*self._bands.rows[number])
            self._last = number, np.where(numbers == 0, mask, ids)
        return self._last[1]


def _give_specks_away(regions: Regions, smallest: NDArray[np.integer]) -> Regions:
    """Merge regions below the size of their class into the class they touch most, smallest first.

    A speck may go as soon as every speck that it touches comes after it, which gives the same as
    one after the other: the classes around it can't change before its turn.
    """
    while True:
        count = len(regions.classes)
        is_of = csr_array((np.ones(count, np.int64), (np.arange(count), regions.classes)))
        small = np.flatnonzero(regions.sizes < smallest[regions.classes])
        beside = (regions.contacts[small] @ is_of).toarray()[:, : len(smallest) - 1]
        goes = np.zeros(count, dtype=bool)
        goes[small[beside.any(axis=1)]] = True
        pairs = regions.contacts.tocoo()
        # Touching regions differ in class, so no two of these numbers are equal.
        turn = regions.sizes * 256 + regions.classes
        goes[pairs.row[goes[pairs.col] & (turn[pairs.col] < turn[pairs.row])]] = False
        if not goes.any():
            return regions
        classes = regions.classes.copy()
        classes[small] = np.where(goes[small], beside.argmax(axis=1), classes[small])
        regions = regions.with_classes(classes)


def _fill_holes(regions: Regions, index: int, largest: int) -> Regions:
    """Fill the holes of one class: what hangs together, is of others, and touches no "no class"."""
    others = np.flatnonzero(regions.classes != index)
    _, part_of = connected_components(regions.contacts[others][:, others], directed=False)
    classes = regions.classes.copy()
    classes[others[sums(part_of, regions.sizes[others])[part_of] <= largest]] = index
    return regions.with_classes(classes)
