"""Grain size numbers against worked examples."""

import math

import pytest

from napari_matssl.measure.grain_number import (
    GrainNumber,
    g_of_grains_per_mm2,
    g_of_mean_area,
    g_of_mean_intercept,
    grain_number,
    iso_of_astm,
)


@pytest.mark.parametrize(("intercept_um", "g"), [(5, 12.000), (20, 8.000), (8.373, 10.51)])
def test_mean_intercept_known_answers(intercept_um, g):
    digits = 3 if intercept_um != 8.373 else 2
    assert round(g_of_mean_intercept(intercept_um), digits) == g


def test_mean_area_known_answer():
    assert g_of_mean_area(5) == pytest.approx(14.65544, abs=5e-6)


def test_jeffries_known_answer():
    assert g_of_grains_per_mm2(8 * (68 + 41 / 2)) == pytest.approx(6.513, abs=5e-4)


def test_iso_known_answer():
    astm = g_of_grains_per_mm2(1984)
    assert round(astm, 3) == 8.000
    assert round(iso_of_astm(astm), 3) == 7.954
    assert iso_of_astm(astm) == pytest.approx(math.log2(1984) - 3, abs=1e-4)  # m = 8 * 2^G


def test_circles_of_10_um_that_fill_the_area():
    assert round(g_of_mean_area(math.pi / 4 * 10**2), 2) == 10.68


@pytest.mark.parametrize(("variation", "bias"), [(0.2, 0.06), (0.4, 0.22), (0.6, 0.44)])
def test_g_from_a_mean_diameter_would_be_too_fine(variation, bias):
    mean_diameter = 20.0
    mean_area = math.pi / 4 * mean_diameter**2 * (1 + variation**2)  # mean of d^2
    wrong = g_of_mean_area(math.pi / 4 * mean_diameter**2)
    assert wrong - g_of_mean_area(mean_area) == pytest.approx(bias, abs=0.006)


@pytest.mark.parametrize("convert", [g_of_grains_per_mm2, g_of_mean_intercept, g_of_mean_area])
def test_the_interval_is_converted_bound_by_bound(convert):
    number = grain_number(convert, 100.0, 20.0)
    assert {number.astm_low, number.astm_high} == {convert(80.0), convert(120.0)}
    assert number.astm_low < number.astm < number.astm_high
    assert number.iso_low < number.iso < number.iso_high


def test_an_interval_that_reaches_zero_has_one_bound():
    number = grain_number(g_of_mean_intercept, 10.0, 12.0)
    assert number.astm_high is None
    assert number.astm_low == g_of_mean_intercept(22.0)


@pytest.mark.parametrize("value", [None, 0.0])
def test_nothing_measured_has_no_g(value):
    assert grain_number(g_of_grains_per_mm2, value, None) == GrainNumber()
