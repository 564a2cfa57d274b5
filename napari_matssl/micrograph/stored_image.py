"""An image as its file stores it, before palette and polarity are applied."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Stored:
    """An image as its file stores it, but the right way up.

    Parameters
    ----------
    pixels
        ``(H, W)`` or ``(H, W, 3)``, native byte order, without an alpha channel.
    palette
        ``(256 or more, 3)``, the colours that `pixels` are indices of.
    white
        The greatest value that there can be, where 0 means white.
    factor
        What grey values of few bits have been multiplied with, to fill 8 bits.
    orientation
        How `pixels` were turned, as the TIFF tag has it: 1 not at all.
    lossy
        Whether colours may have run by some pixels, as they do in JPEG.
    remarks
        What is unusual about the file and how it was read.
    transparent
        Whether an alpha channel makes any pixel less than opaque.
    page, pages
        Which of the images of its file it is, from 1, and how many there are.
    """

    pixels: NDArray[Any]
    palette: NDArray[np.uint8] | None = None
    white: int | None = None
    factor: int = 1
    orientation: int = 1
    lossy: bool = False
    remarks: tuple[str, ...] = ()
    transparent: bool = False
    page: int = 1
    pages: int = 1
