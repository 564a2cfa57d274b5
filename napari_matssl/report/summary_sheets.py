"""Two sheets for each measure: its values by field, and its summary in formulas on them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import pandas as pd
from openpyxl.utils import get_column_letter

from napari_matssl.report.observations import CONVERTED, Observed, SummaryOf, places_of
from napari_matssl.report.sheets import Formula, Sheet
from napari_matssl.report.wording import is_blank

_KEYS: Final = ("image", "group", "specimen", "section")
_ISO: Final = "LOG(8/7.75,2)"


@dataclass(frozen=True)
class _Layout:
    """Where the values of each summary row stand: a column per quantity, a row per field."""

    title: str
    columns: tuple[tuple[str, ...], ...]
    images: tuple[str, ...]
    places: Mapping[str, tuple[str, str, str]]

    def column(self, one: Observed) -> int:
        return len(_KEYS) + 1 + self.columns.index(_quantity(one))


def summary_sheets(
    of: SummaryOf, rows: Sequence[Observed], tables: Mapping[str, pd.DataFrame]
) -> tuple[Sheet, Sheet]:
    """Make the sheet of a summary, and that of the values behind it.

    Means, standard deviations, intervals, relative accuracies, numbers of fields, and G are
    formulas. Spreads between and within specimens, and quantiles of all objects together, are
    values: they are no formula of one line.

    Returns
    -------
    The summary, with the columns of its CSV file; the values by field, and below them the means of
    specimens where these count.
    """
    live = [one for one in rows if one.values]
    places = places_of(tables)
    images = sorted(
        dict.fromkeys(image for one in live for image in one.values),
        key=_in_order(places, list(places)),
    )
    columns = tuple(dict.fromkeys(map(_quantity, live)))
    layout = _Layout(f"{of.title} by field", columns, tuple(images), places)
    by_field, means = _by_field(layout, live)
    headings = tuple(str(name) for name in tables[of.summary].columns)
    summary = tuple(_summary_row(n, rows, headings, layout, means) for n in range(len(rows)))
    return Sheet(of.title, headings, summary), by_field


def _quantity(one: Observed) -> tuple[str, ...]:
    """Return what a column is of: class, method or direction, figure; all but the group."""
    return (*one.key[1:], one.figure)


def _in_order(places: Mapping[str, tuple[str, str, str]], images: Sequence[str]) -> Any:
    """Sort fields by group and specimen, in the order in which these come first."""
    groups = list(dict.fromkeys(places[image][0] for image in images))
    specimens = list(dict.fromkeys(places[image][:2] for image in images))
    order = {image: n for n, image in enumerate(images)}

    def key(image: str) -> tuple[int, int, int]:
        group, specimen, _ = places[image]
        return groups.index(group), specimens.index((group, specimen)), order[image]

    return key


_Means = dict[tuple[str, tuple[str, ...]], str]
"""Range of the means of specimens, by group and quantity."""


def _by_field(layout: _Layout, live: Sequence[Observed]) -> tuple[Sheet, _Means]:
    values = {(_quantity(one), image): v for one in live for image, v in one.values.items()}
    rows: list[tuple[Any, ...]] = []
    for image in layout.images:
        figures = (values.get((column, image)) for column in layout.columns)
        rows.append((image, *layout.places[image], *figures))
    means: _Means = {}
    first = True
    by_specimen = {one.key[0] for one in live if one.row["over"] == "specimens"}
    for group, some in groupby(layout.images, key=lambda image: layout.places[image][0]):
        of_group = list(some)
        if group not in by_specimen:
            continue
        if first:
            blank = (None,) * (len(_KEYS) - 1 + len(layout.columns))
            rows += [(None, *blank), ("mean of each specimen", *blank)]
            first = False
        start = len(rows) + 2  # below the heading, counted from 1
        for specimen, fields in groupby(of_group, key=lambda image: layout.places[image][1]):
            rows.append(_mean_row(layout, group, specimen, list(fields), values))
        for n, column in enumerate(layout.columns):
            letter = get_column_letter(len(_KEYS) + 1 + n)
            means[group, column] = f"'{layout.title}'!{letter}{start}:{letter}{len(rows) + 1}"
    headings = (*_KEYS, *(": ".join(filter(None, column)) for column in layout.columns))
    return Sheet(layout.title, headings, tuple(rows)), means


def _mean_row(
    layout: _Layout,
    group: str,
    specimen: str,
    images: Sequence[str],
    values: Mapping[tuple[tuple[str, ...], str], float],
) -> tuple[Any, ...]:
    top, bottom = (layout.images.index(image) + 2 for image in (images[0], images[-1]))
    cells: list[Formula | None] = []
    for n, column in enumerate(layout.columns):
        some = [values[column, image] for image in images if (column, image) in values]
        letter = get_column_letter(len(_KEYS) + 1 + n)
        formula = f"=AVERAGE({letter}{top}:{letter}{bottom})"
        cells.append(Formula(formula, math.fsum(some) / len(some)) if some else None)
    return ("mean", group, specimen, "", *cells)


def _summary_row(
    number: int,
    rows: Sequence[Observed],
    headings: Sequence[str],
    layout: _Layout,
    means: _Means,
) -> tuple[Any, ...]:
    one = rows[number]
    formulas: dict[str, str] = {}
    if one.values:
        formulas = _statistics(one, headings, number + 2, _values_of(one, layout, means))
    elif one.figure in CONVERTED:
        formulas = _converted(number, rows, headings)
    cells: list[Any] = []
    for name in headings:
        value = one.row[name]
        if is_blank(value):
            cells.append(None)
        elif name in formulas:
            cells.append(Formula(f"={formulas[name]}", float(value)))  # type: ignore[arg-type]
        else:
            cells.append(value.item() if hasattr(value, "item") else value)
    return tuple(cells)


def _values_of(one: Observed, layout: _Layout, means: _Means) -> str:
    """Name the range of the values that count: of fields, or means of specimens."""
    group = one.key[0]
    if one.row["over"] == "specimens":
        return means[group, _quantity(one)]
    places = [n for n, image in enumerate(layout.images) if layout.places[image][0] == group]
    letter = get_column_letter(layout.column(one))
    return f"'{layout.title}'!{letter}{places[0] + 2}:{letter}{places[-1] + 2}"


def _statistics(one: Observed, headings: Sequence[str], row: int, values: str) -> dict[str, str]:
    """Return the formulas of mean, spread and interval, by the names of their columns."""
    unit = "_percent" if "mean_percent" in headings else ""
    mean, s, ci = (_cell(headings, f"{name}{unit}", row) for name in ("mean", "s", "ci95"))
    n = _cell(headings, "n", row)
    return {
        "n": f"COUNT({values})",
        f"mean{unit}": f"AVERAGE({values})",
        f"s{unit}": f"STDEV.S({values})",
        f"ci95{unit}": f"T.INV.2T(0.05,{n}-1)*{s}/SQRT({n})",
        "relative_accuracy_percent": f"100*{ci}/{mean}",
        "fields_for_10_percent": f"MAX(2,ROUNDUP(ROUND((200/10*{s}/{mean})^2,9),0))",
        "ci95_low": f"{mean}-{ci}",
        "ci95_high": f"{mean}+{ci}",
    }


def _converted(number: int, rows: Sequence[Observed], headings: Sequence[str]) -> dict[str, str]:
    """Return the formulas of G on the mean and interval of grains per area or of intercepts."""
    one = rows[number]
    alike = [n for n, other in enumerate(rows) if other.key == one.key]
    figures = {rows[n].figure: n + 2 for n in alike}
    counted = "grains_per_mm2" in figures
    base = figures["grains_per_mm2" if counted else "mean_intercept_um"]
    low, high = ("ci95_low", "ci95_high") if counted else ("ci95_high", "ci95_low")
    less = f"-{_ISO}" if one.figure == "g_iso" else ""

    def convert(column: str) -> str:
        cell = _cell(headings, column, base)
        if counted:
            return f"3.321928*LOG10({cell})-2.9542{less}"
        return f"-2*3.321928*LOG10({cell}/1000)-3.2877{less}"

    return {"mean": convert("mean"), "ci95_low": convert(low), "ci95_high": convert(high)}


def _cell(headings: Sequence[str], name: str, row: int) -> str:
    return f"{get_column_letter(headings.index(name) + 1)}{row}" if name in headings else ""
