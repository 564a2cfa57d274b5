"""Tables of grain size: per image, and per group with intervals."""

from collections.abc import Sequence

import pandas as pd

from napari_matssl.measure.figure_summary import SUMMARY_FIGURES, figure_cells
from napari_matssl.measure.grain_number import (
    g_of_grains_per_mm2,
    g_of_mean_intercept,
    grain_number,
)
from napari_matssl.measure.grains import FEWEST_INTERCEPTS, GrainSize
from napari_matssl.measure.group_statistics import GroupStatistics, Sample, group_statistics

_WORDS = {"image", "group", "class", "method", "figure", "over", "reason"}
_COUNTED = ("grains_per_mm2", "mean_area_px", "inside_mean_area_um2", "inside_mean_area_px")
_MET = ("mean_intercept_um", "mean_intercept_px")

GRAIN_COLUMNS = (
    "image",
    "group",
    "class",
    "method",
    "grains_inside",
    "grains_cut",
    "intercepts",
    "test_length_px",
    "test_length_um",
    "grains_per_mm2",
    "mean_area_um2",
    "mean_intercept_px",
    "mean_intercept_um",
    "g_astm",
    "g_iso",
    "ci95_g_low",
    "ci95_g_high",
    "relative_accuracy_percent",
    "mean_area_px",
    "inside_mean_area_um2",
    "inside_mean_area_px",
    "inside_g_astm",
)
GRAIN_SUMMARY_COLUMNS = ("group", "class", "method", *SUMMARY_FIGURES, "ci95_low", "ci95_high")
WANTED_ACCURACY = 10.0
"""Relative accuracy in percent that is aimed at (E112-style)."""


def grains_frame(sizes: Sequence[GrainSize]) -> pd.DataFrame:
    """Put sizes into a table with the columns ``GRAIN_COLUMNS``; NaN for None.

    The interval of a single image is blank: it is over images, in the summary.
    """
    return _frame([_cells(one) for one in sizes], GRAIN_COLUMNS)


def _frame(rows: list[dict[str, object]], columns: Sequence[str]) -> pd.DataFrame:
    """Make a table of rows; columns of figures are floats, also where all are undefined."""
    frame = pd.DataFrame(rows, columns=list(columns))
    whole = {"n": int, "images": int}
    return frame.astype({name: whole.get(name, float) for name in columns if name not in _WORDS})


def _cells(one: GrainSize) -> dict[str, object]:
    counts, met, number = one.counts, one.intercepts, one.number
    return {
        "image": one.field,
        "group": one.group,
        "class": one.class_name,
        "method": one.method,
        "grains_inside": None if counts is None else counts.inside,
        "grains_cut": None if counts is None else counts.cut,
        "intercepts": None if met is None else met.count,
        "test_length_px": None if met is None else met.length_px,
        "test_length_um": None if met is None else met.length_um,
        **_figures(one),
        "mean_area_um2": None if counts is None else counts.mean_area_um2,
        "inside_g_astm": _inside_g(one),
        "g_astm": number.astm,
        "g_iso": number.iso,
    }


def _inside_g(one: GrainSize) -> float | None:
    area = None if one.counts is None else one.counts.inside_mean_area_um2
    return None if area is None else g_of_grains_per_mm2(1e6 / area)


def _figures(one: GrainSize) -> dict[str, float | None]:
    counts, met = one.counts, one.intercepts
    return {
        "grains_per_mm2": None if counts is None else counts.per_mm2,
        "mean_area_px": None if counts is None else counts.mean_area_px,
        "inside_mean_area_um2": None if counts is None else counts.inside_mean_area_um2,
        "inside_mean_area_px": None if counts is None else counts.inside_mean_area_px,
        "mean_intercept_px": None if met is None else met.mean_px,
        "mean_intercept_um": None if met is None else met.mean_um,
    }


def grain_summary_frame(sizes: Sequence[GrainSize]) -> pd.DataFrame:
    """Summarise per group, class and method; columns ``GRAIN_SUMMARY_COLUMNS``, NaN for None.

    Returns
    -------
    One row per figure. Mean and interval are over images, or over specimens where a group has
    several. G is converted from mean and interval of grains per mm2, or of the mean intercept in
    um; it has no s, and bounds that don't lie at equal distances.
    """
    rows = [cells for some in _parts(sizes) for cells in _summary_cells(some)]
    return _frame(rows, GRAIN_SUMMARY_COLUMNS)


def summary_remarks(sizes: Sequence[GrainSize]) -> tuple[str, ...]:
    """Return lines on groups with too few intercepts, or too wide an interval (E112-style)."""
    found = []
    for some in _parts(sizes):
        one = some[0]
        where = f"Group {one.group}, {one.class_name}, {one.method}"
        count = sum(each.intercepts.count for each in some if each.intercepts is not None)
        if 0 < count < FEWEST_INTERCEPTS:
            found.append(f"{where}: {count:g} intercepts are fewer than {FEWEST_INTERCEPTS}.")
        accuracy = _main(some).fields.relative_accuracy
        if accuracy is not None and accuracy > WANTED_ACCURACY:
            found.append(
                f"{where}: the relative accuracy is {accuracy:.1f} %, above "
                f"{WANTED_ACCURACY:g} %; measure more fields."
            )
    return tuple(found)


def _parts(sizes: Sequence[GrainSize]) -> list[list[GrainSize]]:
    parts: dict[tuple[str, str, str], list[GrainSize]] = {}
    for one in sizes:
        parts.setdefault((one.group, one.class_name, one.method), []).append(one)
    return list(parts.values())


def _main(some: Sequence[GrainSize]) -> GroupStatistics:
    """Return statistics in um, or in px where no field is calibrated."""
    in_um, in_px = _COUNTED[:2] if some[0].method == "planimetric" else _MET
    stats = group_statistics(_samples(some, in_um))
    return stats if stats.fields.n else group_statistics(_samples(some, in_px))


def _summary_cells(some: Sequence[GrainSize]) -> list[dict[str, object]]:
    one = some[0]
    counted = one.method == "planimetric"
    about = {"group": one.group, "class": one.class_name, "method": one.method}
    rows: list[dict[str, object]] = []
    for figure in _COUNTED if counted else _MET:
        samples = _samples(some, figure)
        cells = dict(zip(SUMMARY_FIGURES, figure_cells(figure, samples), strict=True))
        fields = group_statistics(samples).fields
        if fields.mean is not None and fields.ci95 is not None:
            cells |= {"ci95_low": fields.mean - fields.ci95, "ci95_high": fields.mean + fields.ci95}
        rows.append(about | cells)
    stats = group_statistics(_samples(some, (_COUNTED if counted else _MET)[0]))
    convert = g_of_grains_per_mm2 if counted else g_of_mean_intercept
    number = grain_number(convert, stats.fields.mean, stats.fields.ci95)
    n, over, images, reason = stats.fields.n, stats.over, stats.images, stats.reason
    shared: dict[str, object] = {"n": n, "over": over, "images": images, "reason": reason}
    for figure, bounds in (
        ("g_astm", (number.astm, number.astm_low, number.astm_high)),
        ("g_iso", (number.iso, number.iso_low, number.iso_high)),
    ):
        g: dict[str, object] = dict(zip(("mean", "ci95_low", "ci95_high"), bounds, strict=True))
        rows.append(about | shared | {"figure": figure} | g)
    return rows


def _samples(some: Sequence[GrainSize], figure: str) -> list[Sample]:
    return [Sample(_figures(one)[figure], one.specimen, one.section) for one in some]
