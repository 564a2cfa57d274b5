"""Plots of measures: size distributions, thickness along a layer, one bar per image."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_matssl.measure.pooled_sizes import POOLED_SHARES, PooledSizes
from napari_matssl.widgets.controls.curves import colour_axes, quiet_plot, text_colour

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Of curves without a class of known colour, told apart by most eyes."""

_MOST_BARS = 40
"""Bars that have a name below them."""


class MeasurePlot(QWidget):
    """A plot with a legend below it, drawn again in the colours of the theme.

    Parameters
    ----------
    left, bottom
        What its axes show.
    tip
        What is seen in it.
    """

    def __init__(self, left: str, bottom: str, tip: str) -> None:
        super().__init__()
        self.setToolTip(tip)
        self.setMinimumHeight(170)
        self.plot = quiet_plot(left, bottom)
        self.legend = QLabel()
        self.legend.setWordWrap(True)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.plot, 1)
        layout.addWidget(self.legend)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Follow napari's theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self.draw()

    def draw(self) -> None:
        """Draw everything again."""
        self.plot.clear()
        text = text_colour(self)
        colour_axes(self.plot, text)
        self._draw(text)

    def _draw(self, text: QColor) -> None:
        raise NotImplementedError

    def _add(self, item: Any) -> None:
        self.plot.addItem(item)

    def _line(self, y: float, text: QColor) -> None:
        """Draw a level across the plot."""
        from pyqtgraph import InfiniteLine, mkPen

        self._add(InfiniteLine(y, angle=0, pen=mkPen(text, style=Qt.PenStyle.DashLine)))

    def _band(self, low: float, high: float, text: QColor) -> None:
        """Draw an interval across the plot."""
        from pyqtgraph import LinearRegionItem

        faint = QColor(text)
        faint.setAlpha(45)
        band = LinearRegionItem((low, high), orientation="horizontal", movable=False, brush=faint)
        for line in band.lines:
            line.setPen(None)
        self._add(band)


class SizePlot(MeasurePlot):
    """Cumulative curves of sizes by number, with D10, D50 and D90 and their intervals."""

    def __init__(self, what: str) -> None:
        super().__init__(
            "by number (%)",
            "equivalent diameter",
            f"Share of the {what} that are smaller, over all images of a group; each is weighted "
            "by the inverse of its chance to lie wholly inside. Points: D10, D50, D90 with their "
            "95 % confidence intervals.",
        )
        self._what = what
        self.curves: tuple[PooledSizes, ...] = ()
        self.colours: tuple[str, ...] = ()
        self._grouped = False

    def show_sizes(self, curves: Sequence[PooledSizes], colours: Mapping[str, str]) -> None:
        """Show the sizes of some classes in their colours; those without any have no curve.

        Curves of several groups have colours of their own, as a class has one in each.
        """
        self.curves = tuple(curve for curve in curves if len(curve.sizes))
        self._grouped = len({curve.group for curve in self.curves}) > 1
        known = {} if self._grouped else colours
        self.colours = tuple(
            known.get(curve.class_name, COLOURS[number % len(COLOURS)])
            for number, curve in enumerate(self.curves)
        )
        self.draw()

    def _draw(self, text: QColor) -> None:
        from pyqtgraph import ErrorBarItem, ScatterPlotItem, mkPen

        unit = "µm" if all(curve.in_um for curve in self.curves) else "px"
        self.plot.setLabel("bottom", f"equivalent diameter ({unit})")
        largest = 0.0
        for curve, colour in zip(self.curves, self.colours, strict=True):
            order = np.argsort(curve.sizes)
            sizes, weights = curve.sizes[order], curve.weights[order]
            shares = 100 * (np.cumsum(weights) - weights / 2) / weights.sum()
            self.plot.plot(sizes, shares, pen=mkPen(colour, width=2))
            largest = max(largest, float(sizes[-1]))
            for share, found in zip(POOLED_SHARES, curve.quantiles, strict=True):
                if found.value is None:
                    continue
                x, y = np.array([found.value]), np.array([100 * share])
                if found.ci95 is not None:
                    down = min(found.ci95, found.value)
                    self._add(ErrorBarItem(x=x, y=y, left=down, right=found.ci95, beam=4, pen=text))
                    largest = max(largest, found.value + found.ci95)
                self._add(ScatterPlotItem(x, y, symbol="o", size=8, pen=text, brush=colour))
        self.plot.setXRange(0, largest or 1, padding=0.02)
        self.plot.setYRange(0, 100, padding=0.02)
        self.legend.setText(self._legend())

    def _legend(self) -> str:
        if not self.curves:
            return f"None of the {self._what} lies wholly inside an image: no sizes to show."
        parts = [
            f'<span style="color:{colour}">■</span>&nbsp;{html.escape(self._title(curve))}: '
            f"{len(curve.sizes)} {self._what}"
            for curve, colour in zip(self.curves, self.colours, strict=True)
        ]
        alone = not any(one.ci95 is not None for curve in self.curves for one in curve.quantiles)
        bars = " One image, or one specimen: no error bars." if alone else ""
        return f"{'&ensp;'.join(parts)}<br>Points: D10, D50, D90.{bars}"

    def _title(self, curve: PooledSizes) -> str:
        return f"{curve.group}, {curve.class_name}" if self._grouped else curve.class_name


@dataclass(frozen=True)
class ThicknessCurve:
    """Thickness along a layer of one image.

    Parameters
    ----------
    title
        Of image and class.
    along, thickness
        ``(N,)``, NaN in columns that don't count.
    mean, ci95
        None where undefined.
    """

    title: str
    along: NDArray[np.floating]
    thickness: NDArray[np.floating]
    mean: float | None
    ci95: float | None


class ThicknessPlot(MeasurePlot):
    """Thickness along the layer of one image, with its mean and the interval of the mean."""

    def __init__(self) -> None:
        super().__init__(
            "thickness",
            "along the layer",
            "Thickness of each counted column along the layer. Dashed: the mean of this image, "
            "with its 95 % confidence interval as a band. Gaps: columns that don't count.",
        )
        self.curve: ThicknessCurve | None = None
        self._unit = ""
        self._why = ""

    def show_thickness(self, curve: ThicknessCurve | None, unit: str, why: str = "") -> None:
        """Show one image's layer; None shows why there is nothing."""
        self.curve, self._unit, self._why = curve, unit, why
        self.draw()

    def _draw(self, text: QColor) -> None:
        from pyqtgraph import mkPen

        self.plot.setLabel("left", f"thickness ({self._unit})")
        self.plot.setLabel("bottom", f"along the layer ({self._unit})")
        curve = self.curve
        if curve is None:
            self.legend.setText(html.escape(self._why))
            return
        if curve.mean is not None and curve.ci95 is not None:
            self._band(curve.mean - curve.ci95, curve.mean + curve.ci95, text)
        if curve.mean is not None:
            self._line(curve.mean, text)
        pen = mkPen(COLOURS[0], width=2)
        self.plot.plot(curve.along, curve.thickness, pen=pen, connect="finite")
        largest = float(np.nanmax(curve.thickness, initial=0)) or 1.0
        self.plot.setYRange(0, 1.1 * largest, padding=0)
        self.plot.setXRange(0, float(curve.along[-1]) or 1.0, padding=0.02)
        self.legend.setText(html.escape(self._words(curve)))

    def _words(self, curve: ThicknessCurve) -> str:
        if curve.mean is None:
            return f"{curve.title}."
        interval = "" if curve.ci95 is None else f" ± {curve.ci95:.3g}"
        return f"{curve.title}: {curve.mean:.4g}{interval} {self._unit}."


class BarPlot(MeasurePlot):
    """One bar per image, with the mean over images and its interval."""

    def __init__(self, left: str, tip: str) -> None:
        super().__init__(left, "", tip)
        self.plot.getAxis("bottom").setStyle(tickLength=0)
        self.bars: list[tuple[str, float | None]] = []
        self._mean: float | None = None
        self._ci95: float | None = None
        self._words = ""

    def show_bars(
        self,
        bars: Sequence[tuple[str, float | None]],
        mean: float | None,
        ci95: float | None,
        words: str,
    ) -> None:
        """Show a figure of each image, from 0 to 100 %, and the words on them."""
        self.bars, self._mean, self._ci95, self._words = list(bars), mean, ci95, words
        self.draw()

    def _draw(self, text: QColor) -> None:
        from pyqtgraph import BarGraphItem

        there = [(x, value) for x, (_, value) in enumerate(self.bars) if value is not None]
        if self._mean is not None and self._ci95 is not None:
            high = min(self._mean + self._ci95, 100.0)  # a share is never outside 0 to 100 %
            self._band(max(self._mean - self._ci95, 0.0), high, text)
        if there:
            x, heights = zip(*there, strict=True)
            bars = BarGraphItem(x=list(x), height=list(heights), width=0.6, pen=text)
            bars.setOpts(brush=COLOURS[0])
            self._add(bars)
        if self._mean is not None:
            self._line(self._mean, text)
        self.plot.setXRange(-0.6, max(len(self.bars), 1) - 0.4, padding=0)
        self.plot.setYRange(0, 105, padding=0)
        self._write_names()
        self.legend.setText(html.escape(self._words))

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """Fit the names below the bars to the new width."""
        super().resizeEvent(event)
        self._write_names()

    def _write_names(self) -> None:
        room = (self.width() - 80) // max(len(self.bars), 1) - 8
        metrics = self.fontMetrics()
        few = len(self.bars) <= _MOST_BARS
        names = [
            (x, metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, room) if few else "")
            for x, (name, _) in enumerate(self.bars)
        ]
        self.plot.getAxis("bottom").setTicks([names])
