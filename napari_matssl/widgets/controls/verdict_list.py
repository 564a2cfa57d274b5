"""The images of a recipe's run with their verdicts; who signs has to look at those in doubt."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_matssl.tasks.recipe.judging import Verdict
from napari_matssl.widgets.controls.forms import note, say

if TYPE_CHECKING:
    from napari_matssl.tasks.recipe.judging import Judged

_COLOURS = {Verdict.PASS: "#009e73", Verdict.CHECK: "#e69f00", Verdict.FAIL: "#d9534f"}
_TIP = "Click a row, or use the arrow keys, to see the mask over the image."
_MOST_ROWS = 7  # in sight without scrolling


class VerdictList(QWidget):
    """One row per image; the reasons of the chosen one stand below."""

    chosen = Signal(str)
    """The user wants to see an image: its name."""

    def __init__(self) -> None:
        super().__init__()
        self._images: tuple[Judged, ...] = ()
        self._seen: set[str] = set()
        self.table = QTableWidget(0, 2)
        self.table.setHorizontalHeaderLabels(["Image", "Verdict"])
        self.table.setToolTip(_TIP)
        self.table.setAccessibleName("Verdicts")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.table.itemSelectionChanged.connect(self._choose)
        self.reasons = note("", "Why the chosen image doesn't pass.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.reasons)
        self._reserve()

    def _reserve(self) -> None:
        """Make room for the images, so that what stands below is as near as it can be."""
        row = self.table.verticalHeader().defaultSectionSize()
        rest = self.table.horizontalHeader().sizeHint().height() + 2 * self.table.frameWidth()
        rows = max(self.table.rowCount(), 1)
        self.table.setMinimumHeight(min(rows, _MOST_ROWS) * row + rest)
        self.table.setMaximumHeight(rows * row + rest)

    def show_images(self, images: Sequence["Judged"]) -> None:
        """List the images of a run; none was looked at."""
        self._images, self._seen = tuple(images), set()
        self.table.clearSelection()
        self.table.setRowCount(len(self._images))
        for number, one in enumerate(self._images):
            name, verdict = QTableWidgetItem(one.image), QTableWidgetItem(str(one.verdict))
            verdict.setForeground(QColor(_COLOURS[one.verdict]))
            font = verdict.font()
            font.setBold(one.verdict is Verdict.FAIL)  # for those who see the colours alike
            verdict.setFont(font)
            for column, cell in enumerate((name, verdict)):
                cell.setToolTip("; ".join(one.reasons) or _TIP)
                self.table.setItem(number, column, cell)
        self._reserve()
        say(self.reasons, "")

    @property
    def unseen(self) -> list[str]:
        """Images that don't pass and were not looked at."""
        doubtful = (one.image for one in self._images if one.verdict is not Verdict.PASS)
        return [name for name in doubtful if name not in self._seen]

    def _choose(self) -> None:
        rows = self.table.selectionModel().selectedRows()
        if not rows:
            return
        one = self._images[rows[0].row()]
        self._seen.add(one.image)
        say(self.reasons, "\n".join(one.reasons))
        self.chosen.emit(one.image)
