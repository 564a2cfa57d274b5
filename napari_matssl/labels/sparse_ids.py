"""Class ids of images so large that what isn't painted shall take no memory.

NumPy's zeros take memory only where something is written into them. So these functions write into
zeros, and leave rows alone in which nothing is painted.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_matssl.micrograph.reading_panorama import is_panorama

Ids = NDArray[np.uint8]

_BAND = 1 << 22  # pixels that are looked at at once
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INFLATED = 1 << 22  # bytes that are inflated at once


def bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Cut an image into bands of rows."""
    rows = max(1, _BAND // max(1, shape[1]))
    for start in range(0, shape[0], rows):
        yield slice(start, min(start + rows, shape[0]))


def copy_of(ids: Ids) -> Ids:
    """Copy an image; where nothing is painted, the copy takes no memory."""
    copy = np.zeros(ids.shape, np.uint8)
    for rows in bands(ids.shape):
        if ids[rows].any():
            copy[rows] = ids[rows]
    return copy


def same(one: Ids, other: Ids) -> bool:
    """Whether two images are equal, in little memory."""
    return one.shape == other.shape and all(
        np.array_equal(one[rows], other[rows]) for rows in bands(one.shape)
    )


def checksum_of(ids: Ids | None) -> str:
    """Return what tells an image from others of its size; one without paint equals none."""
    digest = hashlib.sha256()
    if ids is not None:
        for rows in bands(ids.shape):
            if ids[rows].any():
                digest.update(b"%d:" % rows.start)
                digest.update(ids[rows].tobytes())
    return digest.hexdigest()


def read_sparse(path: Path) -> Ids | None:
    """Read a large label image as it is written here: a PNG of 8 bits, rows without filter.

    Returns
    -------
    ``(H, W)``; None for other files, small ones, and what can't be read.
    """
    try:
        with path.open("rb") as file:
            if file.read(8) != _SIGNATURE:
                return None
            length, kind = struct.unpack(">I4s", file.read(8))
            header = file.read(length)
            width, height, bits, colours, _, _, interlaced = struct.unpack(">IIBBBBB", header)
            plain = kind == b"IHDR" and bits == 8 and colours in (0, 3) and not interlaced
            if not plain or not is_panorama(height, width):
                return None
            file.read(4)  # the header's checksum
            return _of_rows(_inflated(file), height, width)
    except (OSError, ValueError, struct.error, zlib.error):
        return None  # whoever reads it as a whole finds out why


def _inflated(file: BinaryIO) -> Iterator[bytes]:
    """Yield the bytes of a PNG's rows, after its header."""
    inflater = zlib.decompressobj()
    while not inflater.eof:
        length, kind = struct.unpack(">I4s", file.read(8))
        packed = file.read(length)
        (checksum,) = struct.unpack(">I", file.read(4))
        if len(packed) < length or zlib.crc32(kind + packed) != checksum:
            raise ValueError
        while kind == b"IDAT" and packed:
            yield inflater.decompress(packed, _INFLATED)
            packed = inflater.unconsumed_tail


def _of_rows(pieces: Iterator[bytes], height: int, width: int) -> Ids | None:
    """Put rows into zeros that each begin with a filter; None if a row has one, or some lack."""
    ids, row, left = np.zeros((height, width), np.uint8), 0, b""
    for piece in pieces:
        left += piece
        count = len(left) // (width + 1)
        rows = np.frombuffer(left, np.uint8, count * (width + 1)).reshape(count, width + 1)
        left = left[rows.size :]
        if rows[:, 0].any() or row + count > height:
            return None
        if rows.any():
            ids[row : row + count] = rows[:, 1:]
        row += count
    return ids if row == height and not left else None
