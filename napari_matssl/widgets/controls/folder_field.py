"""A field for a folder to write to: a proposal, typed names, recent folders, a dialog."""

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QSizePolicy, QWidget
from superqt.utils import signals_blocked

from napari_matssl.widgets.controls.field_editor import WheelGuard
from napari_matssl.widgets.controls.forms import button
from napari_matssl.widgets.controls.recent import RecentFolders


class FolderField(QWidget):
    """Choose a folder, a recent one perhaps, that need not exist yet; the dialog has the title."""

    changed = Signal()
    """Another folder is in the field."""

    def __init__(self, title: str, tip: str, recent: RecentFolders) -> None:
        super().__init__()
        self._title, self._tip, self._recent = title, tip, recent
        self._base = Path.home()
        self.field = QComboBox()
        self.field.setEditable(True)
        self.field.addItems([str(path) for path in recent.folders()])
        self.field.setCurrentIndex(-1)
        WheelGuard(self.field)
        self.field.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.field.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.field.setMinimumWidth(60)
        self.field.currentTextChanged.connect(self._on_text)
        self.browse = button("...", "Choose a folder that is there.", self._ask)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.field, 1)
        layout.addWidget(self.browse)
        self._on_text()

    @property
    def folder(self) -> Path | None:
        """The folder in the field; a name alone lies beside what was proposed. None if empty."""
        text = self.field.currentText().strip()
        return self._base / Path(text).expanduser() if text else None

    def propose(self, folder: Path) -> None:
        """Put a folder into the field, and recent ones into its list."""
        self._base = folder.parent
        offered = dict.fromkeys([folder, *self._recent.folders()])
        with signals_blocked(self.field):
            self.field.clear()
            self.field.addItems([str(path) for path in offered])
            self.field.setEditText(str(folder))
        self._on_text()

    def set_folder(self, folder: Path) -> None:
        """Put a folder into the field."""
        self.field.setEditText(str(folder))

    def used(self) -> None:
        """Store the folder in the field for the next time."""
        if self.folder is not None:
            self._recent.add(self.folder)

    def _on_text(self, _text: str = "") -> None:
        folder = self.folder
        self.field.setToolTip(self._tip if folder is None else f"{self._tip}\n{folder}")
        self.changed.emit()

    def _ask(self) -> None:
        start = self.folder or self._base
        while not start.is_dir() and start != start.parent:
            start = start.parent
        chosen = QFileDialog.getExistingDirectory(self, self._title, str(start))
        if chosen:
            self.set_folder(Path(chosen))
