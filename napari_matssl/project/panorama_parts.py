"""Parts of panoramas: micrographs of an ordinary size, to be trained on and previewed."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.micrograph.image import Micrograph, finite_pixels
from napari_matssl.micrograph.panorama import Panorama

SIDE: Final = 1024
"""Shortest side of a part, px, where the panorama is larger."""

_AT = " at "


@dataclass(frozen=True, eq=False)
class Part:
    """A rectangle of a panorama's specimen.

    Parameters
    ----------
    micrograph
        Its pixels, under a name of its own.
    top, left
        Its first row and column in the panorama.
    """

    micrograph: Micrograph
    top: int
    left: int

    @property
    def area(self) -> tuple[slice, slice]:
        """Its rows and columns in the panorama."""
        height, width = self.micrograph.height, self.micrograph.width
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def part_of(panorama: Panorama, rows: slice, columns: slice) -> Part:
    """Read a rectangle.

    Raises
    ------
    InputError
        If it can't be read.
    """
    pixels = panorama.part(rows, columns)
    name = f"{panorama.name}{_AT}{columns.start}, {rows.start}"
    micrograph = Micrograph(
        name,
        pixels,
        panorama.pixel_size,
        analysable=finite_pixels(pixels),
        page=panorama.page,
        part_of=panorama.path,
        whole=panorama,
    )
    return Part(micrograph, rows.start, columns.start)


def is_part(name: str, panorama: str) -> bool:
    """Whether a part's name is one of those of a panorama's parts."""
    return name.startswith(f"{panorama}{_AT}")


def part_around(panorama: Panorama, row: float, column: float) -> Part:
    """Read the part around a pixel, moved as far as it takes to lie in the specimen.

    Raises
    ------
    InputError
        If it can't be read.
    """
    rows, columns = (
        _around(at, length)
        for at, length in zip((row, column), panorama.specimen_shape[:2], strict=True)
    )
    return part_of(panorama, rows, columns)


def painted_areas(
    panorama: Panorama, ids: NDArray[np.integer], unlabelled: int | None = 0
) -> tuple[tuple[slice, slice], ...]:
    """Find the cells of a grid that hold strokes.

    Parameters
    ----------
    ids
        ``(H, W)``, the strokes of all of the panorama.
    unlabelled
        Value of unpainted pixels; None: every pixel is painted.
    """
    height, width = panorama.specimen_shape[:2]
    found = []
    for rows in _cells(height):
        band = ids[rows, :width]
        strokes = band if unlabelled == 0 else band != unlabelled
        if strokes.any():
            painted = np.any(strokes, axis=0, keepdims=True)[0]
            found += [(rows, columns) for columns in _cells(width) if painted[columns].any()]
    return tuple(found)


def painted_parts(
    panorama: Panorama, ids: NDArray[np.integer], unlabelled: int | None = 0
) -> tuple[PaintedMicrograph, ...]:
    """Read the parts of a panorama that hold strokes, as :func:`painted_areas` finds them.

    Parameters
    ----------
    ids, unlabelled
        As there.

    Raises
    ------
    InputError
        If one can't be read.
    """
    return tuple(
        PaintedMicrograph(part_of(panorama, *area).micrograph, ids[area].copy())
        for area in painted_areas(panorama, ids, unlabelled)
    )


def _cells(length: int) -> list[slice]:
    """Divide a side into cells of :data:`SIDE` px or up to twice as many."""
    count = max(1, length // SIDE)
    ends = np.linspace(0, length, count + 1).astype(int).tolist()
    return [slice(start, stop) for start, stop in pairwise(ends)]


def _around(at: float, length: int) -> slice:
    side = min(SIDE, length)
    start = min(max(0, round(at - side / 2)), length - side)
    return slice(start, start + side)
