"""The panel that pretrains an encoder on unlabelled images."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.viewer import Viewer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFileDialog, QListWidget, QVBoxLayout, QWidget

from napari_matssl.errors import MatSSLError
from napari_matssl.learn.card import read_card
from napari_matssl.progress import Job, Progress, Skipped
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
from napari_matssl.widgets.controls.settings_form import SettingsForm
from napari_matssl.widgets.controls.start_picker import StartPicker
from napari_matssl.widgets.jobs.background import Background
from napari_matssl.widgets.jobs.job_time import duration
from napari_matssl.widgets.jobs.running_job import RunningJob
from napari_matssl.widgets.panels.pretrain_estimate import estimate, expectation
from napari_matssl.widgets.session import session_of

if TYPE_CHECKING:  # they import torch
    from napari_matssl.tasks.models import PretrainedEncoder

_OWNER = "pretrain"

_START_TIP = "Pretrain an encoder on these images, without labels."
_GO_ON_TIP = (
    "Resume the newest unfinished pretraining, with its own settings and the images in the list."
)
_REMOVE_TIP = "Remove the selected folder from the list; its files stay."
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
        self._sizes: dict[Path, list[tuple[int, int]]] = {}
        self._unusable: dict[Path, tuple[Skipped, ...]] = {}
        self._uncounted: dict[Path, str] = {}
        self._asked: set[Path] = set()
        self._preset = ""
        self._state: Path | None = None
        self._survey = Background(self)
        self.curves: QWidget | None = None
        self._build()
        self._connect()
        self._on_folder()

    def _build(self) -> None:
        self.folders = QListWidget()
        self.folders.setToolTip("Folders of images to pretrain on; don't include test images.")
        self.folders.setMaximumHeight(64)
        self.add = button("Add folder...", "Pretrain on another folder, too.", self._ask_folder)
        self.remove = button("Remove", _REMOVE_TIP, self._remove)
        self.start_from = StartPicker(models=False, note_of=self.session.model_files.note_of)
        self.session.model_files.serve(self.start_from.manage)
        self.form = SettingsForm(
            PretrainSettings, ("preset", "encoder", "minutes", "epochs"), ("weights",)
        )
        self.estimate = note("", "Amount of data, and estimated time.")
        self.start = button("Pretrain", _START_TIP, self._start)
        self.go_on = button("Go on", _GO_ON_TIP, self._go_on)
        self.outcome = note("", "Result of the last run.")
        self.form.add_above("Start from", self.start_from)
        layout = self._layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(note(_ABOUT))
        layout.addWidget(heading("Unlabelled images"))
        layout.addWidget(self.folders)
        layout.addWidget(side_by_side(self.add, self.remove))
        layout.addWidget(self.form)
        layout.addWidget(self.estimate)
        layout.addWidget(side_by_side(self.start, self.go_on, stretch=0))
        layout.addWidget(self.outcome)

    def _connect(self) -> None:
        runner = self.session.runner
        self._folder.changed.connect(self._on_folder)
        self._folder.images_changed.connect(self._count_again)
        self.session.model_files.renamed.connect(self.start_from.follow)
        self.session.models_changed.connect(self._show_starts)
        self.start_from.changed.connect(self._show_start)
        self.form.changed.connect(self._on_form)
        self.folders.itemSelectionChanged.connect(self._update_remove)
        runner.started.connect(self._update_start)
        runner.ended.connect(self._update_start)
        self._follow(runner.job_of(_OWNER))

    @property
    def paths(self) -> tuple[Path, ...]:
        """The folders to learn from."""
        return tuple(Path(self.folders.item(row).text()) for row in range(self.folders.count()))

    def settings(self) -> PretrainSettings:
        """Return the settings of the panel, as the command line would make them.

        Raises
        ------
        SettingsError
            If values contradict each other.
        """
        return self.form.settings()

    def _show_start(self) -> None:
        """Keep the start weights in the form, to be saved with it."""
        start = self.start_from.encoder
        if start.name is not None:
            self.form.set_value("encoder", start.name)
        self.form.set_value("weights", start.source)

    def _on_form(self) -> None:
        """Show the start weights of loaded settings."""
        self._show_estimate()
        try:
            settings = self.form.settings()
        except MatSSLError:  # the form shows what is wrong
            return
        if settings.weights != self.start_from.encoder.source:
            self.start_from.select_source(settings.weights)
            self._show_start()  # if it couldn't be chosen, the picker shows why
        elif settings.preset != self._preset:
            self._preset = settings.preset
            self._show_start()  # a preset names an encoder that may not be that of the file

    def _start(self) -> None:
        try:
            settings = self.settings()
            project = self._folder.project or Project(self.paths[0])
        except MatSSLError as error:
            self._notices.failed.emit(error)
            return
        self._pretrain(settings, project.models.new_path("encoder"), resume=False)

    def _go_on(self) -> None:
        try:
            out = self._folder.require_project().models.unfinished()[0]
            card = read_card(_state_of(out), kind="checkpoint")
            settings = PretrainSettings.make(card.settings)
        except MatSSLError as error:
            self._notices.failed.emit(error)
            return
        self._pretrain(settings, out, resume=True)

    def _pretrain(self, settings: PretrainSettings, out: Path, resume: bool) -> None:
        sources = tuple(map(self._source, self.paths))
        self._state = None if resume else _state_of(out)

        def make() -> Job[Any]:
            from napari_matssl.tasks.inputs import read_unlabelled
            from napari_matssl.tasks.models import pretrain_encoder

            return pretrain_encoder(partial(read_unlabelled, sources), settings, out, resume)

        self.outcome.setText("")
        self._show_curves()
        uses = [out, Path(settings.weights)]
        self._follow(self.session.start("Pretraining", make, _OWNER, uses=uses))

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
        self.session.models_changed.emit()
        self._show_estimate()

    # --- folders

    def _ask_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Add a folder of unlabelled images")
        if chosen:
            self.add_folder(Path(chosen))

    def add_folder(self, folder: Path) -> None:
        """Put a folder on the list."""
        if folder in self.paths:
            return
        self.folders.addItem(str(folder))
        self._sizes.pop(folder, None)
        self._uncounted.pop(folder, None)
        self._asked.discard(folder)
        self._count()
        self._show_estimate()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Read the images once the panel is looked at: most folders are never pretrained on."""
        super().showEvent(event)
        self._count()

    def _count(self) -> None:
        """Read the sizes of images in folders that weren't read before."""
        if not self.isVisible():
            return
        for folder in self.paths:
            if folder in self._asked:
                continue
            self._asked.add(folder)
            self._survey.run(
                partial(_sizes, self._source(folder)),
                partial(self._on_sizes, folder),
                partial(self._on_uncounted, folder),
            )

    def _source(self, folder: Path) -> Path | Project:
        """Return the open project for its own folder: images may be excluded there."""
        project = self._folder.project
        return project if project is not None and folder == project.folder else folder

    def _count_again(self) -> None:
        """Count the images of the open folder anew: some came, went, or were excluded."""
        project = self._folder.project
        if project is not None and project.folder in self._asked:
            self._asked.discard(project.folder)
            self._uncounted.pop(project.folder, None)
            self._count()

    def _remove(self) -> None:
        for item in self.folders.selectedItems():
            self.folders.takeItem(self.folders.row(item))
        self._show_estimate()

    def _on_folder(self) -> None:
        self.folders.clear()
        self._survey.drop_waiting()
        self._asked.clear()
        self.outcome.setText("")
        if self._folder.project is not None:
            self.add_folder(self._folder.project.folder)
        self._show_starts()
        self._show_estimate()

    def _on_sizes(
        self, folder: Path, found: tuple[list[tuple[int, int]], tuple[Skipped, ...]]
    ) -> None:
        self._sizes[folder], self._unusable[folder] = found
        self._show_estimate()

    def _on_uncounted(self, folder: Path, error: MatSSLError) -> None:
        self._uncounted[folder] = explain(error)
        self._show_estimate()

    # --- what is shown

    def _show_starts(self) -> None:
        project = self._folder.project
        self.start_from.set_files(() if project is None else project.models.files())

    def _show_estimate(self) -> None:
        self.estimate.setText(self._estimate())
        self._update_start()

    def _estimate(self) -> str:
        if not self.paths:
            return "Add a folder of images."
        for path in self.paths:
            if path in self._uncounted:
                return self._uncounted[path]
            if path not in self._sizes:
                return "Counting the patches..."
        sizes = [size for path in self.paths for size in self._sizes[path]]
        try:
            settings = self.settings()
        except MatSSLError as error:
            return explain(error)
        project = self._folder.project
        earlier = () if project is None else project.models.files()
        unusable = [one for path in self.paths for one in self._unusable[path]]
        text = f"{estimate(sizes, settings, earlier)}\n{expectation(len(sizes))}"
        return with_left_out(text, unusable)

    def _update_start(self, _title: str = "") -> None:
        reason = self.session.runner.busy_reason
        if not reason and not self.paths:
            reason = "Open or add a folder of images first."
        offer(self.start, reason, _START_TIP)
        project = self._folder.project
        unfinished = () if project is None else project.models.unfinished()
        self.go_on.setVisible(bool(unfinished))
        if unfinished:
            self.go_on.setText(f"Go on with {unfinished[0].stem}")
            offer(self.go_on, reason, _GO_ON_TIP)
        self._update_remove()

    def _update_remove(self) -> None:
        selected = bool(self.folders.selectedItems())
        offer(self.remove, "" if selected else "Select a folder in the list first.", _REMOVE_TIP)


def _state_of(encoder: Path) -> Path:
    """Where the state of a pretraining is kept that isn't complete."""
    return encoder.with_name(f"{encoder.stem}{CHECKPOINT}")


def _sizes(source: Path | Project) -> tuple[list[tuple[int, int]], tuple[Skipped, ...]]:
    """Height and width of each image's specimen, and the images that can't be used."""
    from napari_matssl.tasks.inputs import read_unlabelled

    skipped: list[Skipped] = []
    read = read_unlabelled([source], skipped.append)
    return [micrograph.specimen.shape[:2] for micrograph in read], tuple(skipped)
