"""Field statistics against worked examples, and where they are undefined."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_matssl.errors import InputError
from napari_matssl.measure.field_statistics import FieldStatistics, field_statistics

TEN_FIELDS = [18, 22, 25, 19, 21, 24, 20, 23, 17, 21]
FIVE_FIELDS = [1.20, 0.95, 1.43, 1.01, 1.31]
FRACTIONS = st.floats(min_value=0.01, max_value=100)


def test_ten_fields_known_answer():
    stats = field_statistics(TEN_FIELDS)
    assert stats.n == 10
    assert stats.mean == pytest.approx(21.0)
    assert stats.s == pytest.approx(2.58199, abs=5e-6)
    assert stats.ci95 == pytest.approx(1.84704, abs=5e-6)
    assert stats.relative_accuracy == pytest.approx(8.7954, abs=5e-5)
    assert stats.ci95 * math.sqrt(10) / stats.s == pytest.approx(2.26216, abs=5e-6)  # Student's t


def test_five_fields_known_answer():
    stats = field_statistics(FIVE_FIELDS)
    assert stats.mean == pytest.approx(1.180)
    assert stats.s == pytest.approx(0.20100, abs=5e-6)
    assert stats.ci95 == pytest.approx(0.24957, abs=5e-6)
    assert stats.relative_accuracy == pytest.approx(21.150, abs=5e-4)


def test_the_fields_that_a_relative_accuracy_needs():
    stats = field_statistics(FIVE_FIELDS)
    assert stats.fields_for(10) == 12  # (20 * 0.20100 / 1.18)^2 = 11.6
    assert stats.fields_for(20) == 3
    assert field_statistics([8.0, 10.0, 12.0]).fields_for(20) == 4  # exactly (10 * 0.2)^2
    assert field_statistics([5.0, 5.0]).fields_for(10) == 2
    assert field_statistics([5.0]).fields_for(10) is None
    assert field_statistics([0.0, 0.0]).fields_for(10) is None


def test_one_image_has_a_mean_but_no_confidence_interval():
    assert field_statistics([20.0]) == FieldStatistics(1, 20.0, None, None, None)


def test_no_image_has_no_mean():
    assert field_statistics([]) == FieldStatistics(0, None, None, None, None)


def test_a_phase_that_is_nowhere_has_no_relative_accuracy():
    stats = field_statistics([0.0, 0.0, 0.0])
    assert (stats.mean, stats.s, stats.ci95) == (0.0, 0.0, 0.0)
    assert stats.relative_accuracy is None


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_value_that_is_no_number_is_refused(bad):
    with pytest.raises(InputError):
        field_statistics([1.0, bad])


@pytest.mark.parametrize("n", [2, 5, 20])
def test_the_interval_covers_the_truth_in_95_of_100_draws(n):
    draws = np.random.default_rng(n).normal(20, 3, (2000, n))
    found = [field_statistics(fields) for fields in draws]
    hits = sum(abs(stats.mean - 20) <= stats.ci95 for stats in found)
    assert 0.93 < hits / 2000 < 0.97


@given(st.lists(FRACTIONS, min_size=2, max_size=30), FRACTIONS)
def test_a_change_of_unit_leaves_the_relative_accuracy(values, scale):
    stats = field_statistics(values)
    scaled = field_statistics([v * scale for v in values])
    assert scaled.ci95 == pytest.approx(stats.ci95 * scale, abs=1e-9 * scale)
    assert scaled.relative_accuracy == pytest.approx(stats.relative_accuracy, abs=1e-6)


@given(st.lists(FRACTIONS, min_size=2, max_size=30))
def test_the_order_of_the_images_does_not_matter(values):
    stats, turned = field_statistics(values), field_statistics(values[::-1])
    assert stats.mean == turned.mean
    assert stats.ci95 == pytest.approx(turned.ci95)
