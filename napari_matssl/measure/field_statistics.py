"""Statistics over fields: mean, confidence interval, relative accuracy.

The formulas are those that ASTM E562, E1245 and E112 share, "E562-style": one field is one image.
Pixels and tiles of one image are correlated, so they never count as fields.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scipy.special import stdtrit

from napari_matssl.errors import InputError

CONFIDENCE = 0.95

_ROUNDING = 1e-12
"""Share of the mean by which equal values may seem to spread."""


@dataclass(frozen=True)
class FieldStatistics:
    """Statistics of one quantity over n fields; None where a figure is undefined.

    Parameters
    ----------
    n
        Independent fields (images).
    mean
        Arithmetic mean, in the unit of the values; undefined without a field.
    s
        Standard deviation with n - 1; undefined for n < 2.
    ci95
        Half width of the 95 % confidence interval of the mean; undefined for n < 2.
    relative_accuracy
        100 * ci95 / mean in percent; undefined for n < 2 and for a mean of zero.
    """

    n: int
    mean: float | None
    s: float | None
    ci95: float | None
    relative_accuracy: float | None

    def fields_for(self, relative_accuracy: float) -> int | None:
        """Return how many fields would reach a relative accuracy, in percent.

        n = (200 / %RA * s / mean)^2, rounded up (E562-style), with 2 for Student's t; never below
        2, as one field has no interval. None where s or the mean is undefined or 0.
        """
        if self.s is None or not self.mean:
            return None
        exact = (200 / relative_accuracy * self.s / self.mean) ** 2
        return max(2, math.ceil(round(exact, 9)))


def field_statistics(values: Iterable[float]) -> FieldStatistics:
    """Summarise one value per field.

    With x the mean and s the standard deviation, the half width of the confidence interval is
    t(0.975, n - 1) * s / sqrt(n), and the relative accuracy 100 * CI / x (E562-style).

    Parameters
    ----------
    values
        One figure per image, all in one unit.

    Raises
    ------
    InputError
        If a value is NaN or infinite.
    """
    fields = [float(v) for v in values]
    if not all(math.isfinite(v) for v in fields):
        raise InputError("A field's value is not a finite number.", "Leave that image out.")
    n = len(fields)
    if n == 0:
        return FieldStatistics(0, None, None, None, None)
    mean = math.fsum(fields) / n
    if n == 1:
        return FieldStatistics(1, mean, None, None, None)
    s = math.sqrt(math.fsum((v - mean) ** 2 for v in fields) / (n - 1))
    if s <= _ROUNDING * abs(mean):
        s = 0.0
    t = float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2))
    ci95 = t * s / math.sqrt(n)
    return FieldStatistics(n, mean, s, ci95, None if mean == 0 else 100 * ci95 / mean)
