"""Cohen's kappa of two judgements of the same points, with an interval."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from napari_matssl.measure.field_statistics import CONFIDENCE

_Z = float(ndtri(0.5 + CONFIDENCE / 2))


@dataclass(frozen=True)
class Agreement:
    """How well two judgements agree; None where a figure is undefined.

    Parameters
    ----------
    points
        Points that both have judged.
    percent
        Share of them that got the same class, in %.
    kappa
        Cohen's kappa: 1 for full agreement, 0 for that of chance.
    low, high
        Its 95 % confidence interval.
    reason
        Why there is no kappa, or no interval.
    """

    points: int
    percent: float | None
    kappa: float | None
    low: float | None
    high: float | None
    reason: str = ""


def agreement(counts: NDArray[np.integer]) -> Agreement:
    """Compare two judgements of the points of one or several images.

    kappa = (po - pe) / (1 - pe), with po the share of points on the diagonal and pe the sum of
    products of both margins (Cohen, *Educ. Psychol. Meas.* 20, 1960). Its standard error is that of
    the delta method (Fleiss, Cohen and Everitt, *Psychol. Bull.* 72, 1969). Points of one image
    resemble each other in what is mistaken, so over several images the sums of the influence of
    each image's points are spread instead (cluster-robust: Liang and Zeger, *Biometrika* 73, 1986),
    with t for their number. The interval is symmetrical on the scale of artanh(kappa): near 1, the
    plain one would cover the truth in 86 % instead of 95 %.

    Parameters
    ----------
    counts
        ``(m, K, K)`` points per image; rows the first judgement, columns the second.

    Returns
    -------
    Undefined are kappa where both judgements found one class alone, and its interval over several
    images that all agree fully. On one image the lower bound is that of Wilson's interval for po
    then.
    """
    table = counts.sum(axis=0).astype(np.float64)
    total = float(table.sum())
    if not total:
        return Agreement(0, None, None, None, None, "no point was judged by both")
    shares = table / total
    same = float(np.trace(shares))
    first, second = shares.sum(axis=1), shares.sum(axis=0)
    chance = float(first @ second)
    if math.isclose(chance, 1):
        reason = "one class alone was found"
        return Agreement(round(total), 100 * same, None, None, None, reason)
    # Rounding would make 0.9999999999999998 of it.
    kappa = 1.0 if math.isclose(same, 1) else (same - chance) / (1 - chance)
    images = counts[counts.sum(axis=(1, 2)) > 0]
    low, high, reason = None, None, ""
    if math.isclose(same, 1):
        if len(images) > 1:
            reason = "no point differs in any image"
        else:
            low, high = (total / (total + _Z**2) - chance) / (1 - chance), 1.0
    else:
        low, high = _interval(kappa, _spread(images, same, chance, first, second), len(images))
    return Agreement(round(total), 100 * same, kappa, low, high, reason)


def _spread(
    images: NDArray[np.integer],
    same: float,
    chance: float,
    first: NDArray[np.float64],
    second: NDArray[np.float64],
) -> float:
    """Return the standard error of kappa."""
    beside = second[:, None] + first[None, :] - 2 * chance
    influence = (np.eye(len(first)) - same) / (1 - chance)
    influence -= (1 - same) / (1 - chance) ** 2 * beside
    total = float(images.sum())
    if len(images) == 1:
        return math.sqrt(float(np.sum(images[0] * influence**2))) / total
    sums = np.sum(images * influence, axis=(1, 2))
    return math.sqrt(len(images) / (len(images) - 1) * float(np.sum(sums**2))) / total


def _interval(kappa: float, error: float, images: int) -> tuple[float, float]:
    quantile = _Z if images == 1 else float(stdtrit(images - 1, 0.5 + CONFIDENCE / 2))
    if kappa <= -1:
        return -1.0, 1.0
    half = quantile * error / (1 - kappa**2)
    return math.tanh(math.atanh(kappa) - half), math.tanh(math.atanh(kappa) + half)
