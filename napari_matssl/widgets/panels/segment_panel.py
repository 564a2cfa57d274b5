"""The panel that segments images."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.viewer import Viewer
from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QFormLayout, QVBoxLayout, QWidget

from napari_matssl.errors import MatSSLError
from napari_matssl.labels.names import few
from napari_matssl.learn.card import LARGEST_MAGNIFICATION_RATIO
from napari_matssl.progress import Job
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.measuring.measure_project import final_origin
from napari_matssl.tasks.predicting.segment_project import ProjectRun, segment_project
from napari_matssl.tasks.provenance import mask_doubts
from napari_matssl.widgets.controls.error_text import with_left_out
from napari_matssl.widgets.controls.field_editor import WheelGuard
from napari_matssl.widgets.controls.forms import (
    button,
    heading,
    note,
    offer,
    say,
    show_in_files,
    side_by_side,
)
from napari_matssl.widgets.controls.mask_origin import origin_in_words
from napari_matssl.widgets.controls.model_picker import ModelPicker
from napari_matssl.widgets.controls.preferences import preferences
from napari_matssl.widgets.controls.settings_form import SettingsForm
from napari_matssl.widgets.jobs.running_job import RunningJob
from napari_matssl.widgets.panels.result_editor import ResultEditor
from napari_matssl.widgets.panels.segment_run import SegmentRun, run_of
from napari_matssl.widgets.session import session_of

if TYPE_CHECKING:  # they import torch
    from napari_matssl.tasks.models import TrainedModel
    from napari_matssl.tasks.predicting.predict import PredictResult
    from napari_matssl.tasks.predicting.segmenting import SegmentedBatch

_OWNER, _FOLDER_OWNER = "segment", "segment a folder"

_THIS, _ALL, _FOLDER = "This image", "All images of the folder", "Another folder..."
_START_TIP = "Run the model over the images chosen above."


class SegmentPanel(QWidget):
    """Choose a model and images; see what comes back."""

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session_of(napari_viewer)
        self._folder, self._current = self.session.folder, self.session.current
        self._notices = self.session.notices
        self._run: SegmentRun | None = None
        self._results: Path | None = None
        self._build()
        self._connect()
        self._on_folder()

    def _build(self) -> None:
        self.models = ModelPicker(note_of=self.session.model_files.note_of)
        self.session.model_files.serve(self.models.manage)
        self.target = QComboBox()
        self.target.addItems([_THIS, _ALL, _FOLDER])
        self.target.setToolTip("Images to segment.")
        WheelGuard(self.target)
        self.probabilities = QCheckBox("Probability layers")
        self.probabilities.setToolTip(
            "Add a layer for each class with its probability, and one with the uncertainty: bright "
            "where two classes are nearly equally probable. For the image that is shown."
        )
        self.warning = note("", "Whether the pixel size of this image fits the model.")
        self.form = SettingsForm(
            PredictSettings,
            (),
            ("smallest_region", "largest_hole", "class_sizes"),
            {"device": preferences().device},
        )
        self.start = button("Segment", _START_TIP, self._start)
        self.outcome = note("", "Result of the last run.")
        self.show_results = button("Show in folder", "Open the folder of the results.", self._open)
        self.show_results.hide()
        self.origin = note("", "Model that made the mask of this image, and later changes.")
        self.origin.hide()
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
        layout.addWidget(self.origin)
        layout.addWidget(self.editor)

    def _connect(self) -> None:
        folder, current, runner = self._folder, self._current, self.session.runner
        folder.changed.connect(self._on_folder)
        current.changed.connect(self._update)
        current.changed.connect(self._show_origin)
        folder.painted_changed.connect(self._show_origin)
        self.session.results.mask_changed.connect(self._show_origin)
        self.session.results.cleaning_changed.connect(self._show_origin)
        self.session.model_files.renamed.connect(self.models.follow)
        self.session.models_changed.connect(self._show_origin)
        self.session.models_changed.connect(self._on_models)
        self.models.chosen.connect(self._update)
        self.target.currentIndexChanged.connect(self._update)
        runner.started.connect(self._update)
        runner.ended.connect(self._update)
        self.session.fine_tuned.connect(self._show_new)
        self._follow(runner.job_of(_OWNER))
        self._follow_folder(runner.job_of(_FOLDER_OWNER))

    # --- segmenting

    def _start(self) -> None:
        try:
            settings = self.form.settings()
            if self.target.currentText() == _FOLDER:
                self._segment_folder(settings)
                return
            model, card = self.models.require()
            project = self._folder.require_project()
            every = self.target.currentText() == _ALL
            names = project.micrographs.analysed if every else (self._current.require_shown().name,)
            run = ProjectRun.begin(project, model, card, names)
        except MatSSLError as error:
            self._notices.failed.emit(error)
            return
        self.session.palette.refresh()
        # The job refers to these signals, not to the panel, which may be closed.
        shown, wanted = SegmentRun(self.session, run), self.probabilities.isChecked()
        told = shown.told

        def make() -> Job[Any]:
            return segment_project(run, settings, told, wanted)

        self._clear_outcome()
        job = self.session.start("Segmenting", make, _OWNER, uses=[model])
        if job is None:
            shown.deleteLater()
            return
        shown.follow(job)
        self._follow(job)

    def _clear_outcome(self) -> None:
        self.outcome.setText("")
        self.show_results.hide()

    def _follow(self, job: RunningJob | None) -> None:
        if job is not None:
            self._run = run_of(job)
            job.succeeded.connect(self._on_segmented)

    def _follow_folder(self, job: RunningJob | None) -> None:
        if job is not None:
            job.succeeded.connect(self._on_folder_segmented)

    def _segment_folder(self, settings: PredictSettings) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Segment a folder")
        if not chosen:
            return
        folder = Path(chosen)
        model, card = self.models.require()
        cleaning = self.editor.cleaning_by(card.classes)
        out = folder / "matssl" / "results"

        def make() -> Job[Any]:
            from napari_matssl.learn.segmenter import read_segmenter
            from napari_matssl.micrograph.reading import find_micrographs
            from napari_matssl.tasks.predicting.predict import predict

            paths = find_micrographs([folder])
            used = settings.with_cleaning(cleaning)
            return predict(read_segmenter(model), paths, out, used, model=model)

        self._results = out
        self._clear_outcome()
        job = self.session.start("Segmenting a folder", make, _FOLDER_OWNER, uses=[model])
        self._follow_folder(job)

    def _on_folder_segmented(self, result: "PredictResult") -> None:
        """Report what was done; a signal brings it, which a closed panel doesn't get."""
        if self._results is None:
            return
        count = len(result.images)
        text = f"{count} image{'s' * (count != 1)}: masks and tables are in {self._results}."
        self.outcome.setText(with_left_out(text, result.skipped))
        self.show_results.show()
        if result.failure is not None:
            self._notices.failed.emit(result.failure)

    def _on_segmented(self, result: "SegmentedBatch") -> None:
        """Report what was done; a signal brings it, which a closed panel doesn't get."""
        run = self._run
        text = f"{result.done} image{'s' * (result.done != 1)} segmented."
        if run is not None and run.seen:
            seen = "it" if result.done == 1 else f"{run.seen} of them"
            text += f" The model was trained on {seen}: judge it by others."
        unfinished = run.run.unfinished if run is not None and result.stopped else []
        if unfinished:
            text += f" What is done of {few(unfinished, 3)} is kept: Segment goes on with it."
        self.outcome.setText(with_left_out(text, result.skipped))

    def _open(self) -> None:
        if self._results is not None:
            show_in_files(self._results)

    # --- what is shown

    def _on_folder(self) -> None:
        self._on_models()
        self.outcome.setText("")
        self.show_results.hide()
        self._update()
        self._show_origin()

    def _on_models(self) -> None:
        """List the models again."""
        project = self._folder.project
        self.models.set_folder(None if project is None else project.models.folder)

    def _show_new(self, trained: "TrainedModel") -> None:
        """Choose the model that was just trained."""
        project = self._folder.project
        if project is not None and trained.path.parent == project.models.folder:
            self.models.select(trained.path)

    def _update(self, _which: object = None) -> None:
        offer(self.start, self._why_not(), _START_TIP)
        say(self.warning, self._magnification())

    def _show_origin(self, _which: object = None) -> None:
        """Show which model made the mask in view."""
        shown = self._current.shown
        self.origin.setVisible(shown is not None and shown.project.masks.has(shown.name))
        if shown is not None and not self.origin.isHidden():
            project, size = shown.project, shown.micrograph.pixel_size
            doubt = mask_doubts(project, [shown.name]).get(shown.name, "")
            origin = final_origin(project, shown.name, project.classes.table, size)
            there_still = project.models.has(origin.model)
            self.origin.setText(origin_in_words(origin, doubt, there_still))

    def _why_not(self) -> str:
        if self.session.runner.busy:
            return self.session.runner.busy_reason
        if self.models.path is None:
            return "Fine-tune a model first, or import one."
        target = self.target.currentText()
        if target != _FOLDER and self._folder.project is None:
            return "Open a folder of micrographs first."
        if target == _THIS and self._current.shown is None:
            return "No image is shown: choose one in the list of images."
        return ""

    def _magnification(self) -> str:
        shown, card = self._current.shown, self.models.card
        if shown is None or card is None or card.pixel_size_um is None:
            return ""
        size = shown.micrograph.pixel_size
        if size is None:
            return "This image is not calibrated: it is taken to have the model's magnification."
        ratio = size.mean_um / card.pixel_size_um
        if max(ratio, 1 / ratio) <= LARGEST_MAGNIFICATION_RATIO:
            return ""
        return (
            f"This image has {size.in_words}, the model was trained at "
            f"{card.pixel_size_um:.4g}: its masks are less reliable."
        )
