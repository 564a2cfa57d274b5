"""Curves of the loss and of the IoU per class of a running training."""

import html
import math
from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QLabel, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from napari_matssl.labels.class_table import LabelClass
from napari_matssl.widgets.jobs.later import later

if TYPE_CHECKING:
    from pyqtgraph import PlotDataItem, PlotWidget

REDRAW_MS = 500
SMOOTHING = 0.8
"""Weight of the past in the smoothed loss: it looks back over some 5 steps; slow runs have few."""

_WAITING = "Waiting for the first step"
_NO_IOU = "No IoU so far"
_TOOLTIP = (
    "Progress of the training. The loss is minimised; lower is better. "
    "It may rise in the first steps of a run. IoU (intersection over union) measures how well "
    "the segmented area of a class agrees with the painted one: 0 not at all, "
    "1 perfectly."
)
_PRETRAINING_TOOLTIP = (
    "Progress of the pretraining. The loss measures how well the encoder finds the other view of "
    "a patch among all; lower is better. It falls fast at first, then slowly, and varies "
    "from step to step. It is no measure of segmentation."
)
_LOSS_LEGEND = "Line: smoothed. Faint: each step."
_IOU_LEGEND = "Thin line: training."
_VALIDATION_LEGEND = "Points: validation, □&nbsp;mean of classes."


class TrainingCurves(QWidget):
    """Loss of a running fine-tune, `with_iou` per class, or the loss of a pretraining alone."""

    def __init__(self, parent: QWidget | None = None, with_iou: bool = True) -> None:
        from pyqtgraph import TextItem  # importing it takes 0.2 s

        super().__init__(parent)
        self.setToolTip(_TOOLTIP if with_iou else _PRETRAINING_TOOLTIP)
        self._loss_plot = quiet_plot("loss", "" if with_iou else "progress (%)")
        self._iou_plot = quiet_plot("IoU (0 to 1)", "progress (%)")
        for plot in (self._loss_plot, self._iou_plot):
            plot.setXRange(0, 100, padding=0.02)
            plot.getAxis("bottom").setTicks([[(x, str(x)) for x in range(0, 101, 20)]])
            plot.getAxis("left").setWidth(48)  # aligns the x axes of both plots
            plot.setDownsampling(auto=True, mode="peak")
        self._iou_plot.setYRange(0, 1, padding=0.04)
        self._no_iou = TextItem(_NO_IOU, anchor=(0.5, 0.5))
        self._no_iou.setPos(50, 0.5)
        self._loss_legend, self._iou_legend = QLabel(), QLabel()
        for part in (self._iou_plot, self._iou_legend):
            if not with_iou:
                part.hide()
        self._pages = QStackedWidget()
        waiting = QLabel(_WAITING)
        waiting.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._pages.addWidget(waiting)
        self._pages.addWidget(self._page_of_plots())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._pages)
        self._timer = later(self, self._redraw, REDRAW_MS)
        self.clear(())

    def _page_of_plots(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for plot, legend in (
            (self._loss_plot, self._loss_legend),
            (self._iou_plot, self._iou_legend),
        ):
            legend.setWordWrap(True)
            legend.setTextFormat(Qt.TextFormat.RichText)
            layout.addWidget(plot, 1)
            layout.addWidget(legend)
        return page

    def clear(self, classes: Sequence[LabelClass]) -> None:
        """Clear the curves for the next run, which learns these classes."""
        self._classes = tuple(classes)
        self._validated: dict[str, float] = {}
        self._loss_plot.clear()
        self._iou_plot.clear()
        self._iou_plot.addItem(self._no_iou)
        self._smoothed = _Series(self._loss_plot)
        self._series = {"loss": _Series(self._loss_plot), "val_loss": _Series(self._loss_plot)}
        for one in classes:
            self._series[f"iou_{one.name}"] = _Series(self._iou_plot)
            self._series[f"val_iou_{one.name}"] = _Series(self._iou_plot)
        self._series["val_miou"] = _Series(self._iou_plot)
        self._recolour()
        self._redraw()

    def add(self, share: float, metrics: Mapping[str, float]) -> None:
        """Take in one step; the curves follow within half a second.

        Parameters
        ----------
        share
            How much of the run is over, 0 to 1.
        metrics
            ``loss`` and ``iou_<class name>`` of the training, ``val_loss``, ``val_miou`` and
            ``val_iou_<class name>`` of the validation. Any may be absent; others are ignored, and
            so are figures that aren't finite.
        """
        figures = {k: v for k, v in metrics.items() if k in self._series and math.isfinite(v)}
        validated = {k: v for k, v in figures.items() if k.startswith("val_")}
        # A run repeats its last validation at every step; only a new one becomes a point. While
        # a preview is made, it repeats the figures of the step.
        new = figures if validated != self._validated else figures.keys() - validated.keys()
        new = {key for key in new if not self._series[key].ends_at(100 * share)}
        for key in new:
            self._series[key].add(100 * share, figures[key])
        if validated:
            self._validated = validated
            self._write_legend()
        if "loss" in new:
            past = self._smoothed.y[-1] if self._smoothed.y else 0.0
            # A plain mean at first, else the first step would dominate for long.
            weight = max(1 - SMOOTHING, 1 / len(self._series["loss"].y))
            self._smoothed.add(100 * share, past + weight * (figures["loss"] - past))
        if new and not self._timer.isActive():
            self._timer.start()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Follow napari's theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._recolour()

    def _recolour(self) -> None:
        text = text_colour(self)
        for plot in (self._loss_plot, self._iou_plot):
            colour_axes(plot, text)
        self._no_iou.setColor(text)
        faint = QColor(text)
        faint.setAlpha(60)
        self._series["loss"].curve.setPen(faint)
        self._smoothed.curve.setPen(text, width=2)
        self._series["val_loss"].show_points(text)
        self._series["val_miou"].show_points(text, symbol="s")
        for one in self._classes:
            self._series[f"iou_{one.name}"].curve.setPen(QColor(one.colour))
            self._series[f"val_iou_{one.name}"].show_points(QColor(one.colour))
        self._loss_legend.setText(_LOSS_LEGEND)
        self._write_legend()

    def _write_legend(self) -> None:
        """Set the legend of the lines, and of the points once there are any."""
        names = "&ensp;".join(
            f'<span style="color:{c.colour}">■</span>&nbsp;{html.escape(c.name)}'
            for c in self._classes
        )
        points = f" {_VALIDATION_LEGEND}" if self._validated else ""
        self._iou_legend.setText(f"{names}<br>{_IOU_LEGEND}{points}")

    def _redraw(self) -> None:
        drawn = [series for series in (*self._series.values(), self._smoothed) if series.x]
        for series in drawn:
            series.draw()
        losses = self._series["loss"].y + self._series["val_loss"].y
        self._loss_plot.setYRange(0, max(losses, default=0) or 1, padding=0.04)
        self._no_iou.setVisible(not any(s.x for k, s in self._series.items() if "iou" in k))
        self._pages.setCurrentIndex(1 if drawn else 0)


class _Series:
    """Points of one curve, and the curve."""

    def __init__(self, plot: "PlotWidget") -> None:
        self.x = array("d")  # percent of the run
        self.y = array("d")
        self.curve: PlotDataItem = plot.plot([], [])

    def ends_at(self, x: float) -> bool:
        return bool(self.x) and self.x[-1] == x

    def add(self, x: float, y: float) -> None:
        self.x.append(x)
        self.y.append(y)

    def draw(self) -> None:
        self.curve.setData(np.array(self.x), np.array(self.y))

    def show_points(self, colour: QColor, symbol: str = "o") -> None:
        self.curve.setPen(colour, style=Qt.PenStyle.DashLine)
        self.curve.setSymbol(symbol)
        self.curve.setSymbolSize(7)
        self.curve.setSymbolPen(colour)
        self.curve.setSymbolBrush(None)


def quiet_plot(left: str, bottom: str = "") -> "PlotWidget":
    """Make a plot that is only looked at: no menu, no panning, wheel and tooltip of its parent."""
    import pyqtgraph

    plot = pyqtgraph.PlotWidget(background=None)
    plot.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    # Its size hint of 640 x 480 px would make docks too large.
    plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
    plot.setMinimumSize(200, 130)
    plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    plot.setMenuEnabled(False)
    plot.setMouseEnabled(False, False)
    plot.hideButtons()
    # A cache would keep the old theme's colour.
    plot.setCacheMode(pyqtgraph.PlotWidget.CacheModeFlag.CacheNone)
    # Space for half a tick label, and for the axis label's descenders of 5 px.
    plot.plotItem.layout.setContentsMargins(0, 4, 14, 5 if bottom else 0)
    plot.getAxis("bottom").setStyle(hideOverlappingLabels=False)  # keep end labels that stick out
    plot.setLabel("left", left)
    if bottom:
        plot.setLabel("bottom", bottom)
    for side in ("left", "bottom"):
        plot.getAxis(side).enableAutoSIPrefix(False)
    return plot


def colour_axes(plot: "PlotWidget", colour: QColor) -> None:
    """Draw the axes of a plot and what is written on them in one colour."""
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        axis.setPen(colour)
        axis.setTextPen(colour)


def text_colour(widget: QWidget) -> QColor:
    """Return the colour of text in the theme that a widget is shown in."""
    widget.ensurePolished()  # applies the style sheet to the palette
    return widget.palette().color(QPalette.ColorRole.WindowText)
