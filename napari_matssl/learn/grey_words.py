"""Pixels as words: what is compared of the grey values of images."""

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from napari_matssl.learn.grey_reference import GreyScale

Floats = NDArray[np.float64]

PIXELS = 4000
"""As many of an image are enough."""

_FINE, _COARSE = 1.4, 3.0  # px of the network
_FAINTEST = 0.02  # gradient, in spreads
_RADIUS = 12  # px: four times the coarser width


def _gaussian(width: float, place: int = 0) -> NDArray[np.float32]:
    """Return a Gaussian filter that ends at four times its width, `place` px from the middle."""
    reach = int(4 * width + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    found = np.zeros(2 * _RADIUS + 1, dtype=np.float32)
    start = _RADIUS - reach + place
    found[start : start + len(weights)] = weights / weights.sum()
    return found


_AROUND, _HERE, _BEFORE, _AFTER = range(4)
_FILTERS: Final = np.stack(
    [_gaussian(_COARSE), *(_gaussian(_FINE, place) for place in (0, -1, 1))], axis=1
)
"""Filters along one axis ``(25, 4)``."""


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
    height, width = values.shape
    rows, columns = np.divmod(positions, width)
    padded = np.pad(values.astype(np.float32), _RADIUS, mode="edge")
    side = 2 * _RADIUS + 1
    around = sliding_window_view(padded, (side, side))[rows, columns]
    # (n, filter across, filter along); all of an image filtered would take eight times as long.
    smooth = np.matmul((around @ _FILTERS).transpose(0, 2, 1), _FILTERS)
    downwards = _slope(smooth[:, _HERE], rows, height)
    across = _slope(smooth[:, :, _HERE], columns, width)
    gradient = np.hypot(downwards, across)
    planes = [smooth[:, _HERE, _HERE], smooth[:, _AROUND, _AROUND], gradient]
    return np.stack(planes, axis=1).astype(np.float64)


def describe_some(values: NDArray[np.floating], usable: NDArray[np.bool_]) -> Floats:
    """Describe as many pixels as are enough, from all over an image ``(n, 3)``.

    Parameters
    ----------
    values
        As for :func:`describe`.
    usable
        Which pixels count ``(H, W)``; if none does, all do.
    """
    positions = np.flatnonzero(usable if usable.any() else np.ones_like(usable))
    if len(positions) > PIXELS:
        random = np.random.default_rng(0)
        positions = np.sort(random.choice(positions, PIXELS, replace=False))
    return describe(values, positions)


def _slope(smooth: NDArray[np.float32], places: NDArray[np.int64], length: int) -> Floats:
    """Return central differences of smoothed values; at the ends, one-sided ones."""
    before = np.where(places > 0, smooth[:, _BEFORE], smooth[:, _HERE])
    after = np.where(places < length - 1, smooth[:, _AFTER], smooth[:, _HERE])
    apart = np.minimum(places + 1, length - 1) - np.maximum(places - 1, 0)
    slope: Floats = (after - before) / np.maximum(apart, 1)
    return slope


def on_scale(described: Floats, scale: GreyScale) -> Floats:
    """Bring descriptions in stored values to a scale; gradients become logarithms."""
    grey = (described[:, :2] - scale.middle) / scale.spread
    gradient = np.log(described[:, 2:] / scale.spread + _FAINTEST)
    return np.concatenate([grey, gradient], axis=1)


def nearest_words(points: Floats, words: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Find the nearest word of each point ``(..., 3)``, and the distance to it ``(...)``."""
    points, words = points.astype(np.float32), words.astype(np.float32)  # twice as fast
    squares = points @ (-2 * words.T)
    squares += (words**2).sum(axis=1)
    nearest = squares.argmin(axis=-1)
    least = np.take_along_axis(squares, nearest[..., None], axis=-1)[..., 0]
    least += np.einsum("...i,...i->...", points, points)
    return nearest, np.sqrt(np.maximum(least, 0))
