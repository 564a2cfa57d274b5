"""Fractions corrected for the model's own error, as cells, marks and words beside those found."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_matssl.measure.corrected import CorrectedFraction, CorrectedFractions
from napari_matssl.widgets.controls.figure_table import Cell, number

COLUMNS = (
    (
        "corr.\n(%)",
        "Mean area fraction corrected for what the model mistakes in held-out images, in percent.",
    ),
    (
        "its 95 % CI\n(%)",
        "95 % confidence interval of the corrected fraction, by the model's own error alone. The "
        "interval over images is another one, and stays where it is.",
    ),
)
"""Titles and tooltips of the columns of a summary."""

_BESIDE = 0.38  # of the distance of two bars: the mark stands beside its bar


def cells(row: CorrectedFraction | None, decimals: int, reason: str) -> list[Cell]:
    """Make the cells of a class; their tooltips tell where the figures come from."""
    if row is None or row.corrected is None:
        return [number(None, 0, reason), number(None, 0, reason)]
    source = (
        f"By {row.held_out_pixels:,} labelled pixels of {row.class_name} in "
        f"{row.held_out_images} held-out image{'s' * (row.held_out_images != 1)}."
    )
    if row.low is None or row.high is None:
        return [number(row.corrected, decimals, source), number(None, 0, reason)]
    interval = number(row.high - row.low, decimals, source)
    interval.setText(f"{row.low:.{decimals}f}–{row.high:.{decimals}f}")
    interval.copied = f"{row.low:.{decimals}f} to {row.high:.{decimals}f}"
    return [number(row.corrected, decimals, source), interval]


def marks(x: float, row: CorrectedFraction, colour: str) -> list[Any]:
    """Make what is drawn beside a bar: a diamond with the interval of the corrected fraction."""
    from pyqtgraph import ErrorBarItem, ScatterPlotItem

    assert row.corrected is not None  # callers draw nothing else
    place = x + _BESIDE
    items = []
    if row.low is not None and row.high is not None:
        items.append(
            ErrorBarItem(
                x=np.array([place]),
                y=np.array([row.corrected]),
                top=row.high - row.corrected,
                bottom=row.corrected - row.low,
                beam=0.1,
                pen=colour,
            )
        )
    diamond = ScatterPlotItem(
        [place], [row.corrected], symbol="d", size=11, pen=colour, brush=colour
    )
    return [*items, diamond]


def in_words(corrected: CorrectedFractions) -> str:
    """Describe the corrections below the table; empty before anything is measured."""
    shown = [row for row in corrected.rows if row.corrected is not None]
    lines: Sequence[str] = corrected.remarks
    if shown:
        lines = [f"Diamonds: corrected for the model's own error, by {corrected.source}.", *lines]
    return "\n".join(filter(None, (*lines, corrected.reason)))
