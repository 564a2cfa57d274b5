"""The values of single fields that each row of a summary is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from napari_matssl.report.contents import FIELDS, PHASES, SUMMARY
from napari_matssl.report.wording import in_csv, is_blank

FRACTION: Final = "fraction_percent"
CONVERTED: Final = ("g_astm", "g_iso")
"""Figures that are converted from the mean and interval of another one."""


@dataclass(frozen=True)
class SummaryOf:
    """How a summary and the table of fields behind it belong together.

    Parameters
    ----------
    title
        Of the measure.
    summary, fields
        Names of both CSV files.
    by
        Columns that tell what is summarised together, in both.
    """

    title: str
    summary: str
    fields: str
    by: tuple[str, ...]


SUMMARIES: Final = (
    SummaryOf("Area fractions", SUMMARY, PHASES, ("group", "class")),
    SummaryOf(
        "Objects",
        "objects_summary.csv",
        "object_summary.csv",
        ("group", "class", "line_direction_deg"),
    ),
    SummaryOf("Grain size", "grains_summary.csv", "grains.csv", ("group", "class", "method")),
    SummaryOf("Layers", "layers_summary.csv", "layers.csv", ("group", "class")),
    SummaryOf("Nodules", "nodules_summary.csv", "nodules.csv", ("group", "class")),
)


@dataclass(frozen=True)
class Observed:
    """One row of a summary, and the values that it summarises.

    Parameters
    ----------
    key
        Of the row: group, class, and method or direction where there are any.
    figure
        Name of the column that the values are from.
    values
        By the name of the field, in the order of the tables; undefined ones left out. Empty where
        the row isn't made of one value per field (quantiles of all objects together).
    row
        Of the summary, by its columns.
    """

    key: tuple[str, ...]
    figure: str
    values: Mapping[str, float]
    row: Mapping[str, object]

    @property
    def label(self) -> str:
        """What it is of; the group only where there are groups, directions in degrees."""
        names = (f"{one}°" if one.isdecimal() else one for one in self.key[2:])
        group = () if self.key[0] == "all" else self.key[:1]
        return ", ".join(filter(None, (*group, self.key[1], *names)))

    def mean(self) -> float | None:
        """Return the mean of the summary; None where undefined."""
        return self._number("mean_percent" if self.figure == FRACTION else "mean")

    def bounds(self) -> tuple[float, float] | None:
        """Return both ends of the 95 % interval; None where there is none."""
        low, high = self._number("ci95_low"), self._number("ci95_high")
        if low is not None and high is not None:
            return low, high
        half = self._number("ci95_percent" if self.figure == FRACTION else "ci95")
        mean = self.mean()
        return None if half is None or mean is None else (mean - half, mean + half)

    def _number(self, column: str) -> float | None:
        value = self.row.get(column)
        return None if is_blank(value) else float(value)  # type: ignore[arg-type]


def observed(tables: Mapping[str, pd.DataFrame], of: SummaryOf) -> list[Observed]:
    """List the rows of a summary with the values behind each; none without such a summary."""
    if of.summary not in tables:
        return []
    fields = tables[of.fields]
    first = fields["line_direction_deg"].iloc[:1] if "line_direction_deg" in fields else None
    found = []
    for _, row in tables[of.summary].iterrows():
        key = tuple(in_csv(row[name]) for name in of.by)
        figure = str(row.get("figure", FRACTION))
        chosen = fields
        for name in of.by:
            if is_blank(row[name]):  # figures of objects stand once per direction of lines
                assert first is not None
                chosen = chosen[chosen[name].isin(first)]
            else:
                chosen = chosen[chosen[name] == row[name]]
        # G isn't averaged, and quantiles are those of all objects together.
        single = figure in chosen and figure not in ("d10_um", "d50_um", "d90_um", *CONVERTED)
        pairs = zip(chosen["image"], chosen[figure], strict=True) if single else ()
        values = {str(image): float(v) for image, v in pairs if not is_blank(v)}
        found.append(Observed(key, figure, values, {str(k): v for k, v in row.items()}))
    return found


def places_of(tables: Mapping[str, pd.DataFrame]) -> dict[str, tuple[str, str, str]]:
    """Return group, specimen and section of each field, by its name."""
    columns = ("group", "specimen", "section")
    return {
        str(row["image"]): (str(row[columns[0]]), str(row[columns[1]]), str(row[columns[2]]))
        for _, row in tables[FIELDS].iterrows()
    }
