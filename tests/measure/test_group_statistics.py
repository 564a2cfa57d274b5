"""Fields of several specimens: what counts once, and where the spread comes from."""

import math

import numpy as np
import pytest

from napari_matssl.measure.group_statistics import (
    Sample,
    group_statistics,
    variance_components,
)


def samples(**specimens):
    return [Sample(v, name) for name, values in specimens.items() for v in values]


def test_several_specimens_count_once_each():
    stats = group_statistics(samples(a=[10, 12], b=[20, 22], c=[30, 32]))
    assert (stats.over, stats.fields.n, stats.images) == ("specimens", 3, 6)
    assert stats.fields.mean == pytest.approx(21)
    assert stats.fields.s == pytest.approx(10)
    assert stats.fields.ci95 == pytest.approx(4.302653 * 10 / math.sqrt(3), rel=1e-6)


def test_the_spread_between_and_within_by_hand():
    """MS within 2, MS between 200, two fields each: (200 - 2) / 2 = 99 between."""
    stats = group_statistics(samples(a=[10, 12], b=[20, 22], c=[30, 32]))
    assert stats.s_within == pytest.approx(math.sqrt(2))
    assert stats.s_between == pytest.approx(math.sqrt(99))


def test_parts_of_different_size_by_hand():
    """Means 1 and 4, grand mean 2.2; MS between 10.8, MS within 4 / 3, n0 = 5 - 13 / 5 = 2.4."""
    between, within = variance_components([[0, 1, 2], [3, 5]])
    assert within == pytest.approx(math.sqrt(4 / 3))
    assert between == pytest.approx(math.sqrt((10.8 - 4 / 3) / 2.4))


def test_specimens_that_differ_less_than_their_fields_have_no_spread_between():
    stats = group_statistics(samples(a=[1, 9], b=[9, 1]))
    assert stats.s_between == 0
    assert stats.s_within == pytest.approx(math.sqrt(32))


def test_one_specimen_counts_its_fields_and_tells_its_sections_apart():
    fields = [Sample(v, "a", section) for section, v in (("1", 4), ("1", 6), ("2", 14), ("2", 16))]
    stats = group_statistics(fields)
    assert (stats.over, stats.fields.n) == ("images", 4)
    assert stats.s_within == pytest.approx(math.sqrt(2))
    assert stats.s_between == pytest.approx(math.sqrt((100 - 2) / 2))


def test_one_field_of_each_specimen_tells_nothing_apart():
    stats = group_statistics(samples(a=[1], b=[2], c=[4]))
    assert (stats.fields.n, stats.s_between, stats.s_within) == (3, None, None)


def test_one_image_has_a_reason_instead_of_an_interval():
    assert group_statistics([Sample(20)]).reason == "one image: no interval"
    assert group_statistics([]).reason.startswith("no image")
    assert group_statistics([Sample(20), Sample(21)]).reason == ""


def test_a_specimen_without_a_value_keeps_images_of_the_other_from_counting():
    stats = group_statistics([*samples(a=[10, 12, 20]), Sample(None, "b")])
    assert (stats.over, stats.fields.n, stats.images) == ("specimens", 1, 3)
    assert (stats.fields.mean, stats.fields.ci95) == (14, None)
    assert stats.reason == "one specimen with a value: no interval"


def test_equal_values_have_no_spread_at_all():
    share = 100 * 800 / 108000
    stats = group_statistics(samples(a=[share, share], b=[share], c=[share, share, share]))
    assert (stats.s_between, stats.s_within) == (0, 0)


def test_the_interval_over_specimens_covers_the_truth_and_that_over_images_does_not():
    """95 % of 2,000 draws: spread 3 between specimens, 1 within, 5 specimens of 4 fields."""
    random = np.random.default_rng(0)
    hits = naive = 0
    for _ in range(2000):
        means = random.normal(50, 3, 5)
        drawn = [Sample(v, str(n)) for n, m in enumerate(means) for v in random.normal(m, 1, 4)]
        right = group_statistics(drawn).fields
        wrong = group_statistics([Sample(one.value) for one in drawn]).fields
        hits += abs(right.mean - 50) <= right.ci95
        naive += abs(wrong.mean - 50) <= wrong.ci95
    assert 0.93 < hits / 2000 < 0.97
    assert naive / 2000 < 0.8


def test_the_spreads_are_found_again_on_the_average():
    random = np.random.default_rng(1)
    found = [
        variance_components([random.normal(m, 1, n) for m, n in zip(means, sizes, strict=True)])
        for means in random.normal(0, 2, (400, 6))
        for sizes in [random.integers(2, 8, 6)]
    ]
    between, within = (np.mean(np.square(column)) for column in zip(*found, strict=True))
    assert between == pytest.approx(4, rel=0.1)
    assert within == pytest.approx(1, rel=0.1)
