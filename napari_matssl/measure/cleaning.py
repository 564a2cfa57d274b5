"""Cleaning masks: specks go to what is around them, holes are filled.

The mask is cut into regions once; all the rest happens on the graph of which region touches which,
quick enough to follow a slider.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from napari_matssl.labels.classes import ClassTable
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
    """Give specks to the class around them, then fill holes.

    Pixels touch at edges and at corners. Those that are of no class (the info bar,
    ``table.not_analysed``) never change and are given to nobody; classes to exclude are treated
    like all others.

    A speck is a region below the smallest size of its class. Specks go smallest first, of two that
    touch and have one size that of the lower id: each to the class that has most contacts with it,
    of equals the one with the lower id. What it joins there may then be large enough to stay. A
    region that touches no other class stays, however small.

    A hole of a class is all that hangs together, of whatever other classes, and touches nothing
    but that class: neither the edge of the image nor pixels of no class. It is filled up to the
    largest size of the class around it. The holes of the class with the lowest id are filled first.

    Parameters
    ----------
    mask
        ``(H, W)``, class ids, and ``table.not_analysed`` where there is no class.
    table
        The classes of the mask.
    cleaning
        The sizes of every class.
    pixel_area_um2
        Area of one pixel, um2; None if it isn't known: nothing is cleaned by sizes in um2 then.

    Returns
    -------
    A new mask ``(H, W)``.
    """
    is_class = np.zeros(256, dtype=bool)
    is_class[list(table.ids)] = True
    analysed = is_class[mask]
    smallest, largest_hole = _in_px(cleaning, table, pixel_area_um2, mask.size + 1)
    if max(smallest.max() - 1, largest_hole.max()) <= 0 or not analysed.any():
        return mask.copy()
    labels, regions = _find_regions(mask, analysed, table)
    if smallest.max() > 1:
        regions = _give_specks_away(regions, smallest)
    regions = _fill_holes(regions, largest_hole)
    ids = np.array(table.ids, dtype=np.uint8)[regions.classes][regions.of_label]
    # Label 0 stands for pixels of no class.
    return np.where(analysed, np.concatenate(([0], ids)).astype(np.uint8)[labels], mask)


def _in_px(
    cleaning: Cleaning, table: ClassTable, area: float | None, most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the smallest region and the largest hole of each class of the table, px."""
    regions = [whole_px(cleaning.smallest_region_of(i), area, True, most) for i in table.ids]
    holes = [whole_px(cleaning.largest_hole_of(i), area, False, most) for i in table.ids]
    return np.array(regions, dtype=np.int64), np.array(holes, dtype=np.int64)


@dataclass(frozen=True)
class _Regions:
    """Regions of touching pixels of one class; those that touch each other differ in class.

    Parameters
    ----------
    sizes
        ``(N,)`` pixels.
    classes
        ``(N,)`` position of the class in the table.
    is_open
        ``(N,)`` whether it touches the edge of the image or pixels of no class.
    contacts
        ``(N, N)`` symmetric: pairs of touching pixels between two regions.
    of_label
        The region that each of the regions first found is now part of.
    """

    sizes: NDArray[np.int64]
    classes: NDArray[np.intp]
    is_open: NDArray[np.bool_]
    contacts: csr_array
    of_label: NDArray[np.intp]

    def with_classes(self, classes: NDArray[np.intp]) -> "_Regions":
        """Give regions other classes, and join those that touch and are now of one class."""
        pairs = self.contacts.tocoo()
        alike = classes[pairs.row] == classes[pairs.col]
        joined = _graph(pairs.row[alike], pairs.col[alike], pairs.data[alike], len(classes))
        count, part_of = connected_components(joined, directed=False)
        of_class = np.zeros(count, dtype=np.intp)
        of_class[part_of] = classes
        is_open = np.zeros(count, dtype=bool)
        is_open[part_of[self.is_open]] = True
        return _Regions(
            sizes=_sums(part_of, self.sizes, count),
            classes=of_class,
            is_open=is_open,
            contacts=_graph(
                part_of[pairs.row[~alike]], part_of[pairs.col[~alike]], pairs.data[~alike], count
            ),
            of_label=part_of[self.of_label],
        )


def _find_regions(
    mask: NDArray[np.uint8], analysed: NDArray[np.bool_], table: ClassTable
) -> tuple[NDArray[np.int32], _Regions]:
    """Label the regions from 1; 0 stands for pixels of no class."""
    from skimage.measure import label

    none = table.not_analysed
    classed = np.where(analysed, mask, np.uint8(none))
    found = label(classed, background=none, connectivity=2)  # type: ignore[no-untyped-call]
    labels: NDArray[np.int32] = found.astype(np.int32, copy=False)
    count = int(labels.max())
    # A frame of "no class" around the image makes its edge one more thing to touch.
    framed = np.pad(labels, 1)
    height, width = labels.shape
    firsts, seconds = [], []
    for down, right in _NEIGHBOURS:
        first = framed[: height + 2 - down, max(0, -right) : width + 2 - max(0, right)]
        second = framed[down:, max(0, right) : width + 2 + min(0, right)]
        differ = first != second
        firsts.append(first[differ])
        seconds.append(second[differ])
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    is_open = np.zeros(count + 1, dtype=bool)
    is_open[first[second == 0]] = True
    is_open[second[first == 0]] = True
    inside = (first > 0) & (second > 0)
    first, second = first[inside] - 1, second[inside] - 1
    class_of_id = np.zeros(256, dtype=np.intp)
    class_of_id[list(table.ids)] = np.arange(len(table))
    classes = np.zeros(count + 1, dtype=np.intp)
    classes[labels] = class_of_id[mask]
    return labels, _Regions(
        sizes=np.bincount(labels.ravel(), minlength=count + 1)[1:],
        classes=classes[1:],
        is_open=is_open[1:],
        contacts=_graph(
            np.concatenate((first, second)),
            np.concatenate((second, first)),
            np.ones(2 * len(first), dtype=np.int64),
            count,
        ),
        of_label=np.arange(count),
    )


def _give_specks_away(regions: _Regions, smallest: NDArray[np.int64]) -> _Regions:
    """Give all regions below the size of their class to the class they touch most, smallest first.

    A speck may go as soon as every speck that it touches comes after it, which gives the same as
    one after the other: the classes around it can't change before its turn.
    """
    while True:
        pairs = regions.contacts.tocoo()
        # Regions that touch differ in class: never are two of these equal.
        turn = regions.sizes * 256 + regions.classes
        specks = (regions.sizes < smallest[regions.classes]) & (
            np.diff(regions.contacts.indptr) > 0
        )
        goes = specks.copy()
        goes[pairs.row[specks[pairs.col] & (turn[pairs.col] < turn[pairs.row])]] = False
        if not goes.any():
            return regions
        count = len(regions.classes)
        of_class = csr_array((np.ones(count, np.int64), (np.arange(count), regions.classes)))
        contacts = (regions.contacts[np.flatnonzero(goes)] @ of_class).toarray()
        classes = regions.classes.copy()
        classes[goes] = contacts.argmax(axis=1)
        regions = regions.with_classes(classes)


def _fill_holes(regions: _Regions, largest: NDArray[np.int64]) -> _Regions:
    """Fill the holes of one class after the other.

    Once is enough: filling the holes of a class can't make new ones of a class that was done,
    as what is not of that class only grows together.
    """
    for index in np.flatnonzero(largest):
        holes = _holes(regions, int(index), int(largest[index]))
        if holes.any():
            regions = regions.with_classes(np.where(holes, index, regions.classes))
    return regions


def _holes(regions: _Regions, index: int, largest: int) -> NDArray[np.bool_]:
    """Which regions are part of a hole of one class."""
    others = regions.classes != index
    pairs = regions.contacts.tocoo()
    kept = others[pairs.row] & others[pairs.col]
    graph = _graph(pairs.row[kept], pairs.col[kept], pairs.data[kept], len(others))
    count, part_of = connected_components(graph, directed=False)
    fits = _sums(part_of, regions.sizes, count) <= largest
    fits[part_of[regions.is_open]] = False
    holes: NDArray[np.bool_] = others & fits[part_of]
    return holes


def _sums(part_of: NDArray[np.integer], values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    # Floats of bincount are exact to 2**53.
    return np.bincount(part_of, weights=values, minlength=count).astype(np.int64)


def _graph(
    rows: NDArray[np.integer], columns: NDArray[np.integer], values: NDArray[np.int64], count: int
) -> csr_array:
    """Make a sparse matrix; values of one place add up."""
    return csr_array((values, (rows, columns)), shape=(count, count))
