"""Area fractions and their tables, as users open them in a spreadsheet."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_matssl.errors import InputError, OutputError
from napari_matssl.export.tables import write_tables
from napari_matssl.labels.class_table import ClassTable, LabelClass, numbered_table
from napari_matssl.measure.field import field_of_mask
from napari_matssl.measure.phases import (
    measure_phases,
    phase_fractions,
    phases_frame,
    summary_frame,
)
from napari_matssl.micrograph.image import PixelSize

ORIGIN = (
    "model", "model_sha256", "run", "date", "version", "cleaning", "info_bar", "remarks", "light",
    "reason", "uncertain_percent",
)  # fmt: skip
TABLE = ClassTable(
    classes=(
        LabelClass(id=1, name="matrix", colour="#0072b2"),
        LabelClass(id=2, name="oxide", colour="#e69f00"),
        LabelClass(id=3, name="scratch", colour="#d55e00", exclude=True),
    )
)


def masks(values):
    return hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2), elements=values)


def test_sixty_rectangles_known_answer():
    mask = np.ones((800, 1000), np.uint8)
    for row in range(6):
        for column in range(10):
            mask[20 + row * 120 :, 20 + column * 95 :][:10, :16] = 2
    matrix, oxide = phase_fractions("f.tif", mask, TABLE, PixelSize(0.5, 0.5, "test"))
    assert oxide.fraction_percent == pytest.approx(1.2)
    assert oxide.area_um2 == pytest.approx(60 * 40)
    assert (oxide.pixels, oxide.analysed_pixels) == (9600, 800_000)
    assert matrix.fraction_percent == pytest.approx(98.8)


def test_scratches_and_the_info_bar_leave_the_denominator_and_get_no_row():
    mask = np.array([[1, 1, 1, 2], [3, 3, 3, 3], [0, 0, 0, 0]], np.uint8)
    rows = phase_fractions("f.tif", mask, TABLE, None)
    assert [(r.class_name, r.pixels, r.analysed_pixels, r.fraction_percent) for r in rows] == [
        ("matrix", 3, 4, 75.0),
        ("oxide", 1, 4, 25.0),
    ]


def test_nothing_in_micrometres_without_calibration():
    rows = phase_fractions("f.tif", np.ones((2, 2), np.uint8), TABLE, None)
    assert [r.area_um2 for r in rows] == [None, None]


def test_pixels_that_are_not_square_count_with_both_sides():
    rows = phase_fractions("f.tif", np.ones((2, 2), np.uint8), TABLE, PixelSize(0.5, 2.0, "test"))
    assert rows[0].area_um2 == pytest.approx(4.0)


def test_an_image_with_nothing_analysed_has_no_fraction():
    rows = phase_fractions("f.tif", np.zeros((2, 2), np.uint8), TABLE, None)
    assert [r.fraction_percent for r in rows] == [None, None]
    summary = summary_frame(rows)
    assert list(summary["n"]) == [0, 0]


def test_zero_is_a_phase_when_the_table_lists_it():
    table = numbered_table([0, 1])
    mask = np.array([[0, 0, 0, 1, 255, 255]], np.uint8)
    zero, one = phase_fractions("f.tif", mask, table, None)
    assert (zero.fraction_percent, one.fraction_percent) == (75.0, 25.0)


def test_a_value_that_is_no_class_is_named_with_its_image():
    mask = np.array([[1, 2, 9, 9, 7]], np.uint8)
    with pytest.raises(InputError, match="no class") as caught:
        phase_fractions("f.tif", mask, TABLE, None)
    assert "f.tif" in caught.value.what
    assert "7 (1 pixel), 9 (2 pixels)" in caught.value.what
    assert caught.value.settings == "classes"


@given(masks(st.sampled_from([0, 1, 2, 3])))
def test_fractions_add_up_to_one_hundred_or_are_all_blank(mask):
    fractions = [r.fraction_percent for r in phase_fractions("f.tif", mask, TABLE, None)]
    if np.isin(mask, [1, 2]).any():
        assert sum(fractions) == pytest.approx(100)
    else:
        assert fractions == [None, None]


def test_the_columns_are_those_that_scripts_rely_on():
    assert ",".join(phases_frame([]).columns) == (
        "image,group,class_id,class,pixels,analysed_pixels,fraction_percent,area_um2,"
        "model,model_sha256,run,date,version,cleaning,info_bar,remarks,light,reason,"
        "uncertain_percent,pixel_size_source"
    )
    assert ",".join(summary_frame([]).columns) == (
        "group,class_id,class,n,mean_percent,s_percent,ci95_percent,relative_accuracy_percent,"
        "fields_for_10_percent,s_between_percent,s_within_percent,over,images,reason,"
        "model,model_sha256,run,version"
    )


def rows_for(percents, pixel_size=None):
    rows = []
    for n, percent in enumerate(percents):
        mask = np.ones((10, 10), np.uint8)
        mask.ravel()[:percent] = 2
        rows += phase_fractions(f"{n}.tif", mask, TABLE, pixel_size)
    return rows


def test_the_summary_counts_images_not_pixels():
    rows = rows_for([18, 22, 25, 19, 21, 24, 20, 23, 17, 21])
    oxide = summary_frame(rows).set_index("class").loc["oxide"]
    assert oxide["n"] == 10
    assert oxide["mean_percent"] == pytest.approx(21.0)
    assert oxide["s_percent"] == pytest.approx(2.58199, abs=5e-6)
    assert oxide["ci95_percent"] == pytest.approx(1.84704, abs=5e-6)
    assert oxide["relative_accuracy_percent"] == pytest.approx(8.7954, abs=5e-5)
    assert oxide["fields_for_10_percent"] == 7  # (20 * 2.58199 / 21)^2 = 6.05


def test_groups_are_summarised_each_by_itself_and_specimens_count_once():
    rows = []
    for n, (group, specimen, percent) in enumerate(
        [("as cast", "a", 10), ("as cast", "a", 12), ("as cast", "b", 20), ("annealed", "c", 5)]
    ):
        mask = np.ones((10, 10), np.uint8)
        mask.ravel()[:percent] = 2
        rows += measure_phases(field_of_mask(f"{n}.tif", mask, TABLE, None, group, specimen))
    summary = summary_frame(rows)
    assert list(summary["group"]) == ["as cast", "as cast", "annealed", "annealed"]
    cast, annealed = summary[summary["class"] == "oxide"].to_dict("records")
    assert (cast["n"], cast["over"], cast["images"]) == (2, "specimens", 3)
    assert cast["mean_percent"] == pytest.approx((11 + 20) / 2)
    assert (annealed["n"], annealed["reason"]) == (1, "one image: no interval")


def test_what_a_field_leaves_out_counts_nowhere():
    field = field_of_mask("f.tif", np.array([[1, 1, 2, 2]], np.uint8), TABLE)
    narrower = replace(field, analysed=np.array([[False, True, True, True]]))
    matrix, oxide = measure_phases(narrower)
    assert (matrix.pixels, oxide.pixels, oxide.analysed_pixels) == (1, 2, 3)


def read(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))


def test_one_uncalibrated_image_leaves_blanks_in_the_files(tmp_path):
    write_tables(rows_for([20]), tmp_path / "phases.csv", tmp_path / "summary.csv")
    assert read(tmp_path / "phases.csv")[1] == {
        "image": "0.tif",
        "group": "all",
        "class_id": "2",
        "class": "oxide",
        "pixels": "20",
        "analysed_pixels": "100",
        "fraction_percent": "20",
        "area_um2": "",
        **dict.fromkeys(ORIGIN, ""),
        "pixel_size_source": "",
    }
    assert read(tmp_path / "summary.csv")[1] == {
        "group": "all",
        "class_id": "2",
        "class": "oxide",
        "n": "1",
        "mean_percent": "20",
        "s_percent": "",
        "ci95_percent": "",
        "relative_accuracy_percent": "",
        "fields_for_10_percent": "",
        "s_between_percent": "",
        "s_within_percent": "",
        "over": "images",
        "images": "1",
        "reason": "one image: no interval",
        **dict.fromkeys(("model", "model_sha256", "run", "version"), ""),
    }


def test_an_empty_image_is_blank_beside_others(tmp_path):
    empty = phase_fractions("e.tif", np.zeros((2, 2), np.uint8), TABLE, PixelSize(1, 1, "test"))
    rows = [*empty, *rows_for([20, 30], PixelSize(1, 1, "test"))]
    write_tables(rows, tmp_path / "phases.csv", tmp_path / "summary.csv")
    first = read(tmp_path / "phases.csv")[0]
    assert (first["fraction_percent"], first["area_um2"]) == ("", "0")
    assert first["pixel_size_source"] == "test"
    assert [row["n"] for row in read(tmp_path / "summary.csv")] == ["2", "2"]


def test_tables_keep_names_and_digits(tmp_path):
    table = ClassTable(classes=(LabelClass(id=1, name='γ′, "primary"', colour="#0072b2"),))
    rows = phase_fractions(
        "é.tif", np.ones((3, 7), np.uint8), table, PixelSize(0.123456789, 1, "test")
    )
    write_tables(rows, tmp_path / "phases.csv", tmp_path / "summary.csv")
    (row,) = read(tmp_path / "phases.csv")
    assert (row["image"], row["class"]) == ("é.tif", 'γ′, "primary"')
    assert float(row["area_um2"]) == pytest.approx(21 * 0.123456789, rel=1e-9)
    assert b"\r" not in (tmp_path / "phases.csv").read_bytes()


def test_tables_that_cannot_be_written_are_an_error_with_their_name(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    with pytest.raises(OutputError, match=r"file.summary\.csv"):
        write_tables(rows_for([20]), blocker / "phases.csv", blocker / "summary.csv")
