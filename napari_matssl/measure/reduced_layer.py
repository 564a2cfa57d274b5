"""Where a layer runs, seen in a reduced image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SIDE = 1536
"""Longer side in px of the reduced image in which a layer is looked for."""

_STRIP = 64
"""Reduced rows that are made at a time."""

_SMALLEST_PART = 0.01
"""Of the largest part: smaller ones don't decide where the layer runs."""


@dataclass(frozen=True)
class Reduced:
    """A layer in a reduced image: a pixel is layer if any in its block is.

    Parameters
    ----------
    layer
        ``(h, w)`` the layer without its smallest parts.
    body
        ``(h, w)`` the same with the cracks that join its parts.
    closed_off
        ``(h, w)`` where something wasn't analysed.
    scale
        Height and width of a reduced pixel in um (px).
    factor
        Pixels along its side.
    shape
        Of the whole image.
    """

    layer: NDArray[np.bool_]
    body: NDArray[np.bool_]
    closed_off: NDArray[np.bool_]
    scale: tuple[float, float]
    factor: int
    shape: tuple[int, int]

    @property
    def pixel(self) -> tuple[float, float]:
        """Height and width of a pixel of the image."""
        return self.scale[0] / self.factor, self.scale[1] / self.factor

    def place(self, pixels: NDArray[np.floating]) -> NDArray[np.floating]:
        """Turn reduced rows and columns into y and x, 0 in the middle of the first pixel."""
        placed: NDArray[np.floating] = (pixels * self.factor + (self.factor - 1) / 2) * np.asarray(
            self.pixel
        )
        return placed


def reduce_layer(
    mask: NDArray[np.integer],
    analysed: NDArray[np.bool_] | None,
    own: int,
    cracks: tuple[int, ...],
    scale: tuple[float, float],
) -> Reduced:
    """Find the large parts of a layer in an image reduced to ``SIDE``; cracks join parts."""
    factor = max(1, -(-max(mask.shape) // SIDE))
    joint = np.zeros(256, dtype=np.bool_)
    joint[[own, *cracks]] = True
    bands, joints, shut = [], [], []
    strip = _STRIP * factor
    for top in range(0, mask.shape[0], strip):
        rows = mask[top : top + strip]
        bands.append(_any_in_blocks(rows == own, factor))
        joints.append(_any_in_blocks(joint[rows], factor))
        if analysed is not None:
            shut.append(_any_in_blocks(~analysed[top : top + strip], factor))
    layer = np.concatenate(bands)
    parts, count = ndimage.label(np.concatenate(joints), np.ones((3, 3)))
    sizes = np.bincount(parts[layer], minlength=count + 1)
    body = ((sizes > 0) & (sizes >= _SMALLEST_PART * sizes.max()))[parts]
    closed_off = np.concatenate(shut) if shut else np.zeros_like(layer)
    shape = mask.shape[0], mask.shape[1]
    return Reduced(
        layer & body, body, closed_off, (scale[0] * factor, scale[1] * factor), factor, shape
    )


def _any_in_blocks(rows: NDArray[np.bool_], factor: int) -> NDArray[np.bool_]:
    if factor == 1:
        return rows
    found: NDArray[np.bool_] = rows
    for axis in (0, 1):
        found = np.logical_or.reduceat(found, np.arange(0, rows.shape[axis], factor), axis=axis)
    return found
