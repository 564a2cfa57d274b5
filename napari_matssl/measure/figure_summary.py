"""Statistics over images or specimens of the figures in a table that has a row per image."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from napari_matssl.measure.group_statistics import Sample, group_statistics
from napari_matssl.micrograph.place import Place

SUMMARY_FIGURES = (
    "figure",
    "n",
    "mean",
    "s",
    "ci95",
    "relative_accuracy_percent",
    "s_between",
    "s_within",
    "over",
    "images",
    "reason",
)
"""Columns of a summary after those that tell what is summarised."""


def summarise_figures(
    table: pd.DataFrame,
    figures: Sequence[str],
    places: Mapping[str, Place],
    by: Sequence[str] = ("group", "class"),
) -> pd.DataFrame:
    """Summarise columns of a table over its images.

    Parameters
    ----------
    table
        With the columns ``image``, those of `by`, and `figures`. Blank cells don't count.
    figures
        The columns whose mean has a meaning.
    places
        Where the fields were taken, by the names of their images.
    by
        Columns that tell what is summarised together.

    Returns
    -------
    One row per group and figure, with the columns `by` and ``SUMMARY_FIGURES``; groups in the
    order of the table.
    """
    rows = [
        (*key, *figure_cells(figure, _samples(part, figure, places)))
        for key, part in table.groupby(list(by), sort=False)
        for figure in figures
    ]
    return pd.DataFrame(rows, columns=[*by, *SUMMARY_FIGURES])


def figure_cells(figure: str, samples: Sequence[Sample]) -> tuple[object, ...]:
    """Summarise one figure, as ``SUMMARY_FIGURES`` has it."""
    stats = group_statistics(samples)
    fields = stats.fields
    return (
        *(figure, fields.n, fields.mean, fields.s, fields.ci95, fields.relative_accuracy),
        *(stats.s_between, stats.s_within, stats.over, stats.images, stats.reason),
    )


def _samples(part: pd.DataFrame, figure: str, places: Mapping[str, Place]) -> list[Sample]:
    return list(_each(zip(part["image"], part[figure], strict=True), places))


def _each(
    values: Iterable[tuple[str, float | None]], places: Mapping[str, Place]
) -> Iterable[Sample]:
    for image, value in values:
        place = places.get(image, Place())
        known = None if pd.isna(value) else float(value)  # type: ignore[arg-type]
        yield Sample(known, place.specimen, place.section)
