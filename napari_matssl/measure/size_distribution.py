"""Size distributions of objects that lie wholly inside their fields, weighted.

The weights are those of :mod:`~napari_matssl.measure.edge_weights`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from napari_matssl.measure.field_statistics import CONFIDENCE

RESAMPLES = 500


def weighted_quantiles(
    values: NDArray[np.float64], weights: NDArray[np.float64], shares: Sequence[float]
) -> NDArray[np.float64]:
    """Interpolate quantiles of weighted values; a value stands in the middle of its weight.

    Returns
    -------
    One per share, from 0 to 1; NaN if there is no value.
    """
    order = np.argsort(values)
    return _quantiles(values[order], weights[order], shares)


def _quantiles(
    ascending: NDArray[np.float64], weights: NDArray[np.float64], shares: Sequence[float]
) -> NDArray[np.float64]:
    up_to = np.cumsum(weights)
    if not len(up_to) or up_to[-1] <= 0:
        return np.full(len(shares), np.nan)
    some = weights > 0
    middle = (up_to[some] - weights[some] / 2) / up_to[-1]
    return np.interp(shares, middle, ascending[some])


@dataclass(frozen=True)
class SizedObjects:
    """Sizes and weights of the objects of one field."""

    sizes: NDArray[np.float64]
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class ObjectSizes:
    """Sizes of the objects of one class in all fields of a group.

    Parameters
    ----------
    group, class_name
        Which.
    unit
        ``"um"`` or ``"px"``.
    objects
        Their equivalent diameters and weights.
    """

    group: str
    class_name: str
    unit: str
    objects: SizedObjects


@dataclass(frozen=True)
class PooledQuantile:
    """A quantile of the objects of all fields together; None where it is undefined."""

    value: float | None
    ci95: float | None


def samples_of(
    specimens: Mapping[str, Sequence[SizedObjects]],
) -> list[Sequence[SizedObjects]]:
    """Return what is independent: specimens where there are several, else the fields of one.

    Specimens without a field that is measured in the same unit are among them, with none; they are
    no sample, but the fields of the only other one aren't independent samples of the material.
    """
    if len(specimens) > 1:
        return [fields for fields in specimens.values() if fields]
    return [[field] for fields in specimens.values() for field in fields]


def pooled_quantiles(
    samples: Sequence[Sequence[SizedObjects]], shares: Sequence[float], seed: int = 0
) -> list[PooledQuantile]:
    """Pool the objects of all fields, with an interval from drawing the samples anew.

    Objects of one field aren't independent, so whole samples are drawn, with replacement
    (Davison and Hinkley, Bootstrap Methods, 1997, section 3.8). On the scale of logarithms, the
    half width h is t(0.975, n - 1) * sqrt(n / (n - 1)) times the standard deviation over the draws:
    drawing from few samples underestimates the spread by that root. Sizes are skewed: where D90
    comes out low, its spread does, too. So the half width is that of the upper bound,
    D (exp(h) - 1), to second order: D (h + h^2 / 2).

    Parameters
    ----------
    samples
        What is independent: a field each, or a specimen with its fields.
    shares
        From 0 to 1.
    seed
        Of the draws.
    """
    fields = [(n, field) for n, sample in enumerate(samples) for field in sample]
    if not fields:
        return [PooledQuantile(None, None)] * len(shares)
    sizes = np.concatenate([field.sizes for _, field in fields])
    order = np.argsort(sizes)
    sizes = sizes[order]
    weights = np.concatenate([field.weights for _, field in fields])[order]
    of_sample = np.repeat([n for n, _ in fields], [len(field.sizes) for _, field in fields])[order]
    values = _quantiles(sizes, weights, shares)
    count = len({n for n, field in fields if len(field.sizes)})
    spread = np.full(len(shares), np.nan)
    if count > 1:
        random = np.random.default_rng(seed)
        draws = [
            _quantiles(sizes, weights * drawn[of_sample], shares)
            for drawn in random.multinomial(
                len(samples), np.full(len(samples), 1 / len(samples)), RESAMPLES
            )
        ]
        t = float(stdtrit(count - 1, 0.5 + CONFIDENCE / 2))
        spread = np.nanstd(np.log(draws), axis=0) * t * math.sqrt(count / (count - 1))
        spread[spread < 1e-9] = 0  # rounding of sums, where all sizes are equal
    return [
        PooledQuantile(_number(value), _number(half))
        for value, half in zip(values, values * (spread + spread**2 / 2), strict=True)
    ]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
