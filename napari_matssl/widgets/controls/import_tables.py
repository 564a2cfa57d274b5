"""Tables of a dialog for labels of other programs: its classes, to be chosen, and its images."""

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QKeyEvent, QPixmap, QWheelEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_matssl.tasks.label_import.outlook import ClassOutlook, ImageOutlook

LEAVE_OUT = "(leave out)"
"""Entry for a class of the files that isn't imported."""

_CLASS_COLUMNS = (
    ("In the files", "Class, colour or grey value as the files have it."),
    ("Images", "How many images have it."),
    ("Amount", "How many shapes it has; of masks, its share of their area."),
    ("Class here", "Class that it becomes: choose one, or type the name of a new one."),
    ("", "Whether the class is new in this folder."),
)
_IMAGE_COLUMNS = (
    ("Image", "Images of the folder that get labels."),
    ("From", "Files with annotations of the image."),
    ("Shapes", "How many shapes these have."),
    ("Painted already", "Pixels that are painted on the image now."),
)
_SWATCH = 12  # px


class _ClassBox(QComboBox):
    """Choose a class or type one; the wheel scrolls the table, and changes nothing.

    Enter ends the typing. The dialog doesn't get it, which would import at once.
    """

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Leave it to the table."""
        event.ignore()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Keep Enter from the dialog."""
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()


class ClassesToImport(QTableWidget):
    """A row for each class of the files."""

    changed = Signal()
    """Another class was chosen for one of the files."""

    def __init__(self, there: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(0, len(_CLASS_COLUMNS), parent)
        self._there = tuple(there)
        self._rows: tuple[ClassOutlook, ...] = ()
        self.boxes: list[QComboBox] = []
        """Where the class of each row is chosen."""
        _set_up(self, _CLASS_COLUMNS, widest=3)

    def show_classes(self, classes: Sequence[ClassOutlook]) -> None:
        """Show the classes of other files, as they are suggested."""
        self._rows = tuple(classes)
        self.boxes = [self._box(one.suggested) for one in classes]
        self.setRowCount(len(classes))
        for row, (one, box) in enumerate(zip(classes, self.boxes, strict=True)):
            name = _cell(one.name)
            if one.colour is not None:
                swatch = QPixmap(_SWATCH, _SWATCH)
                swatch.fill(QColor(one.colour))
                name.setData(Qt.ItemDataRole.DecorationRole, swatch)
            self.setItem(row, 0, name)
            amount = f"{one.shapes:,}" if one.share is None else _percent(one.share)
            self.setItem(row, 1, _number(f"{one.images:,}"))
            self.setItem(row, 2, _number(amount))
            box.setAccessibleName(f"Class for {one.name}")
            self.setCellWidget(row, 3, box)
            self.setItem(row, 4, _cell(""))
        self._tell()

    @property
    def chosen(self) -> dict[str, str]:
        """Class by its name in the files; those that are left out are missing."""
        return {
            one.name: text
            for one, text in zip(self._rows, self._texts, strict=True)
            if text not in ("", LEAVE_OUT)
        }

    @property
    def open_names(self) -> tuple[str, ...]:
        """Classes of the files for which nothing is chosen yet."""
        return tuple(
            one.name for one, text in zip(self._rows, self._texts, strict=True) if not text
        )

    @property
    def _texts(self) -> list[str]:
        return [box.currentText().strip() for box in self.boxes]

    def _box(self, suggested: str | None) -> QComboBox:
        box = _ClassBox()
        box.setEditable(True)
        box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        box.completer().setCaseSensitivity(Qt.CaseSensitivity.CaseSensitive)
        own = [suggested] if suggested and suggested not in self._there else []
        box.addItems([*own, *self._there, LEAVE_OUT])
        box.lineEdit().setPlaceholderText("choose or type a class")
        box.setEditText(LEAVE_OUT if suggested == "" else suggested or "")
        box.editTextChanged.connect(self._tell)
        return box

    def _tell(self, _text: str = "") -> None:
        for row, text in enumerate(self._texts):
            is_new = text not in ("", LEAVE_OUT, *self._there)
            self.item(row, 4).setText("new" if is_new else "")
        self.changed.emit()


class ImagesToImport(QTableWidget):
    """A row for each image that gets labels."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_IMAGE_COLUMNS), parent)
        _set_up(self, _IMAGE_COLUMNS, widest=1)

    def show_images(self, images: Sequence[ImageOutlook]) -> None:
        """Show other images."""
        self.setRowCount(len(images))
        for row, one in enumerate(images):
            self.setItem(row, 0, _cell(one.name))
            self.setItem(row, 1, _cell(", ".join(one.files)))
            self.setItem(row, 2, _number(f"{one.shapes:,}"))
            self.setItem(row, 3, _cell(f"{one.painted:,} px" if one.painted else "-"))


def _set_up(table: QTableWidget, columns: Sequence[tuple[str, str]], widest: int) -> None:
    table.setHorizontalHeaderLabels([title for title, _ in columns])
    for place, (_, tip) in enumerate(columns):
        table.horizontalHeaderItem(place).setToolTip(tip)
    table.verticalHeader().hide()
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    header = table.horizontalHeader()
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(widest, QHeaderView.ResizeMode.Stretch)


def _percent(share: float) -> str:
    """Write a share; that of a rare class, a crack perhaps, isn't rounded to nothing."""
    return f"{share:.1%}" if share >= 0.001 else "< 0.1%"


def _cell(text: str) -> QTableWidgetItem:
    cell = QTableWidgetItem(text)
    cell.setToolTip(text)
    return cell


def _number(text: str) -> QTableWidgetItem:
    cell = QTableWidgetItem(text)
    cell.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return cell
