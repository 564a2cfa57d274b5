"""The painted images to train on, and how much is painted of each class."""

from collections.abc import Mapping, Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QWidget
from superqt.utils import signals_blocked

from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.project.folder import Project
from napari_matssl.widgets.controls.ticks import TickCells

FEW = 200
"""Painted pixels of a class below which a few more strokes are asked for."""


class PaintedList(QListWidget):
    """Painted images with ticks; those that are new are ticked."""

    ticked = Signal()
    """Other images are ticked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setItemDelegate(TickCells(self))
        self.setToolTip("The painted images; untick those to leave out (Space).")
        self.setMaximumHeight(96)
        self.setSpacing(1)  # keeps the boxes apart
        self.itemChanged.connect(lambda _item: self.ticked.emit())

    @property
    def names(self) -> tuple[str, ...]:
        """All names that are listed."""
        return tuple(self.item(row).text() for row in range(self.count()))

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the images that are ticked."""
        items = [self.item(row) for row in range(self.count())]
        ticked = [item for item in items if item.checkState() == Qt.CheckState.Checked]
        return tuple(item.text() for item in ticked)

    def set_names(self, names: Sequence[str]) -> None:
        """List these images; those that were unticked stay so."""
        if tuple(names) == self.names:
            return
        unticked = {*self.names} - {*self.chosen}
        with signals_blocked(self):
            self.clear()
            for name in names:
                item = QListWidgetItem(name)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                state = Qt.CheckState.Unchecked if name in unticked else Qt.CheckState.Checked
                item.setCheckState(state)
                self.addItem(item)


def pixels_in_words(classes: Sequence[LabelClass], pixels: Mapping[int, int]) -> str:
    """List the painted pixels of each class, and mark those with too few."""
    lines = []
    for one in classes:
        count = pixels.get(one.id, 0)
        few = ""
        if count == 0:
            few = ": not painted, so the model won't have it"
        elif count < FEW:
            few = ": few, a stroke or two more would help"
        lines.append(f"{one.name}: {count:,} px{few}")
    return "\n".join(lines)


def painted_classes(project: Project, names: tuple[str, ...]) -> ClassTable:
    """Leave out the classes that are painted nowhere: a network can't learn them."""
    used = {class_id for name in names for class_id, n in project.labels.counts(name).items() if n}
    kept = tuple(one for one in project.classes.table.classes if one.id in used)
    return ClassTable(classes=kept) if kept else project.classes.table
