"""The page: its figures are those of the tables, and it needs nothing else."""

import re

import pytest
from report_parts import NAMES, SPECIMEN, Page

from napari_matssl.report.wording import heading


@pytest.fixture(scope="module")
def page(reported):
    return Page(reported.html)


def as_printed(text):
    return float(text) if text not in ("", "–") else None


@pytest.mark.parametrize(
    "name", ["summary.csv", "objects_summary.csv", "grains_summary.csv", "nodules_summary.csv"]
)
def test_each_cell_of_a_summary_is_that_of_its_csv_file(reported, page, name):
    rows = reported.rows(name)
    shown = [row for row in rows if row["n"] != "0"]
    columns = {heading(column): column for column in rows[0]}
    ((headings, cells),) = page.of(name)
    names = [columns[text] for text, _ in headings]
    shown = [row for row in shown if not _has_twin(row, rows)]
    assert len(cells) == len(shown)
    for row, line in zip(shown, cells, strict=True):
        for column, (text, exact) in zip(names, line, strict=True):
            assert exact == row[column]
            if column not in ("group", "class", "figure", "method", "line_direction_deg"):
                assert as_printed(text) == (
                    None if exact == "" else pytest.approx(float(exact), rel=2e-3)
                )


def _has_twin(row, rows):
    """Whether a figure in px has one in um, which is shown alone."""
    figure = row.get("figure", "")
    unit = "_um2" if figure.endswith("mean_area_px") else "_um"
    twin = figure.replace("_px", unit)
    return figure.endswith("_px") and any(other["figure"] == twin for other in rows)


def test_the_page_has_the_fraction_of_each_class_in_each_field(reported, page):
    ((headings, cells),) = page.of("phases.csv")
    wanted = {(r["image"], r["class"]): r["fraction_percent"] for r in reported.rows("phases.csv")}
    found = {}
    for line in cells:
        for (text, _), (_, exact) in zip(headings, line, strict=True):
            if text.endswith(" (%)"):
                found[line[0][0], text.removesuffix(" (%)")] = exact
    assert found == wanted


def test_tables_of_single_fields_are_cut_into_parts_that_hold_all_their_figures(reported, page):
    rows = reported.rows("grains.csv")
    parts = page.of("grains.csv")
    assert len(parts) > 1  # too wide for a page
    for column in ("grains_inside", "mean_intercept_um", "g_astm", "grains_per_mm2"):
        (found,) = (
            [line[n][1] for line in cells]
            for headings, cells in parts
            for n, (text, _) in enumerate(headings)
            if text == heading(column)
        )
        assert found == [row[column] for row in rows]


def test_what_users_typed_or_called_their_files_is_text_and_no_markup(page):
    assert not [tag for tag, _ in page.tags if tag in ("script", "i", "b")]
    assert SPECIMEN in "".join(page.texts)
    assert f"{NAMES[1]}_mask.png" in "".join(page.texts)


def test_the_page_needs_no_other_file(page):
    for tag, facts in page.tags:
        assert tag not in ("link", "iframe", "object")
        assert "src" not in facts or facts["src"].startswith("data:image/jpeg;base64,")
        assert "href" not in facts


def test_what_nobody_typed_is_a_line_to_fill_by_hand(page):
    """Etchant, orientation and operator at the head, in the items, and how fields were chosen."""
    blank = [facts for tag, facts in page.tags if facts.get("class") == "blank"]
    assert len(blank) == 3 + 2 + 1


def test_fields_have_pictures_with_their_names(page):
    pictures = [facts["alt"] for tag, facts in page.tags if tag == "img"]
    assert pictures == [f"Classes over {name}_mask.png" for name in NAMES]


def test_plots_stand_for_each_measure_and_name_all_groups(reported):
    titles = re.findall(r"<svg[^>]*><title>([^<]*)", reported.html)
    assert "Area fractions: area fraction (%)" in titles
    assert "Grain size: G (ASTM-style)" in titles
    assert "Sizes of graphite" in titles
    assert "Nodules: nodularity by number (%)" in titles


def test_the_page_states_methods_limits_and_settings_in_words(page):
    text = " ".join(" ".join(page.texts).split())
    assert "4 micrographs of 2 specimens on 4 sections were evaluated (pixel size 0.5 µm)" in text
    assert "are over the means of specimens" in text
    assert "Grain size, measured by the class graphite, is given by" in text
    assert "below 1 µm or 10 px along their largest dimension are left out" in text
    assert "D90 are those of a bootstrap over specimens" in text
    assert "no compliance with them is claimed" in text
    assert "nodules: smallest um" in text
