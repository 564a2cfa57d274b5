"""Phase fractions as bars with confidence intervals."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_matssl.measure.corrected import CorrectedFraction
from napari_matssl.widgets.controls import corrected_figures
from napari_matssl.widgets.controls.curves import colour_axes, quiet_plot, text_colour

_LETTERS = 2
"""Fewer of a name, the dots among them, tell nothing."""


class Phase(NamedTuple):
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
    over: str = "images"
    images: int = 0
    s_between: float | None = None
    s_within: float | None = None
    group: str = ""
    """Empty where all images are one group."""

    @property
    def title(self) -> str:
        """Its name, and that of the group where there are several."""
        return f"{self.name}, {self.group}" if self.group else self.name

    @property
    def decimals(self) -> int:
        """As many as the interval is worth, or the mean without one: 0.5 one, 0.05 two."""
        size = self.ci95 or self.mean
        return min(max(1 + math.ceil(math.log10(0.5 / size)), 1), 4) if size else 1


Beside = Mapping[tuple[str, int], CorrectedFraction]
"""Corrected fractions by group, as in :class:`Phase`, and class id."""


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
        self._phases: list[tuple[Phase, float]] = []
        self._beside: Beside = {}

    def show_phases(self, phases: Sequence[Phase], beside: Beside | None = None) -> None:
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
            if (row := self._beside.get((phase.group, phase.class_id))) is not None:
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
            (x, metrics.elidedText(p.title, Qt.TextElideMode.ElideRight, room))
            for x, (p, _mean) in enumerate(self._phases)
        ]
        if any(len(name) < _LETTERS for _, name in names):  # colours tell as much
            names = [(x, "") for x, _ in names]
        self.plot.getAxis("bottom").setTicks([names])
