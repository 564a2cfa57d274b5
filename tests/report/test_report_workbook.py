"""The workbook: the same tables, with live formulas that give the same figures."""

import shutil
import subprocess
from types import SimpleNamespace

import pytest
from openpyxl import load_workbook
from report_parts import SPECIMEN

LIVE = {
    "Area fractions": "summary.csv",
    "Objects": "objects_summary.csv",
    "Grain size": "grains_summary.csv",
    "Nodules": "nodules_summary.csv",
}
PLAIN = ("fields.csv", "phases.csv", "objects.csv", "object_summary.csv", "grains.csv")


@pytest.fixture(scope="module")
def books(reported):
    path = reported.out / "report.xlsx"
    return SimpleNamespace(
        path=path, values=load_workbook(path, data_only=True), formulas=load_workbook(path)
    )


def cells_of(sheet):
    """Rows of a sheet as dictionaries by its headings."""
    headings, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(headings, row, strict=True)) for row in rows]


def same(value, text):
    """Whether a cell holds what stands in a CSV file."""
    if value is None:
        return text == ""
    if isinstance(value, str):
        return value == text.removeprefix("'")
    return float(text) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize(("sheet", "table"), [*LIVE.items(), *((name, name) for name in PLAIN)])
def test_each_cell_is_that_of_the_csv_file(reported, books, sheet, table):
    rows = reported.rows(table)
    found = cells_of(books.values[sheet])
    assert len(found) == len(rows)
    for row, cells in zip(rows, found, strict=True):
        assert {name for name in row if not same(cells[name], row[name])} == set()


@pytest.mark.parametrize("sheet", LIVE)
def test_means_and_intervals_are_formulas(books, sheet):
    unit = "_percent" if sheet == "Area fractions" else ""
    rows = cells_of(books.formulas[sheet])
    for row in rows:
        figure = row.get("figure")
        if figure in ("d10_um", "d50_um", "d90_um") or row["reason"] or not row["n"]:
            continue
        mean, s, ci95 = (row[f"{name}{unit}"] for name in ("mean", "s", "ci95"))
        if figure in ("g_astm", "g_iso"):
            assert "LOG10(" in mean
        else:
            assert mean.startswith("=AVERAGE('")
            assert s.startswith("=_xlfn.STDEV.S(")
            assert "_xlfn.T.INV.2T(0.05," in ci95


def test_specimens_count_where_there_are_several(books):
    """Formulas go over means of specimens, which are formulas over fields."""
    row = cells_of(books.formulas["Area fractions"])[0]
    place = row["mean_percent"].removeprefix("=AVERAGE('Area fractions by field'!").rstrip(")")
    ((first,), (second,)) = books.formulas["Area fractions by field"][place]
    assert (first.value, second.value) == ("=AVERAGE(E2:E3)", "=AVERAGE(E4:E5)")


def test_sheets_have_frozen_headings_and_columns_wide_enough(books):
    for sheet in books.formulas.worksheets:
        assert sheet.freeze_panes == "A2"
        assert sheet["A1"].font.bold
        assert all(column.width >= 9 for column in sheet.column_dimensions.values())


def test_words_that_look_like_formulas_stay_words(books):
    cells = {row[1].value: row[1].data_type for row in books.formulas["Report"].iter_rows()}
    assert cells["=1+1"] == "s"
    assert cells[SPECIMEN] == "s"


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice isn't installed")
def test_libreoffice_computes_the_same_figures(books, tmp_path):
    """Saved by openpyxl, the book has formulas without values, which LibreOffice has to compute."""
    bare = tmp_path / "bare.xlsx"
    books.formulas.save(bare)
    subprocess.run(
        [
            *("soffice", f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}", "--headless"),
            *("--convert-to", "xlsx", "--outdir", str(tmp_path / "out"), str(bare)),
        ],
        check=True,
        capture_output=True,
        timeout=300,
    )
    computed = load_workbook(tmp_path / "out" / "bare.xlsx", data_only=True)
    count = 0
    for sheet in books.formulas.worksheets:
        for row in sheet.iter_rows():
            for cell in row:
                if cell.data_type == "f":
                    wanted = books.values[sheet.title][cell.coordinate].value
                    found = computed[sheet.title][cell.coordinate].value
                    assert found == pytest.approx(wanted, rel=1e-9), (sheet.title, cell.coordinate)
                    count += 1
    assert count > 100
