"""Regions of a mask and which of them touch, found by bands of rows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from napari_matssl.errors import InputError

Ids = NDArray[np.uint8]

_BAND = 1 << 23  # pixels that are looked at at once
_MOST = 30_000_000  # regions, which take 100 bytes each

# Pixels touch at edges and at corners, for regions and for what is around them: a film one pixel
# wide that runs diagonally is one region for the eye, and no row of specks.
_BELOW = ((1, -1), (1, 0), (1, 1))
_NEIGHBOURS = ((0, 1), *_BELOW)


@dataclass(frozen=True)
class Regions:
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

    def with_classes(self, classes: NDArray[np.integer]) -> "Regions":
        """Change the class of regions, and join those that touch and are now of one class."""
        pairs = self.contacts.tocoo()
        alike = classes[pairs.row] == classes[pairs.col]
        joined = _graph(pairs.row[alike], pairs.col[alike], pairs.data[alike], len(classes))
        count, part_of = connected_components(joined, directed=False)
        first, second = part_of[pairs.row[~alike]], part_of[pairs.col[~alike]]
        of_part = np.zeros(count, dtype=classes.dtype)
        of_part[part_of] = classes
        return Regions(
            sizes=sums(part_of, self.sizes),
            classes=of_part,
            contacts=_graph(first, second, pairs.data[~alike], count),
            of_label=part_of[self.of_label],
        )


class Bands:
    """The bands of rows in which a mask is looked at.

    The mask has a frame of "no class", so that regions at its edge touch something there, too.

    Parameters
    ----------
    read
        Returns the rows of the mask from one to before another.
    size
        Height and width.
    place
        ``(256,)``, position of the class of each value; `none` for no class.
    none
        The number of classes.
    """

    def __init__(
        self,
        read: Callable[[int, int], Ids],
        size: tuple[int, int],
        place: NDArray[np.uint8],
        none: int,
    ) -> None:
        self._read, self._place, self.none = read, place, none
        height, self.width = size
        rows = max(1, _BAND // max(1, self.width))
        self.rows = [(start, min(start + rows, height)) for start in range(0, height, rows)]
        self._last: tuple[int, NDArray[np.int32], Ids] | None = None

    def labels(self, number: int) -> tuple[NDArray[np.int32], Ids]:
        """Give the regions of a band numbers from 1; 0 stands for pixels of no class.

        Returns
        -------
        The numbers, and the positions of the classes, both with the frame, where it is one of the
        mask's sides: ``(h, W + 2)`` or up to two rows more.
        """
        from skimage.measure import label

        if self._last is None or self._last[0] != number:
            self._last = None  # its memory is used anew
            sides = (int(number == 0), int(number == len(self.rows) - 1))
            classes = self._place[self._read(*self.rows[number])]
            framed = np.pad(classes, (sides, (1, 1)), constant_values=self.none)
            labels = label(framed, background=self.none, connectivity=2)  # type: ignore[no-untyped-call]
            self._last = number, labels.astype(np.int32, copy=False), framed
        return self._last[1], self._last[2]

    def inner(self, number: int) -> NDArray[np.int32]:
        """Return the numbers of :meth:`labels`, without the frame."""
        labels = self.labels(number)[0]
        top = int(number == 0)
        start, stop = self.rows[number]
        return labels[top : top + stop - start, 1:-1]


def find_regions(bands: Bands) -> tuple[Regions, NDArray[np.int64]]:
    """Find the regions of a mask.

    Returns
    -------
    The regions, and what is added to the numbers of each band, but to 0, for those of `of_label`.

    Raises
    ------
    InputError
        If there are so many that it can't be a mask of phases.
    """
    offsets, count = np.zeros(len(bands.rows), dtype=np.int64), 0
    sizes, classes = [np.zeros(1, np.int64)], [np.array([bands.none])]
    contacts, same = list[_Contacts](), list[NDArray[np.int64]]()
    above: tuple[NDArray[np.int64], Ids] | None = None
    for number in range(len(bands.rows)):
        labels, framed = bands.labels(number)
        offsets[number] = count
        counted = np.bincount(labels.ravel(), minlength=1)
        of_region = np.zeros(len(counted), dtype=np.intp)
        of_region[labels] = framed
        sizes.append(counted[1:])
        classes.append(of_region[1:])
        contacts.append(_touching(labels, len(counted)).moved(count))
        first = _moved(labels[0], count), framed[0]
        if above is not None:
            joined, seam = _across(above, first, bands.none)
            same.append(joined)
            contacts.append(seam)
        above = _moved(labels[-1], count), framed[-1].copy()
        count += len(counted) - 1
        if count > _MOST:
            raise InputError(
                f"the mask has more than {_MOST:,} regions, too many to be cleaned.",
                "Segment the image again, or switch cleaning off.",
            )
    found = _joined(contacts, np.concatenate(sizes), np.concatenate(classes), same)
    found.sizes[found.of_label[0]] = bands.width * bands.rows[-1][1] + 1
    return found, offsets


@dataclass(frozen=True)
class _Contacts:
    """Pairs of regions that touch, and in how many pairs of pixels; a pair may come twice."""

    first: NDArray[np.integer]
    second: NDArray[np.integer]
    pixels: NDArray[np.int64]

    def moved(self, offset: int) -> "_Contacts":
        """Return the same with other numbers, but 0."""
        return _Contacts(_moved(self.first, offset), _moved(self.second, offset), self.pixels)


def _moved(numbers: NDArray[np.integer], offset: int) -> NDArray[np.int64]:
    """Add to the numbers of regions, but to 0."""
    return np.where(numbers, numbers.astype(np.int64) + offset, 0)


def _touching(labels: NDArray[np.int32], count: int) -> _Contacts:
    """Find the contacts of the regions of a band."""
    height, width = labels.shape
    found = csr_array((count, count), dtype=np.int64)
    for down, right in _NEIGHBOURS:
        first = labels[: height - down, max(0, -right) : width - max(0, right)]
        second = labels[down:, max(0, right) : width + min(0, right)]
        differ = first != second
        one, other = first[differ], second[differ]
        found = found + _graph(one, other, np.ones(len(one), dtype=np.int64), count)
    pairs = found.tocoo()
    return _Contacts(pairs.row, pairs.col, pairs.data)


def _across(
    above: tuple[NDArray[np.int64], Ids], below: tuple[NDArray[np.int64], Ids], none: int
) -> tuple[NDArray[np.int64], _Contacts]:
    """Look at the seam of two bands, each side as numbers and classes.

    Returns
    -------
    ``(2, P)`` regions above and below it that are one, and the contacts of others.
    """
    width = len(above[0])
    pairs = []
    for _, right in _BELOW:
        upper = slice(max(0, -right), width - max(0, right))
        lower = slice(max(0, right), width + min(0, right))
        pairs.append((above[0][upper], below[0][lower], above[1][upper], below[1][lower]))
    first, second, one, other = map(np.concatenate, zip(*pairs, strict=True))
    differ, inside = one != other, one != none
    joined = np.unique(np.stack([first, second])[:, ~differ & inside], axis=1)
    pixels = np.ones(int(differ.sum()), dtype=np.int64)
    return joined, _Contacts(first[differ], second[differ], pixels)


def _joined(
    contacts: list[_Contacts],
    sizes: NDArray[np.int64],
    classes: NDArray[np.integer],
    same: list[NDArray[np.int64]],
) -> Regions:
    """Join the regions of all bands where they go on in the next one."""
    count = len(sizes)
    above, below = np.concatenate([np.zeros((2, 0), np.int64), *same], axis=1)
    seams = _graph(above, below, np.ones(len(above), np.int64), count)
    parts, part_of = connected_components(seams, directed=False)
    of_part = np.zeros(parts, dtype=classes.dtype)
    of_part[part_of] = classes
    first = part_of[np.concatenate([one.first for one in contacts])]
    second = part_of[np.concatenate([one.second for one in contacts])]
    half = _graph(first, second, np.concatenate([one.pixels for one in contacts]), parts)
    return Regions(sums(part_of, sizes), of_part, half + half.T, part_of)


def sums(part_of: NDArray[np.integer], values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Add up values by the part that each belongs to."""
    # The floats of bincount are exact up to 2**53.
    return np.bincount(part_of, weights=values).astype(np.int64)


def _graph(
    rows: NDArray[np.integer], columns: NDArray[np.integer], values: NDArray[np.int64], count: int
) -> csr_array:
    """Make a sparse matrix; values of one place add up."""
    return csr_array((values, (rows, columns)), shape=(count, count))
