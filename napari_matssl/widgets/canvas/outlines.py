"""Lines around regions, and which of some lines is near a place."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def outline(region: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the lines between the pixels of a region and those beside it.

    Parameters
    ----------
    region
        ``(H, W)``.

    Returns
    -------
    ``(N, 2, 2)`` row and column of both ends of each straight piece, as napari counts: the middle
    of the first pixel is 0.
    """
    padded = np.pad(region, 1)
    lying = _pieces(padded[:-1] != padded[1:])  # between each row and the next
    standing = _pieces((padded[:, :-1] != padded[:, 1:]).T)[..., ::-1]
    return np.concatenate([lying, standing])


def _pieces(edges: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Join edges that follow each other in a row: ``(N, 2, 2)``."""
    steps = np.diff(np.pad(edges, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, first = np.nonzero(steps == 1)
    after = np.nonzero(steps == -1)[1]
    # Of the padding, edge 0 lies above pixel 0: half a pixel before its middle.
    begins, ends = (np.stack([row - 0.5, place - 1.5], axis=1) for place in (first, after))
    return np.stack([begins, ends], axis=1)


def outline_of(numbers: NDArray[np.int32], number: int) -> NDArray[np.float64]:
    """Return the lines around the pixels of one number, of which there is one at least."""
    box = ndimage.find_objects((numbers == number).view(np.uint8))[0]
    return outline(numbers[box] == number) + np.array([side.start for side in box])


def nearest_segment(
    ends: NDArray[np.floating], place: NDArray[np.floating], farthest: float
) -> int | None:
    """Return which line is nearest to a place; None if all are farther away than allowed.

    Parameters
    ----------
    ends
        ``(N, 2, 2)`` row and column of both ends.
    place
        Row and column.
    farthest
        In px.
    """
    if not len(ends):
        return None
    start, step = ends[:, 0], ends[:, 1] - ends[:, 0]
    length = np.maximum((step**2).sum(axis=1), 1e-12)
    share = np.clip(((place - start) * step).sum(axis=1) / length, 0, 1)
    away = np.linalg.norm(start + share[:, None] * step - place, axis=1)
    best = int(away.argmin())
    return best if away[best] <= farthest else None
