"""Reading parts of masks that are tiled TIFFs with smaller copies."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.files import stamp_of
from napari_matssl.micrograph.decoding import decoding_errors
from napari_matssl.micrograph.kept_rows import KeptPieces
from napari_matssl.micrograph.tiff_rows import PagePieces


class MaskLevels:
    """A mask of a panorama and its smaller copies, read by parts. For use by several threads.

    Parameters
    ----------
    path
        As :func:`napari_matssl.export.mask_pyramid.write_mask_pyramid` writes it.

    Raises
    ------
    InputError
        If it can't be read, or holds anything but class ids.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._stamp = path, stamp_of(path)
        self._lock, self._kept = threading.Lock(), dict[int, KeptPieces]()
        with decoding_errors(path), tifffile.TiffFile(path) as file:
            levels = [level.keyframe for level in file.series[0].levels]
            if any(page.dtype != np.uint8 or page.samplesperpixel != 1 for page in levels):
                raise InputError(f"{path} holds no class ids.", "Segment the image again.")
            self.shapes = [(page.imagelength, page.imagewidth) for page in levels]

    def part(self, factor: int, rows: slice, columns: slice) -> NDArray[np.uint8]:
        """Read a rectangle of the copy that is smaller by a factor, a power of two.

        Where there is no such copy, pixels of a larger one are left out.

        Raises
        ------
        InputError
            If it can't be read, or the file is another one by now.
        """
        level = min(factor.bit_length(), len(self.shapes)) - 1
        step = factor >> level
        where = tuple(
            slice(one.start * step, min(one.stop * step, length))
            for one, length in zip((rows, columns), self.shapes[level], strict=True)
        )
        if stamp_of(self._path) != self._stamp:
            raise InputError(f"{self._path} was replaced meanwhile.", "Show the image again.")
        with self._lock, decoding_errors(self._path), tifffile.TiffFile(self._path) as file:
            pieces = PagePieces(file.series[0].levels[level].keyframe)
            kept = self._kept.setdefault(level, KeptPieces(axis=1))
            found: NDArray[Any] = kept.part(
                (where[0], where[1]),
                (pieces.down, pieces.across),
                lambda row, column: pieces.decode(self._path, row, column),
            )
        return found[0, ::step, ::step, 0]
