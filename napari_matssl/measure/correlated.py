"""Mean of a series whose neighbours are correlated, with its interval."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.special import stdtrit

from napari_matssl.measure.field_statistics import CONFIDENCE

BLOCK_LENGTHS = 4
"""Length of a block in correlation lengths; with 2, too few intervals hold the true mean."""


@dataclass(frozen=True)
class SeriesStatistics:
    """Statistics of a series along a line; None where a figure is undefined.

    Parameters
    ----------
    n
        Values, without the places that have none.
    mean, s
        Arithmetic mean; standard deviation with n - 1, undefined for n < 2.
    correlation_length
        Sum of the autocorrelation over all lags, in places; 1 for independent values.
    block_length
        Places in a block of the bootstrap.
    effective_n
        Independent values with the same s whose mean would be as uncertain: s^2 / se^2.
    ci95
        Half width of the 95 % confidence interval of the mean.
    """

    n: int
    mean: float | None
    s: float | None
    correlation_length: float | None
    block_length: int | None
    effective_n: float | None
    ci95: float | None


def series_statistics(values: NDArray[np.floating]) -> SeriesStatistics:
    """Summarise correlated values by a block bootstrap along the series.

    The standard error is that of the moving-block bootstrap of the mean in the limit of
    infinitely many draws, which has a closed form (Kuensch 1989). With S_j the sums of x - mean
    over all blocks of l neighbouring places among N, of which n have a value:
    ``se^2 = N/l * mean(S_j^2) / n^2 / (1 - l/N)``. The last factor makes up for the mean being
    estimated from the same values. The interval is ``t(0.975, N/l - 1) * se``: with few blocks,
    the quantiles of a bootstrap are too narrow. Blocks are ``BLOCK_LENGTHS`` correlation lengths
    long, at most a third of the series.

    Parameters
    ----------
    values
        ``(N,)`` at equal distances; NaN where there is none.
    """
    there = np.isfinite(values)
    n, places = int(there.sum()), len(values)
    if n == 0:
        return SeriesStatistics(0, None, None, None, None, None, None)
    mean = float(values[there].mean())
    if n == 1:
        return SeriesStatistics(1, mean, None, None, None, None, None)
    s = float(values[there].std(ddof=1))
    if s <= 1e-12 * abs(mean):
        return SeriesStatistics(n, mean, 0.0, 1.0, 1, float(n), 0.0)
    deviations = np.where(there, values - mean, 0.0)
    length = correlation_length(deviations, there)
    block = int(np.clip(np.ceil(BLOCK_LENGTHS * length), 1, places // 3 or 1))
    sums = np.concatenate([[0.0], np.cumsum(deviations)])
    squares = (sums[block:] - sums[:-block]) ** 2
    variance = places / block * float(squares.mean()) / n**2 / (1 - block / places)
    # No series is taken for better than one of independent values.
    error = max(variance, s**2 / n) ** 0.5
    ci95 = float(stdtrit(max(places / block - 1, 1.0), 0.5 + CONFIDENCE / 2)) * error
    return SeriesStatistics(n, mean, s, length, block, (s / error) ** 2, ci95)


def correlation_length(deviations: NDArray[np.floating], there: NDArray[np.bool_]) -> float:
    """Sum the autocorrelation over lags of both signs, in places; at least 1.

    The sum ends at the first lag that is five times as long as the sum so far (Sokal's window),
    at most a fifth of the series. The mean was estimated from the same values, which lowers every
    autocovariance by the variance of the mean: that is added back.

    Parameters
    ----------
    deviations
        ``(N,)`` values less their mean, 0 where there is none.
    there
        ``(N,)`` where there is one.
    """
    n, places = int(there.sum()), len(deviations)
    if places < 5:
        return 1.0
    lags = np.arange(places)
    pairs = np.maximum(np.rint(_autocorrelate(there.astype(np.float64))), 1)
    # Fewer pairs of values at long lags make noisier averages, which count less.
    covariance = _autocorrelate(deviations) / pairs * (1 - lags / places)
    found, lost = 1.0, 0.0
    for _ in range(3):
        correlation = (covariance + lost) / (covariance[0] + lost)
        sums = 1 + 2 * np.cumsum(correlation[1:])
        ends = np.flatnonzero(lags[1:] >= 5 * np.maximum(sums, 1))
        found = float(sums[ends[0]]) if len(ends) else places / 5
        found = min(max(found, 1.0), places / 5)
        lost = float(covariance[0] + lost) * found / n
    return found


def _autocorrelate(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Sum the products of values at each lag from 0 to N - 1."""
    size = fft.next_fast_len(2 * len(values))
    spectrum = fft.rfft(values, size)
    sums: NDArray[np.floating] = fft.irfft(spectrum * spectrum.conj(), size)[: len(values)]
    return sums
