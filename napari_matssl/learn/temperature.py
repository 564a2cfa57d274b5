"""Temperature of probabilities: they mean what they say on held-out pixels.

A network that is 99 % sure and right in 90 % is too sure. One number, fitted on pixels that it has
not learnt from, mends most of that (Guo et al., "On calibration of modern neural networks", 2017):
probabilities are raised to the power of 1 / T and brought to the sum 1 again, which is the same as
dividing logits by T. The most probable class stays the most probable one.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Floats = NDArray[np.floating]

LOWEST, HIGHEST = 1.0, 10.0
"""Bounds of a temperature. Held-out strokes keep away from boundaries and are easier than the rest:
they can't be evidence that probabilities are too cautious."""

SMALLEST = 1e-6
"""Probabilities below count as this."""


class Reliability(NamedTuple):
    """How sure a model is, and how often it is right then; one figure per bin ``(B,)``.

    Parameters
    ----------
    pixels
        In each bin.
    confidence
        Mean probability of the most probable class; NaN in empty bins.
    accuracy
        Share of pixels of which that is the true class; NaN in empty bins.
    """

    pixels: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def expected_calibration_error(self) -> float:
        """Mean distance between confidence and accuracy, over pixels (Guo et al., equation 5)."""
        there = self.pixels > 0
        gaps = np.abs(self.confidence[there] - self.accuracy[there])
        return float((gaps * self.pixels[there]).sum() / self.pixels.sum())


def tempered(probabilities: Floats, temperature: float) -> Floats:
    """Return probabilities ``(n, K)`` at a temperature."""
    powers = np.maximum(probabilities, SMALLEST) ** (1 / temperature)
    result: Floats = powers / powers.sum(axis=1, keepdims=True)
    return result


def fit_temperature(probabilities: Floats, truth: NDArray[np.integer]) -> float:
    """Fit the temperature under which the true classes are most likely.

    Parameters
    ----------
    probabilities
        ``(n, K)`` of held-out pixels, each with the sum 1; n at least 1.
    truth
        ``(n,)``, index of the true class.
    """
    logs = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST))
    true = logs[np.arange(len(truth)), truth]

    def loss(log_temperature: float) -> float:
        inverse = np.exp(-log_temperature)
        total = np.log(np.exp(logs * inverse).sum(axis=1))
        return float((total - true * inverse).mean())

    bounds = (np.log(LOWEST), np.log(HIGHEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded")
    return float(np.exp(found.x))


def reliability(probabilities: Floats, truth: NDArray[np.integer], bins: int = 15) -> Reliability:
    """Compare how sure a model is with how often it is right, in bins of equal width.

    Parameters as of :func:`fit_temperature`.
    """
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    place = np.minimum((sure * bins).astype(np.intp), bins - 1)
    pixels = np.bincount(place, minlength=bins)
    count = np.where(pixels > 0, pixels, np.nan)
    return Reliability(
        pixels,
        np.bincount(place, weights=sure, minlength=bins) / count,
        np.bincount(place, weights=right, minlength=bins) / count,
    )
