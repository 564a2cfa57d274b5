"""A table of figures to read, sort, copy and click, of any length."""

from collections.abc import Collection

import numpy as np
import pandas as pd
from qtpy.QtCore import QEvent, QItemSelectionModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QFontMetrics, QGuiApplication, QKeyEvent, QKeySequence, QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QAction, QHeaderView, QTableView

from napari_matssl.widgets.controls.frame_model import FrameModel

_COPY_TIP = "Click a header to sort. Ctrl+C copies what is selected, or all, for a spreadsheet."
_LOOKED_AT = 60
"""Rows that the width of columns is made for: a sample, as thousands would take long."""

_WIDEST = 190


class FrameView(QTableView):
    """A table of which rows can be chosen: by a click, or by the arrow keys.

    Parameters
    ----------
    tip
        What choosing a row does; added to the tooltip.
    follow_arrows
        The arrow keys choose rows, too; else Enter does.
    """

    chosen = Signal(int)
    """The user has chosen a row: its place in the table, however it is sorted."""

    def __init__(self, tip: str = "", follow_arrows: bool = False) -> None:
        super().__init__()
        self.frame_model = FrameModel(self)
        self._follow = follow_arrows
        self.setModel(self.frame_model)
        self.setToolTip(f"{tip} {_COPY_TIP}".strip())
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)  # Tab leaves the table
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setMinimumSectionSize(28)
        header.setHighlightSections(False)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        self.clicked.connect(self._on_clicked)
        copy = QAction("Copy", self)
        copy.setShortcut(QKeySequence(QKeySequence.StandardKey.Copy))
        copy.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        copy.triggered.connect(self.copy)
        self.addAction(copy)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)

    @property
    def frame(self) -> pd.DataFrame:
        """The table, with all its digits and columns."""
        return self.frame_model.frame

    def show_frame(self, frame: pd.DataFrame, hidden: Collection[str] = ()) -> None:
        """Show another table, without some of its columns."""
        place = self.horizontalScrollBar().value()
        self.frame_model.set_frame(frame, hidden)
        self._fit_columns()
        self.horizontalScrollBar().setValue(place)

    def select(self, row: int | None) -> None:
        """Select a row of the table and bring it into sight, as if nobody had chosen it."""
        self.clearSelection()
        if row is not None and 0 <= row < len(self.frame):
            index = self.frame_model.index(self.frame_model.row_in_sight(row), 0)
            flags = QItemSelectionModel.SelectionFlag
            self.selectionModel().setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
            self.scrollTo(index, QAbstractItemView.ScrollHint.PositionAtCenter)

    @property
    def selected(self) -> list[int]:
        """Places in the table of the selected rows."""
        rows = self.selectionModel().selectedRows()
        return [self.frame_model.source_row(index.row()) for index in rows]

    def copy(self) -> None:
        """Put the selected rows, or all, on the clipboard with their header."""
        model = self.frame_model
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        columns = model.columns
        every = rows or range(model.rowCount())
        cells = [columns, *([model.copied(row, column) for column in columns] for row in every)]
        lines = ["\t".join(line) for line in cells]
        QGuiApplication.clipboard().setText("\n".join(lines))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Choose a row by a key."""
        before = self.currentIndex().row()
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._on_clicked(self.currentIndex())
            return
        super().keyPressEvent(event)
        if self._follow and self.currentIndex().row() != before:
            self._on_clicked(self.currentIndex())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Let the first column take the room that is left."""
        super().resizeEvent(event)
        self._fit_columns()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Follow the font of napari's theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit_columns()

    def _on_clicked(self, index: QModelIndex) -> None:
        if index.isValid():
            self.chosen.emit(self.frame_model.source_row(index.row()))

    def _fit_columns(self) -> None:
        bold = self.font()
        bold.setBold(True)  # as the rows of the image that is shown
        model, metrics = self.frame_model, QFontMetrics(bold)
        count = model.rowCount()
        rows = np.unique(np.linspace(0, count - 1, min(count, _LOOKED_AT)).astype(int))
        left = self.viewport().width()
        first = 0
        for place, column in reversed(list(enumerate(model.columns))):
            title = model.headerData(place, Qt.Orientation.Horizontal)
            texts = [*title.split("\n"), *(model.text(int(row), column) for row in rows)]
            width = min(max(metrics.horizontalAdvance(text) for text in texts) + 10, _WIDEST)
            if place == self.horizontalHeader().sortIndicatorSection():
                width += 18  # of the arrow
            first = width
            if place:
                self.setColumnWidth(place, width)
                left -= width
        if model.columns:
            self.setColumnWidth(0, max(first, left))
        self.verticalHeader().setDefaultSectionSize(metrics.height() + 8)
