"""Figures of one measure: summary with a plot, a table per image, and single items."""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QLabel, QStackedWidget, QTabWidget, QVBoxLayout, QWidget

from napari_matssl.measure.layers import LayerMeasure
from napari_matssl.tasks.measuring.field_measures import LayerThickness
from napari_matssl.tasks.measuring.measures import TABLES
from napari_matssl.tasks.measuring.project_meter import MeasuredProject
from napari_matssl.widgets.controls.forms import note, say
from napari_matssl.widgets.controls.frame_view import FrameView
from napari_matssl.widgets.controls.items_view import ITEMS, ItemsView
from napari_matssl.widgets.controls.measure_plots import (
    BarPlot,
    MeasurePlot,
    SizePlot,
    ThicknessCurve,
    ThicknessPlot,
)

_PER_IMAGE = {
    "objects": "object_summary.csv",
    "grains": "grains.csv",
    "layers": "layers.csv",
    "nodules": "nodules.csv",
}
_SUMMARY = (
    "group", "class", "method", "figure", "line_direction_deg", "mean", "ci95", "ci95_low",
    "ci95_high", "s", "relative_accuracy_percent", "n", "over", "s_between", "s_within", "reason",
)  # fmt: skip
"""Columns of a summary that are shown, the interval beside its mean."""

_SPREAD = ("over", "s_between", "s_within")
"""Those that tell nothing where nobody has told specimens or sections."""

_LINES = 6
"""Remarks that are shown; the tooltip has all."""


class MeasureView(QWidget):
    """What was measured by one measure.

    Parameters
    ----------
    measure
        Which: any but the phases.
    """

    image_chosen = Signal(str)
    """The user wants to see that image."""

    def __init__(self, measure: str) -> None:
        super().__init__()
        self.measure = measure
        self._measured: MeasuredProject | None = None
        self._colours: Mapping[str, str] = {}
        self._image = ""
        self.empty = QLabel("Not measured yet: press Measure.")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.summary_table = FrameView()
        self.image_table = FrameView("Click a row, or press Enter, to go to the image.")
        self.image_table.chosen.connect(self._on_image)
        self.uncalibrated = note("", "Images whose figures in µm are blank.")
        self.remarks = note("")
        self.plot = _plot_of(measure)
        self.items = ItemsView(measure)
        summary = QWidget()
        column = QVBoxLayout(summary)
        column.setContentsMargins(4, 4, 4, 4)
        column.addWidget(self.summary_table, 1)
        column.addWidget(self.uncalibrated)
        column.addWidget(self.plot, 1)
        column.addWidget(self.remarks)
        self.tabs = QTabWidget()
        self.tabs.addTab(summary, "Summary")
        self.tabs.setTabToolTip(0, "Means over all images, with their intervals")
        self.tabs.addTab(self.image_table, "Per image")
        self.tabs.setTabToolTip(1, "Figures of each image")
        self._pages = QStackedWidget()
        self._pages.addWidget(self.empty)
        self._pages.addWidget(self.tabs)
        self.tabs.addTab(self.items, "This image")
        self.tabs.setTabToolTip(2, f"The {ITEMS[measure][1]} of the image that is shown")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._pages)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for as much as shows table and plot."""
        return QSize(380, 460)

    @property
    def per_image(self) -> pd.DataFrame:
        """The table per image."""
        return self.image_table.frame

    def clear(self, why: str) -> None:
        """Show no figures, and what to do about it."""
        self._measured = None
        self.empty.setText(why)
        self._pages.setCurrentIndex(0)

    def show_measured(self, measured: MeasuredProject, colours: Mapping[str, str]) -> None:
        """Show tables and plot of what was measured, in the colours of the classes by name."""
        self._measured, self._colours = measured, colours
        tables = measured.tables
        summary = tables[TABLES[self.measure][-1]]
        columns = [name for name in _SUMMARY if name in summary]
        hidden = [name for name in ("group", "class") if summary[name].nunique() == 1]
        of_specimens = "specimens" in set(summary["over"])
        spread = () if of_specimens or summary["s_within"].notna().any() else _SPREAD
        self.summary_table.show_frame(summary[columns], (*hidden, *spread))
        self.image_table.show_frame(tables[_PER_IMAGE[self.measure]], hidden)
        say(self.uncalibrated, _on_pixel_size(measured))
        lines = measured.measures[self.measure].remarks()
        more = [f"and {len(lines) - _LINES + 1} more"] if len(lines) > _LINES else []
        shown = [*lines[: _LINES - 1 if more else _LINES], *more]
        say(self.remarks, "\n".join(shown))
        self.remarks.setToolTip("\n".join(lines))
        self._draw()
        self._pages.setCurrentIndex(1)

    def mark_old(self, images: Collection[str]) -> None:
        """Mark images that have changed since."""
        self.image_table.frame_model.mark_old(images)

    def follow(self, image: str) -> None:
        """Mark the row of the image that is shown, and show what the plot has of it."""
        self._image = image
        self.image_table.frame_model.mark_shown(image)
        if isinstance(self.plot, ThicknessPlot):
            self._draw()

    def _on_image(self, row: int) -> None:
        self.image_chosen.emit(self.per_image["image"].iat[row])

    # --- plots

    def _draw(self) -> None:
        measured = self._measured
        if measured is None:
            return
        if isinstance(self.plot, SizePlot):
            self.plot.show_sizes(measured.sizes[self.measure], self._colours)
        elif isinstance(self.plot, ThicknessPlot):
            self._draw_thickness(self.plot, measured)
        elif isinstance(self.plot, BarPlot):
            _draw_nodularity(self.plot, measured)

    def _draw_thickness(self, plot: ThicknessPlot, measured: MeasuredProject) -> None:
        layers = measured.measures["layers"]
        assert isinstance(layers, LayerThickness)
        there = [one for one in layers.results if one.columns is not None]
        found = next((one for one in there if one.image == self._image), None)
        if found is None and self._image in measured.images:
            plot.show_thickness(None, "µm", f"{self._image}: no layer could be measured.")
        elif found is None and not there:
            plot.show_thickness(None, "µm", "In no image a layer could be measured.")
        else:
            one = found or there[0]
            plot.show_thickness(_curve(one), "µm" if one.calibrated else "px")


def _plot_of(measure: str) -> MeasurePlot:
    if measure == "layers":
        return ThicknessPlot()
    if measure == "nodules":
        return BarPlot(
            "nodularity (%)",
            "Nodularity by number of each image. Dashed: the mean, with its 95 % confidence "
            "interval over images as a band.",
        )
    return SizePlot(ITEMS[measure][1])


def _curve(one: LayerMeasure) -> ThicknessCurve:
    columns = one.columns
    assert columns is not None  # callers show nothing else
    found = one.thickness.statistics
    along = np.arange(len(columns.kinds), dtype=np.float64) * columns.line.spacing
    title = f"{one.image}, {one.class_name}"
    thickness = np.asarray(columns.thickness, dtype=np.float64)
    return ThicknessCurve(title, along, thickness, found.mean, found.ci95)


def _draw_nodularity(plot: BarPlot, measured: MeasuredProject) -> None:
    figure = "nodularity_by_number_percent"
    table = measured.tables["nodules.csv"]
    several = table["class"].nunique() > 1
    names = [
        f"{image}, {name}" if several else image
        for image, name in zip(table["image"], table["class"], strict=True)
    ]
    bars = [
        (name, None if pd.isna(value) else float(value))
        for name, value in zip(names, table[figure], strict=True)
    ]
    summary = measured.tables["nodules_summary.csv"]
    rows = summary[summary["figure"] == figure]
    mean, ci95 = (None, None)
    if len(rows) == 1:  # of several classes there is no common mean
        mean, ci95 = (None if pd.isna(v) else float(v) for v in rows[["mean", "ci95"]].iloc[0])
    words = "Nodularity by number."
    if mean is not None:
        reason = str(rows["reason"].iloc[0])
        over = f"{reason[:1].upper()}{reason[1:]}." if ci95 is None else f"95 % CI: ± {ci95:.1f} %."
        words = f"Nodularity by number: {mean:.1f} % on average. {over}"
    plot.show_bars(bars, mean, ci95, words)


def _on_pixel_size(measured: MeasuredProject) -> str:
    """State why figures in um are blank, and what to do."""
    without, images = measured.uncalibrated, measured.images
    if not without:
        return ""
    if len(without) == len(images):
        which = "No image has a pixel size"
    else:
        more = f" and {len(without) - 3} more" if len(without) > 3 else ""
        has = "has" if len(without) == 1 else "have"
        which = f"{', '.join(without[:3])}{more} {has} no pixel size"
    return f"{which}, so figures in µm are blank. Set it in Micrographs (Pixel size)."
