"""Tables of the benchmarks: every figure stands where its column is."""

import pytest


def figures(miou, error, **more):
    return {
        "miou": miou, "fraction_error": error, "fraction_error_largest": 2 * error, "images": 4,
        "beyond": 2, "silent": 1, "remarked": 1, "training_s": 5.0, "image_s": 0.5, "steps": 0,
        "date": "2026-11-26", "machine": "cpu", "commit": "abc1234", **more,
    }  # fmt: skip


@pytest.fixture
def results():
    return {
        "instant | MetalDAM S1 strokes | 0": figures(0.30, 8.0),
        "instant | MetalDAM S1 strokes | 1": figures(0.34, 6.0),
        "forest, standardised | MetalDAM S1 strokes | 0": figures(0.27, 12.0),
        "instant | UHCS S1 strokes | 0": figures(0.40, 9.0),
        "forest, standardised | UHCS S1 strokes | 0": figures(0.45, 5.0),
        "forest, standardised | EBC-2 | 0": {
            "miou": 0.4, "matssl": 0.6, "oxide": 0.3, "crack": None, "training_s": 3.0,
            "image_s": 1.0, "date": "2026-11-22", "machine": "cpu",
        },  # measured before fractions were
    }  # fmt: skip


def written(results, tmp_path):
    from accuracy_tables import write_tables
    from columns import columns, contents

    files = [tmp_path / name for name in ("notes.md", "summary.md")]
    for file in files:
        file.write_text("<!-- begin: accuracy.py -->\n<!-- end: accuracy.py -->\n")
    shown = contents(columns(tmp_path))  # sets are named without their data
    write_tables(results, ["forest, standardised", "instant"], shown, *files)
    return [file.read_text().splitlines() for file in files]


def test_each_row_has_iou_spread_and_errors_of_fractions(results, tmp_path):
    notes, summary = written(results, tmp_path)
    assert (
        "| MetalDAM S1 strokes | instant | 0.320 | 4.0 | 7.0 | 16.0 | 2 of 8 | 5 s | 0.50 s | 2 |"
        in notes
    )
    assert (
        "| EBC-2 | forest, standardised | 0.400 | - | 60.0 | 0.300 | 0.000 | - | - | - | 3 s "
        "| 1.00 s | 1 |" in notes
    )
    assert "| MetalDAM, strokes on one image | 0.27, 12.0 | - | 0.32 (0.04), 7.0 | - | - |" in (
        summary
    )


def test_the_forest_is_compared_in_the_mean_and_at_worst(results, tmp_path):
    notes, _ = written(results, tmp_path)
    assert (
        "| instant | MetalDAM and UHCS | 2 | +0.0 | -5.0 (UHCS S1 strokes) | -0.5 "
        "| +4.0 (UHCS S1 strokes) |" in notes
    )


def test_levers_compare_rows_by_groups_that_count_alike():
    from levers_tables import tables

    found = {
        "UHCS, 1 image": {
            "forest, standardised": [figures(0.3, 20.0), figures(0.3, 20.0)],
            "instant": [figures(0.4, 10.0), figures(0.2, 12.0)],
        },
        "grains, 1 image": {
            "forest, standardised": [figures(0.7, 2.0)],
            "instant": [figures(0.8, 3.0)],
        },
        "sweep of grey, 1 image": {
            "forest, standardised": [figures(0.5, 40.0)],
            "instant": [figures(0.9, 1.0)],
        },
    }
    lines = tables(found).splitlines()
    assert (
        "| UHCS, 1 image | 0.300 | 20.0 | 2 of 4 | 2 of 8 | 0.300 | 11.0 | 2 of 4 | 2 of 8 |"
        in (lines)
    )
    assert any(line.startswith("| **mean** | 0.500 | 11.0 |") for line in lines)
    assert "| **worst** | 0.300 | 20.0 | | | 0.200 | 12.0 | | |" in lines
    assert (
        "instant against forest, standardised: mIoU +5.0 points, at worst +0.0 (UHCS, 1 image); "
        "fraction error -4.0 points, at worst +1.0 (grains, 1 image)." in lines
    )
