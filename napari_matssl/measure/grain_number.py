"""Grain size numbers G, "E112-style" and "ISO 643-style".

An interval is converted after it was computed on the number of grains per area or on the mean
intercept. G is their logarithm: a mean of G, or a G from a mean diameter, is biased.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

_LOG2_10 = 3.321928

Conversion = Callable[[float], float]


def g_of_grains_per_mm2(count: float) -> float:
    """Convert grains per mm2, above 0: G = 3.321928 log10(N_A) - 2.9542 (E112-style)."""
    return _LOG2_10 * math.log10(count) - 2.9542


def g_of_mean_area(area_um2: float) -> float:
    """Convert a mean grain area in um2, above 0: G = -3.321928 log10(A in mm2) - 2.9542."""
    return g_of_grains_per_mm2(1e6 / area_um2)


def g_of_mean_intercept(intercept_um: float) -> float:
    """Convert a mean intercept in um, above 0: G = -6.643856 log10(l in mm) - 3.2877."""
    return -2 * _LOG2_10 * math.log10(intercept_um / 1e3) - 3.2877


def iso_of_astm(g: float) -> float:
    """Convert G of ASTM into that of ISO.

    ASTM counts 7.75 * 2^G grains per mm2, ISO 8 * 2^G, so that G of ISO is smaller by
    log2(8 / 7.75) = 0.0458.
    """
    return g - math.log2(8 / 7.75)


@dataclass(frozen=True)
class GrainNumber:
    """A grain size number with its interval; None where undefined or uncalibrated.

    Parameters
    ----------
    astm, iso
        G by either definition.
    astm_low, astm_high, iso_low, iso_high
        Bounds of the 95 % interval. They don't lie at equal distances from G.
    """

    astm: float | None = None
    iso: float | None = None
    astm_low: float | None = None
    astm_high: float | None = None
    iso_low: float | None = None
    iso_high: float | None = None


def grain_number(
    convert: Conversion, value: float | None, ci95: float | None = None
) -> GrainNumber:
    """Convert a mean and its interval.

    Parameters
    ----------
    convert
        One of the conversions above.
    value
        Grains per mm2, um2 or um; None or 0: G is undefined.
    ci95
        Half width of its interval; None if there is none. A bound of 0 or less has no G.
    """
    if not value:
        return GrainNumber()
    astm = convert(value)
    if ci95 is None:
        return GrainNumber(astm, iso_of_astm(astm))
    bounds = [convert(bound) if bound > 0 else None for bound in (value - ci95, value + ci95)]
    # G falls where the intercept or the area grows.
    low, high = bounds if convert is g_of_grains_per_mm2 else bounds[::-1]
    return GrainNumber(
        astm=astm,
        iso=iso_of_astm(astm),
        astm_low=low,
        astm_high=high,
        iso_low=None if low is None else iso_of_astm(low),
        iso_high=None if high is None else iso_of_astm(high),
    )
