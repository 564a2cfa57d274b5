"""Strokes by image and class."""

from collections.abc import Mapping, Sequence

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QKeyEvent, QKeySequence, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget
from superqt.utils import signals_blocked

from napari_matssl.labels.class_table import LabelClass
from napari_matssl.labels.strokes import Stroke

MOST = 300
"""Strokes of an image that are listed, the largest."""

_NAME, _STROKE = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1
_DELETE = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
_GO = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class StrokeTree(QTreeWidget):
    """Painted images, and below each its strokes by class, which are asked for when it is opened.

    A click or Enter asks to go to a stroke, Delete to delete it, Ctrl+Z to bring the last one back.
    """

    wanted = Signal(str)
    """The strokes of that image shall be listed."""
    chosen = Signal(str, object)
    """The user goes to an image; to that Stroke of it, or to the image alone (None)."""
    delete_wanted = Signal(str, object)
    """The user deletes that Stroke of an image."""
    undo_wanted = Signal()
    selected_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setColumnCount(2)
        self.setHeaderLabels(["Image, strokes", "Pixels"])
        self.headerItem().setTextAlignment(1, Qt.AlignmentFlag.AlignRight)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setIndentation(14)
        self.setUniformRowHeights(True)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.header().setStretchLastSection(False)
        self.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.setFixedHeight(200)
        self.setToolTip(
            "Painted images and their strokes: what of a class was painted in one piece. Click a "
            "stroke to go there; Delete deletes it, Ctrl+Z brings it back."
        )
        self.itemExpanded.connect(lambda item: self.wanted.emit(item.data(0, _NAME)))
        self.itemClicked.connect(lambda item, _column: self._choose(item))
        self.currentItemChanged.connect(lambda _now, _before: self.selected_changed.emit())

    @property
    def selected(self) -> tuple[str, Stroke | None] | None:
        """The image of the selected row, and its stroke if it is one."""
        item = self.currentItem()
        return None if item is None else (item.data(0, _NAME), item.data(0, _STROKE))

    @property
    def open_images(self) -> tuple[str, ...]:
        """The images whose strokes are in sight."""
        return tuple(one.data(0, _NAME) for one in self._images() if one.isExpanded())

    def set_images(self, pixels: Mapping[str, int]) -> None:
        """List these images with their painted pixels; those that are open stay so."""
        there = {one.data(0, _NAME): one for one in self._images()}
        if list(there) != list(pixels):
            opened, selected = self.open_images, self.selected
            with signals_blocked(self):
                self.clear()
                there = {name: self._add_image(name) for name in pixels}
            for name in opened:
                if name in there:
                    there[name].setExpanded(True)
            if selected is not None and selected[0] in there:
                self.setCurrentItem(there[selected[0]])
            self.selected_changed.emit()
        for name, count in pixels.items():
            there[name].setText(1, f"{count:,}")

    def set_strokes(
        self, name: str, strokes: Sequence[Stroke], classes: Sequence[LabelClass]
    ) -> None:
        """List the strokes of an image in the order of the classes, the largest first.

        The selected stroke stays so; if it is gone, the next one is selected.
        """
        image = next((one for one in self._images() if one.data(0, _NAME) == name), None)
        if image is None:
            return
        current, place = self.currentItem(), 0
        ours = current is not None and current.parent() is image
        if ours:
            place = image.indexOfChild(current)
        before = current.data(0, _STROKE) if ours else None
        order = {one.id: rank for rank, one in enumerate(classes)}
        listed = sorted(strokes[:MOST], key=lambda one: order.get(one.class_id, len(order)))
        with signals_blocked(self):
            image.takeChildren()
            image.addChildren(_rows(name, listed, {one.id: one for one in classes}))
            if len(strokes) > MOST:
                image.addChild(_more(name, len(strokes) - MOST))
            if ours:
                again = listed.index(before) if before in listed else min(place, len(listed) - 1)
                self.setCurrentItem(image if again < 0 else image.child(again))
        self.selected_changed.emit()

    def open_image(self, name: str) -> None:
        """Show the strokes of an image."""
        for one in self._images():
            if one.data(0, _NAME) == name:
                one.setExpanded(True)
                self.setCurrentItem(one)
                self.scrollToItem(one, QAbstractItemView.ScrollHint.PositionAtTop)

    def event(self, event: QEvent) -> bool:
        """Keep our keys from the shortcuts of the window."""
        if event.type() == QEvent.Type.ShortcutOverride and self._is_ours(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Go to a stroke, delete it, or bring the last one back."""
        item = self.currentItem()
        if event.matches(QKeySequence.StandardKey.Undo):
            self.undo_wanted.emit()
        elif event.key() in _GO and item is not None:
            self._choose(item)
        elif event.key() in _DELETE:
            self.delete_selected()
        else:
            super().keyPressEvent(event)

    def delete_selected(self) -> None:
        """Ask to delete the selected stroke."""
        selected = self.selected
        if selected is not None and selected[1] is not None:
            self.delete_wanted.emit(*selected)

    def _is_ours(self, event: QKeyEvent) -> bool:
        return event.key() in (*_DELETE, *_GO) or event.matches(QKeySequence.StandardKey.Undo)

    def _choose(self, item: QTreeWidgetItem) -> None:
        self.chosen.emit(item.data(0, _NAME), item.data(0, _STROKE))

    def _images(self) -> list[QTreeWidgetItem]:
        return [self.topLevelItem(row) for row in range(self.topLevelItemCount())]

    def _add_image(self, name: str) -> QTreeWidgetItem:
        item = QTreeWidgetItem(self, [name, ""])
        item.setData(0, _NAME, name)
        item.setToolTip(0, name)
        item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        policy = QTreeWidgetItem.ChildIndicatorPolicy.ShowIndicator
        item.setChildIndicatorPolicy(policy)
        return item


def _rows(
    name: str, strokes: Sequence[Stroke], classes: Mapping[int, LabelClass]
) -> list[QTreeWidgetItem]:
    icons = {class_id: _icon(one.colour) for class_id, one in classes.items()}
    rows = []
    for stroke in strokes:
        known = classes.get(stroke.class_id)
        title = f"class {stroke.class_id}" if known is None else known.name
        item = QTreeWidgetItem([title, f"{stroke.pixels:,}"])
        if known is not None:
            item.setIcon(0, icons[stroke.class_id])
        item.setData(0, _NAME, name)
        item.setData(0, _STROKE, stroke)
        item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        size = f"{stroke.width} x {stroke.height} px"
        item.setToolTip(0, f"{title}: row {stroke.top}, column {stroke.left}, {size}")
        rows.append(item)
    return rows


def _more(name: str, count: int) -> QTreeWidgetItem:
    item = QTreeWidgetItem([f"and {count:,} smaller ones", ""])
    item.setData(0, _NAME, name)
    item.setFlags(Qt.ItemFlag.NoItemFlags)
    return item


def _icon(colour: str) -> QIcon:
    square = QPixmap(12, 12)
    square.fill(QColor(colour))
    return QIcon(square)
