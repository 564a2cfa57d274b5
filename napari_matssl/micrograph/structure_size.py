"""How fine the structure in a micrograph is: over how many pixels its grey values are alike."""

from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.intensity_scaling import as_channels

_PIXELS = 1 << 19  # as many of an image are looked at, in lines from all over it
_DARK, _BRIGHT = 1.0, 99.0  # percentiles; what lies beyond, hot pixels for instance, is cut off
_NEAR, _FAR = 2, 4  # px; lags from which the covariance without noise is extrapolated

_found: WeakKeyDictionary[Micrograph, dict[int, int]] = WeakKeyDictionary()
"""Lengths by the longest that was sought; a preview after every stroke asks for them again."""


def correlation_length(micrograph: Micrograph, longest: int) -> int:
    """Return the distance at which the autocovariance of grey values has fallen to a half.

    Along rows or columns, whichever is shorter. Noise that differs from pixel to pixel doesn't
    count: the covariance at lag 0 is extrapolated from lags 2 and 4. In a random structure of two
    equal phases, whose covariance falls exponentially (Debye, Anderson and Brumberger 1957), it is
    0.35 of the mean chord length. All of the image counts: within a stratum of a layered specimen
    the grey values that are alike are those of its texture.

    Parameters
    ----------
    micrograph
        Its specimen is looked at, without an info bar.
    longest
        Distance in px up to which it is sought.

    Returns
    -------
    In px, from 1 to `longest`; `longest` for a constant image. It is measured once for a
    micrograph, whose pixels must not change.
    """
    known = _found.setdefault(micrograph, {})
    if longest not in known:
        known[longest] = _measure(micrograph, longest)
    return known[longest]


def _measure(micrograph: Micrograph, longest: int) -> int:
    stored, analysable = micrograph.specimen, micrograph.specimen_analysable
    rows = _lines(stored, analysable)
    columns = _lines(stored.swapaxes(0, 1), None if analysable is None else analysable.T)
    return min(_half(rows, longest), _half(columns, longest))


def _lines(
    stored: NDArray[np.generic], analysable: NDArray[np.bool_] | None
) -> NDArray[np.float32]:
    """Return the luminance of rows about its mean; 0 where a pixel can't be analysed."""
    every = max(1, stored.shape[0] * stored.shape[1] // _PIXELS)
    grey = as_channels(stored[::every], "grey").astype(np.float64)
    known = None if analysable is None else analysable[::every]
    used = grey if known is None else grey[known]
    low, high = np.percentile(used, [_DARK, _BRIGHT]) if used.size else (0.0, 0.0)
    if high <= low:
        return np.zeros(grey.shape, dtype=np.float32)
    unit = (grey.clip(low, high) - low) / (high - low)
    if known is not None:
        unit = np.where(known, unit, unit[known].mean())
    centred: NDArray[np.float32] = (unit - unit.mean()).astype(np.float32)
    return centred


def _half(lines: NDArray[np.float32], longest: int) -> int:
    """Return the lag at which the covariance along lines has fallen to a half."""
    variance = _covariance(lines, 0)
    without_noise = min(variance, 2 * _covariance(lines, _NEAR) - _covariance(lines, _FAR))
    if variance == 0:
        return longest
    for lag in range(1, longest):
        if _covariance(lines, lag) < without_noise / 2:
            return lag
    return longest


def _covariance(lines: NDArray[np.float32], lag: int) -> float:
    """Return the mean product of pixels that are so far apart along lines."""
    first, second = lines[:, : max(0, lines.shape[1] - lag)], lines[:, lag:]
    return float((first * second).mean()) if first.size else 0.0
