"""Fractions corrected for the model's own error, as a table, marks and words beside those found."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from qtpy.QtWidgets import QAbstractItemView, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_matssl.measure.corrected import CorrectedFraction, CorrectedFractions
from napari_matssl.widgets.controls.figure_table import Cell, FigureTable, number

_COLUMNS = (
    ("class", "Phase. Classes to exclude, such as scratches, are in no figure here."),
    ("as found\n(%)", "Mean area fraction over the images as the model finds it, in percent."),
    ("corrected\n(%)", "The same, corrected for what the model mistakes in held-out images."),
    (
        "its 95 % CI\n(%)",
        "95 % confidence interval of the corrected fraction, by the model's own error alone; that "
        "over images is another one",
    ),
    ("held-out\npixels", "Labelled pixels of the phase in images that were held out."),
)

_BESIDE = 0.38  # of the distance of two bars: the mark stands beside its bar


class CorrectedPage(QWidget):
    """Fractions as found and corrected, with the interval of the model's own error."""

    def __init__(self) -> None:
        super().__init__()
        self.table = FigureTable(name_width=96)
        self.table.setSizeAdjustPolicy(QAbstractItemView.SizeAdjustPolicy.AdjustToContents)
        self.table.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)
        self.words = QLabel()
        self.words.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.table)
        layout.addWidget(self.words)
        layout.addStretch(1)

    def show_fractions(
        self,
        corrected: CorrectedFractions,
        colours: Mapping[int, str],
        decimals: Mapping[int, int],
    ) -> None:
        """Show the rows in the order of the colours, by class id."""
        place = {class_id: n for n, class_id in enumerate(colours)}
        rows = sorted(corrected.rows, key=lambda row: place.get(row.class_id, len(place)))
        several = len({row.group for row in rows}) > 1
        cells = [
            _cells(
                row,
                colours.get(row.class_id, ""),
                decimals.get(row.class_id, 1),
                corrected.reason,
                f"{row.class_name}, {row.group}" if several else row.class_name,
            )
            for row in rows
        ]
        self.table.fill(_COLUMNS, cells)
        by = f"By {corrected.source}." if corrected.source else ""
        lines = (by, *corrected.remarks, corrected.limits, corrected.reason)
        self.words.setText("\n".join(filter(None, lines)))


def _cells(
    row: CorrectedFraction, colour: str, decimals: int, reason: str, title: str
) -> list[Cell]:
    interval = number(None, decimals, reason)
    if row.low is not None and row.high is not None:
        interval = number(row.high - row.low, decimals)
        interval.setText(f"{row.low:.{decimals}f} to {row.high:.{decimals}f}")
        interval.copied = interval.text()
    images = f"In {row.held_out_images} image{'s' * (row.held_out_images != 1)}."
    return [
        Cell(title, colour=colour, tooltip=title),
        number(row.raw, decimals),
        number(row.corrected, decimals, reason if row.corrected is None else ""),
        interval,
        number(row.held_out_pixels, 0, images),
    ]


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
    """Describe the diamonds and what they mean, below the summary; empty if there is nothing."""
    if not any(row.corrected is not None for row in corrected.rows):
        return "\n".join(corrected.remarks)
    first = f"Diamonds: corrected for the model's own error, by {corrected.source}."
    return "\n".join((first, *corrected.remarks))
