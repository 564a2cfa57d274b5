"""Headings, figures and axes as they stand on the page."""

import re

import numpy as np
import pandas as pd
import pytest

from napari_matssl.measure.size_distribution import ObjectSizes, SizedObjects
from napari_matssl.report.plots import PERCENT, Lane, nice_ticks, plot_means, plot_sizes
from napari_matssl.report.wording import heading, in_csv, in_print


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("fraction_percent", "area fraction (%)"),
        ("mean_free_path_um", "mean free path (µm)"),
        ("grains_per_mm2", "grains (1/mm²)"),
        ("crack_length_um_per_mm2", "crack length (µm/mm²)"),
        ("tilt_deg", "tilt (°)"),
        ("d50_um", "D50 (µm)"),
        ("analysed_pixels", "analysed pixels"),
    ],
)
def test_columns_are_words_with_units(column, text):
    assert heading(column) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (21.0, "21.00"),
        (2.581988897, "2.582"),
        (0.0123456, "0.01235"),
        (123456.7, "123457"),
        (1.5e-9, "1.500e-09"),
        (209.0, "209"),
        (0.0, "0"),
        (-0.5, "-0.5000"),
        (7, "7"),
        (None, "–"),
        (float("nan"), "–"),
        (pd.NA, "–"),
    ],
)
def test_figures_have_four_digits_and_what_is_undefined_a_dash(value, text):
    assert in_print(value) == text


def test_counts_have_no_digits_behind_the_point_also_beside_blanks():
    beside_blanks = pd.Series([27, None])[0]
    assert in_print(float(beside_blanks), "grains_cut") == "27"
    assert in_print(27.5, "intercepts") == "27.50"
    assert in_print(None, "grains_cut") == "–"


def test_a_cell_has_the_text_of_its_csv_file(tmp_path):
    values = [1 / 3, 1e-12, 123456789.123456, 2.0, None]
    frame = pd.DataFrame({"x": values})
    text = frame.to_csv(index=False, float_format="%.10g").split()[1:]
    assert [in_csv(value) or '""' for value in frame["x"]] == text


@pytest.mark.parametrize(
    ("low", "high"), [(0, 100), (0, 0.00731), (3.7, 4.1), (-2, 5), (5, 5), (0, 0), (0, 1e7)]
)
def test_axes_hold_all_values_and_have_a_few_round_ticks(low, high):
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 9
    assert ticks[0] <= low + 1e-9 * abs(high)
    assert ticks[-1] >= high * (1 - 1e-9)
    assert np.allclose(np.diff(ticks), ticks[1] - ticks[0])


def test_names_of_classes_are_no_markup_in_plots():
    svg = plot_means("<b>", "a & b", [Lane("<i>x</i>", "#000000", (1.0, 2.0), 1.5, None)])
    assert "<b>" not in svg
    assert "<i>" not in svg
    assert "a &amp; b" in svg


def ticks_of(svg):
    return [float(t) for t in re.findall(r'text-anchor="middle">([-0-9.e+]+)<', svg)]


def test_an_interval_that_leaves_what_is_possible_ends_in_an_arrow_and_stretches_no_axis():
    two = Lane("pore", "#000000", (8.0, 14.0), 11.0, (-27.1, 49.1))
    svg = plot_means("Fractions", "area fraction (%)", [two], PERCENT)
    assert ticks_of(svg)[0] == 0
    assert 49.1 <= ticks_of(svg)[-1] <= 60
    left = scale_of(svg)[0]
    assert count_lines_to(svg, left) == 2  # both halves of the arrow head
    wide = Lane("matrix", "#000000", (86.0, 92.0), 89.0, (50.9, 127.1))
    assert ticks_of(plot_means("Fractions", "area fraction (%)", [wide], PERCENT))[-1] == 100


def scale_of(svg):
    axis = re.search(r'<line x1="([\d.]+)" y1="[\d.]+" x2="([\d.]+)"[^>]*stroke="#222"', svg)
    return float(axis[1]), float(axis[2])


def count_lines_to(svg, x):
    """Count the slanting lines that begin at a place of the axis."""
    found = re.findall(r'<line x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)"', svg)
    return sum(float(a) == x and a != c and b != d for a, b, c, d in found)


def test_a_size_distribution_of_one_size_can_be_drawn():
    one = ObjectSizes("all", "pore", "um", SizedObjects(np.full(5, 3.0), np.ones(5)))
    assert plot_sizes("Sizes", one, "#000000").count("<rect") == 24
