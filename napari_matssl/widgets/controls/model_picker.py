"""A picker of models, with the card of each."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_matssl.errors import InputError, MatSSLError, ModelFileError
from napari_matssl.files import atomic_write
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.card_files import PICKLES, read_card
from napari_matssl.widgets.controls.card_view import CardView, local_time
from napari_matssl.widgets.controls.error_text import explain
from napari_matssl.widgets.controls.field_editor import WheelGuard
from napari_matssl.widgets.controls.forms import (
    agreed,
    button,
    keep_narrow,
    note,
    say,
    show_in_files,
)
from napari_matssl.widgets.controls.model_menu import ModelMenu
from napari_matssl.widgets.jobs.waiting import wait_for

_EMPTY = "No model yet. Fine-tune one, or import a file."
_SUFFIX = ".safetensors"
_SUFFIXES = (_SUFFIX, *sorted(PICKLES))


@dataclass(frozen=True)
class _Entry:
    path: Path
    card: ModelCard | None
    reason: str = ""
    note: str = ""

    @property
    def created(self) -> str:
        return "" if self.card is None else self.card.created


class ModelPicker(QWidget):
    """A list of models, and the card of the chosen one in plain words. Encoders are not listed."""

    chosen = Signal(object)

    def __init__(
        self,
        parent: QWidget | None = None,
        note_of: Callable[[Path], str] = lambda _file: "",
    ) -> None:
        super().__init__(parent)
        self._note_of = note_of
        self._folder: Path | None = None
        self._entries: list[_Entry] = []
        self._current: _Entry | None = None
        self._build()
        self.set_folder(None)

    @property
    def path(self) -> Path | None:
        """The file of the chosen model."""
        return None if self._current is None else self._current.path

    def require(self) -> tuple[Path, ModelCard]:
        """Return the chosen model's file and card.

        Raises
        ------
        InputError
            If there is none.
        """
        if self.path is None or self.card is None:
            raise InputError("No model is chosen.", "Fine-tune one first, or import one.")
        return self.path, self.card

    @property
    def card(self) -> ModelCard | None:
        """The card of the chosen model."""
        return None if self._current is None else self._current.card

    def set_folder(self, folder: Path | None) -> None:
        """List the models in a folder, newest first; keep the choice if it is still there."""
        self._folder = folder
        self._refresh(self.path)

    def select(self, path: Path) -> None:
        """Read the folder again and choose one of its models.

        Raises
        ------
        InputError
            If it is not among the usable models of the folder.
        """
        self._refresh(path)
        if self.path != path:
            raise InputError(f"{path} is not in the list of models.", "Import the file.")

    def follow(self, old: Path, new: Path) -> None:
        """Keep a chosen model chosen whose file was renamed."""
        if self.path == old:
            self._refresh(new)

    def add_file(self, path: Path) -> None:
        """Copy a model into the folder and choose it; show an error in a line."""
        try:
            self._import(path)
        except MatSSLError as error:
            self._say(explain(error))

    def _import(self, source: Path) -> None:
        self._say("")
        wait_for(lambda: read_card(source, "segmenter"))
        if self._folder is None:
            raise InputError(f"There is no folder to import {source.name} into.", "Open one first.")
        suffix = source.suffix if source.suffix.lower() in PICKLES else _SUFFIX
        target = self._folder / f"{source.stem}{suffix}"
        if source.resolve() != target.resolve():
            question = f"{target.parent} already holds a model called {target.stem}. Replace it?"
            if target.exists() and not agreed(self, "Replace the model", question, "Replace"):
                return
            with atomic_write(target) as temporary:
                wait_for(lambda: shutil.copyfile(source, temporary))
        self._refresh(target)

    # --- the list

    def _refresh(self, wanted: Path | None) -> None:
        """Read the folder; choose the wanted model, else the present one, else the newest."""
        found = () if self._folder is None else self._folder.glob("[!.]*")
        files = [f for f in found if f.suffix.lower() in _SUFFIXES]
        entries = [entry for file in files if (entry := self._entry(file)) is not None]
        self._entries = sorted(entries, key=lambda e: (e.created, e.path), reverse=True)
        self._fill_combo()
        usable = {entry.path: entry for entry in self._entries if entry.card is not None}
        first = next(iter(usable.values()), None)
        usable_now = [usable[path] for path in (wanted, self.path) if path in usable]
        self._choose(usable_now[0] if usable_now else first)

    def _entry(self, file: Path) -> _Entry | None:
        """Read one file; None if it is an encoder or a checkpoint."""
        try:
            card = read_card(file)
        except ModelFileError as error:
            return _Entry(file, None, explain(error))
        if not isinstance(card, ModelCard):
            return None
        return _Entry(file, card, note=self._note_of(file))

    def _fill_combo(self) -> None:
        with signals_blocked(self.combo):
            self.combo.clear()
            for row, entry in enumerate(self._entries):
                state = local_time(entry.created) if entry.card else "can't be used"
                self.combo.addItem(f"{entry.path.stem}  ({state})  {entry.note}".rstrip())
                tooltip = entry.reason or str(entry.path)
                self.combo.setItemData(row, tooltip, Qt.ItemDataRole.ToolTipRole)
                self.combo.model().item(row).setEnabled(entry.card is not None)
        self.combo.setEnabled(bool(self._entries))

    def _choose(self, entry: _Entry | None) -> None:
        before, self._current = self._current, entry
        with signals_blocked(self.combo):
            self.combo.setCurrentIndex(-1 if entry is None else self._entries.index(entry))
        self.combo.setToolTip("The models that were found" if entry is None else str(entry.path))
        self.show_in_folder.setEnabled(entry is not None)
        self._empty.setVisible(entry is None)
        self._card.setVisible(entry is not None)
        if entry is not None and entry.card is not None:
            self._card.show_card(entry.card, entry.note)
        self.manage.set_model(None if entry is None else entry.path, entry.note if entry else "")
        if entry != before:
            self._say("")
            self.chosen.emit(self.path)

    # --- how it is built

    def _build(self) -> None:
        self.combo = QComboBox()
        self.combo.setAccessibleName("Model")
        keep_narrow(self.combo, 12)
        WheelGuard(self.combo)
        self.combo.activated.connect(lambda row: self._choose(self._entries[row]))
        self._empty = note(_EMPTY)
        self._card = CardView()
        self._problem = note()
        self._problem.setVisible(False)
        self.import_file = button(
            "Import file...",
            "Copy a model file from elsewhere into the folder of models",
            self._import_asked,
        )
        self.show_in_folder = button(
            "Show in folder",
            "Open the folder of the chosen model in the file manager",
            self._show_in_folder,
        )
        self.manage = ModelMenu()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.combo, self._empty, self._card, self._problem):
            layout.addWidget(widget)
        buttons = QHBoxLayout()
        buttons.addWidget(self.import_file)
        buttons.addWidget(self.show_in_folder)
        buttons.addWidget(self.manage)
        layout.addLayout(buttons)

    def _say(self, text: str) -> None:
        say(self._problem, text)
        self._problem.setToolTip(text)

    def _import_asked(self) -> None:
        wanted = " ".join(f"*{suffix}" for suffix in _SUFFIXES)
        name, _ = QFileDialog.getOpenFileName(self, "Import a model", "", f"Models ({wanted})")
        if name:
            self.add_file(Path(name))

    def _show_in_folder(self) -> None:
        if self.path is not None:
            show_in_files(self.path.parent)
