"""Size distributions: quantiles of weighted sizes, and their intervals."""

import numpy as np
import pytest
from scipy.stats import norm

from napari_matssl.measure.size_distribution import (
    SizedObjects,
    pooled_quantiles,
    weighted_quantiles,
)


def test_equal_weights_give_plain_quantiles():
    values = np.arange(1.0, 11.0)
    found = weighted_quantiles(values[::-1], np.ones(10), (0.1, 0.5, 0.9))
    assert found.tolist() == pytest.approx([1.5, 5.5, 9.5])
    doubled = weighted_quantiles(values, np.where(values > 5, 2.0, 1.0), (0.5,))
    assert doubled[0] > 6


def test_no_object_has_no_quantile():
    assert np.isnan(weighted_quantiles(np.zeros(0), np.zeros(0), (0.5,))).all()
    (none,) = pooled_quantiles([[SizedObjects(np.zeros(0), np.zeros(0))]], (0.5,))
    assert (none.value, none.ci95) == (None, None)


def test_one_field_has_a_quantile_but_no_interval():
    (one,) = pooled_quantiles([[SizedObjects(np.arange(5.0), np.ones(5))]], (0.5,))
    assert (one.value, one.ci95) == (2.0, None)


def test_the_same_objects_give_the_same_interval():
    random = np.random.default_rng(0)
    fields = [[SizedObjects(random.random(20), np.ones(20))] for _ in range(4)]
    assert pooled_quantiles(fields, (0.5,)) == pooled_quantiles(fields, (0.5,))


@pytest.mark.parametrize(("fields", "objects"), [(8, 40), (4, 15), (10, 100)])
def test_the_intervals_of_d10_d50_and_d90_cover_the_truth(monkeypatch, fields, objects):
    """93 to 97 % of 1,500 draws; objects of one field are alike, as in real ones."""
    monkeypatch.setattr("napari_matssl.measure.size_distribution.RESAMPLES", 100)
    random = np.random.default_rng(2)
    shares = (0.1, 0.5, 0.9)
    truth = np.exp(1 + np.hypot(0.15, 0.5) * norm.ppf(shares))
    hits = np.zeros(3)
    for _ in range(1500):
        drawn = []
        for level in random.normal(1, 0.15, fields):
            count = random.poisson(objects)
            drawn.append([SizedObjects(np.exp(random.normal(level, 0.5, count)), np.ones(count))])
        for place, found in enumerate(pooled_quantiles(drawn, shares)):
            hits[place] += abs(found.value - truth[place]) <= found.ci95
    assert (hits >= 0.93 * 1500).all()
    assert (hits <= 0.97 * 1500).all()
