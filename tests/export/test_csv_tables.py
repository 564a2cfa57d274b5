"""Tables as spreadsheets open them, and where they go if they can't be replaced."""

import csv

import numpy as np
import pandas as pd
import pytest

from napari_matssl.errors import OutputError
from napari_matssl.export.tables import (
    describe_other_names,
    is_replaceable,
    unguarded,
    write_tables,
    write_tables_or_numbered,
)
from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.labels.provenance import Provenance
from napari_matssl.measure.phases import phase_fractions


def rows(image="f.tif", name="ferrite", origin=None):
    table = ClassTable(classes=(LabelClass(id=1, name=name, colour="#0072b2"),))
    return phase_fractions(image, np.ones((4, 5), np.uint8), table, None, origin)


def written(folder, *given, **named):
    write_tables(rows(*given, **named), folder / "phases.csv", folder / "summary.csv")
    with (folder / "phases.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    return row


def test_a_double_click_shows_letters_of_any_language(tmp_path):
    row = written(tmp_path, "Gefüge-α.png", "试样")
    for name in ("phases.csv", "summary.csv"):
        assert (tmp_path / name).read_bytes().startswith(b"\xef\xbb\xbf")
    assert (row["image"], row["class"]) == ("Gefüge-α.png", "试样")
    frame = pd.read_csv(tmp_path / "phases.csv")
    assert frame.columns[0] == "image"
    assert frame["image"][0] == "Gefüge-α.png"


@pytest.mark.parametrize("word", ["=Fe3C", "+1", "-1.tif", "@SUM(A1)", "＝1"])
def test_a_name_that_a_spreadsheet_would_compute_is_guarded(tmp_path, word):
    row = written(tmp_path, f"{word}.png", word)
    assert row["class"] == f"'{word}"
    assert row["image"] == f"'{word}.png"
    assert unguarded(row["class"]) == word
    with (tmp_path / "summary.csv").open(encoding="utf-8-sig", newline="") as file:
        (summary,) = csv.DictReader(file)
    assert summary["class"] == f"'{word}"


@pytest.mark.parametrize("word", ["a=b", "'quoted'", "γ′, primary", "5-3"])
def test_other_names_stand_as_they_are(tmp_path, word):
    assert written(tmp_path, name=word)["class"] == word
    assert unguarded(word) == word


def test_what_is_no_letter_is_escaped(tmp_path):
    assert written(tmp_path, "\t=1\r\n.png")["image"] == "\\t=1\\r\\n.png"
    assert written(tmp_path, "Gef\udcfcge.png")["image"] == "Gef\\xfcge.png"


def test_a_row_names_its_model_and_run(tmp_path):
    origin = Provenance(
        model="m.safetensors", model_sha256="0123456789abcdef" * 4, run="r1", version="0.1.0",
        written="2026-01-02T03:04:05+00:00", cleaning="all classes >= 9 px, holes <= 4 px",
        painted=True,
        info_bar="from row 90 down (FEI metadata)", remarks=("one", "two"),
    )  # fmt: skip
    row = written(tmp_path, origin=origin)
    assert (row["model"], row["model_sha256"]) == ("m.safetensors", "0123456789ab")
    assert (row["run"], row["version"]) == ("r1", "0.1.0")
    assert row["date"] == "2026-01-02T03:04:05+00:00"
    assert row["cleaning"] == "all classes >= 9 px, holes <= 4 px; painted pixels count"
    assert row["info_bar"] == "from row 90 down (FEI metadata)"
    assert row["remarks"] == "one; two"
    summary = pd.read_csv(tmp_path / "summary.csv")
    assert summary["run"][0] == "r1"


def test_a_table_that_cannot_be_replaced_gets_a_number(tmp_path):
    wanted = tmp_path / "phases.csv", tmp_path / "summary.csv"
    wanted[0].mkdir()
    assert not is_replaceable(wanted[0])
    assert is_replaceable(wanted[1])
    first = write_tables_or_numbered(rows(), *wanted)
    assert [path.name for path in first] == ["phases-2.csv", "summary-2.csv"]
    kept = first[0].read_bytes()
    second = write_tables_or_numbered(rows("other.tif"), *wanted)
    assert [path.name for path in second] == ["phases-3.csv", "summary-3.csv"]
    assert first[0].read_bytes() == kept


def test_a_folder_that_cannot_be_written_at_all_is_an_error(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    with pytest.raises(OutputError, match=r"\.csv"):
        write_tables_or_numbered(rows(), blocker / "phases.csv", blocker / "summary.csv")


@pytest.mark.parametrize("held", [0, 1])
def test_the_table_that_cannot_be_replaced_is_named_and_neither_is_half_written(tmp_path, held):
    wanted = tmp_path / "phases.csv", tmp_path / "summary.csv"
    wanted[held].mkdir()
    written = write_tables_or_numbered(rows(), *wanted)
    assert [path.name for path in written] == ["phases-2.csv", "summary-2.csv"]
    assert describe_other_names(wanted, written).startswith(
        f"{wanted[held].name} can't be replaced"
    )
    assert not wanted[1 - held].exists()
    with pytest.raises(OutputError, match=wanted[held].name):
        write_tables(rows(), *wanted)
    assert not wanted[1 - held].exists()
    assert describe_other_names(wanted, wanted) == ""
