"""Choosing what fine-tuning starts from: weights of an encoder, or a model to go on from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QVBoxLayout, QWidget

from napari_matssl.errors import MatSSLError
from napari_matssl.learn.card_files import PICKLES, encoder_of_file, read_card
from napari_matssl.learn.shipped_weights import MICROGRAPHS
from napari_matssl.widgets.controls.error_text import explain
from napari_matssl.widgets.controls.field_editor import WheelGuard
from napari_matssl.widgets.controls.forms import keep_narrow, note, say, side_by_side
from napari_matssl.widgets.controls.model_menu import ModelMenu

FROM_MODEL = "Model: {}"
"""A model to go on from, in the list; its name goes in."""

_FILE = "Choose a file..."
_TIP = (
    "ImageNet: an encoder trained on photographs, the usual start. Micrographs: the same after "
    "MatSSL's pretraining on other micrographs. A pretrained encoder: from the panel "
    "above. A model: training goes on from its weights, to correct it."
)
_ENCODER_TIP = (
    "ImageNet: an encoder trained on photographs, the usual start. Micrographs: the same after "
    "MatSSL's pretraining on other micrographs. Random: no pretraining. Or another "
    "pretrained encoder."
)


@dataclass(frozen=True)
class EncoderStart:
    """Weights of the encoder and the network they fit.

    They are ``imagenet``, ``micrographs``, ``random`` or a file.
    """

    source: str
    name: str | None


@dataclass(frozen=True)
class _Choice:
    text: str
    encoder: EncoderStart = EncoderStart("imagenet", None)
    model: Path | None = None
    file: Path | None = None
    note: str = ""


class StartPicker(QWidget):
    """A list of starts: ImageNet, micrographs, random, encoders and models of the folder, any file.

    Parameters
    ----------
    models
        Whether a model can be gone on from.
    note_of
        Gives the note on a model, by its file.
    """

    changed = Signal()
    """Another start is chosen."""

    def __init__(
        self,
        models: bool = True,
        parent: QWidget | None = None,
        note_of: Callable[[Path], str] = lambda _file: "",
    ) -> None:
        super().__init__(parent)
        self._note_of = note_of
        self._models = models
        self._files: tuple[Path, ...] = ()
        self._by_hand: tuple[Path, ...] = ()
        self._choices: list[_Choice] = _fixed()
        self._chosen = self._choices[0]
        self.list = QComboBox()
        self.list.setToolTip(_TIP if models else _ENCODER_TIP)
        keep_narrow(self.list, 8)
        WheelGuard(self.list)
        self.problem = note()
        self.problem.hide()
        self.manage = ModelMenu(narrow=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(side_by_side(self.list, self.manage, stretch=0))
        layout.addWidget(self.problem)
        self.list.activated.connect(self._on_activated)
        self._fill(None)

    @property
    def encoder(self) -> EncoderStart:
        """The encoder's start weights; ImageNet's where a model is gone on from."""
        return self._chosen.encoder

    @property
    def model(self) -> Path | None:
        """The model to go on from, if one is chosen."""
        return self._chosen.model

    def set_files(self, files: Sequence[Path]) -> None:
        """List these encoders and models, beside those that were chosen by hand."""
        self._files = tuple(files)
        self._fill(self._chosen.file)

    def select(self, path: Path) -> None:
        """Choose a file; an error is shown below the list."""
        if path not in (*self._files, *self._by_hand):
            self._by_hand += (path,)
        self._fill(path)

    def follow(self, old: Path, new: Path) -> None:
        """Keep a chosen file chosen that was renamed."""
        self._files = tuple(new if file == old else file for file in self._files)
        self._by_hand = tuple(new if file == old else file for file in self._by_hand)
        self._fill(new if self._chosen.file == old else self._chosen.file)

    def propose(self) -> None:
        """Choose the newest model, to be corrected; ImageNet where there is none."""
        models = [choice for choice in self._choices if choice.model is not None]
        self._choose((*models, self._choices[0])[0])

    def select_source(self, source: str) -> None:
        """Choose the start of settings: ``imagenet``, ``micrographs``, ``random`` or a file."""
        fixed = [choice for choice in _fixed() if choice.encoder.source == source]
        if fixed:
            self._choose(fixed[0])
        else:
            self.select(Path(source))

    def _fill(self, wanted: Path | None) -> None:
        """List what there is and choose the wanted file, or what is chosen if there is none."""
        self._by_hand = tuple(p for p in self._by_hand if p not in self._files)
        self._choices = _fixed()
        problem = ""
        for path in (*self._files, *self._by_hand):
            try:
                choice = _choice(path)
            except MatSSLError as error:
                if path == wanted:
                    problem = explain(error)
                continue
            if self._models or choice.model is None:
                line = self._note_of(path)
                text = f"{choice.text}  {line}".rstrip()
                self._choices.append(replace(choice, text=text, note=line))
            elif path == wanted:
                problem = f"{path.name} is a model; choose an encoder."
        self.list.clear()
        for place, choice in enumerate(self._choices):
            self.list.addItem(choice.text)
            where = "" if choice.file is None else str(choice.file)
            self.list.setItemData(place, where, Qt.ItemDataRole.ToolTipRole)
        self.list.insertSeparator(self.list.count())
        self.list.addItem(_FILE)
        found = [c for c in self._choices if c.file is not None and c.file == wanted]
        kept = [c for c in self._choices if c == self._chosen]
        gone = self._chosen.file
        self._choose((*found, *kept, self._choices[0])[0])
        if not (problem or found or kept) and gone is not None:
            problem = f"{gone.name} isn't in this folder; {self._chosen.text} are chosen."
        say(self.problem, problem)

    def _choose(self, choice: _Choice) -> None:
        before, self._chosen = self._chosen, choice
        self.list.setCurrentIndex(self._choices.index(choice))
        self.problem.hide()
        self.manage.set_model(choice.file if choice.file in self._files else None, choice.note)
        if (choice.encoder, choice.file) != (before.encoder, before.file):
            self.changed.emit()

    def _on_activated(self, place: int) -> None:
        if place < len(self._choices):
            self._choose(self._choices[place])
            return
        self.list.setCurrentIndex(self._choices.index(self._chosen))
        chosen, _ = QFileDialog.getOpenFileName(
            self, "Choose an encoder or a model", "", "Weights (*.safetensors *.pth *.pt *.tar)"
        )
        if chosen:
            self.select(Path(chosen))


def _fixed() -> list[_Choice]:
    return [
        _Choice("ImageNet weights", EncoderStart("imagenet", None)),
        _Choice(
            "Micrographs (MatSSL)",
            EncoderStart(MICROGRAPHS, encoder_of_file(MICROGRAPHS)),
        ),
        _Choice("Random weights", EncoderStart("random", None)),
    ]


def _choice(path: Path) -> _Choice:
    published = path.suffix.lower() in PICKLES
    if published and path.exists() and encoder_of_file(str(path)) is None:
        # The tensors don't identify the network, so the settings have to name it.
        return _Choice(f"Encoder: {path.name}", EncoderStart(str(path), None), file=path)
    card = read_card(path)
    name = path.name if published else path.stem
    if card.kind == "segmenter":
        encoder = EncoderStart("imagenet", card.encoder)
        return _Choice(FROM_MODEL.format(name), encoder, model=path, file=path)
    encoder = EncoderStart(str(path), card.encoder)
    return _Choice(f"Encoder: {name}", encoder, file=path)
