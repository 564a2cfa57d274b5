"""The list of classes: which one to paint with, names, colours, order, and what is left out."""

from collections.abc import Mapping, Sequence

from qtpy.QtCore import QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QColor, QKeyEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHBoxLayout,
    QHeaderView,
    QSizePolicy,
    QTableView,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from napari_matssl.labels.class_table import LabelClass
from napari_matssl.widgets.controls.class_model import COLOUR, KEY, NAME, SWATCH, ClassModel
from napari_matssl.widgets.controls.forms import button
from napari_matssl.widgets.controls.ticks import TickCells
from napari_matssl.widgets.controls.tooltip_wrapping import laid_out

_FEWEST_ROWS, _MOST_ROWS = 3, 8  # visible rows; the table scrolls beyond
_ROW_HEIGHT = 26
_DIGITS = {getattr(Qt.Key, f"Key_{n}"): n - 1 for n in range(1, 10)}
_DELETE_TIP = "Delete the selected class and what is painted in it (Delete key); asks first."
_LAST = "The last class can't be deleted: add another one first."
_NONE = "Select a class to delete it."


class ClassEditor(QWidget):
    """A table of classes with buttons below.

    It shows what :meth:`set_classes` was given and nothing else: an edit goes out as a signal and
    shows once the owner has made it and handed the classes in again.
    """

    picked = Signal(int)
    """Id of the class to paint with: its row was pressed or reached by a key."""

    added = Signal()
    """Another class is wanted."""

    exclude_added = Signal()
    """Another class to be left out of the analysed area is wanted."""

    renamed = Signal(int, str)
    """Id and the new name, neither empty nor in use."""

    recoloured = Signal(int, str)
    """Id and the new colour, ``"#rrggbb"``."""

    reordered = Signal(object)
    """Tuple of all ids in the order wanted."""

    exclude_changed = Signal(int, bool)
    """Id, and whether its pixels are to be left out."""

    delete_wanted = Signal(int)
    """Id of a class to delete; the owner asks for confirmation."""

    refused = Signal(str)
    """Why something wasn't done, for a status line."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._selected: int | None = None
        self._model = ClassModel(self)
        self._view = _ClassView(self._model, self)
        self._add = button("Add", "Add a class.")
        self._add_exclude = button(
            "Add exclude class",
            "Add a class for scratches and stains; its pixels are left out of the phase fractions.",
        )
        self._up = button("Up", "Move the selected class up; the keys 1 to 9 follow the order.")
        self._down = button(
            "Down", "Move the selected class down; the keys 1 to 9 follow the order."
        )
        self._delete = button("Delete", _DELETE_TIP)
        self._lay_out()
        self._connect()
        self._update_buttons()

    @property
    def selected(self) -> int | None:
        """Id of the class to paint with, None if there is none."""
        return self._selected

    def set_classes(self, classes: Sequence[LabelClass], painted: Mapping[int, int]) -> None:
        """Show these classes, in this order, with their painted pixels by id; nothing is emitted.

        The selected class stays selected if it is still there.
        """
        self._model.set_classes(classes, painted)
        self.set_selected(self._selected if self._selected in self._model.ids else None)

    def set_painted(self, painted: Mapping[int, int]) -> None:
        """Show other numbers of painted pixels, by id."""
        self._model.set_painted(painted)

    def set_selected(self, class_id: int | None) -> None:
        """Select a class, or none; nothing is emitted.

        Raises
        ------
        ValueError
            If there is no such class.
        """
        self._view.select(None if class_id is None else self._model.ids.index(class_id))
        self._selected = class_id
        self._update_buttons()

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        for one in (self._add, self._add_exclude, self._up, self._down, self._delete):
            buttons.addWidget(one)
        buttons.insertStretch(2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._view)
        layout.addLayout(buttons)

    def _connect(self) -> None:
        self._model.renamed.connect(self.renamed)
        self._model.exclude_changed.connect(self.exclude_changed)
        self._model.reordered.connect(self.reordered)
        self._model.refused.connect(self._refuse)
        self._view.chosen.connect(self._pick)
        self._view.colour_wanted.connect(self._ask_colour)
        self._view.delete_pressed.connect(self._want_delete)
        self._add.clicked.connect(lambda: self.added.emit())
        self._add_exclude.clicked.connect(lambda: self.exclude_added.emit())
        self._up.clicked.connect(lambda: self._move(-1))
        self._down.clicked.connect(lambda: self._move(1))
        self._delete.clicked.connect(self._want_delete)

    def _pick(self, row: int) -> None:
        self.set_selected(self._model.ids[row])
        self.picked.emit(self._selected)

    def _ask_colour(self, row: int) -> None:
        one = self._model.classes[row]
        colour = QColorDialog.getColor(QColor(one.colour), self, f"Colour of {one.name}")
        if colour.isValid() and colour.name() != one.colour.lower():
            self.recoloured.emit(one.id, colour.name())

    def _move(self, step: int) -> None:
        order: list[int | None] = list(self._model.ids)
        here = order.index(self._selected)
        order[here], order[here + step] = order[here + step], order[here]
        self.reordered.emit(tuple(order))

    def _want_delete(self) -> None:
        why_not = self._why_not_deleted()
        if why_not:
            self._refuse(why_not)
        else:
            self.delete_wanted.emit(self._selected)

    def _why_not_deleted(self) -> str:
        if len(self._model.ids) == 1:
            return _LAST
        return _NONE if self._selected is None else ""

    def _refuse(self, why: str) -> None:
        where = self._view.visualRect(self._view.currentIndex()).bottomLeft()
        QToolTip.showText(self._view.viewport().mapToGlobal(where), laid_out(why), self._view)
        self.refused.emit(why)

    def _update_buttons(self) -> None:
        ids = self._model.ids
        self._up.setEnabled(self._selected is not None and self._selected != ids[0])
        self._down.setEnabled(self._selected is not None and self._selected != ids[-1])
        why_not = self._why_not_deleted()
        self._delete.setEnabled(not why_not)
        self._delete.setToolTip(why_not or _DELETE_TIP)


class _ClassView(QTableView):
    """The table; it separates choices of the user from selections by code."""

    chosen = Signal(int)  # row
    colour_wanted = Signal(int)  # row
    delete_pressed = Signal()

    def __init__(self, model: ClassModel, parent: QWidget) -> None:
        super().__init__(parent)
        self.setModel(model)
        self.setItemDelegate(TickCells(self))
        self.setAccessibleName("Classes")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragDrop)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.setDragDropOverwriteMode(False)  # rows are dropped between others, not onto one
        self.setIconSize(SWATCH)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)  # Tab moves on to the buttons
        self.setToolTip(
            "Click a class, or press its key, to paint with it. Double click a name to change it, "
            "click a colour to choose another, drag rows into another order."
        )
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        columns = self.horizontalHeader()
        columns.setHighlightSections(False)
        columns.setMinimumSectionSize(24)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        columns.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        policy = self.sizePolicy()
        policy.setVerticalPolicy(QSizePolicy.Policy.Fixed)
        self.setSizePolicy(policy)
        model.modelReset.connect(self.updateGeometry)
        self.pressed.connect(lambda index: self.chosen.emit(index.row()))
        self.clicked.connect(self._clicked)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size with all rows in sight, if they aren't many."""
        return QSize(super().sizeHint().width(), self.minimumSizeHint().height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return a size with all rows in sight, if they aren't many."""
        heading = self.horizontalHeader().sizeHint().height()
        rows = max(_FEWEST_ROWS, min(self.model().rowCount(), _MOST_ROWS))
        height = heading + rows * _ROW_HEIGHT + 2 * self.frameWidth()
        return QSize(super().minimumSizeHint().width(), height)

    def select(self, row: int | None) -> None:
        """Highlight a row, or none."""
        if row is None:
            self.selectionModel().clear()
        elif row != self.currentIndex().row() or not self.selectionModel().hasSelection():
            self.setCurrentIndex(self.model().index(row, KEY))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Choose with 1 to 9 and the arrows, rename, recolour, delete.

        Other letters are left to the viewer's shortcuts instead of searching for a name.
        """
        here, key = self.currentIndex(), event.key()
        if key in _DIGITS and _DIGITS[key] < self.model().rowCount():
            self.chosen.emit(_DIGITS[key])
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.delete_pressed.emit()
        elif key == Qt.Key.Key_F2 and here.isValid():
            self.edit(here.siblingAtColumn(NAME))
        elif key in (Qt.Key.Key_Space, Qt.Key.Key_Return) and here.column() == COLOUR:
            self.colour_wanted.emit(here.row())
        elif event.text() and key != Qt.Key.Key_Space:
            event.ignore()
        else:
            super().keyPressEvent(event)
            if self.currentIndex().row() not in (here.row(), -1):
                self.chosen.emit(self.currentIndex().row())

    def _clicked(self, index: QModelIndex) -> None:
        if index.column() == COLOUR:
            self.colour_wanted.emit(index.row())
