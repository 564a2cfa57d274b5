"""Objects in a mask: connected pixels of one class, with what sums over pixels tell of each.

Everything here is done for all objects at once, in strips of rows: a panorama of 20,000 x 20,000 px
has to fit into 4 GB beside its labels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_matssl.measure.numbered_strips import Strips
from napari_matssl.measure.object_cuts import Contacts

# Steps (rows, columns) to the next pixel along test lines at 0, 90, 135 and 45 degrees.
STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))


@dataclass(frozen=True)
class Components:
    """Connected pixels of one class; pixels touch at edges and at corners. N of them.

    Parameters
    ----------
    area
        ``(N,)`` pixels.
    boxes
        ``(N, 4)`` first row, row after the last, first column, column after the last.
    centroid
        ``(N, 2)`` row and column; the centre of the first pixel is 0.
    moments
        ``(N, 3)`` central second moments of the pixels' area in px^2: rows, columns, mixed.
    chords
        ``(N, 4)`` how many chords the lines through the pixels' centres cut, for ``STEPS``.
    extents
        ``(M, 4)`` object, row, first column, column after the last of each row of each object,
        in ascending order of objects and rows.
    counted
        ``(N,)`` whether neither the left nor the lower edge of the analysed area cuts it.
    inside
        ``(N,)`` whether no edge of the analysed area cuts it.
    cut_by_spots
        ``(N,)`` whether nothing but spots cuts it: what wasn't analysed within the image.
    seen
        ``(H, W)`` as in :class:`~napari_matssl.measure.object_cuts.Cuts`.
    """

    area: NDArray[np.int64]
    boxes: NDArray[np.int64]
    centroid: NDArray[np.float64]
    moments: NDArray[np.float64]
    chords: NDArray[np.int64]
    extents: NDArray[np.int64]
    counted: NDArray[np.bool_]
    inside: NDArray[np.bool_]
    cut_by_spots: NDArray[np.bool_]
    seen: NDArray[np.bool_] | None

    def __len__(self) -> int:
        return len(self.area)


def find_components(
    of_class: NDArray[np.bool_], analysed: NDArray[np.bool_] | None = None
) -> Components:
    """Find the objects of a class.

    Parameters
    ----------
    of_class
        ``(H, W)``, the pixels of the class.
    analysed
        ``(H, W)``; None where everything was. Its edge, where it isn't that of the image, counts
        as one: an object is cut there, unless it is seen around a spot.
    """
    numbered = Strips(lambda start, stop: of_class[start:stop], of_class.shape)
    count = numbered.count
    chords = np.zeros((count + 1, 4), dtype=np.int64)
    runs = [np.zeros((0, 4), dtype=np.int64)]
    contacts = Contacts(count, of_class.shape, analysed)
    for start, rows in numbered:
        runs.append(_runs(rows[: numbered.height(start)], start))
        for column, step in enumerate(STEPS[1:], start=1):
            chords[:, column] += _pairs(rows, numbered.height(start), step, count)
        contacts.look_at(rows)
    of_run, row, first, after = np.concatenate(runs).T
    del runs
    length = after - first
    area = _sums(of_run, length, count)
    chords[1:, 1:] = area[:, None] - chords[1:, 1:]
    chords[1:, 0] = _sums(of_run, np.ones_like(length), count)
    extents = _extents(of_run, row, first, after)
    boxes = _boxes(extents, count)
    centroid, moments = _moments(of_run, row, first, length, area, boxes)
    cuts = contacts.told(boxes, area)
    return Components(
        *(area, boxes, centroid, moments, chords[1:], extents),
        counted=~cuts.forbidden,
        inside=~cuts.anywhere,
        cut_by_spots=cuts.by_spots,
        seen=cuts.seen,
    )


def _runs(labels: NDArray[np.int32], start: int) -> NDArray[np.int64]:
    """Return object, row, first column and column after the last of each run of pixels."""
    inside = np.zeros((len(labels), labels.shape[1] + 2), dtype=np.int8)
    inside[:, 1:-1] = labels > 0
    change = np.diff(inside, axis=1)
    row, first = np.nonzero(change == 1)
    after = np.nonzero(change == -1)[1]
    of_run = labels[row, first] - 1
    return np.stack([of_run, row + start, first, after], axis=1).astype(np.int64)


def _pairs(
    labels: NDArray[np.int32], height: int, step: tuple[int, int], count: int
) -> NDArray[np.int64]:
    """Count the pairs of pixels of each object that are one step apart, from rows of a strip.

    Two pixels of the class that touch are of one object, as corners count.
    """
    down, right = step
    width = labels.shape[1]
    height = min(height, len(labels) - down)
    from_ = labels[:height, max(0, -right) : width - max(0, right)]
    to = labels[down : down + height, max(0, right) : width + min(0, right)]
    found = from_[(from_ > 0) & (to > 0)]
    return np.bincount(found, minlength=count + 1)


def _sums(of_run: NDArray[np.int64], values: NDArray[np.generic], count: int) -> NDArray[np.int64]:
    # The floats of bincount are exact up to 2**53.
    return np.bincount(of_run, weights=values, minlength=count).astype(np.int64)


def _extents(
    of_run: NDArray[np.int64],
    row: NDArray[np.int64],
    first: NDArray[np.int64],
    after: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Join the runs of one object in one row, from its first column to its last."""
    order = np.argsort(of_run, kind="stable")  # runs come row by row, from left to right
    of_run, row, first, after = (one[order] for one in (of_run, row, first, after))
    new = np.ones(len(of_run), dtype=np.bool_)
    new[1:] = (np.diff(of_run) != 0) | (np.diff(row) != 0)
    begins = np.flatnonzero(new)
    ends = np.append(begins[1:], len(of_run)) - 1 if len(begins) else begins
    return np.stack([of_run[begins], row[begins], first[begins], after[ends]], axis=1)


def _boxes(extents: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    if not count:
        return np.zeros((0, 4), dtype=np.int64)
    begins = np.searchsorted(extents[:, 0], np.arange(count))
    ends = np.append(begins[1:], len(extents)) - 1
    left = np.minimum.reduceat(extents[:, 2], begins)
    right = np.maximum.reduceat(extents[:, 3], begins)
    return np.stack([extents[begins, 1], extents[ends, 1] + 1, left, right], axis=1)


def _moments(
    of_run: NDArray[np.int64],
    row: NDArray[np.int64],
    first: NDArray[np.int64],
    length: NDArray[np.int64],
    area: NDArray[np.int64],
    boxes: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum over runs in closed form, from the corner of each box: small numbers stay exact.

    A pixel is a square, not a point: 1/12 px^2 along each side.
    """
    y = (row - boxes[of_run, 0]).astype(np.float64)
    x = first - boxes[of_run, 2] + (length - 1) / 2  # middle of the run
    count = len(area)

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(of_run, weights=values, minlength=count) / area

    mean_y, mean_x = total(y * length), total(x * length)
    yy = total((y - mean_y[of_run]) ** 2 * length) + 1 / 12
    spread = (x - mean_x[of_run]) ** 2 + (length**2 - 1) / 12
    xx = total(spread * length) + 1 / 12
    xy = total((y - mean_y[of_run]) * (x - mean_x[of_run]) * length)
    centroid = np.stack([mean_y + boxes[:, 0], mean_x + boxes[:, 2]], axis=1)
    return centroid, np.stack([yy, xx, xy], axis=1)
