"""The panorama: a micrograph that is read by rows, as it is too large to be held."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_matssl.micrograph.image import InfoBar, Micrograph, PixelSize, finite_pixels


@dataclass(frozen=True, eq=False)
class Panorama:
    """One image that is read by rows; equal to itself alone.

    Parameters
    ----------
    name, pixel_size, info_bar, path, remarks, page, pages
        As for :class:`~napari_matssl.micrograph.image.Micrograph`.
    shape
        ``(H, W)`` or ``(H, W, 3)``.
    read
        Returns the rows from one to before another, as a micrograph's pixels.
    sample
        Every k-th pixel in both directions, for statistics, with its own info bar.
    read_part
        Returns a rectangle, from a row and a column to before others, without reading all of the
        rows; None cuts it out of them.
    """

    name: str
    shape: tuple[int, ...]
    read: Callable[[int, int], NDArray[Any]]
    sample: Micrograph
    path: Path
    pixel_size: PixelSize | None = None
    info_bar: InfoBar | None = None
    remarks: tuple[str, ...] = ()
    page: int = 1
    pages: int = 1
    read_part: Callable[[int, int, int, int], NDArray[Any]] | None = None

    @property
    def height(self) -> int:
        """Rows, the info bar included."""
        return self.shape[0]

    @property
    def width(self) -> int:
        """Columns."""
        return self.shape[1]

    @property
    def is_rgb(self) -> bool:
        """Whether the pixels have three channels."""
        return len(self.shape) == 3

    def part(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Read a rectangle of pixels; both slices have a beginning and an end."""
        if self.read_part is None:
            return self.read(rows.start, rows.stop)[:, columns]
        return self.read_part(rows.start, rows.stop, columns.start, columns.stop)

    @property
    def specimen_shape(self) -> tuple[int, ...]:
        """Shape of the part above the info bar, ``(H', W)`` or ``(H', W, 3)``."""
        rows = self.height if self.info_bar is None else self.info_bar.row
        return (rows, *self.shape[1:])

    def specimen_rows(self, start: int, stop: int) -> NDArray[np.generic]:
        """Read rows of the specimen."""
        return self.read(start, min(stop, self.specimen_shape[0]))

    def analysable_rows(self, start: int, stop: int) -> NDArray[np.bool_] | None:
        """Find where pixels of some rows are numbers; None where all are."""
        if self.sample.pixels.dtype.kind != "f":
            return None
        return finite_pixels(self.specimen_rows(start, stop))

    def with_info_bar(self, info_bar: InfoBar | None) -> "Panorama":
        """Return the same panorama with another info bar, or none."""
        sample_bar = None
        if info_bar is not None:
            row = -(-info_bar.row * self.sample.height // self.height)
            sample_bar = InfoBar(row, info_bar.source)
        sample = replace(self.sample, info_bar=sample_bar)
        return replace(self, info_bar=info_bar, sample=sample)


AnyMicrograph = Micrograph | Panorama


def sample_of(image: AnyMicrograph) -> Micrograph:
    """Return what statistics of an image are made of: itself, or the sample of its panorama."""
    if isinstance(image, Panorama):
        return image.sample
    return image if image.whole is None else image.whole.sample
