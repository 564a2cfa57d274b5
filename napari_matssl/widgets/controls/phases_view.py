"""Phase fractions to look at and to copy: tables, and a bar chart with confidence intervals."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QLabel,
    QSizePolicy,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_matssl.labels.class_table import LabelClass
from napari_matssl.measure.corrected import CorrectedFraction, CorrectedFractions
from napari_matssl.measure.phases import PhaseFraction, summary_frame
from napari_matssl.widgets.controls import corrected_figures
from napari_matssl.widgets.controls.curves import colour_axes, quiet_plot, text_colour
from napari_matssl.widgets.controls.figure_table import Cell, FigureTable, number

_ONE_FIELD = "One field: no error bar. Segment more images."
_SUMMARY_COLUMNS = (
    ("class", "Phase. Classes to exclude, such as scratches, are in no figure here."),
    ("mean\n(%)", "Mean area fraction over the images, in percent."),
    ("95 % CI\n(± %)", "Half width of the 95 % confidence interval of the mean: mean ± this."),
    ("s\n(%)", "Standard deviation from image to image."),
    ("rel. acc.\n(%)", "Relative accuracy: the confidence interval in percent of the mean."),
    ("n", "Fields: images in which something was analysed."),
)


class PhasesView(QWidget):
    """Phase fractions per image and in summary, with a bar chart."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.summary_table = FigureTable(name_width=96)
        self.image_table = FigureTable(name_width=140)
        self.chart = PhaseChart()
        self.note, self.error_note = QLabel(), QLabel()
        for label in (self.note, self.error_note):
            label.setWordWrap(True)
        self.error_note.setToolTip("What the model mistakes in images that it hasn't learnt from.")
        empty = QLabel("Nothing segmented yet.")
        empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        summary = QWidget()
        column = QVBoxLayout(summary)
        column.setContentsMargins(4, 4, 4, 4)
        column.addWidget(self.summary_table)
        column.addWidget(self.note)
        column.addWidget(self.error_note)
        column.addWidget(self.chart, 1)
        # The chart takes the rest.
        self.summary_table.setSizeAdjustPolicy(QAbstractItemView.SizeAdjustPolicy.AdjustToContents)
        self.summary_table.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)
        self.tabs = QTabWidget()
        self.tabs.addTab(summary, "Summary")
        self.tabs.setTabToolTip(0, "Mean area fraction of each phase over all images")
        self.tabs.addTab(self.image_table, "Per image")
        self.tabs.setTabToolTip(1, "Area fraction of each phase in each image")
        self.model_error = corrected_figures.CorrectedPage()
        self.tabs.addTab(self.model_error, "Model's error")
        self.tabs.setTabToolTip(2, "Area fractions corrected for what the model mistakes")
        self._pages = QStackedWidget()
        self._pages.addWidget(empty)
        self._pages.addWidget(self.tabs)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._pages)

    def show_phases(
        self,
        rows: Sequence[PhaseFraction],
        classes: Sequence[LabelClass],
        corrected: CorrectedFractions | None = None,
    ) -> None:
        """Show what was measured.

        Parameters
        ----------
        rows
            All rows of all images; one image has one row per phase.
        classes
            They give the order and the colours; phases of other classes come last and colourless.
        corrected
            The means corrected for the model's own error, shown beside those that were found.
        """
        if not rows:
            self.clear()
            return
        phases = _summarise(rows, classes)
        corrected = corrected or CorrectedFractions()
        beside = {one.class_id: one for one in corrected.rows if one.corrected is not None}
        self._fill_summary(phases)
        self._fill_images(rows, phases)
        self.chart.show_phases(phases, beside)
        self.note.setText(_note(phases, classes))
        words = corrected_figures.in_words(corrected)
        self.error_note.setText(words)
        self.error_note.setVisible(bool(words))
        decimals = {p.class_id: p.decimals for p in phases}
        self.model_error.show_fractions(corrected, {p.class_id: p.colour for p in phases}, decimals)
        self._pages.setCurrentIndex(1)

    def clear(self) -> None:
        """Clear the view."""
        self._pages.setCurrentIndex(0)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for as much as shows all columns of the summary."""
        return QSize(380, 460)

    def _fill_summary(self, phases: Sequence["_Phase"]) -> None:
        cells = [
            [
                Cell(p.name, colour=p.colour, tooltip=p.name),
                number(p.mean, p.decimals),
                number(p.ci95, p.decimals),
                number(p.s, p.decimals),
                number(p.relative_accuracy, 1),
                number(p.n, 0),
            ]
            for p in phases
        ]
        self.summary_table.fill(_SUMMARY_COLUMNS, cells)

    def _fill_images(self, rows: Sequence[PhaseFraction], phases: Sequence["_Phase"]) -> None:
        measured: dict[str, dict[int, PhaseFraction]] = {}
        for row in rows:
            measured.setdefault(row.image, {})[row.class_id] = row
        columns = [("image", "Name of the image.")]
        columns += [(f"{p.name}\n(%)", f"Area fraction of {p.name}, in percent.") for p in phases]
        cells = []
        for image, of_class in measured.items():
            line = [Cell(image, tooltip=image)]
            for phase in phases:
                found = of_class.get(phase.class_id)
                value = None if found is None else found.fraction_percent
                tooltip = "Not measured in this image." if found is None else _details(found)
                line.append(number(value, phase.decimals, tooltip))
            cells.append(line)
        self.image_table.fill(columns, cells)


class PhaseChart(QWidget):
    """Mean area fraction per phase as bars, with the 95 % confidence interval."""

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip(
            "Mean area fraction per phase as found, with the 95 % confidence interval over images. "
            "Diamond: corrected for the model's own error, with the interval of that."
        )
        self.setMinimumHeight(160)
        self.plot = quiet_plot("area fraction (%)")
        self.plot.getAxis("bottom").setStyle(tickLength=0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        self._phases: list[tuple[_Phase, float]] = []
        self._beside: Mapping[int, CorrectedFraction] = {}

    def show_phases(
        self, phases: Sequence["_Phase"], beside: Mapping[int, CorrectedFraction] | None = None
    ) -> None:
        """Draw one bar per phase that has a mean, and what is corrected beside it."""
        self._beside = beside or {}
        self._phases = [(p, p.mean) for p in phases if p.mean is not None]
        self._draw()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Follow napari's theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._draw()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Fit the names below the bars to the new width."""
        super().resizeEvent(event)
        self._write_names()

    def _draw(self) -> None:
        from pyqtgraph import BarGraphItem, ErrorBarItem, TextItem

        text = text_colour(self)
        self.plot.clear()
        colour_axes(self.plot, text)
        top = 0.0
        for x, (phase, mean) in enumerate(self._phases):
            bar = BarGraphItem(x=[x], height=[mean], width=0.6, pen=text)
            bar.setOpts(brush=phase.colour or text)
            self.plot.addItem(bar)
            if phase.ci95 is not None:
                # An area fraction is never outside 0 to 100 %.
                down, up = min(phase.ci95, mean), min(phase.ci95, 100 - mean)
                centre = {"x": np.array([x]), "y": np.array([mean])}
                self.plot.addItem(ErrorBarItem(**centre, top=up, bottom=down, beam=0.2, pen=text))
            high = mean if phase.ci95 is None else min(mean + phase.ci95, 100)
            value = TextItem(f"{mean:.{phase.decimals}f}", color=text, anchor=(0.5, 1))
            value.setPos(x, high)
            self.plot.addItem(value)
            top = max(top, high)
            if (row := self._beside.get(phase.class_id)) is not None:
                for mark in corrected_figures.marks(x, row, text):
                    self.plot.addItem(mark)
                top = max(top, row.high or row.corrected or 0)
        self.plot.setXRange(-0.5, max(len(self._phases), 1) - 0.5, padding=0.02)
        self.plot.setYRange(0, 1.2 * top or 1, padding=0)
        self._write_names()

    def _write_names(self) -> None:
        room = (self.width() - 80) // max(len(self._phases), 1) - 8
        metrics = self.fontMetrics()
        names = [
            (x, metrics.elidedText(p.name, Qt.TextElideMode.ElideRight, room))
            for x, (p, _mean) in enumerate(self._phases)
        ]
        self.plot.getAxis("bottom").setTicks([names])


_FIGURES = (
    "class_id", "class", "n",
    "mean_percent", "s_percent", "ci95_percent", "relative_accuracy_percent",
)  # fmt: skip
"""Columns of a summary that are shown, in the order of `_Phase`."""


class _Phase(NamedTuple):
    """One row of the summary, with how to show it."""

    class_id: int
    name: str
    n: int
    mean: float | None
    s: float | None
    ci95: float | None
    relative_accuracy: float | None
    colour: str
    """Empty if its class is gone from the class table."""

    @property
    def decimals(self) -> int:
        """As many as the interval is worth, or the mean without one: 0.5 one, 0.05 two."""
        size = self.ci95 or self.mean
        return min(max(1 + math.ceil(math.log10(0.5 / size)), 1), 4) if size else 1


def _summarise(rows: Sequence[PhaseFraction], classes: Sequence[LabelClass]) -> list[_Phase]:
    """Summarise in the order of the classes, with their colours."""
    order = {c.id: i for i, c in enumerate(classes)}
    colours = {c.id: c.colour for c in classes}
    phases = []
    summary = summary_frame(rows)[list(_FIGURES)]
    for class_id, name, n, *figures in summary.itertuples(index=False):
        mean, s, ci95, accuracy = (None if pd.isna(f) else float(f) for f in figures)
        colour = colours.get(class_id, "")
        phases.append(_Phase(class_id, name, n, mean, s, ci95, accuracy, colour))
    return sorted(phases, key=lambda p: order.get(p.class_id, len(order)))


def _details(row: PhaseFraction) -> str:
    """Return a tooltip with pixels and areas of a fraction."""
    if row.fraction_percent is None:
        return "Nothing of this image was analysed."
    area = (
        "The image has no pixel size: no area in µm²."
        if row.area_um2 is None
        else f"Area: {_area(row.area_um2)} µm²."
    )
    return f"{row.pixels:,} of {row.analysed_pixels:,} analysed px.\n{area}"


def _area(um2: float) -> str:
    """Write an area with four digits: 9,126."""
    return f"{float(f'{um2:.4g}'):,.12g}"


def _note(phases: Sequence[_Phase], classes: Sequence[LabelClass]) -> str:
    """Return the note on the data behind the figures."""
    fewest, most = min(p.n for p in phases), max(p.n for p in phases)
    if most == 0:
        return "n = 0: nothing was analysed in these images."
    out = ", ".join(one.name for one in classes if one.exclude)
    left_out = f" Left out of the analysed area: {out}." if out else ""
    if most == 1:
        return f"n = 1. {_ONE_FIELD}{left_out}"
    n = f"{most}" if fewest == most else f"{fewest} to {most}"
    interval = "Error bars: 95 % confidence interval of the mean."
    return f"n = {n} fields (images). {interval}{left_out}"
