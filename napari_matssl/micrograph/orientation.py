"""Orientation of images."""

import re
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

ORIENTATION = 274
"""Code of the tag, in TIFF and EXIF."""

_WORDS = {
    2: "mirrored left to right",
    3: "turned by 180°",
    4: "mirrored top to bottom",
    5: "mirrored along its diagonal",
    6: "turned by 90° clockwise",
    7: "mirrored along its other diagonal",
    8: "turned by 90° counterclockwise",
}


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn pixels ``(H, W)`` or ``(H, W, 3)`` as viewers do.

    Parameters
    ----------
    pixels
        As stored.
    orientation
        The tag's value; 1 and what isn't from 2 to 8 changes nothing.
    """
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def transposes(orientation: int) -> bool:
    """Whether rows become columns."""
    return orientation in (5, 6, 7, 8)


def in_words(orientation: int) -> str:
    """Describe what was done to the image; ``""`` if nothing."""
    return _WORDS.get(orientation, "")


def of_exif(exif: bytes, xmp: bytes = b"") -> int:
    """Read the orientation from EXIF, else from XMP; 1 where neither states one.

    Parameters
    ----------
    exif
        A TIFF header with its directory, as EXIF has it; odd ones are ignored.
    xmp
        XML.
    """
    stated = _exif_entry(exif)
    if stated:
        return stated if stated in _WORDS else 1
    found = re.search(rb'tiff:Orientation(?:="|>)([1-8])', xmp)
    return int(found[1]) if found else 1


def _exif_entry(exif: bytes) -> int:
    """Find the entry in the first directory; 0 if it isn't there."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 10:
        return 0
    place = struct.unpack_from(order + "I", exif, 4)[0]
    if place + 2 > len(exif):
        return 0
    count = struct.unpack_from(order + "H", exif, place)[0]
    for start in range(place + 2, min(place + 2 + 12 * count, len(exif) - 11), 12):
        code, kind, values, value = struct.unpack_from(order + "HHIH", exif, start)
        if (code, kind, values) == (ORIENTATION, 3, 1):
            return int(value)
    return 0
