"""Write masks of panoramas: tiled OME-TIFFs with smaller copies, made of rows."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import EllipsisType
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_matssl.export.masks import palette_of
from napari_matssl.files import Stamp, atomic_write
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.provenance import MaskFacts

_TILE = 512  # px
_SMALLEST = 1024  # px, longer side of the smallest copy at most


def write_mask_pyramid(
    path: Path,
    read: Callable[[int, int], NDArray[np.uint8]],
    size: tuple[int, int],
    table: ClassTable,
    facts: MaskFacts,
    expected: Stamp | EllipsisType | None = ...,
) -> None:
    """Write a mask as a tiled BigTIFF with OME's metadata and smaller copies, atomically.

    Copies have half the side each; they take every second pixel, as classes have no mean.

    Parameters
    ----------
    path
        Ends in ``.tif``.
    read
        Returns the rows of the mask from one to before another.
    size
        Height and width.
    table
        Gives the palette its colours.
    facts
        Pixel size and provenance; they stand in the image's description.
    expected
        Which file may be replaced, as for :func:`napari_matssl.files.atomic_write`.

    Raises
    ------
    OutputError
        If the file can't be written.
    """
    levels = 0
    while max(size) >> levels > _SMALLEST:
        levels += 1
    metadata: dict[str, Any] = {"axes": "YX", "Description": facts.text()}
    if facts.pixel_size is not None:
        sides = {"X": facts.pixel_size.x_um, "Y": facts.pixel_size.y_um}
        metadata |= {f"PhysicalSize{axis}": side for axis, side in sides.items()}
        metadata |= {f"PhysicalSize{axis}Unit": "µm" for axis in sides}
    options: dict[str, Any] = {
        "dtype": np.uint8,
        "tile": (_TILE, _TILE),
        "compression": "zlib",
        "photometric": "palette",
        "colormap": palette_of(table).T.astype(np.uint16) * 257,
    }
    with (
        atomic_write(path, expected) as temporary,
        tifffile.TiffWriter(temporary, bigtiff=True, ome=True) as file,
    ):
        for level in range(levels + 1):
            step = 1 << level
            shape = (-(-size[0] // step), -(-size[1] // step))
            tiles = _tiles(read, shape, step)
            if level:
                file.write(tiles, shape=shape, subfiletype=1, metadata=None, **options)
            else:
                file.write(tiles, shape=shape, subifds=levels, metadata=metadata, **options)


def _tiles(
    read: Callable[[int, int], NDArray[np.uint8]], shape: tuple[int, int], step: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield the tiles of a copy of every `step`-th pixel, row by row of them, full size."""
    for top in range(0, shape[0], _TILE):
        rows = min(_TILE, shape[0] - top)
        if step == 1:
            band = read(top, top + rows)
        else:
            band = np.concatenate(
                [read(row * step, row * step + 1)[:, ::step] for row in range(top, top + rows)]
            )
        for left in range(0, shape[1], _TILE):
            part = band[:, left : left + _TILE]
            yield np.pad(part, ((0, _TILE - len(part)), (0, _TILE - part.shape[1])))
