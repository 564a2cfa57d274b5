"""A table of figures as Qt's views see it: cells are made when they are looked at."""

import math
import re
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_float_dtype, is_numeric_dtype
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt
from qtpy.QtGui import QFont

from napari_matssl.widgets.controls.figure_words import (
    in_one_line,
    tip_of_column,
    title_of_column,
)

_DIGITS = 4
"""Digits of a column's median that are shown."""

BLANK = "–"
"""Shown where a figure is undefined; copied as nothing."""


class FrameModel(QAbstractTableModel):
    """Shows a table; sorting changes the order of rows, never the table.

    A column ``reason`` isn't shown: it explains the blank cells of its row.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.frame = pd.DataFrame()
        self._columns: list[str] = []
        self._decimals: dict[str, int] = {}
        self._order: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self._sorted_by: tuple[str, Qt.SortOrder] | None = None
        self._old: frozenset[str] = frozenset()
        self._shown = ""

    def set_frame(self, frame: pd.DataFrame, hidden: Collection[str] = ()) -> None:
        """Show another table, without some of its columns, sorted as the last one was."""
        self.beginResetModel()
        self.frame = frame.reset_index(drop=True)
        self._columns = [c for c in self.frame.columns if c not in {*hidden, "reason"}]
        self._decimals = {c: _decimals(self.frame[c]) for c in self._columns}
        self._order = self._sorted()
        self.endResetModel()

    def mark_old(self, images: Collection[str]) -> None:
        """Mark the rows of images that have changed since they were measured."""
        self._old = frozenset(images)
        self._all_changed()

    def mark_shown(self, image: str) -> None:
        """Mark the rows of the image that is shown."""
        self._shown = image
        self._all_changed()

    def _all_changed(self) -> None:
        if len(self.frame):
            last = self.index(self.rowCount() - 1, self.columnCount() - 1)
            self.dataChanged.emit(self.index(0, 0), last)

    # --- what a view asks for

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Count the rows."""
        return 0 if parent is not None and parent.isValid() else len(self.frame)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Count the columns."""
        return 0 if parent is not None and parent.isValid() else len(self._columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        row, column = int(self._order[index.row()]), self._columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self.text(row, column)
        if role == Qt.ItemDataRole.TextAlignmentRole and is_numeric_dtype(self.frame[column].dtype):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(row, column)
        if role == Qt.ItemDataRole.FontRole:
            return self._font(row)
        return None

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return what a header shows."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self._columns):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return title_of_column(self._columns[section])
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip_of_column(self._columns[section])
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column: numbers by value, names with ``a2`` before ``a10``, blanks last."""
        self._sorted_by = (
            (self._columns[column], order) if 0 <= column < len(self._columns) else None
        )
        self.layoutAboutToBeChanged.emit()
        before = self._order
        self._order = self._sorted()
        place = np.empty(len(before), dtype=np.intp)
        place[self._order] = np.arange(len(before))
        for index in self.persistentIndexList():
            moved = self.index(int(place[before[index.row()]]), index.column())
            self.changePersistentIndex(index, moved)
        self.layoutChanged.emit()

    # --- rows of the table and rows in sight

    def source_row(self, row: int) -> int:
        """Return the place in the table of a row in sight."""
        return int(self._order[row])

    def row_in_sight(self, source: int) -> int:
        """Return where a row of the table is in sight."""
        return int(np.flatnonzero(self._order == source)[0])

    def is_old(self, row: int) -> bool:
        """Whether a row of the table belongs to an image that has changed."""
        return "image" in self.frame and self.frame["image"].iat[row] in self._old

    def text(self, row: int, column: str) -> str:
        """Return what the cell of a row of the table shows."""
        value = self.frame[column].iat[row]
        if column == "figure":
            return in_one_line(value)
        one_each = "figure" in self.frame and isinstance(value, float) and not _blank(value)
        return _text(value, _decimals_of(value) if one_each else self._decimals[column])

    def copied(self, row: int, column: str) -> str:
        """Return what is copied of a row in sight: all digits that the exported table has."""
        value = self.frame[column].iat[self.source_row(row)]
        if _blank(value):
            return ""
        return f"{value:.10g}" if isinstance(value, float) else str(value)

    @property
    def columns(self) -> list[str]:
        """Names of the columns in sight."""
        return self._columns

    def _font(self, row: int) -> QFont | None:
        shown = "image" in self.frame and self.frame["image"].iat[row] == self._shown
        if not shown and not self.is_old(row):
            return None
        font = QFont()
        font.setItalic(self.is_old(row))
        font.setBold(shown)
        return font

    def _tip(self, row: int, column: str) -> str:
        value = self.frame[column].iat[row]
        if self.is_old(row):
            return "This image has changed since it was measured."
        if not _blank(value):
            return str(value) if isinstance(value, str) else ""
        reason = self.frame["reason"].iat[row] if "reason" in self.frame else ""
        if reason and not _blank(reason):
            return f"{str(reason)[:1].upper()}{str(reason)[1:]}."
        in_um = any(unit in column for unit in ("_um", "_mm", "g_astm", "g_iso"))
        return "Undefined, or the image has no pixel size." if in_um else "Undefined here."

    def _sorted(self) -> NDArray[np.intp]:
        if self._sorted_by is None or self._sorted_by[0] not in self._columns:
            return np.arange(len(self.frame))
        column, order = self._sorted_by
        values = self.frame[column]
        if not is_numeric_dtype(values.dtype):
            ranks = {text: n for n, text in enumerate(sorted(set(values.astype(str)), key=natural))}
            values = values.astype(str).map(ranks)
        keys = values.to_numpy(dtype=float, na_value=np.nan)
        if order == Qt.SortOrder.DescendingOrder:
            keys = -keys
        return np.argsort(keys, kind="stable")


def natural(text: str) -> tuple[Any, ...]:
    """Return a key that puts ``a2`` before ``a10``."""
    parts = re.split(r"(\d+)", text.casefold())
    return tuple(int(p) if i % 2 else p for i, p in enumerate(parts))


def _blank(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _decimals(values: pd.Series) -> int:
    """Return so many decimals that the median has four digits."""
    if not is_float_dtype(values.dtype):
        return 0
    sizes = values.abs()[values.notna() & (values != 0)].to_numpy(dtype=float)
    sizes = sizes[np.isfinite(sizes)]
    if not len(sizes):
        return 0
    if (sizes == np.round(sizes)).all():
        return 0
    return _decimals_of(float(np.median(sizes)))


def _decimals_of(value: float) -> int:
    """Return so many decimals that a figure has four digits."""
    if not value or not math.isfinite(value):
        return 0
    return min(max(_DIGITS - 1 - math.floor(math.log10(abs(value))), 0), 8)


def _text(value: object, decimals: int) -> str:
    if _blank(value):
        return BLANK
    if not isinstance(value, float):
        return str(value)
    if value and abs(value) < 10.0 ** (1 - decimals) and decimals:
        return f"{value:.2g}"  # else little of it would be left
    return f"{value:.{decimals}f}"
