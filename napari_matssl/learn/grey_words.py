"""Pixels as words: what is compared of the grey values of images."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_matssl.learn.grey_reference import GreyScale

Floats = NDArray[np.float64]

PIXELS = 4000
"""As many of an image are enough."""

_FINE, _COARSE = 1.4, 3.0  # px of the network
_FAINTEST = 0.02  # gradient, in spreads


def describe(values: NDArray[np.floating], positions: NDArray[np.int64]) -> Floats:
    """Describe pixels by grey value, that of their neighbourhood, and gradient ``(n, 3)``.

    Parameters
    ----------
    values
        Grey image ``(H, W)`` at the network's magnification.
    positions
        Flat positions ``(n,)``.

    Returns
    -------
    In the unit of `values`, so that they follow any change of brightness and contrast exactly.
    """
    fine = ndimage.gaussian_filter(values.astype(np.float32), _FINE, mode="nearest")
    coarse = ndimage.gaussian_filter(values.astype(np.float32), _COARSE, mode="nearest")
    gradient = np.hypot(*np.gradient(fine))
    planes = [plane.ravel()[positions] for plane in (fine, coarse, gradient)]
    return np.stack(planes, axis=1).astype(np.float64)


def on_scale(described: Floats, scale: GreyScale) -> Floats:
    """Bring descriptions in stored values to a scale; gradients become logarithms."""
    grey = (described[:, :2] - scale.middle) / scale.spread
    gradient = np.log(described[:, 2:] / scale.spread + _FAINTEST)
    return np.concatenate([grey, gradient], axis=1)


def nearest_words(points: Floats, words: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Find the nearest word of each point, and the distance to it."""
    points, words = points.astype(np.float32), words.astype(np.float32)  # twice as fast
    squares = (words**2).sum(axis=1) - points @ (2 * words.T)
    nearest = squares.argmin(axis=1)
    least = np.take_along_axis(squares, nearest[:, None], axis=1)[:, 0] + (points**2).sum(axis=1)
    return nearest, np.sqrt(np.maximum(least, 0))
