"""A menu to rename, annotate, export and delete a model."""

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QMenu, QPushButton, QWidget

from napari_matssl.project.models import LONGEST_NOTE
from napari_matssl.widgets.controls.export_dialog import asked_export
from napari_matssl.widgets.controls.forms import agreed
from napari_matssl.widgets.controls.line_dialog import asked_line

_NARROW = 40
"""Width where there is little room, px."""

_TIP = "Rename the chosen model, write a note on it, export it for other programs, or delete it."
_NONE_TIP = "Choose a model of this folder first."


class ModelMenu(QPushButton):
    """A button, narrow where there is little room, with a menu of what to do with one model."""

    rename_wanted = Signal(object, str)
    """The file, and the name that it shall have."""
    note_wanted = Signal(object, str)
    """The file, and a line on it."""
    export_wanted = Signal(object, object)
    """The file, and the ExportWish."""
    delete_wanted = Signal(object)
    """The file."""

    def __init__(self, narrow: bool = False, parent: QWidget | None = None) -> None:
        super().__init__("..." if narrow else "Manage", parent)
        self._file: Path | None = None
        self._note = ""
        self._why_not: Callable[[Path], str] = lambda _file: ""
        self._why_no_name: Callable[[Path, str], str] = lambda _file, _name: ""
        self.setAccessibleName("Manage the chosen model")
        if narrow:
            self.setMaximumWidth(_NARROW)
        menu = QMenu(self)
        menu.aboutToShow.connect(self._offer)
        self.reason = menu.addAction("")
        self.reason.setEnabled(False)
        self.rename = menu.addAction("Rename...")
        self.note = menu.addAction("Note...")
        self.export = menu.addAction("Export for other programs...")
        self.delete = menu.addAction("Delete...")
        self.rename.triggered.connect(lambda: self._ask_name())
        self.note.triggered.connect(lambda: self._ask_note())
        self.export.triggered.connect(lambda: self._ask_to_export())
        self.delete.triggered.connect(lambda: self._ask_to_delete())
        self.setMenu(menu)
        self.set_model(None)

    def set_checks(
        self, why_not: Callable[[Path], str], why_no_name: Callable[[Path, str], str]
    ) -> None:
        """Set the checks that come before a question to the user.

        Parameters
        ----------
        why_not
            Why a file must stay as it is now; empty if it needn't.
        why_no_name
            Why a file can't have a name; empty if it can.
        """
        self._why_not, self._why_no_name = why_not, why_no_name

    def set_model(self, file: Path | None, note: str = "") -> None:
        """Serve this file, with the note that there is on it; None: nothing is chosen."""
        self._file, self._note = file, note
        self.setEnabled(file is not None)
        self.setToolTip(_NONE_TIP if file is None else _TIP)

    def _offer(self) -> None:
        reason = "" if self._file is None else self._why_not(self._file)
        self.reason.setText(reason)
        self.reason.setVisible(bool(reason))
        for action in (self.rename, self.export, self.delete):
            action.setEnabled(not reason)

    def _ask_name(self) -> None:
        file = self._file
        if file is None:
            return
        question = f"Another name for {file.stem}. Masks that it made stay its own."
        name = asked_line(
            self, "Rename a model", question, file.stem, lambda line: self._why_no_name(file, line)
        )
        if name is not None:
            self.rename_wanted.emit(file, name)

    def _ask_note(self) -> None:
        file = self._file
        if file is None:
            return
        question = f"A line on {file.stem}, shown beside its name. An empty one takes it away."
        line = asked_line(self, "Note on a model", question, self._note, _too_long)
        if line is not None:
            self.note_wanted.emit(file, line)

    def _ask_to_export(self) -> None:
        file = self._file
        wish = None if file is None else asked_export(self, file)
        if wish is not None:
            self.export_wanted.emit(file, wish)

    def _ask_to_delete(self) -> None:
        file = self._file
        question = "" if file is None else (
            f"Delete {file.stem}? Its file is moved to the folder models-backup, beside that of "
            "the models; moved back, it is in the lists again. Masks that it made stay."
        )  # fmt: skip
        if file is not None and agreed(self, "Delete a model", question, "Delete"):
            self.delete_wanted.emit(file)


def _too_long(line: str) -> str:
    count = len(" ".join(line.split()))
    return "" if count <= LONGEST_NOTE else f"{count} characters; {LONGEST_NOTE} are kept."
