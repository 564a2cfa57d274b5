"""Cleaning of masks: small regions are removed, holes filled.

The mask is cut into regions once; all the rest happens on the graph of which region touches which,
quick enough to follow a slider.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from napari_matssl.labels.class_table import ClassTable
from napari_matssl.settings.cleaning import Cleaning, whole_px

# Pixels touch at edges and at corners, for regions and for what is around them: a film one pixel
# wide that runs diagonally is one region for the eye, and no row of specks.
_NEIGHBOURS = ((0, 1), (1, -1), (1, 0), (1, 1))


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
    area, most = pixel_area_um2, mask.size + 1
    smallest = [whole_px(cleaning.smallest_region_of(i), area, True, most) for i in table.ids]
    largest = [whole_px(cleaning.largest_hole_of(i), area, False, most) for i in table.ids]
    if max(smallest) <= 1 and max(largest) == 0:
        return mask.copy()
    place = np.full(256, len(table), dtype=np.uint8)
    place[list(table.ids)] = np.arange(len(table))
    # With a frame of "no class", regions at the edge of the image touch something there, too.
    framed = np.pad(place[mask], 1, constant_values=len(table))
    labels, regions = _find_regions(framed, len(table))
    if max(smallest) > 1:
        regions = _give_specks_away(regions, np.array([*smallest, 0]))
    for index in np.flatnonzero(largest):
        # One pass is enough. Filling the holes of a class makes no new holes in a class that was
        # filled before: the pixels outside that class only merge.
        regions = _fill_holes(regions, int(index), largest[index])
    ids = np.array([*table.ids, 0], dtype=np.uint8)[regions.classes[regions.of_label]]
    labels = labels[1:-1, 1:-1]
    return np.where(labels == 0, mask, ids[labels])


@dataclass(frozen=True)
class _Regions:
    """Regions of touching pixels of one class; those that touch each other differ in class.

    All that is of no class is one region, larger than the image.

    Parameters
    ----------
    sizes
        ``(N,)`` pixels.
    classes
        ``(N,)`` position of the class in the table; its length for no class.
    contacts
        ``(N, N)`` symmetric: pairs of touching pixels between two regions.
    of_label
        The region that each of the regions first found is now part of.
    """

    sizes: NDArray[np.int64]
    classes: NDArray[np.integer]
    contacts: csr_array
    of_label: NDArray[np.integer]

    def with_classes(self, classes: NDArray[np.integer]) -> "_Regions":
        """Change the class of regions, and join those that touch and are now of one class."""
        pairs = self.contacts.tocoo()
        alike = classes[pairs.row] == classes[pairs.col]
        joined = _graph(pairs.row[alike], pairs.col[alike], pairs.data[alike], len(classes))
        count, part_of = connected_components(joined, directed=False)
        first, second = part_of[pairs.row[~alike]], part_of[pairs.col[~alike]]
        of_part = np.zeros(count, dtype=classes.dtype)
        of_part[part_of] = classes
        return _Regions(
            sizes=_sums(part_of, self.sizes),
            classes=of_part,
            contacts=_graph(first, second, pairs.data[~alike], count),
            of_label=part_of[self.of_label],
        )


def _find_regions(classes: NDArray[np.uint8], none: int) -> tuple[NDArray[np.int32], _Regions]:
    """Label the regions of an image of classes from 1; 0 stands for pixels of no class."""
    from skimage.measure import label

    labels = label(classes, background=none, connectivity=2).astype(np.int32, copy=False)  # type: ignore[no-untyped-call]
    height, width = labels.shape
    touching = []
    for down, right in _NEIGHBOURS:
        first = labels[: height - down, max(0, -right) : width - max(0, right)]
        second = labels[down:, max(0, right) : width + min(0, right)]
        differ = first != second
        touching.append((first[differ], second[differ]))
    first, second = map(np.concatenate, zip(*touching, strict=True))
    sizes = np.bincount(labels.ravel())
    sizes[0] = labels.size
    of_region = np.zeros(len(sizes), dtype=np.intp)
    of_region[labels] = classes
    contacts = _graph(first, second, np.ones(len(first), dtype=np.int64), len(sizes))
    return labels, _Regions(sizes, of_region, contacts + contacts.T, np.arange(len(sizes)))


def _give_specks_away(regions: _Regions, smallest: NDArray[np.integer]) -> _Regions:
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


def _fill_holes(regions: _Regions, index: int, largest: int) -> _Regions:
    """Fill the holes of one class: what hangs together, is of others, and touches no "no class"."""
    others = np.flatnonzero(regions.classes != index)
    _, part_of = connected_components(regions.contacts[others][:, others], directed=False)
    classes = regions.classes.copy()
    classes[others[_sums(part_of, regions.sizes[others])[part_of] <= largest]] = index
    return regions.with_classes(classes)


def _sums(part_of: NDArray[np.integer], values: NDArray[np.int64]) -> NDArray[np.int64]:
    # The floats of bincount are exact up to 2**53.
    return np.bincount(part_of, weights=values).astype(np.int64)


def _graph(
    rows: NDArray[np.integer], columns: NDArray[np.integer], values: NDArray[np.int64], count: int
) -> csr_array:
    """Make a sparse matrix; values of one place add up."""
    return csr_array((values, (rows, columns)), shape=(count, count))
