"""The table of micrographs: thumbnail, name and state, to open one and to step through them."""

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import QMimeData, QModelIndex, QPoint, QRect, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from napari_matssl.widgets.controls.image_rows import (
    DOT,
    IMAGE,
    STATE,
    THUMBNAIL,
    TIPS,
    ImageRow,
    ImageRows,
    ListedRows,
)

__all__ = ["HINT", "ImageRow", "ImageTable"]

HINT = "Open a folder of micrographs,\nor drop files here"

_COMMON_STATE = "segmented, old"
_STEPS = {Qt.Key.Key_A: -1, Qt.Key.Key_D: 1}


class ImageTable(QTableView):
    """The micrographs of a folder, one a row.

    Which image is shown elsewhere is :attr:`current`, set by the owner; the highlighted row is
    only where the keyboard is.
    """

    opened = Signal(str)
    """Key of an image to show: double click or Enter."""

    step_wanted = Signal(int)
    """The next image (1) or the previous one (-1) is wanted: D or A."""

    dropped = Signal(object)
    """Files or folders dropped on the table: a list of ``Path``."""

    listed_changed = Signal(object)
    """Keys of the rows that are listed, from top to bottom: sorted, filtered, or others."""

    menu_wanted = Signal(object, object)
    """Keys of the selected rows, and the point on the screen to open a menu at."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = ImageRows(self)
        self._listed = ListedRows(self._model, self)
        self.setModel(self._listed)
        self.setItemDelegate(_Cells(self))
        self.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._want_menu)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DropOnly)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)  # Tab leaves the table
        self.setToolTip(TIPS[IMAGE])
        self.setAccessibleName("Micrographs")
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(THUMBNAIL + 6)
        columns = self.horizontalHeader()
        columns.setHighlightSections(False)
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        columns.setSectionResizeMode(IMAGE, QHeaderView.ResizeMode.Stretch)
        columns.setSectionResizeMode(STATE, QHeaderView.ResizeMode.ResizeToContents)
        self.doubleClicked.connect(self._open)
        self.sortByColumn(IMAGE, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        for signal in (self._listed.layoutChanged, self._listed.modelReset):
            signal.connect(self._show_listed)
        for signal in (self._listed.rowsInserted, self._listed.rowsRemoved):
            signal.connect(self._show_listed)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the listed rows from top to bottom."""
        indices = (self._listed.index(place, IMAGE) for place in range(self._listed.rowCount()))
        return tuple(key for index in indices if (key := self._key_at(index)) is not None)

    @property
    def total(self) -> int:
        """Number of rows, listed or not."""
        return len(self._model.rows)

    def has(self, key: str) -> bool:
        """Whether there is a row of a key, listed or not."""
        return key in self._model.places

    def set_filter(self, text: str) -> None:
        """List only rows whose name or state holds each of the words."""
        self._listed.set_filter(text)

    @property
    def current(self) -> str | None:
        """Key of the image that is shown; None if it is none of the table's."""
        return self._model.shown

    def set_rows(self, rows: Sequence[ImageRow]) -> None:
        """Replace all rows; scroll position, highlighted row and shown image stay."""
        highlighted = self._key_at(self.currentIndex())
        scrolled = self.verticalScrollBar().value()
        self._model.set_rows(rows)
        if highlighted in self._model.places:
            self.setCurrentIndex(self._index_of(highlighted))
        self.updateGeometries()  # updates the range of the scroll bar
        self.verticalScrollBar().setValue(scrolled)

    def update_row(self, row: ImageRow) -> None:
        """Replace the row of the same key.

        Raises
        ------
        KeyError
            If there is none.
        """
        self._model.update_row(row)

    def set_current(self, key: str | None) -> None:
        """Mark the image that is shown and scroll to it.

        Raises
        ------
        KeyError
            If no row has the key.
        """
        index = None if key is None else self._index_of(key)
        self._model.set_shown(key)
        if index is not None and index.isValid():
            self.setCurrentIndex(index)
            self.scrollTo(index)

    def is_shown(self, index: QModelIndex) -> bool:
        """Whether a row of the list is that of the shown image."""
        return self._model.is_shown(self._listed.mapToSource(index).row())

    def sizeHintForColumn(self, column: int) -> int:  # noqa: N802
        """Return a width for the states of all rows, in sight or not; the rest is the names'."""
        if column != STATE:
            return super().sizeHintForColumn(column)
        states = {_COMMON_STATE, *(row.state for row in self._model.rows)}
        return max(map(self.fontMetrics().horizontalAdvance, states)) + DOT + 16  # margins

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Open with Enter, step with A and D; the rest is Qt's: arrows, letters that jump."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._open(self.currentIndex())
        elif event.key() in _STEPS and event.modifiers() == Qt.KeyboardModifier.NoModifier:
            self.step_wanted.emit(_STEPS[event.key()])
        else:
            super().keyPressEvent(event)

    def keyboardSearch(self, search: str) -> None:  # noqa: N802
        """Jump to a name, also after a click on a state."""
        here = self.currentIndex()
        if here.column() == STATE:
            self.setCurrentIndex(here.siblingAtColumn(IMAGE))
        super().keyboardSearch(search)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        """Take files and folders."""
        event.setAccepted(bool(_local_paths(event.mimeData())))

    dragMoveEvent = dragEnterEvent  # noqa: N815

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        """Hand on what was dropped."""
        paths = _local_paths(event.mimeData())
        event.setAccepted(bool(paths))
        if paths:
            self.dropped.emit(paths)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Draw the rows, or what to do when there are none."""
        super().paintEvent(event)
        if not self._model.rows:
            painter = QPainter(self.viewport())
            painter.setOpacity(0.7)
            painter.setPen(self.palette().color(self.foregroundRole()))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(QRectF(self.viewport().rect()), int(flags), HINT)
            painter.end()

    def _open(self, index: QModelIndex) -> None:
        key = self._key_at(index)
        if key is not None:
            self.opened.emit(key)

    def _want_menu(self, point: QPoint) -> None:
        keys = [self._key_at(index) for index in self.selectionModel().selectedRows(IMAGE)]
        self.menu_wanted.emit(keys, self.viewport().mapToGlobal(point))

    def _show_listed(self, *_what: object) -> None:
        self.listed_changed.emit(self.keys)

    def _index_of(self, key: str) -> QModelIndex:
        """Return the place of a row in the list; an invalid one where it isn't listed."""
        return self._listed.mapFromSource(self._model.index(self._model.places[key], IMAGE))

    def _key_at(self, index: QModelIndex) -> str | None:
        if not index.isValid():
            return None
        return self._model.rows[self._listed.mapToSource(index).row()].key


class _Cells(QStyledItemDelegate):
    """Draws dots smaller than thumbnails, and a bar at the left of the image that is shown."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex) -> None:  # noqa: N802
        super().initStyleOption(option, index)
        if index.column() == STATE:
            option.decorationSize = QSize(DOT, DOT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        super().paint(painter, option, index)
        table = self.parent()
        if index.column() == IMAGE and table.is_shown(index):
            bar = QRect(option.rect)
            bar.setWidth(4)
            painter.fillRect(bar, table.palette().color(table.foregroundRole()))


def _local_paths(mime: QMimeData) -> list[Path]:
    return [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]
