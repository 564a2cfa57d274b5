"""Smaller copies of a panorama, to be seen from far."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

STEPS: Final = (4, 16)
"""By how much the copies are smaller, along each side."""

ALIGNED: Final = STEPS[-1]
"""Pieces that a copy is made of begin at multiples of this."""


class Overview:
    """Copies that fill as bands of the panorama are read.

    A pixel of a copy is the mean of four, so that fine structures don't flicker.

    Parameters
    ----------
    shape
        ``(H, W)`` or ``(H, W, 3)``, of the panorama.
    dtype
        Of its pixels.

    Attributes
    ----------
    levels
        The copies, by :data:`STEPS`; 0 where no band has come yet.
    """

    def __init__(self, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        height, width, *channels = shape
        self.levels = [
            np.zeros((-(-height // step), -(-width // step), *channels), dtype) for step in STEPS
        ]

    def take(self, start: int, pixels: NDArray[Any], left: int = 0) -> None:
        """Take in pixels from a row and a column on, both multiples of :data:`ALIGNED`."""
        for level, step in zip(self.levels, STEPS, strict=True):
            pixels = _quarter(pixels)
            top, first = start // step, left // step
            level[top : top + len(pixels), first : first + pixels.shape[1]] = pixels

    def first_channel(self) -> "Overview":
        """Return the same copies, of which only the first channel is seen."""
        seen = Overview((0, 0), self.levels[0].dtype)
        seen.levels = [level[..., 0] for level in self.levels]
        return seen


def _quarter(pixels: NDArray[Any]) -> NDArray[Any]:
    """Make an image of a quarter of the sides, each pixel the mean of 2 x 2 out of 4 x 4."""
    few = _paired(pixels[::4], pixels[2::4])
    return _paired(few[:, ::4], few[:, 2::4], axis=1)


def _paired(first: NDArray[Any], second: NDArray[Any], axis: int = 0) -> NDArray[Any]:
    """Return the mean of two arrays; the second may end earlier."""
    missing = first.shape[axis] - second.shape[axis]
    if missing:
        last = first[-missing:] if axis == 0 else first[:, -missing:]
        second = np.concatenate([second, last], axis=axis)
    if first.dtype.kind == "f":
        mean: NDArray[Any] = first / first.dtype.type(2) + second / first.dtype.type(2)
        return mean
    halved: NDArray[Any] = (first & second) + ((first ^ second) >> 1)  # can't overflow
    return halved
