"""Limits on what an image file claims, checked before its pixels are decoded."""

from pathlib import Path

import psutil

from napari_matssl.errors import InputError
from napari_matssl.micrograph.damage import COPY_AGAIN, damaged

LARGEST_UNCHECKED = 128 << 20
"""Decoded micrographs up to this size are read however well they are compressed, bytes."""

LARGEST_LABELS_UNCHECKED = 1 << 30
"""The same of label images: strokes on a panorama compress a thousandfold, bytes."""

MOST_PER_BYTE = 100
"""Larger ones need a byte of file for so many bytes of pixels; noise never compresses so well."""

_COPIES = 3  # copies of the pixels that are in memory at once


def check_extent(
    path: Path,
    width: int,
    height: int,
    bytes_per_pixel: float,
    stored: int,
    label: bool = False,
    held: int | None = None,
) -> None:
    """Check that an image has a plausible size and fits into the memory.

    Parameters
    ----------
    path
        The file, for the message.
    width, height
        Size in px, as the file states it.
    bytes_per_pixel
        Of all channels, decoded.
    stored
        Size of the file in bytes.
    label
        Whether it is a label image.
    held
        How many of its rows will be in memory at once; None for all.

    Raises
    ------
    InputError
        If it has no pixels, claims far more than the file can hold, or is too large for the memory.
    """
    if width < 1 or height < 1:
        raise damaged(path, f"it claims {width} x {height} pixels")
    decoded = width * height * bytes_per_pixel
    limit = LARGEST_LABELS_UNCHECKED if label else LARGEST_UNCHECKED
    if decoded > limit and decoded > MOST_PER_BYTE * stored:
        raise InputError(
            f"{path} claims {width} x {height} pixels ({decoded / 1e6:,.0f} MB) in a file of "
            f"{max(stored / 1e6, 0.1):,.1f} MB: it isn't decoded.",
            COPY_AGAIN,
        )
    free = psutil.virtual_memory().available
    if held is not None:
        decoded = width * held * bytes_per_pixel
    if decoded > LARGEST_UNCHECKED and _COPIES * decoded > free:
        raise InputError(
            f"{path} has {width} x {height} pixels and needs {_COPIES * decoded / 1e6:,.0f} MB of "
            f"memory, of which {free / 1e6:,.0f} MB are free.",
            "Cut it into parts, or close other programs.",
        )
