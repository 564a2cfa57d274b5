"""Choosing what fine-tuning starts from: weights of an encoder, or a model to go on from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QVBoxLayout, QWidget

from napari_matssl.errors import MatSSLError
from napari_matssl.learn.card import PICKLES, PUBLISHED_ENCODER, read_card
from napari_matssl.widgets.forms import note

_FILE = "Choose a file..."
_TIP = (
    "ImageNet: an encoder that knows photographs, the usual start. A pretrained encoder: from the "
    "panel above. Go on from a model: it keeps what that model knows, to correct it."
)
_ENCODER_TIP = (
    "ImageNet: an encoder that knows photographs, the usual start. Random: learn from nothing. Or "
    "another pretrained encoder."
)


@dataclass(frozen=True)
class EncoderStart:
    """Weights of the encoder: ``imagenet``, ``random`` or a file, and the network they fit."""

    source: str
    name: str | None


@dataclass(frozen=True)
class _Choice:
    text: str
    encoder: EncoderStart = EncoderStart("imagenet", None)
    model: Path | None = None
    file: Path | None = None


class StartPicker(QWidget):
    """A list of starts: ImageNet, random, encoders and models of the folder, any file.

    Parameters
    ----------
    models
        Whether a model can be gone on from.
    """

    changed = Signal()

    def __init__(self, models: bool = True, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._models = models
        self._files: list[Path] = []
        self._choices: list[_Choice] = []
        self.list = QComboBox()
        self.list.setToolTip(_TIP if models else _ENCODER_TIP)
        self.list.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.list.setMinimumContentsLength(12)
        self.problem = note()
        self.problem.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.list)
        layout.addWidget(self.problem)
        self.list.activated.connect(self._on_activated)
        self._fill(None)

    @property
    def encoder(self) -> EncoderStart:
        """The encoder's start weights; ImageNet's where a model is gone on from."""
        return self._choices[self.list.currentIndex()].encoder

    @property
    def model(self) -> Path | None:
        """The model to go on from, if one is chosen."""
        return self._choices[self.list.currentIndex()].model

    def set_files(self, files: Sequence[Path]) -> None:
        """List these encoders and models, beside those that were chosen by hand."""
        kept = self._choices[self.list.currentIndex()].file
        by_hand = [path for path in self._files if path.is_file() and path not in files]
        self._files = [*files, *by_hand]
        self._fill(kept)

    def select(self, path: Path) -> None:
        """Choose a file; what is wrong with it is said below the list."""
        if path not in self._files:
            self._files.append(path)
        self._fill(path)

    def _fill(self, wanted: Path | None) -> None:
        self._choices = [
            _Choice("ImageNet weights", EncoderStart("imagenet", None)),
            _Choice("Random weights", EncoderStart("random", None)),
        ]
        problem = ""
        for path in self._files:
            try:
                self._choices += [c for c in [_choice(path)] if self._models or c.model is None]
            except MatSSLError as error:
                if path == wanted:
                    problem = str(error)
        self.list.clear()
        self.list.addItems([choice.text for choice in self._choices])
        self.list.insertSeparator(self.list.count())
        self.list.addItem(_FILE)
        place = next((n for n, c in enumerate(self._choices) if c.file == wanted and wanted), 0)
        self.list.setCurrentIndex(place)
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self._place = place

    def _on_activated(self, place: int) -> None:
        if place < len(self._choices):
            self._place = place
            self.problem.hide()
            self.changed.emit()
            return
        self.list.setCurrentIndex(self._place)
        chosen, _ = QFileDialog.getOpenFileName(
            self, "Choose an encoder or a model", "", "Weights (*.safetensors *.pth *.pt *.tar)"
        )
        if chosen:
            self.select(Path(chosen))
            self.changed.emit()


def _choice(path: Path) -> _Choice:
    if path.suffix.lower() in PICKLES:
        encoder = EncoderStart(str(path), PUBLISHED_ENCODER)
        return _Choice(f"Encoder: {path.name}", encoder, file=path)
    card = read_card(path)
    if card.kind == "segmenter":
        return _Choice(f"Go on from {path.stem}", model=path, file=path)
    encoder = EncoderStart(str(path), card.encoder_name)
    return _Choice(f"Encoder: {path.stem}", encoder, file=path)
