"""A table of figures to read, sort and copy into a spreadsheet."""

import math
import re
from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QColor, QGuiApplication, QKeyEvent, QKeySequence, QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QAction, QHeaderView, QTableWidget, QTableWidgetItem

_COPY_TIP = "Click a header to sort. Ctrl+C copies what is selected, or all, for a spreadsheet."


class FigureTable(QTableWidget):
    """A table to read, sort and copy; its first column holds names, the others figures.

    Parameters
    ----------
    name_width
        Least width of the column of names, px. It takes what room the figures leave; figures
        beyond the edge of the window are scrolled to.
    in_sight
        Rows that stay in sight, if there are so many, however narrow the place is.
    """

    row_chosen = Signal(str)
    """A row was clicked, or Enter pressed in it: what its first cell shows."""

    def __init__(self, name_width: int, in_sight: int = 0) -> None:
        super().__init__()
        self._name_width, self._in_sight = name_width, in_sight
        self.setToolTip(_COPY_TIP)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setMinimumSectionSize(28)
        header.sortIndicatorChanged.connect(self._fit_columns)
        self.cellClicked.connect(lambda row, _column: self._choose(row))
        copy = QAction("Copy", self)
        copy.setShortcut(QKeySequence(QKeySequence.StandardKey.Copy))
        copy.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        copy.triggered.connect(self.copy)
        self.addAction(copy)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)

    def fill(self, columns: Sequence[tuple[str, str]], cells: Sequence[Sequence["Cell"]]) -> None:
        """Replace everything but the order that the user sorted by.

        Columns are given by title and tooltip, cells row by row.
        """
        titles = [title for title, _ in columns]
        header = self.horizontalHeader()
        # With sorting on, a row would move before all its cells are set.
        self.setSortingEnabled(False)
        if titles != self._titles():
            header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)  # unsorted
        self.setColumnCount(len(columns))
        for i, (title, tooltip) in enumerate(columns):
            item = QTableWidgetItem(title)
            item.setToolTip(tooltip)
            self.setHorizontalHeaderItem(i, item)
        self.setRowCount(len(cells))
        for row, line in enumerate(cells):
            for column, cell in enumerate(line):
                self.setItem(row, column, cell)
        self.setSortingEnabled(True)
        self._fit_columns()

    def mark_row(self, name: str) -> None:
        """Write the row of a name bold, and the others not."""
        for row in range(self.rowCount()):
            font = self.font()
            font.setBold(self.item(row, 0).text() == name)
            self.item(row, 0).setFont(font)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Choose the current row by Enter."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._choose(self.currentRow())
        else:
            super().keyPressEvent(event)

    def _choose(self, row: int) -> None:
        if row >= 0:
            self.row_chosen.emit(self.item(row, 0).text())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Set the width of names to what figures leave."""
        super().resizeEvent(event)
        self._fit_columns()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Follow the font of napari's theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit_columns()

    def _fit_columns(self) -> None:
        # Qt reserves space for an arrow in every header, which is too wide for a dock.
        metrics = self.fontMetrics()
        left = self.viewport().width()
        for column, title in list(enumerate(self._titles()))[1:]:
            texts = [self.item(row, column).text() for row in range(self.rowCount())]
            width = max(metrics.horizontalAdvance(t) for t in (*title.split("\n"), *texts))
            arrow = 18 if column == self.horizontalHeader().sortIndicatorSection() else 0
            self.setColumnWidth(column, width + 10 + arrow)
            left -= self.columnWidth(column)
        self.setColumnWidth(0, max(self._name_width, left))
        self.verticalHeader().setDefaultSectionSize(metrics.height() + 8)
        if rows := min(self._in_sight, self.rowCount()):
            height = self.horizontalHeader().sizeHint().height() + 2 * self.frameWidth()
            height += rows * self.verticalHeader().defaultSectionSize()
            if left < self._name_width:
                height += self.horizontalScrollBar().sizeHint().height()
            self.setMinimumHeight(height)

    def copy(self) -> None:
        """Put the selected cells, or all if none are, on the clipboard with their header."""
        chosen = {(i.row(), i.column()) for i in self.selectedIndexes()} or {
            (row, column) for row in range(self.rowCount()) for column in range(self.columnCount())
        }
        columns = sorted({column for _, column in chosen})
        rows = sorted({row for row, _ in chosen})
        titles = self._titles()
        lines = [[titles[column].replace("\n", " ") for column in columns]]
        lines += [
            [self.item(row, c).copied if (row, c) in chosen else "" for c in columns]
            for row in rows
        ]
        QGuiApplication.clipboard().setText("\n".join("\t".join(line) for line in lines))

    def _titles(self) -> list[str]:
        return [self.horizontalHeaderItem(i).text() for i in range(self.columnCount())]


class Cell(QTableWidgetItem):
    """A cell that sorts by a key: numbers by value, names with ``a2`` before ``a10``.

    Parameters
    ----------
    text
        What it shows, and what is copied.
    key
        What it sorts by; None for a name.
    """

    def __init__(
        self, text: str, key: float | None = None, colour: str = "", tooltip: str = ""
    ) -> None:
        super().__init__(text)
        self.copied = text
        parts = re.split(r"(\d+)", text.casefold())
        natural = tuple(int(p) if i % 2 else p for i, p in enumerate(parts))
        self.key: tuple[Any, ...] = natural if key is None else (key,)
        self.setToolTip(tooltip)
        if colour:
            self.setData(Qt.ItemDataRole.DecorationRole, QColor(colour))

    def __lt__(self, other: "Cell") -> bool:
        return self.key < other.key


def number(value: float | None, decimals: int, tooltip: str = "") -> Cell:
    """Make a cell of a figure; a dash, copied as nothing and sorted first, for None."""
    if value is None:
        cell = Cell("–", key=-math.inf, tooltip=tooltip or "Undefined with these images.")
        cell.copied = ""
    else:
        text = f"{value:.{decimals}f}"
        if value and not float(text):  # it is little, not nothing
            text = f"{value:.2g}"
        cell = Cell(text, key=value, tooltip=tooltip)
    cell.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return cell
