"""Intervals of correlated series: they hold the true mean as often as they promise."""

import numpy as np
import pytest
from scipy import ndimage, signal

from napari_matssl.measure.correlated import series_statistics

LENGTH, DRAWS = 1024, 1000


def smooth_profiles(rng, length):
    """Interfaces without edges: white noise, smoothed."""
    noise = rng.standard_normal((DRAWS, LENGTH + 8 * length))
    smoothed = ndimage.gaussian_filter1d(noise, length, axis=1)
    return smoothed[:, 4 * length : 4 * length + LENGTH]


def rough_profiles(rng, length):
    """Jagged interfaces, each step a new departure: an autoregressive series."""
    noise = rng.standard_normal((DRAWS, LENGTH + 8 * length))
    return signal.lfilter([1], [1, -np.exp(-1 / length)], noise, axis=1)[:, 8 * length :]


def coverage(profiles):
    found = [series_statistics(profile) for profile in profiles]
    return np.mean([abs(one.mean) <= one.ci95 for one in found])


@pytest.mark.parametrize("length", [1, 5, 20, 40])
@pytest.mark.parametrize("profiles", [smooth_profiles, rough_profiles])
def test_the_interval_holds_the_true_mean_in_95_of_100_draws(profiles, length):
    drawn = profiles(np.random.default_rng(7), length)
    assert 0.93 <= coverage(drawn) <= 0.97


def test_gaps_in_the_series_leave_the_interval_right():
    drawn = smooth_profiles(np.random.default_rng(3), 20)
    drawn[:, 300:340] = drawn[:, 700:705] = drawn[:, 712:760] = np.nan
    assert 0.93 <= coverage(drawn) <= 0.97


def test_the_effective_number_is_that_of_the_spread_of_means():
    drawn = smooth_profiles(np.random.default_rng(5), 5)
    found = np.median([series_statistics(one).effective_n for one in drawn])
    true = (drawn.std() / drawn.mean(axis=1).std()) ** 2
    assert found == pytest.approx(true, rel=0.15)
    assert true < LENGTH / 10  # an interval from all columns would be three times too narrow


def test_independent_values_count_in_full():
    values = np.random.default_rng(0).standard_normal(400)
    found = series_statistics(values)
    assert found.effective_n == pytest.approx(400, rel=0.25)
    assert found.correlation_length == pytest.approx(1, abs=0.4)


def test_few_values():
    assert series_statistics(np.full(3, np.nan)).n == 0
    one = series_statistics(np.array([np.nan, 5.0]))
    assert (one.n, one.mean, one.ci95) == (1, 5.0, None)
    two = series_statistics(np.array([4.0, 6.0]))
    assert (two.mean, two.n) == (5.0, 2)
    assert two.ci95 > 1


def test_a_constant_series_has_no_spread():
    found = series_statistics(np.full(50, 0.1))
    assert (found.s, found.ci95, found.effective_n) == (0.0, 0.0, 50)
