"""The micrograph: pixels as stored, with metadata."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

LUMINANCE = np.array([0.2125, 0.7154, 0.0721])
"""Weights of red, green and blue, by ITU-R BT.709."""


@dataclass(frozen=True)
class PixelSize:
    """Size of one pixel.

    Parameters
    ----------
    x_um, y_um
        Width and height of a pixel in micrometres.
    source
        Where the value was read, for people: ``"FEI metadata (Scan.PixelWidth)"``.
    doubt
        Why it may be wrong: what else in the image contradicts it. Not kept on disk.
    """

    x_um: float
    y_um: float
    source: str
    doubt: Annotated[str, Field(exclude=True)] = ""

    @property
    def mean_um(self) -> float:
        """Geometric mean of width and height in micrometres."""
        return float((self.x_um * self.y_um) ** 0.5)

    @property
    def square(self) -> bool:
        """Whether width and height are the same, within a thousandth."""
        return abs(self.x_um / self.y_um - 1) < 1e-3

    @property
    def transposed(self) -> "PixelSize":
        """The same with width and height exchanged."""
        return replace(self, x_um=self.y_um, y_um=self.x_um)

    @property
    def in_words(self) -> str:
        """The size as text: ``0.25 µm/px``, or both sides where they differ."""
        x, y = f"{self.x_um:.4g}", f"{self.y_um:.4g}"
        return f"{x} µm/px" if x == y else f"{x} x {y} µm/px"

    @property
    def area_um2(self) -> float:
        """Area of one pixel in square micrometres."""
        return self.x_um * self.y_um


@dataclass(frozen=True)
class InfoBar:
    """The strip with scale bar and text at the lower edge of an SEM image.

    Parameters
    ----------
    row
        First row of the bar; the specimen is rows ``0`` to ``row - 1``.
    source
        How it was found, for people: ``"FEI metadata"`` or ``"uniform rows"``.
    """

    row: int
    source: str


class Whole(Protocol):
    """What a part was cut out of: a panorama."""

    @property
    def sample(self) -> "Micrograph":
        """Every k-th pixel of it, for statistics."""


@dataclass(frozen=True, eq=False)
class Micrograph:
    """One micrograph as it was stored; equal to itself alone.

    Parameters
    ----------
    name
        What to call it in messages and tables: the file's name, or a layer's.
    pixels
        ``(H, W)`` or ``(H, W, 3)``, integer or float, as stored. RGB files whose channels
        are equal come as grey; an alpha channel is left out.
    pixel_size
        None when the image is not calibrated.
    info_bar
        None when there is none.
    path
        The file, if it came from one.
    remarks
        Lines on what is unusual about the file and how it was read, each worth telling once.
    analysable
        ``(H, W)``, where the pixels are numbers; None where all are. The rest belongs to no class.
    page, pages
        Which image of its file it is, from 1, and how many the file holds.
    part_of
        The file of the panorama that it was cut out of, or the stack that it is a plane of (no file
        that there has to be); None where it is a whole image.
    whole
        The panorama that it was cut out of, whose grey values count for it; None: its own do.
    """

    name: str
    pixels: NDArray[np.generic]
    pixel_size: PixelSize | None = None
    info_bar: InfoBar | None = None
    path: Path | None = None
    remarks: tuple[str, ...] = ()
    analysable: NDArray[np.bool_] | None = None
    page: int = 1
    pages: int = 1
    part_of: Path | None = None
    whole: "Whole | None" = None

    @property
    def origin(self) -> object:
        """What is equal for pages of one file, parts of one panorama and planes of one layer."""
        return self.part_of or self.path or self

    @cached_property
    def pixels_sha256(self) -> str:
        """Checksum of size, type and values of the pixels, whatever the file."""
        checksum = hashlib.sha256(f"{self.pixels.shape} {self.pixels.dtype.str}".encode())
        checksum.update(np.ascontiguousarray(self.pixels).data)
        return checksum.hexdigest()

    @property
    def origin_name(self) -> str:
        """What to call the origin: a part's panorama, else as the image."""
        return self.name if self.part_of is None else self.part_of.name

    @property
    def height(self) -> int:
        """Rows, the info bar included."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    @property
    def specimen(self) -> NDArray[np.generic]:
        """The pixels above the info bar, a view ``(H', W)`` or ``(H', W, 3)``."""
        return self.pixels if self.info_bar is None else self.pixels[: self.info_bar.row]

    @property
    def is_rgb(self) -> bool:
        """Whether the pixels have three channels."""
        return self.pixels.ndim == 3

    @property
    def specimen_analysable(self) -> NDArray[np.bool_] | None:
        """Where the specimen's pixels are numbers, ``(H', W)``; None where all are."""
        if self.analysable is None or self.info_bar is None:
            return self.analysable
        return self.analysable[: self.info_bar.row]

    @property
    def specimen_shape(self) -> tuple[int, ...]:
        """Shape of the specimen, ``(H', W)`` or ``(H', W, 3)``."""
        return self.specimen.shape

    def specimen_rows(self, start: int, stop: int) -> NDArray[np.generic]:
        """Return rows of the specimen, a view."""
        return self.specimen[start:stop]

    def analysable_rows(self, start: int, stop: int) -> NDArray[np.bool_] | None:
        """Return where the pixels of the specimen's rows are numbers; None where all are."""
        whole = self.specimen_analysable
        return None if whole is None else whole[start:stop]

    def with_info_bar(self, info_bar: InfoBar | None) -> "Micrograph":
        """Return the same micrograph with another info bar, or none.

        Colours of a bar don't make a specimen coloured: where it has none, the image becomes grey.
        """
        other = replace(self, info_bar=info_bar)
        return replace(other, pixels=grey_if_colourless(other.pixels, other.specimen.shape[0]))


def grey_if_colourless(pixels: NDArray[Any], rows: int, spared: int = 0) -> NDArray[Any]:
    """Make an image grey whose upper part holds no colour.

    Parameters
    ----------
    pixels
        ``(H, W)`` or ``(H, W, 3)``.
    rows
        How many rows belong to the specimen; those below become grey by their luminance.
    spared
        How many of its last rows don't count, because colours of the bar may have run into them.

    Returns
    -------
    ``(H, W)``, or the very same pixels where there is colour.
    """
    if pixels.ndim == 2:
        return pixels
    counted = pixels[: max(1, rows - spared)]
    for some in (counted[::64], counted):  # a few rows are enough for most colour images
        if not all(np.array_equal(some[..., 0], some[..., k]) for k in (1, 2)):
            return pixels
    grey = np.ascontiguousarray(pixels[..., 0])
    below = pixels[len(counted) :]
    if len(below):
        bright = below.astype(np.float64) @ LUMINANCE
        whole = grey.dtype.kind in "ui"
        grey[len(counted) :] = (np.rint(bright) if whole else bright).astype(grey.dtype)
    return grey


def finite_pixels(pixels: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Find the pixels that are numbers, ``(H, W)``; None where all are."""
    if pixels.dtype.kind != "f":
        return None
    each: NDArray[np.bool_] = np.isfinite(pixels)
    finite: NDArray[np.bool_] = each if each.ndim == 2 else np.all(each, axis=2)
    return None if finite.all() else finite
