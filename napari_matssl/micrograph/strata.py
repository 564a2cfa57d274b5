"""Detection of strata in micrographs, and of their direction.

In a cross-section of a coating or a weld, above and below mean something; in most microstructures
they don't.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.intensity_scaling import as_channels

Strata = Literal["any", "rows", "columns"]

_SHARE = 0.25
"""Least share of the grey values' variance that lies between rows (or columns)."""

_RATIO = 4.0
"""How many times more variance lies across the strata than along them."""

_LARGEST = 1024  # px of a side; larger images are thinned out


def find_strata(micrographs: Sequence[Micrograph]) -> Strata:
    """Find which way strata lie in a set of micrographs, by the median image.

    Returns
    -------
    ``"rows"`` where strata lie along rows, one above the other; ``"columns"`` where they stand
    side by side; ``"any"`` where no strata are seen, as in most microstructures.

    Notes
    -----
    An image's row means vary little unless it is made of strata. Of the variance of the grey
    values, 26 to 79 % lies between rows in coatings, 2 to 27 % between the rows or columns of
    microstructures without strata (benchmarks/NOTES.md).
    """
    shares = np.array([_shares(micrograph) for micrograph in micrographs])  # (n, 2)
    rows, columns = np.median(shares, axis=0)
    if rows >= _SHARE and rows >= _RATIO * columns:
        return "rows"
    if columns >= _SHARE and columns >= _RATIO * rows:
        return "columns"
    return "any"


def _shares(micrograph: Micrograph) -> tuple[float, float]:
    """Shares of the variance that lie between rows and between columns."""
    grey = as_channels(micrograph.specimen, "grey")
    step = max(1, min(grey.shape) // _LARGEST)
    values = grey[::step, ::step].astype(np.float64)
    low, high = np.percentile(values, (0.1, 99.9))
    values = np.clip(values, low, high) if high > low else values
    variance = float(values.var())
    if variance == 0 or not np.isfinite(variance):
        return 0.0, 0.0
    rows, columns = values.mean(axis=1).var(), values.mean(axis=0).var()
    return float(rows / variance), float(columns / variance)
