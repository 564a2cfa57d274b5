"""Writing micrographs as TIFFs that ImageJ opens calibrated."""

from pathlib import Path
from types import EllipsisType
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_matssl.files import Stamp, atomic_write
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.plane_origin import origin_entry


def write_micrograph(
    path: Path,
    micrograph: Micrograph,
    expected: Stamp | EllipsisType | None = ...,
    origin: str = "",
) -> None:
    """Write a micrograph as a TIFF that ImageJ opens calibrated, atomically.

    Values that ImageJ doesn't support become its 32-bit floats. RGB of more than 8 bits, which it
    doesn't support either, keeps its values and loses its pixel size and origin.

    Parameters
    ----------
    path
        Ends in ``.tif``.
    micrograph
        Its pixels are written as they are, info bar included.
    expected
        Which file may be replaced, as for :func:`napari_matssl.files.atomic_write`.
    origin
        What it is a plane of; empty for a whole image.

    Raises
    ------
    OutputError
        If the file can't be written.
    """
    pixels = as_written(micrograph.pixels)
    size = micrograph.pixel_size
    entries = origin_entry(origin)
    keywords: dict[str, object] = {"imagej": True, "metadata": entries}
    if size is not None:
        entries["unit"] = "micron"
        keywords["resolution"] = (1 / size.x_um, 1 / size.y_um)
    if micrograph.is_rgb and pixels.dtype != np.uint8:
        keywords = {"metadata": None}
    if micrograph.is_rgb:
        keywords["photometric"] = "rgb"
    with atomic_write(path, expected) as temporary:
        tifffile.imwrite(temporary, pixels, **keywords)  # type: ignore[arg-type]


def as_written(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return pixels with the values that :func:`write_micrograph` gives them."""
    kept = pixels.dtype.name in ("uint8", "uint16", "float32")
    return pixels if kept else pixels.astype(np.float32)
