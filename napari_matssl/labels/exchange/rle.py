"""Run lengths: pixels as counts that are outside and inside by turns, the first outside."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_matssl.labels.exchange.shapes import BrokenAnnotationError

_MOST_DIGITS = 12  # of 5 bits each; larger counts don't fit into 64 bits


def from_counts(
    counts: Sequence[int] | NDArray[np.int64], width: int, height: int, by_columns: bool
) -> NDArray[np.bool_]:
    """Unpack run lengths.

    Parameters
    ----------
    counts
        Lengths, from 0.
    width, height
        Of the image or bitmap, px.
    by_columns
        Whether the runs go down the columns, as in COCO, or along the rows.

    Returns
    -------
    ``(height, width)``.

    Raises
    ------
    BrokenAnnotationError
        If they are negative, or not as many pixels as the image has.
    """
    lengths = np.asarray(counts, dtype=np.int64)
    # A sum of many huge counts would run over.
    if lengths.size and (lengths.min() < 0 or lengths.max() > width * height):
        raise BrokenAnnotationError("a run length is negative or exceeds the image")
    if len(lengths) > 2 * width * height + 2 or int(lengths.sum()) != width * height:
        raise BrokenAnnotationError(
            f"its run lengths are of {int(lengths.sum())} pixels, not of {width} x {height}"
        )
    inside = np.arange(len(lengths)) % 2 == 1
    flat = np.repeat(inside, lengths)
    if by_columns:
        return np.ascontiguousarray(flat.reshape(width, height).T)
    return flat.reshape(height, width)


def to_counts(mask: NDArray[np.bool_]) -> list[int]:
    """Pack a mask into run lengths down its columns, as COCO has them."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths: list[int] = np.diff([0, *changes.tolist(), flat.size]).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths


def from_text(text: str) -> NDArray[np.int64]:
    """Read the counts of COCO's compressed run lengths.

    Each count is written in digits of 5 bits, the lowest first, with a sixth bit where more
    follow; from the fourth on, a count is stored as the difference to the one before the last.

    Raises
    ------
    BrokenAnnotationError
        If the text has other characters, ends amid a count, or a count is too long.
    """
    try:
        digits = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError as error:
        raise BrokenAnnotationError("its run lengths hold strange characters") from error
    if digits.size == 0:
        return digits
    if digits.min() < 0 or digits.max() > 63:
        raise BrokenAnnotationError("its run lengths hold strange characters")
    last = np.flatnonzero((digits & 32) == 0)
    if last.size == 0 or last[-1] != digits.size - 1:
        raise BrokenAnnotationError("its run lengths end amid a number")
    first = np.concatenate(([0], last[:-1] + 1))
    used = last - first + 1
    if used.max() > _MOST_DIGITS:
        raise BrokenAnnotationError("one of its run lengths is too long")
    places = np.arange(digits.size) - np.repeat(first, used)
    values = np.add.reduceat((digits & 31) << (5 * places), first)
    values -= np.where(digits[last] & 16, np.int64(1) << (5 * used), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values
