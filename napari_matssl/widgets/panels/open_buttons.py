"""The row of buttons that open folders, files, and layers of the viewer."""

from pathlib import Path

from napari.layers import Image
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QWidget

from napari_matssl.errors import InputError
from napari_matssl.micrograph.reading import SUFFIXES
from napari_matssl.widgets.canvas.add_layers import add_layer
from napari_matssl.widgets.controls.forms import button
from napari_matssl.widgets.controls.preferences import preferences
from napari_matssl.widgets.controls.recent import RecentFolders
from napari_matssl.widgets.session import Session

_RECENT = RecentFolders("opened")
_ADD_TIP = (
    "Copy the visible plane of the selected image layer into the folder: of a stack, a pyramid, "
    "an image of another plugin."
)


class Opening(QWidget):
    """Choose what to open: a folder, one that was open before, some files, a layer."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._folder, self._current = session.viewer, session.folder, session.current
        self.open_folder = button(
            "Open folder...",
            "Open a folder of micrographs; strokes, masks and models are saved in it, in matssl.",
            self.ask_folder,
        )
        self.recent = button("Recent", "Open a folder that was opened before.")
        self.recent.setMenu(QMenu(self.recent))
        # The style's own arrow would cover the text.
        self.recent.setStyleSheet("QPushButton::menu-indicator { image: none; width: 0px; }")
        self.recent.menu().aboutToShow.connect(self._offer_recent)
        self.open_files = button(
            "Open files...", "Open some micrographs of one folder.", self._ask_files
        )
        self.add_layer = button("Add layer", _ADD_TIP, self._add_layer)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for made in (self.open_folder, self.recent, self.open_files, self.add_layer):
            row.addWidget(made)
        row.addStretch(1)
        self._folder.changed.connect(self._note_folder)
        self._note_folder()

    def _note_folder(self) -> None:
        """Offer the open folder again later."""
        if self._folder.project is not None:
            _RECENT.add(self._folder.project.folder)

    def ask_folder(self) -> None:
        """Ask for a folder, and open it."""
        chosen = QFileDialog.getExistingDirectory(
            self, "Open a folder of micrographs", self._start()
        )
        if chosen:
            self._folder.open([Path(chosen)])

    def _offer_recent(self) -> None:
        menu = self.recent.menu()
        menu.clear()
        for folder in _RECENT.folders():
            action = menu.addAction(str(folder))
            action.triggered.connect(lambda _checked=False, f=folder: self._folder.open([f]))
        if not menu.actions():
            menu.addAction("No folder was opened yet.").setEnabled(False)

    def _ask_files(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        chosen, _ = QFileDialog.getOpenFileNames(
            self, "Open micrographs", self._start(), f"Micrographs ({patterns})"
        )
        if chosen:
            self._folder.open([Path(path) for path in chosen])

    def _start(self) -> str:
        """Where dialogs begin; empty: where Qt does."""
        folder = preferences().folder.strip()
        if folder and not Path(folder).expanduser().is_dir():
            self._folder.notices.failed.emit(
                InputError(
                    f"The folder of micrographs in the preferences isn't there: {folder}.",
                    "Change it in File > Preferences > MatSSL.",
                )
            )
            return ""
        return str(Path(folder).expanduser()) if folder else ""

    def _add_layer(self) -> None:
        layer = self._viewer.layers.selection.active
        if not isinstance(layer, Image):
            images = [x for x in self._viewer.layers if isinstance(x, Image)]
            layer = images[-1] if images else layer
        if layer is None:
            self._folder.notices.failed.emit(
                InputError("There is no image layer.", "Open an image in napari first.")
            )
            return
        folder = None
        if self._folder.project is None:
            chosen = QFileDialog.getExistingDirectory(
                self, "Choose a folder for the image, its strokes and its masks"
            )
            if not chosen:
                return
            folder = Path(chosen)
        add_layer(self._current, layer, folder)
