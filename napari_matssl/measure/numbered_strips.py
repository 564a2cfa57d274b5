"""Numbers of connected components, for all of a mask or strip by strip."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_STRIP = 1 << 22  # pixels at a time
_EIGHT = np.ones((3, 3), dtype=np.bool_)


def number_components(of_class: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Give each connected component its number, from 1 in the order of :class:`Components`.

    Returns
    -------
    ``(H, W)``; 0 outside the class.
    """
    return _labels(of_class, corners=True)


def _labels(of_class: NDArray[np.bool_], corners: bool) -> NDArray[np.int32]:
    from scipy.ndimage import label

    labels = np.empty(of_class.shape, dtype=np.int32)
    label(of_class, structure=_EIGHT if corners else None, output=labels)
    return labels


class Strips:
    """The numbers of connected components, strip by strip, never all of them at once.

    Each strip is numbered by itself, twice: components are joined across strips in between. The
    numbers are those of :func:`number_components` if corners count.

    Parameters
    ----------
    read
        Returns the rows from one to before another, ``(h, W)``: which pixels are of the class.
    shape
        Height and width.
    corners
        Whether pixels that meet at corners touch.

    Attributes
    ----------
    shape
        Height and width.
    count
        How many components there are.
    """

    def __init__(
        self,
        read: Callable[[int, int], NDArray[np.bool_]],
        shape: tuple[int, ...],
        corners: bool = True,
    ) -> None:
        self._read, self._corners, self.shape = read, corners, (shape[0], shape[1])
        self._rows = max(1, _STRIP // max(1, shape[1]))
        self._starts = range(0, shape[0], self._rows)
        self._first = list[NDArray[np.int64]]()  # row of each strip, numbered through
        self._offsets = list[int]()
        self._only: NDArray[np.int32] | None = None  # numbers, where one strip is all
        joined, last, total = list[NDArray[np.int64]](), None, 0
        for start in self._starts:
            labels = self._labels(start)
            self._offsets.append(total)
            self._first.append(np.where(labels[0], labels[0].astype(np.int64) + total, 0))
            if last is not None:
                joined.append(_meeting(last, self._first[-1], corners))
            last = np.where(labels[-1], labels[-1].astype(np.int64) + total, 0)
            total += int(labels.max(initial=0))
            self._only = labels if len(self._starts) == 1 else None
        self._numbers, self.count = _numbers_of(joined, total)

    def height(self, start: int) -> int:
        """Return the height of the strip that begins at a row."""
        return min(self._rows, self.shape[0] - start)

    def whole(self) -> NDArray[np.int32]:
        """Return all numbers, ``(H, W)``."""
        numbers = np.empty(self.shape, dtype=np.int32)
        for rows, part in self.parts():
            numbers[rows] = part
        return numbers

    def parts(self) -> Iterator[tuple[slice, NDArray[np.int32]]]:
        """Yield the rows of each strip, and the numbers in them."""
        for start, numbers in self:
            height = self.height(start)
            yield slice(start, start + height), numbers[:height]

    def __iter__(self) -> Iterator[tuple[int, NDArray[np.int32]]]:
        """Yield the first row of each strip, and the numbers in it and in the row below it."""
        for index, start in enumerate(self._starts):
            labels = self._only
            if labels is None:
                labels = self._labels(start)
                labels[labels > 0] += self._offsets[index]
                labels = self._numbers[labels]
            if index + 1 < len(self._starts):
                below = self._numbers[self._first[index + 1]]
                labels = np.concatenate([labels, below[None]])
            yield start, labels

    def _labels(self, start: int) -> NDArray[np.int32]:
        return _labels(self._read(start, start + self.height(start)), self._corners)


def _meeting(
    above: NDArray[np.int64], below: NDArray[np.int64], corners: bool
) -> NDArray[np.int64]:
    """Return ``(2, P)`` components of two rows that touch."""
    pairs = [(above, below)]
    if corners:
        pairs += [(above[1:], below[:-1]), (above[:-1], below[1:])]
    both = np.concatenate([np.stack(pair) for pair in pairs], axis=1)
    return np.unique(both[:, both.all(axis=0)], axis=1)


def _numbers_of(joined: list[NDArray[np.int64]], total: int) -> tuple[NDArray[np.int32], int]:
    """Give components their numbers, in the order of their first pixels.

    Parameters
    ----------
    joined
        ``(2, P)`` pairs of numbers, from 1, that are of one component.
    total
        The highest number.

    Returns
    -------
    ``(total + 1,)`` new number by the one before, and how many components there are.
    """
    if not joined:
        return np.arange(total + 1, dtype=np.int32), total
    one, other = np.concatenate(joined, axis=1)
    graph = coo_array((np.ones(len(one), np.bool_), (one, other)), shape=(total + 1, total + 1))
    count, part_of = connected_components(graph, directed=False)
    _, begins = np.unique(part_of, return_index=True)
    order = np.empty(count, dtype=np.int32)
    order[np.argsort(begins)] = np.arange(count)
    return order[part_of], count - 1
