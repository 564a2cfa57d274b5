"""The class table as Qt's table views see it: what each cell shows, and what a user may change."""

from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import (
    QAbstractTableModel,
    QMimeData,
    QModelIndex,
    QObject,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap

from napari_matssl.labels.class_table import LabelClass

SWATCH = QSize(28, 16)
"""Size of a colour's swatch, in pixels of the screen."""

KEY, COLOUR, NAME, ID, PAINTED, EXCLUDE = range(6)

_COLUMNS = (
    ("Key", "Press this number to paint with the class."),
    ("Colour", "Click to choose another colour."),
    ("Name", "Double-click or press F2 to rename. Drag a row to reorder."),
    ("Id", "Value of the class's pixels in saved labels and masks."),
    ("Pixels", "Pixels painted in this class, over all images."),
    (
        "Exclude",
        "Tick for scratches and stains: their pixels are left out of the analysed area "
        "and of the phase fractions.",
    ),
)
_KEYS = 9
_DIM = QColor(128, 128, 128)  # fainter than the text on dark and light themes
_MIME = "application/x-napari-matssl-class"


class ClassModel(QAbstractTableModel):
    """The classes in the user's order.

    It changes only through :meth:`set_classes` and :meth:`set_painted`. What a user edits, ticks
    or drags goes out as a signal, and is shown once the owner has taken it.
    """

    renamed = Signal(int, str)
    exclude_changed = Signal(int, bool)
    reordered = Signal(object)
    refused = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.classes: tuple[LabelClass, ...] = ()
        self._painted: Mapping[int, int] = {}

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids from top to bottom."""
        return tuple(c.id for c in self.classes)

    def set_classes(self, classes: Sequence[LabelClass], painted: Mapping[int, int]) -> None:
        """Show these classes, with the painted pixels by id."""
        same_rows = self.ids == tuple(c.id for c in classes)
        # A reset would end editing while a class is renamed.
        if not same_rows:
            self.beginResetModel()
        self.classes = tuple(classes)
        self._painted = dict(painted)
        if not same_rows:
            self.endResetModel()
        elif self.classes:
            self.dataChanged.emit(self.index(0, KEY), self.index(len(self.classes) - 1, EXCLUDE))

    def set_painted(self, painted: Mapping[int, int]) -> None:
        """Show other numbers of painted pixels."""
        self._painted = dict(painted)
        if self.classes:
            last = len(self.classes) - 1
            self.dataChanged.emit(self.index(0, PAINTED), self.index(last, PAINTED))

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008
        """Return the number of classes."""
        return 0 if parent.isValid() else len(self.classes)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: N802, B008
        """Return the number of columns."""
        return len(_COLUMNS)

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return what a column is called and means."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        heading, tip = _COLUMNS[section]
        return {
            Qt.ItemDataRole.DisplayRole: heading,
            Qt.ItemDataRole.ToolTipRole: tip,
            Qt.ItemDataRole.TextAlignmentRole: _alignment(section),
        }.get(role)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        one, column = self.classes[index.row()], index.column()
        pixels = self._painted.get(one.id, 0)
        if role == Qt.ItemDataRole.DisplayRole:
            key = str(index.row() + 1) if index.row() < _KEYS else ""
            return {KEY: key, NAME: one.name, ID: str(one.id), PAINTED: f"{pixels:,}"}.get(column)
        if role == Qt.ItemDataRole.EditRole and column == NAME:
            return one.name
        if role == Qt.ItemDataRole.ToolTipRole:
            name = f"{one.name}\n" if column == NAME else ""  # the cell may cut the name off
            return f"{name}{_COLUMNS[column][1]}"
        if role == Qt.ItemDataRole.DecorationRole and column == COLOUR:
            return swatch(one.colour)
        if role == Qt.ItemDataRole.CheckStateRole and column == EXCLUDE:
            return Qt.CheckState.Checked if one.exclude else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.ForegroundRole and column == PAINTED and pixels == 0:
            return _DIM
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        return None

    def setData(  # noqa: N802
        self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        """Ask for another name or for a change of the tick."""
        one = self.classes[index.row()]
        if role == Qt.ItemDataRole.CheckStateRole:
            self.exclude_changed.emit(one.id, not one.exclude)
            return True
        name = value.strip()
        if name == one.name:
            return True
        if not name:
            self.refused.emit(f'A class needs a name: "{one.name}" stays.')
        elif any(name == other.name for other in self.classes):
            self.refused.emit(f'There is a class "{name}" already: "{one.name}" stays.')
        else:
            self.renamed.emit(one.id, name)
            return True
        return False

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Return what can be done with a cell."""
        if not index.isValid():
            return Qt.ItemFlag.ItemIsDropEnabled  # the space between rows
        flags = (
            Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsDragEnabled
        )
        if index.column() == NAME:
            flags |= Qt.ItemFlag.ItemIsEditable
        elif index.column() == EXCLUDE:
            flags |= Qt.ItemFlag.ItemIsUserCheckable
        return flags

    def supportedDropActions(self) -> Qt.DropAction:  # noqa: N802
        """Rows are moved, never copied."""
        return Qt.DropAction.MoveAction

    def mimeTypes(self) -> list[str]:  # noqa: N802
        """Only rows of a class table can be dropped."""
        return [_MIME]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:  # noqa: N802
        """Return the class that is dragged."""
        data = QMimeData()
        data.setData(_MIME, str(self.ids[indexes[0].row()]).encode())
        return data

    def dropMimeData(  # noqa: N802
        self,
        data: QMimeData,
        _action: Qt.DropAction,
        row: int,
        _column: int,
        _parent: QModelIndex,
    ) -> bool:
        """Ask for the order after a drop above ``row``; -1 is below the last one."""
        dragged = int(bytes(data.data(_MIME)))
        if dragged in self.ids:
            place = row if row >= 0 else len(self.ids)
            above = [i for i in self.ids[:place] if i != dragged]
            below = [i for i in self.ids[place:] if i != dragged]
            order = (*above, dragged, *below)
            if order != self.ids:
                self.reordered.emit(order)
        return False  # True would make the view remove the row; the owner sets the new order


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column == PAINTED else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def swatch(colour: str) -> QIcon:
    """Draw a colour, to be shown beside a name."""
    pixmap = QPixmap(2 * SWATCH)  # twice the size, for high-resolution displays
    pixmap.setDevicePixelRatio(2)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(_DIM, 1))
    painter.setBrush(QColor(colour))
    painter.drawRoundedRect(QRectF(1, 1, SWATCH.width() - 2, SWATCH.height() - 2), 3, 3)
    painter.end()
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Selected)  # without it, Qt tints the icon of a selected row
    return icon
