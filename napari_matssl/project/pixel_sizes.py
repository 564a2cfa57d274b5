"""Pixel sizes that were set for images in the project of their folder."""

import math
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from napari_matssl.files import Stamp, stamp_of
from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.micrograph.reading import read_micrograph
from napari_matssl.project.own_folder import FOLDER, RECORD_FILE
from napari_matssl.project.record import Record, read_record

TOLERANCE = 1e-3
"""Sizes that differ by less, relatively, are the same: metadata and people round."""


def size_by_hand(image: Path) -> PixelSize | None:
    """Return the pixel size that was set for an image in its folder's project; None if none was.

    Raises
    ------
    InputError
        If the project's record is damaged.
    """
    record = image.absolute().parent / FOLDER / RECORD_FILE
    return _record(record, stamp_of(record)).image(image.name).pixel_size


def read_calibrated(path: Path, page: int | None = None) -> Micrograph:
    """Read a micrograph with the pixel size that was set for it, else with that of its file.

    Raises
    ------
    InputError
        If it can't be read, or the project's record is damaged.
    """
    return with_size_by_hand(read_micrograph(path, page), size_by_hand(path))


def with_size_by_hand(micrograph: Micrograph, size: PixelSize | None) -> Micrograph:
    """Return a micrograph with a pixel size that was set, and a remark if its file has another."""
    if size is None:
        return micrograph
    own, remarks = micrograph.pixel_size, micrograph.remarks
    if own is not None and not agree(own, size):
        remarks += (
            f"{micrograph.name}: {size.in_words} counts ({size.source}); its file has "
            f"{own.in_words} ({own.source}).",
        )
    return replace(micrograph, pixel_size=size, remarks=remarks)


def agree(one: PixelSize, other: PixelSize) -> bool:
    """Whether two pixel sizes are the same but for rounding."""
    return math.isclose(one.x_um, other.x_um, rel_tol=TOLERANCE) and math.isclose(
        one.y_um, other.y_um, rel_tol=TOLERANCE
    )


@lru_cache(maxsize=8)
def _record(path: Path, _stamp: Stamp | None) -> Record:
    return read_record(path)
