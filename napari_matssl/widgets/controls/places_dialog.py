"""A dialog in which specimen, section and group of images are typed, or taken from a file."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_matssl.errors import MatSSLError
from napari_matssl.micrograph.place import ALL, Place
from napari_matssl.widgets.controls.error_text import explain
from napari_matssl.widgets.controls.forms import button, note, say, side_by_side

_ABOUT = (
    "Fields of one specimen resemble each other. Once each image has a specimen, each specimen "
    "counts once, and intervals are over specimens. Select several cells and type: all of them "
    "get it."
)
_COLUMNS = (
    ("Image", "The images of the folder that aren't excluded."),
    ("Specimen", "Which specimen the image was taken on."),
    ("Section", "Which section of it; sections are told apart where there is one specimen alone."),
    ("Group", "Images that are summarised together; empty: all are one group."),
)
_FILE_TIP = (
    "Fill the table from a CSV file with the columns image and specimen, and section and group if "
    "there are any, as measure --groups takes it. Images that it doesn't list stay as they are."
)
_SIZE = (560, 420)

FromFile = Callable[[Path], tuple[Mapping[str, Place], Sequence[str]]]
"""Finds the places of images in a file; also gives the images that it doesn't list."""


class PlacesDialog(QDialog):
    """A row per image, with three cells to type in.

    Parameters
    ----------
    places
        Of each image, in the order of the list.
    from_file
        Reads a file of groups; raises what is wrong with it.
    """

    def __init__(
        self, places: Mapping[str, Place], from_file: FromFile, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Specimens")
        self.resize(*_SIZE)
        self._names = tuple(places)
        self._from_file = from_file
        self.table = QTableWidget(len(places), len(_COLUMNS))
        self.table.setHorizontalHeaderLabels([title for title, _ in _COLUMNS])
        for column, (_, tip) in enumerate(_COLUMNS):
            self.table.horizontalHeaderItem(column).setToolTip(tip)
        self.table.verticalHeader().hide()
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        with signals_blocked(self.table):
            for row, name in enumerate(self._names):
                image = QTableWidgetItem(name)
                image.setFlags(Qt.ItemFlag.ItemIsEnabled)
                image.setToolTip(name)
                self.table.setItem(row, 0, image)
                self._fill(row, places[name])
        self.table.itemChanged.connect(self._spread)
        self.file = button("Take from a file...", _FILE_TIP, self._ask_file)
        self.outcome = note("", "What was found in the file.")
        buttons = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(buttons.Ok | buttons.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(note(_ABOUT))
        layout.addWidget(self.table, 1)
        layout.addWidget(side_by_side(self.file, self.outcome, stretch=1))
        layout.addWidget(self.buttons)

    @property
    def places(self) -> dict[str, Place]:
        """What stands in the table, by image."""
        return {name: self._place(row) for row, name in enumerate(self._names)}

    def take_from(self, path: Path) -> None:
        """Fill the table from a file; what is wrong with it is shown below the table."""
        try:
            found, others = self._from_file(path)
        except MatSSLError as error:
            say(self.outcome, explain(error))
            return
        with signals_blocked(self.table):
            for row, name in enumerate(self._names):
                if name in found:
                    self._fill(row, found[name])
        left = f" {len(others)} not listed." if others else ""
        say(self.outcome, f"{path.name}: {len(found)} of {len(self._names)} images.{left}")

    def _ask_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(
            self, "Specimens of the images", "", "Tables (*.csv *.tsv *.txt)"
        )
        if chosen:
            self.take_from(Path(chosen))

    def _fill(self, row: int, place: Place) -> None:
        group = "" if place.group == ALL else place.group
        for column, text in enumerate((place.specimen, place.section, group), start=1):
            self.table.setItem(row, column, QTableWidgetItem(text))

    def _place(self, row: int) -> Place:
        specimen, section, group = (
            self.table.item(row, column).text().strip() for column in range(1, len(_COLUMNS))
        )
        return Place(specimen, section, group or ALL)

    def _spread(self, changed: QTableWidgetItem) -> None:
        """Give the other selected cells of a column what was typed into one of them."""
        chosen = self.table.selectedItems()
        if changed not in chosen:
            return
        with signals_blocked(self.table):
            for item in chosen:
                if item.column() == changed.column():
                    item.setText(changed.text())
        self.table.viewport().update()


def asked_places(
    parent: QWidget, places: Mapping[str, Place], from_file: FromFile
) -> dict[str, Place] | None:
    """Ask for the places of images; None if that was cancelled."""
    dialog = PlacesDialog(places, from_file, parent)
    try:
        return dialog.places if dialog.exec() else None
    finally:
        dialog.deleteLater()
