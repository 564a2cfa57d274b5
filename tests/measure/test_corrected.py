"""The table of corrected fractions, and its words."""

from dataclasses import replace

import numpy as np
import pytest

from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.labels.held_out import HeldOut, HeldOutImage
from napari_matssl.labels.provenance import Provenance
from napari_matssl.measure.corrected import (
    CORRECTED_COLUMNS,
    correct_fractions,
    corrected_frame,
)
from napari_matssl.measure.phases import PhaseFraction, phase_fractions, summary_frame

NAMES = ("matrix", "carbides")
# 8 % of the matrix is taken for carbides, with a point or two between images.
COUNTS = (((920, 80), (20, 980)), ((910, 90), (25, 975)), ((930, 70), (15, 985)))


def held_out(counts=COUNTS, names=NAMES, **more):
    images = tuple(HeldOutImage(name=f"{n}.png", counts=one) for n, one in enumerate(counts))
    return HeldOut(source="left-out", classes=names, images=images, **more)


def rows(*percents, group="all"):
    """Images with these percentages of carbides."""
    return [
        PhaseFraction(f"{n}.png", i, name, round(100 * p), 10_000, p, None, group=group)
        for n, percent in enumerate(percents)
        for i, name, p in ((1, "matrix", 100 - percent), (2, "carbides", percent))
    ]


def carbides(found, group="all"):
    (row,) = (r for r in found.rows if (r.class_name, r.group) == ("carbides", group))
    return row


def test_a_row_has_the_figure_as_found_and_the_corrected_one():
    found = correct_fractions(rows(21, 22, 23), held_out())
    row = carbides(found)
    assert row.raw == pytest.approx(22)
    assert row.corrected == pytest.approx(100 * (0.22 - 0.08) / (0.98 - 0.08), abs=0.01)
    assert row.low < row.corrected < row.high < row.raw
    assert (row.held_out_pixels, row.held_out_images) == (3000, 3)
    assert found.source == "3 left-out painted images"
    assert found.reason == ""
    frame = corrected_frame(found.rows)
    assert tuple(frame.columns) == CORRECTED_COLUMNS
    assert frame["corrected_percent"].sum() == pytest.approx(100)


def test_masks_that_were_mended_by_hand_are_told():
    """The model found 22 % carbides, of which painted pixels leave the 15.6 % that are there."""
    painted = [replace(row, origin=Provenance(painted=True)) for row in rows(15.6, 15.6, 15.6)]
    found = correct_fractions(painted, held_out(boundaries=True))
    assert carbides(found).corrected < 10  # as if the model had found them
    assert "the fractions as found are the better ones" in found.limits
    plain = [replace(row, origin=Provenance()) for row in painted]
    assert correct_fractions(plain, held_out(boundaries=True)).limits == ""
    # Without a correction there is nothing to warn of.
    assert "painted" not in correct_fractions(painted, held_out(stand_in=True)).limits


def test_masks_that_were_cleaned_are_told():
    """Specks of 8 % were found in the matrix, and cleaned away."""
    cleaned = [
        replace(row, origin=Provenance(cleaning="regions under 30 px")) for row in rows(16, 16, 16)
    ]
    found = correct_fractions(cleaned, held_out(boundaries=True))
    assert carbides(found).corrected < 10
    assert "what cleaning has mended is corrected a second time" in found.limits
    assert "cleaning" not in correct_fractions(cleaned, held_out(stand_in=True)).limits


def test_specimens_count_alike_as_in_the_summary():
    """One field of 10 % in A, three of 20 % in B: 15 %, not 17.5 %."""
    some = [
        replace(row, specimen="A" if row.image == "0.png" else "B") for row in rows(10, 20, 20, 20)
    ]
    (summary,) = (one for one in summary_frame(some).itertuples() if one._3 == "carbides")
    row, plain = (carbides(correct_fractions(these, held_out())) for these in (some, rows(10, 20)))
    assert row.raw == pytest.approx(15)
    assert row.raw == pytest.approx(summary.mean_percent)
    assert row.corrected == pytest.approx(plain.corrected)
    # Fields of one specimen are mistaken alike: two specimens tell as much as two fields.
    alike = carbides(correct_fractions(rows(15, 15, 15, 15), held_out()))
    width, two, four = (one.high - one.low for one in (row, plain, alike))
    assert four < width == pytest.approx(two)


def test_a_bias_is_put_into_words():
    (bias, *_rest) = correct_fractions(rows(20, 22, 24), held_out()).remarks
    assert bias == (
        "Strokes like these overestimate carbides by 6.4 points (3 left-out painted images)."
    )


def test_an_error_larger_than_the_spread_between_images_is_a_warning():
    narrow = correct_fractions(rows(21.9, 22, 22.1), held_out()).remarks
    assert any("larger than the spread between images for carbides" in line for line in narrow)
    wide = correct_fractions(rows(5, 22, 39), held_out()).remarks
    assert not any("larger than the spread" in line for line in wide)


def test_a_stand_in_for_the_network_corrects_nothing_but_warns_of_the_strokes():
    found = correct_fractions(rows(20, 22, 24), held_out(stand_in=True))
    assert carbides(found).raw == pytest.approx(22)
    assert carbides(found).corrected is None
    assert carbides(found).low is None
    assert "the network itself hasn't been asked" in found.reason
    assert found.remarks == (
        "With strokes like these, the instant classifier would overestimate carbides by 6.4 points "
        "(3 left-out painted images; the network may do better).",
    )


def test_what_strokes_do_not_show_is_told():
    limits = correct_fractions(rows(21, 22), held_out()).limits
    assert "strokes keep away from boundaries" in limits
    assert correct_fractions(rows(21, 22), held_out(boundaries=True)).limits == ""


def test_without_held_out_images_the_figures_as_found_stand_alone():
    found = correct_fractions(rows(21, 22, 23), None)
    assert carbides(found).raw == pytest.approx(22)
    assert carbides(found).corrected is None
    assert found.reason.startswith("No correction for the model's own error: no image was")
    assert corrected_frame(found.rows)["ci95_low_percent"].isna().all()


def test_one_held_out_image_gives_no_interval():
    found = correct_fractions(rows(21, 22), held_out(COUNTS[:1]))
    assert carbides(found).corrected is not None
    assert carbides(found).low is None
    assert found.reason == (
        "No interval of the model's own error: matrix, carbides are in one held-out image only."
    )


def test_each_group_is_corrected_on_its_own():
    found = correct_fractions([*rows(20, 21, group="A"), *rows(40, 41, group="B")], held_out())
    assert carbides(found, "A").raw == pytest.approx(20.5)
    assert carbides(found, "B").corrected > carbides(found, "A").corrected + 20
    assert found.remarks[0].startswith("A: ")


def test_classes_are_matched_by_name_and_those_to_exclude_are_left_out():
    counts = tuple((*((*row, 5) for row in one), (3, 3, 500)) for one in COUNTS)
    with_scratches = held_out(counts, (*NAMES, "scratches"))
    found, plain = (correct_fractions(rows(21, 22), one) for one in (with_scratches, held_out()))
    assert carbides(found).corrected == pytest.approx(carbides(plain).corrected)


def test_a_class_that_the_model_has_not_is_named():
    table = ClassTable(
        classes=tuple(
            LabelClass(id=n, name=name, colour="#0072b2")
            for n, name in ((1, "matrix"), (2, "oxide"))
        )
    )
    mask = np.array([[1, 1, 2, 2]], np.uint8)
    found = correct_fractions(phase_fractions("a.png", mask, table, None), held_out())
    assert "the model has no class oxide" in found.reason


def test_nothing_analysed_is_a_reason():
    empty = [PhaseFraction("a.png", 1, "matrix", 0, 0, None, None)]
    found = correct_fractions(empty, held_out())
    assert "nothing was analysed" in found.reason
    assert found.rows[0].raw is None
