"""The micrograph itself: pixels as stored, with what is known about them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PixelSize:
    """Size of one pixel.

    Parameters
    ----------
    x_um, y_um
        Width and height of a pixel in micrometres.
    source
        Where the value was read, for people: ``"FEI metadata (Scan.PixelWidth)"``.
    """

    x_um: float
    y_um: float
    source: str

    @property
    def mean_um(self) -> float:
        """Geometric mean of width and height in micrometres."""
        return float((self.x_um * self.y_um) ** 0.5)

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


@dataclass(frozen=True)
class Micrograph:
    """One micrograph as it was stored.

    Parameters
    ----------
    name
        What to call it in messages and tables: the file's name, or a layer's.
    pixels
        ``(H, W)`` or ``(H, W, 3)``, integer or float, never normalised. RGB files whose channels
        are equal come as grey; an alpha channel is left out.
    pixel_size
        None when the image is not calibrated.
    info_bar
        None when there is none.
    path
        The file, if it came from one.
    remarks
        Lines on what is unusual about the file and how it was read, each worth telling once.
    """

    name: str
    pixels: NDArray[np.generic]
    pixel_size: PixelSize | None = None
    info_bar: InfoBar | None = None
    path: Path | None = None
    remarks: tuple[str, ...] = ()

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
