"""Fractions counted at points, beside those of masks: a table, and a sentence on the agreement."""

from collections.abc import Sequence

from qtpy.QtWidgets import QAbstractItemView, QSizePolicy, QVBoxLayout, QWidget

from napari_matssl.labels.class_table import LabelClass
from napari_matssl.measure.agreement import Agreement
from napari_matssl.measure.point_count import ClassSummary, ImagePoints, agreement_of, summarise
from napari_matssl.widgets.controls.figure_table import Cell, FigureTable, number
from napari_matssl.widgets.controls.forms import note, say

COLUMNS = (
    ("class", "Class. Classes to exclude, such as scratches, are in no figure here."),
    ("by hand\n(%)", "Mean of the images' point fractions: hits, boundaries half, over points."),
    (
        "its 95 % CI\n(%)",
        "95 % confidence interval: over images or specimens, or of the one image that was counted.",
    ),
    ("mask\n(%)", "The mask's mean at the same points."),
)

_NO_MASK = "No mask, or none of one of the images: its mean would be over others."


class CountView(QWidget):
    """What the finished counts of a folder, or of one image, come to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = FigureTable(name_width=96)
        self.table.setSizeAdjustPolicy(QAbstractItemView.SizeAdjustPolicy.AdjustToContents)
        self.table.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)
        self.words = note("", "How well hand and mask agree, and over what the intervals are.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table)
        layout.addWidget(self.words)

    def show_counts(self, images: Sequence[ImagePoints], classes: Sequence[LabelClass]) -> None:
        """Show finished counts; hidden without any.

        Parameters
        ----------
        images
            The counts.
        classes
            They give order and colours.
        """
        if not images:
            self.hide()
            return
        rows = {row.class_id: row for row in summarise(images)}
        cells = [_cells(rows[one.id], one.colour) for one in classes if one.id in rows]
        self.table.fill(COLUMNS, cells)
        say(self.words, in_words(images, agreement_of(images)))
        self.show()  # a table in sight would be laid out between its columns and their titles


def _cells(row: ClassSummary, colour: str) -> list[Cell]:
    interval = number(None, 1)
    if row.low is not None and row.high is not None:
        interval = number(row.high - row.low, 1, f"Over {row.over}.")
        interval.setText(f"{row.low:.1f} to {row.high:.1f}")
        interval.copied = interval.text()
    return [
        Cell(row.class_name, colour=colour, tooltip=row.class_name),
        number(row.statistics.mean, 1),
        interval,
        number(row.mask_percent, 1, "" if row.mask_percent is not None else _NO_MASK),
    ]


def in_words(images: Sequence[ImagePoints], found: Agreement) -> str:
    """Describe how many points were counted, and how well hand and mask agree."""
    points = sum(len(image.points) for image in images)
    untold = sum(image.untold for image in images)
    text = f"{points} points on {len(images)} image{'s' * (len(images) != 1)}"
    text += f", {untold} of which nobody could tell. " if untold else ". "
    if len(images) == 1:
        text += "The interval is that of this image, not of the specimen. "
    text += _excluded_in_words(sum(image.excluded_by_one_points for image in images))
    if found.percent is None:
        no_mask = all(image.mask_ids is None for image in images)
        return text + ("Segment to compare with a mask." if no_mask else "No point is compared.")
    text += f"Hand and mask agree at {found.percent:.0f} % of {found.points} points"
    if found.kappa is None:
        return f"{text}; no kappa, as {found.reason}."
    text += f": kappa {found.kappa:.2f}"
    if found.low is None or found.high is None:
        return f"{text}, without an interval, as {found.reason}."
    return f"{text} ({found.low:.2f} to {found.high:.2f})."


def _excluded_in_words(points: int) -> str:
    if not points:
        return ""
    where = f"{points} point{'s' * (points != 1)}"
    these = "this one is" if points == 1 else "these are"
    return f"At {where} either hand or mask has an excluded class: {these} not compared. "
