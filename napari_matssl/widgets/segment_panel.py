"""The panel that segments images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QVBoxLayout,
    QWidget,
)

from napari_matssl.errors import MatSSLError
from napari_matssl.progress import Job, Progress
from napari_matssl.settings import PredictSettings
from napari_matssl.widgets.forms import button, heading, note, offer, side_by_side
from napari_matssl.widgets.layer_grid import grid_of
from napari_matssl.widgets.model_picker import ModelPicker
from napari_matssl.widgets.result_editor import ResultEditor
from napari_matssl.widgets.session import session_of
from napari_matssl.widgets.settings_form import SettingsForm
from napari_matssl.widgets.shown import SEGMENTATION

TITLE = "Segmenting"
FOLDER_TITLE = "Segmenting a folder"
UNCERTAINTY = "uncertainty"
MAGNIFICATION_RATIO = 2.0

_THIS, _ALL, _FOLDER = "This image", "All images of the folder", "Another folder..."
_START_TIP = "Run the model over the images chosen above."


class SegmentPanel(QWidget):
    """Choose a model and images; see what comes back."""

    _found = Signal(object)  # from the thread of the job to the window's

    def __init__(self, napari_viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session_of(napari_viewer)
        self._workspace = self.session.workspace
        self._results: Path | None = None
        self._seen = 0
        self._build()
        self._connect()
        self._on_folder()

    def _build(self) -> None:
        self.models = ModelPicker()
        self.target = QComboBox()
        self.target.addItems([_THIS, _ALL, _FOLDER])
        self.target.setToolTip("What to segment.")
        self.probabilities = QCheckBox("Probability layers")
        self.probabilities.setToolTip(
            "Add a layer for each class with its probability, and one with the uncertainty: bright "
            "where two classes are nearly equally probable. For the image that is shown."
        )
        self.warning = note("", "Whether this image was taken at the model's magnification.")
        self.form = SettingsForm(PredictSettings, (), ("smallest_region", "largest_hole"))
        self.start = button("Segment", _START_TIP, self._start)
        self.outcome = note("", "What the last run made.")
        self.show_results = button("Show in folder", "Open the folder of the results.", self._open)
        self.show_results.hide()
        self.editor = ResultEditor(self.session)
        rows = QFormLayout()
        rows.addRow("Images", self.target)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(heading("Model"))
        layout.addWidget(self.models)
        layout.addLayout(rows)
        layout.addWidget(self.probabilities)
        layout.addWidget(self.warning)
        layout.addWidget(self.form)
        layout.addWidget(self.start)
        layout.addWidget(side_by_side(self.outcome, self.show_results, stretch=0))
        layout.addWidget(self.editor)

    def _connect(self) -> None:
        workspace, runner = self._workspace, self.session.runner
        workspace.folder_changed.connect(self._on_folder)
        workspace.shown_changed.connect(self._update)
        self.session.models_changed.connect(self._on_models)
        self.models.chosen.connect(self._update)
        self.target.currentIndexChanged.connect(self._update)
        self._found.connect(self._take_over)
        runner.started.connect(self._update)
        runner.progressed.connect(self._on_progress)
        runner.ended.connect(self._update)

    # --- segmenting

    def _start(self) -> None:
        self.show_results.hide()
        self._seen = 0
        try:
            settings = self.form.settings()
            if self.target.currentText() == _FOLDER:
                self._segment_folder(settings)
                return
            project, shown = self._workspace.project, self._workspace.shown
            renumber = project.adopt(self.models.card.classes)
        except MatSSLError as error:
            self._workspace.failed.emit(error)
            return
        self.session.palette.refresh()
        names = project.names if self.target.currentText() == _ALL else (shown.name,)
        model, wanted = self.models.path, self.probabilities.isChecked()
        found = self._found.emit  # the job holds a signal, not the panel

        def make() -> Job:
            from napari_matssl.tasks.models import segment_with_model

            def keep(segmented) -> None:
                project.save_mask(segmented.name, segmented.mask)
                found(segmented)

            reads: list[Callable] = [lambda name=name: project.read(name) for name in names]
            return segment_with_model(model, reads, settings, keep, renumber, wanted)

        self.session.start(TITLE, make, self._on_result)

    def _segment_folder(self, settings: PredictSettings) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Segment a folder")
        if not chosen:
            return
        folder, model = Path(chosen), self.models.path
        region, hole = self.editor.cleaning
        cleaning = {"smallest_region": region, "largest_hole": hole}
        out = folder / "matssl" / "results"

        def make() -> Job:
            from napari_matssl.learn.segmenter import read_segmenter
            from napari_matssl.micrograph.reading import find_micrographs
            from napari_matssl.tasks.predict import predict

            paths = find_micrographs([folder])
            used = settings.model_copy(update=cleaning)
            return predict(read_segmenter(model), paths, out, used)

        def done(result) -> None:
            self._results = out
            self.outcome.setText(f"{len(result.images)} images: masks and tables are in {out}.")
            self.show_results.show()

        self.session.start(FOLDER_TITLE, make, done)

    def _on_progress(self, progress: Progress) -> None:
        seen = progress.preview
        if seen is not None and self.session.runner.title == TITLE:
            self.session.results.show_piece(SEGMENTATION, seen.image, seen.top, seen.left, seen.ids)

    def _take_over(self, segmented) -> None:
        results, shown = self.session.results, self._workspace.shown
        results.take_over(segmented.name, segmented.mask)
        self._seen += segmented.seen_in_training
        if segmented.probabilities is None or shown is None or shown.name != segmented.name:
            return
        active = self.session.viewer.layers.selection.active
        for one, plane in zip(
            self.models.card.classes.classes, segmented.probabilities, strict=True
        ):
            self._add_map(f"probability: {one.name}", plane / np.float32(255), "gray", False)
        self._add_map(UNCERTAINTY, segmented.uncertainty, "inferno", True)
        self.session.viewer.layers.selection.active = active

    def _add_map(self, title: str, values: np.ndarray, colours: str, visible: bool) -> None:
        layer = self.session.viewer.add_image(
            values,
            name=title,
            colormap=colours,
            contrast_limits=(0, 1),
            opacity=0.6,
            blending="additive",
            visible=visible,
            **grid_of(self._workspace.shown.image),
        )
        self.session.results.add_layer(title, layer)

    def _on_result(self, count: int) -> None:
        text = f"{count} image{'s' * (count != 1)} segmented."
        if self._seen:
            text += f" The model was trained on {self._seen} of them: judge it by others."
        self.outcome.setText(text)

    def _open(self) -> None:
        if self._results is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._results)))

    # --- what is shown

    def _on_folder(self) -> None:
        project = self._workspace.project
        self.models.set_folders([project.models_folder] if project is not None else [])
        self.outcome.setText("")
        self._update()

    def _on_models(self) -> None:
        """List the models again and choose the newest, which was just made."""
        project = self._workspace.project
        if project is None:
            return
        self.models.set_folders([project.models_folder])
        newest = next(iter(project.models()), None)
        if newest is not None:
            self.models.select(newest)

    def _update(self, _which: object = None) -> None:
        offer(self.start, self._why_not(), _START_TIP)
        self.warning.setText(self._magnification())
        self.warning.setVisible(bool(self.warning.text()))

    def _why_not(self) -> str:
        if self.session.runner.busy:
            return self.session.runner.busy_reason
        if self.models.path is None:
            return "Fine-tune a model first, or import one."
        if self.target.currentText() != _FOLDER and self._workspace.shown is None:
            return "Open a folder of micrographs first."
        return ""

    def _magnification(self) -> str:
        shown, card = self._workspace.shown, self.models.card
        if shown is None or card is None or card.pixel_size_um is None:
            return ""
        size = shown.micrograph.pixel_size
        if size is None:
            return "This image is not calibrated: it is taken to have the model's magnification."
        ratio = size.mean_um / card.pixel_size_um
        if max(ratio, 1 / ratio) <= MAGNIFICATION_RATIO:
            return ""
        return (
            f"This image has {size.mean_um:.4g} um/px, the model was trained at "
            f"{card.pixel_size_um:.4g}: its masks are less reliable."
        )
