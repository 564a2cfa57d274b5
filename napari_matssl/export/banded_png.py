"""PNGs written again and again while little of them changes: only bands that changed are packed.

A PNG's pixels are one zlib stream. Here it is made of bands of rows that are packed apart and end
on whole bytes, so that packed bands can be kept and joined: saving a stroke on a panorama takes as
long as on a small image.
"""

import hashlib
import os
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

BAND_PX = 1 << 20
"""Pixels of a band, about."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ZLIB_HEADER, _ZLIB_END = b"\x78\x01", b"\x03\x00"
_ADLER = 65521
_THREADS: Final = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class _Band:
    """A band as it was packed: what it holds, its chunk of the file, its checksum and length."""

    digest: bytes
    chunk: bytes
    adler: int
    length: int


class BandedPng:
    """Makes palette PNGs of 8 bits; keeps the packed bands of the last image."""

    def __init__(self) -> None:
        self._bands: tuple[_Band, ...] = ()

    def encode(self, ids: NDArray[np.uint8], palette: bytes) -> bytes:
        """Make the bytes of a file.

        Parameters
        ----------
        ids
            ``(H, W)``.
        palette
            Red, green and blue of 256 entries.
        """
        height, width = ids.shape
        pieces = self._pieces(ids)
        if len(pieces) > 1:
            with ThreadPoolExecutor(_THREADS, "matssl-png") as pool:
                bands = tuple(pool.map(lambda piece: _packed(*piece), pieces))
        else:
            bands = tuple(_packed(*piece) for piece in pieces)
        self._bands = bands
        adler = 1
        for band in bands:
            adler = _joined(adler, band.adler, band.length)
        header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
        return b"".join(
            (
                _SIGNATURE,
                _chunk(b"IHDR", header),
                _chunk(b"PLTE", palette),
                _chunk(b"IDAT", _ZLIB_HEADER),
                *(band.chunk for band in bands),
                _chunk(b"IDAT", _ZLIB_END + struct.pack(">I", adler)),
                _chunk(b"IEND", b""),
            )
        )

    def prepare(self, ids: NDArray[np.uint8], wanted: Callable[[], bool]) -> None:
        """Pack an image in advance, so that the first change of it is a file as soon as any other.

        Parameters
        ----------
        ids
            ``(H, W)``.
        wanted
            Asked before each band; once it isn't true, the rest is left.
        """
        bands: list[_Band] = []
        for piece in self._pieces(ids):
            if not wanted():
                break
            bands.append(_packed(*piece))
        self._bands = (*bands, *self._bands[len(bands) :])

    def _pieces(self, ids: NDArray[np.uint8]) -> list[tuple[NDArray[np.uint8], _Band | None]]:
        """Cut an image into bands, each with what was packed of it last."""
        height, width = ids.shape
        rows = max(1, BAND_PX // max(1, width))
        parts = [ids[start : start + rows] for start in range(0, height, rows)]
        previous: list[_Band | None] = [*self._bands, *[None] * len(parts)]
        return list(zip(parts, previous, strict=False))


def _packed(ids: NDArray[np.uint8], previous: _Band | None) -> _Band:
    """Pack some rows, unless they are those that are packed already."""
    if not ids.any():
        return _packed_zeros(*ids.shape)
    return _packed_anew(ids, previous)


@lru_cache(maxsize=4)
def _packed_zeros(height: int, width: int) -> _Band:
    """Pack rows without any class, which most of a large image is."""
    return _packed_anew(np.zeros((height, width), np.uint8), None)


def _packed_anew(ids: NDArray[np.uint8], previous: _Band | None) -> _Band:
    filtered = np.zeros((ids.shape[0], ids.shape[1] + 1), np.uint8)  # each row begins with filter 0
    filtered[:, 1:] = ids
    rows = filtered.data
    digest = hashlib.blake2b(
        rows, digest_size=16, salt=struct.pack(">Q", filtered.shape[1])
    ).digest()
    if previous is not None and previous.digest == digest:
        return previous
    # Run lengths alone are twice as fast on many small regions, and the file is no larger.
    packer = zlib.compressobj(level=1, wbits=-15, strategy=zlib.Z_RLE)
    packed = packer.compress(rows) + packer.flush(zlib.Z_FULL_FLUSH)
    return _Band(digest, _chunk(b"IDAT", packed), zlib.adler32(rows), rows.nbytes)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _joined(first: int, second: int, length: int) -> int:
    """Checksum (Adler-32) of two pieces one after the other; the second has so many bytes."""
    low, high = first & 0xFFFF, first >> 16
    rest = length % _ADLER
    new_low = (low + (second & 0xFFFF) - 1) % _ADLER
    new_high = (rest * low + high + (second >> 16) - rest) % _ADLER
    return new_high << 16 | new_low
