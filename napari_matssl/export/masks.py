"""Write masks and painted labels: the pixel is the class id."""

from pathlib import Path
from types import EllipsisType

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_matssl.export.banded_png import BandedPng
from napari_matssl.files import Stamp, atomic_write
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.provenance import MaskFacts, Provenance
from napari_matssl.micrograph.image import PixelSize


def write_mask(
    path: Path,
    mask: NDArray[np.uint8],
    table: ClassTable,
    expected: Stamp | EllipsisType | None = ...,
    facts: MaskFacts | None = None,
) -> None:
    """Write a mask as a palette PNG, atomically: the pixel is the class id.

    Parameters
    ----------
    path
        Ends in ``.png``.
    mask
        ``(H, W)``, class ids, and `table`'s ``not_analysed`` where there is no class.
    table
        Gives the palette its colours; what was not analysed is black.
    expected
        Which file may be replaced, as for :func:`napari_matssl.files.atomic_write`.
    facts
        Pixel size and provenance to store in the file.

    Raises
    ------
    OutputError
        If the file can't be written.
    """
    image = Image.fromarray(np.ascontiguousarray(mask))
    # With fewer than 256 entries, Pillow would use fewer bits per pixel than the ids need.
    image.putpalette(palette_of(table).tobytes())
    info = (facts or MaskFacts()).png_info(mask.shape[1])
    with atomic_write(path, expected) as temporary:
        image.save(temporary, format="PNG", pnginfo=info)


def write_labels(
    path: Path,
    ids: NDArray[np.uint8],
    table: ClassTable,
    packer: BandedPng,
    expected: Stamp | EllipsisType | None = ...,
) -> None:
    """Write painted labels like a mask, again and again: only what changed is packed.

    Parameters
    ----------
    path, ids, table, expected
        As for :func:`write_mask`.
    packer
        Keeps what it has packed; a new one for each file.

    Raises
    ------
    OutputError
        If the file can't be written.
    """
    content = packer.encode(ids, palette_of(table).tobytes())
    with atomic_write(path, expected) as temporary:
        temporary.write_bytes(content)


def write_mask_tiff(
    path: Path,
    mask: NDArray[np.uint8],
    pixel_size: PixelSize | None,
    provenance: Provenance | None = None,
    classes: ClassTable | None = None,
) -> None:
    """Write a mask as a TIFF that ImageJ opens calibrated, atomically.

    Parameters
    ----------
    path
        Ends in ``.tif``.
    mask
        ``(H, W)``, class ids.
    pixel_size
        Written as pixels per micron; None leaves the file without a unit.
    provenance
        How the mask came about; ImageJ shows it as the image's info.
    classes
        What the ids mean; kept beside the provenance.

    Raises
    ------
    OutputError
        If the file can't be written.
    """
    # ImageJ stretches this range to black and white. Without it, ids 1 to 3 would look black.
    metadata: dict[str, object] = {"min": 0, "max": int(mask.max(initial=1))}
    resolution = None
    if pixel_size is not None:
        metadata["unit"] = "micron"
        resolution = (1 / pixel_size.x_um, 1 / pixel_size.y_um)
    if provenance is not None:
        metadata["Info"] = MaskFacts(pixel_size, provenance, classes).text()
    with atomic_write(path) as temporary:
        tifffile.imwrite(temporary, mask, imagej=True, resolution=resolution, metadata=metadata)


def palette_of(table: ClassTable) -> NDArray[np.uint8]:
    """Return colours by mask value, ``(256, 3)``, RGB; black without a class."""
    palette = np.zeros((256, 3), dtype=np.uint8)
    for one in table.classes:
        palette[one.id] = one.rgb
    return palette
