"""The panel that pretrains an encoder on unlabelled images."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.viewer import Viewer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_matssl.errors import MatSSLError
from napari_matssl.learn.card_files import read_card
from napari_matssl.progress import Job, Progress
from napari_matssl.project.folder import Project
from napari_matssl.project.models import CHECKPOINT
from napari_matssl.settings import PretrainSettings
from napari_matssl.widgets.controls.error_text import explain, with_left_out
from napari_matssl.widgets.controls.forms import (
    bring_into_sight,
    button,
    heading,
    note,
    offer,
    side_by_side,
)
from napari_matssl.widgets.controls.preferences import preferences
from napari_matssl.widgets.controls.settings_form import SettingsForm
from napari_matssl.widgets.jobs.job_time import duration
from napari_matssl.widgets.jobs.running_job import RunningJob
from napari_matssl.widgets.panels.pretrain_estimate import estimate, expectation
from napari_matssl.widgets.panels.pretrain_folders import PretrainFolders
from napari_matssl.widgets.panels.start_choice import StartChoice
from napari_matssl.widgets.session import session_of

if TYPE_CHECKING:  # they import torch
    from napari_matssl.tasks.models import PretrainedEncoder

_OWNER = "pretrain"

_START_TIP = "Pretrain an encoder on these images, without labels."
GO_ON = "Go on with {}"
"""Button of a pretraining that was interrupted; the encoder's name goes in."""

_GO_ON_TIP = (
    "Resume the newest unfinished pretraining, with its own settings and the images in the list."
)
_ABOUT = (
    "Optional. The encoder adapts to your images before it gets labels. Fine-tuning "
    "works without it."
)


class PretrainPanel(QWidget):
    """Choose folders, an encoder and a recipe."""

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session_of(napari_viewer)
        self._folder, self._notices = self.session.folder, self.session.notices
        self._state: Path | None = None
        self.curves: QWidget | None = None
        self._build()
        self._connect()
        self._on_folder()

    def _build(self) -> None:
        self.folders = PretrainFolders(self._folder)
        self.form = SettingsForm(
            PretrainSettings,
            ("preset", "encoder", "minutes", "epochs"),
            ("weights",),
            {"device": preferences().device},
        )
        self.estimate = note("", "Amount of data, and estimated time.")
        self.start = button("Pretrain", _START_TIP, self._start)
        self.go_on = button("Go on", _GO_ON_TIP, self._go_on)
        self.outcome = note("", "Result of the last run.")
        self._start_choice = StartChoice(self.session, self.form, models=False)
        self.start_from = self._start_choice.picker
        layout = self._layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(note(_ABOUT))
        layout.addWidget(heading("Unlabelled images"))
        layout.addWidget(self.folders)
        layout.addWidget(self.form)
        layout.addWidget(self.estimate)
        layout.addWidget(side_by_side(self.start, self.go_on, stretch=0))
        layout.addWidget(self.outcome)

    def _connect(self) -> None:
        runner = self.session.runner
        self._folder.changed.connect(self._on_folder)
        self.folders.changed.connect(self._show_estimate)
        self.form.changed.connect(self._show_estimate)
        runner.started.connect(self._update_start)
        runner.ended.connect(self._update_start)
        self._follow(runner.job_of(_OWNER))

    def settings(self) -> PretrainSettings:
        """Return the settings of the panel, as the command line would make them.

        Raises
        ------
        SettingsError
            If values contradict each other.
        """
        return self.form.settings()

    def _start(self) -> None:
        try:
            settings = self.settings()
            project = self._folder.project or Project(self.folders.paths[0])
        except MatSSLError as error:
            self._notices.failed.emit(error)
            return
        new_path = partial(project.models.new_path, "encoder")
        self._pretrain(settings, new_path(), spare=new_path)

    def _go_on(self) -> None:
        try:
            out = self._folder.require_project().models.unfinished()[0]
            card = read_card(_state_of(out), kind="checkpoint")
            settings = PretrainSettings.make(card.settings)
        except MatSSLError as error:
            self._notices.failed.emit(error)
            return
        self._pretrain(settings, out)

    def _pretrain(
        self, settings: PretrainSettings, out: Path, spare: Callable[[], Path] | None = None
    ) -> None:
        """Start the job; without a file to `spare`, it goes on from where one was stopped."""
        sources, resume = self.folders.sources, spare is None
        self._state = None if resume else _state_of(out)

        def make() -> Job[Any]:
            from napari_matssl.tasks.inputs import read_unlabelled
            from napari_matssl.tasks.models import pretrain_encoder

            read = partial(read_unlabelled, sources)
            return pretrain_encoder(read, settings, out, resume, spare=spare)

        self.outcome.setText("")
        self._show_curves()
        uses = [out, Path(settings.weights)]
        job = self.session.start("Pretraining", make, _OWNER, uses=uses)
        if job is not None:
            job.succeeded.connect(self.session.models_changed)
        self._follow(job)

    def _follow(self, job: RunningJob | None) -> None:
        if job is not None:
            job.progressed.connect(self._on_progress)
            job.cancelled.connect(self._on_cancelled)
            job.succeeded.connect(self._on_succeeded)

    def _show_curves(self) -> None:
        if self.curves is None:
            from napari_matssl.widgets.controls.curves import TrainingCurves

            self.curves = TrainingCurves(with_iou=False)
            self._layout.addWidget(self.curves)
        self.curves.clear(())
        bring_into_sight(self.curves)

    def _on_progress(self, progress: Progress) -> None:
        job = self.session.runner.job
        stopping = job is not None and job.stopping
        if progress.metrics and self.curves is not None and not stopping:
            self.curves.add(progress.step / max(progress.total, 1e-9), progress.metrics)

    def _on_cancelled(self) -> None:
        """Keep nothing of a run that was cancelled, but what an earlier one had left."""
        if self._state is not None:
            self._state.unlink(missing_ok=True)
        self._update_start()

    def _on_succeeded(self, trained: "PretrainedEncoder") -> None:
        """Show what was trained; called by a signal, so not in a closed panel."""
        metrics = trained.card.metrics
        epochs = round(metrics["epochs"])
        made = f"{epochs} epoch{'s' * (epochs != 1)} in {duration(60 * metrics['minutes'])}"
        project = self._folder.project
        if project is None or trained.path.parent != project.models.folder:
            text = f"{made}: {trained.path}. Fine-tune can open it as the start."
            self.outcome.setText(with_left_out(text, trained.skipped))
            return
        text = f"{trained.path.name}: {made}. Choose it in Fine-tune as the start."
        self.outcome.setText(with_left_out(text, trained.skipped))
        self._show_estimate()

    # --- what is shown

    def _on_folder(self) -> None:
        self.outcome.setText("")
        self._start_choice.show_files()
        self.folders.start_over()

    def _show_estimate(self) -> None:
        self.estimate.setText(self._estimate())
        self._update_start()

    def _estimate(self) -> str:
        if not self.folders.paths:
            return "Add a folder of images."
        try:
            survey, settings = self.folders.survey(), self.settings()
        except MatSSLError as error:
            return explain(error)
        if survey is None:
            return "Counting the patches..."
        project = self._folder.project
        earlier = () if project is None else project.models.files()
        text = f"{estimate(survey.sizes, settings, earlier)}\n{expectation()}"
        return with_left_out(text, survey.unusable)

    def _update_start(self, _title: str = "") -> None:
        reason = self.session.runner.busy_reason
        if not reason and not self.folders.paths:
            reason = "Open or add a folder of images first."
        offer(self.start, reason, _START_TIP)
        project = self._folder.project
        unfinished = () if project is None else project.models.unfinished()
        self.go_on.setVisible(bool(unfinished))
        if unfinished:
            self.go_on.setText(GO_ON.format(unfinished[0].stem))
            offer(self.go_on, reason, _GO_ON_TIP)


def _state_of(encoder: Path) -> Path:
    """Where the state of a pretraining is kept that isn't complete."""
    return encoder.with_name(f"{encoder.stem}{CHECKPOINT}")
