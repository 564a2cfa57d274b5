"""Phase fractions to look at and to copy: tables, and a bar chart with confidence intervals."""

from collections.abc import Sequence

import pandas as pd
from qtpy.QtCore import QSize, Qt, Signal
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
from napari_matssl.measure.corrected import CorrectedFractions
from napari_matssl.measure.phases import PhaseFraction, summary_frame
from napari_matssl.widgets.controls import corrected_figures
from napari_matssl.widgets.controls.figure_table import Cell, FigureTable, number
from napari_matssl.widgets.controls.phase_chart import Phase, PhaseChart

_ONE_FIELD = "One field: no error bar. Segment more images."
_ONE_SPECIMEN = "One specimen: no error bar. Segment images of others."
_SUMMARY_COLUMNS = (
    ("class", "Phase. Classes to exclude, such as scratches, are in no figure here."),
    ("mean\n(%)", "Mean area fraction over the images, in percent."),
    ("95 % CI\n(± %)", "Half width of the 95 % confidence interval of the mean: mean ± this."),
    ("s\n(%)", "Standard deviation from image to image."),
    ("rel. acc.\n(%)", "Relative accuracy: the confidence interval in percent of the mean."),
    ("n", "Images in which something was analysed, or specimens where there are several."),
)
_AFTER_S = 4
"""Where the columns stand into which the spread is divided."""

_SPREAD_COLUMNS = (
    ("s bet-\nween", "Standard deviation between specimens (of one specimen, between sections)."),
    ("s\nwithin", "Standard deviation between the images of one specimen (of one section)."),
)

_IN_SIGHT = 4
"""Classes of the summary that the words below it don't push out of sight."""


class PhasesView(QWidget):
    """Phase fractions per image and in summary, with a bar chart."""

    image_chosen = Signal(str)
    """The user wants to see that image."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.summary_table = FigureTable(name_width=96, in_sight=_IN_SIGHT)
        self.image_table = FigureTable(name_width=140)
        self.image_table.setToolTip(
            f"Click a row, or press Enter, to go to the image. {self.image_table.toolTip()}"
        )
        self.image_table.row_chosen.connect(self.image_chosen)
        self.chart = PhaseChart()
        self._image = ""
        self.note, self.error_note = QLabel(), QLabel()
        for label in (self.note, self.error_note):
            label.setWordWrap(True)
        self.error_note.setToolTip("What the model mistakes in images that it hasn't learnt from.")
        empty = QLabel("Nothing segmented yet: segment some images in Segment first.")
        empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        empty.setWordWrap(True)
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
        several = len({p.group for p in phases}) > 1
        beside = {
            (one.group if several else "", one.class_id): one
            for one in corrected.rows
            if one.corrected is not None
        }
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

    def follow(self, image: str) -> None:
        """Mark the row of the image that is shown."""
        self._image = image
        self.image_table.mark_row(image)

    def clear(self) -> None:
        """Clear the view."""
        self._pages.setCurrentIndex(0)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for as much as shows all columns of the summary."""
        return QSize(380, 460)

    def _fill_summary(self, phases: Sequence[Phase]) -> None:
        apart = any(p.s_within is not None for p in phases)
        cells = [
            [
                Cell(p.title, colour=p.colour, tooltip=p.title),
                number(p.mean, p.decimals),
                number(p.ci95, p.decimals),
                number(p.s, p.decimals),
                *([number(p.s_between, p.decimals)] if apart else []),
                *([number(p.s_within, p.decimals)] if apart else []),
                number(p.relative_accuracy, 1),
                number(p.n, 0),
            ]
            for p in phases
        ]
        spread = _SPREAD_COLUMNS if apart else ()
        columns = (*_SUMMARY_COLUMNS[:_AFTER_S], *spread, *_SUMMARY_COLUMNS[_AFTER_S:])
        self.summary_table.fill(columns, cells)

    def _fill_images(self, rows: Sequence[PhaseFraction], phases: Sequence[Phase]) -> None:
        measured: dict[str, dict[int, PhaseFraction]] = {}
        for row in rows:
            measured.setdefault(row.image, {})[row.class_id] = row
        phases = list({p.class_id: p for p in phases}.values())  # of each group in turn
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
        self.image_table.mark_row(self._image)


_FIGURES = (
    "class_id", "class", "n",
    "mean_percent", "s_percent", "ci95_percent", "relative_accuracy_percent",
    "s_between_percent", "s_within_percent", "over", "images", "group",
)  # fmt: skip
"""Columns of a summary that are shown, in the order of `Phase`."""


def _summarise(rows: Sequence[PhaseFraction], classes: Sequence[LabelClass]) -> list[Phase]:
    """Summarise in the order of the classes, with their colours."""
    order = {c.id: i for i, c in enumerate(classes)}
    colours = {c.id: c.colour for c in classes}
    phases = []
    summary = summary_frame(rows)[list(_FIGURES)]
    several = summary["group"].nunique() > 1
    for class_id, name, n, *figures, over, images, group in summary.itertuples(index=False):
        mean, s, ci95, accuracy, *spread = (None if pd.isna(f) else float(f) for f in figures)
        phase = Phase(class_id, name, n, mean, s, ci95, accuracy, colours.get(class_id, ""), over)
        between, within = spread
        phases.append(
            phase._replace(
                images=images,
                s_between=between,
                s_within=within,
                group=group if several else "",
            )
        )
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


def _note(phases: Sequence[Phase], classes: Sequence[LabelClass]) -> str:
    """Return the note on the data behind the figures."""
    fewest, most = min(p.n for p in phases), max(p.n for p in phases)
    if most == 0:
        return "n = 0: nothing was analysed in these images."
    out = ", ".join(one.name for one in classes if one.exclude)
    left_out = f" Left out of the analysed area: {out}." if out else ""
    over = {p.over for p in phases}
    if most == 1:
        alone = _ONE_SPECIMEN if "specimens" in over else _ONE_FIELD
        return f"n = 1. {alone}{left_out}"
    n = f"{most}" if fewest == most else f"{fewest} to {most}"
    interval = "Error bars: 95 % confidence interval of the mean."
    if "specimens" in over:
        images = sum({p.group: p.images for p in phases}.values())
        counted = "specimens, or images where a group has one" if len(over) > 1 else "specimens"
        return f"n = {n} {counted} ({images} images). {interval}{left_out}"
    return f"n = {n} fields (images). {interval}{left_out}"
