"""The panel that trains a segmenter on the strokes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.viewer import Viewer
from qtpy.QtWidgets import QCheckBox, QSpinBox, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_matssl.errors import InputError, MatSSLError
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.learn.card import ModelCard
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Job, Progress
from napari_matssl.project.folder import Project
from napari_matssl.project.panorama_parts import Part
from napari_matssl.settings import FinetuneSettings
from napari_matssl.widgets.controls.field_editor import WheelGuard
from napari_matssl.widgets.controls.forms import bring_into_sight, button, heading, note, offer
from napari_matssl.widgets.controls.painted_list import (
    PaintedList,
    painted_classes,
    pixels_in_words,
)
from napari_matssl.widgets.controls.payoff_view import PayoffView
from napari_matssl.widgets.controls.preferences import preferences
from napari_matssl.widgets.controls.settings_form import SettingsForm
from napari_matssl.widgets.jobs.later import later
from napari_matssl.widgets.jobs.running_job import RunningJob
from napari_matssl.widgets.panels.live_preview import LivePreview
from napari_matssl.widgets.panels.start_choice import StartChoice
from napari_matssl.widgets.session import session_of

if TYPE_CHECKING:  # they import torch
    from napari_matssl.tasks.models import TrainedModel

OWNER = "fine-tune"
GATHER_MS = 200
"""Time to gather changes of single images before all are counted anew, ms."""

_START_TIP = "Train a model on the painted pixels of the images ticked above."


class FinetunePanel(QWidget):
    """Choose images, a start and a time; watch the curves and the preview."""

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session_of(napari_viewer)
        self._folder, self._current = self.session.folder, self.session.current
        self._notices = self.session.notices
        self._view: Micrograph | None = None
        self._part: Part | None = None
        self._trained_on: Project | None = None
        self._wanted_validation: int | None = None
        self.curves: QWidget | None = None
        self._painted_later = later(self, self._show_painted, GATHER_MS)
        self._build()
        self._connect()
        self._show_painted()

    def _build(self) -> None:
        self.images = PaintedList()
        self.pixels = note("", "Painted pixels of each class in the ticked images.")
        self.validation = QSpinBox()
        self.validation.setToolTip(
            "Number of images held out of training to score the model and to choose "
            "its best state. They are drawn at random; 0 trains on all."
        )
        WheelGuard(self.validation)
        self.form = SettingsForm(
            FinetuneSettings,
            ("preset", "minutes"),
            ("weights", "unlabelled", "val_fraction"),
            {"device": preferences().device},
        )
        self.form.set_value("unlabelled", 0)  # fixed in all label files of a project
        self.preview = QCheckBox("Preview on the image in view")
        self.preview.setChecked(True)
        self.preview.setToolTip(
            "Every few seconds segment the image in view with the model so far."
        )
        self.live_preview = LivePreview(self.session, self.images, self._live_settings, self)
        self.start = button("Fine-tune", _START_TIP, self._start)
        self.outcome = note("", "What the last run made.")
        self.payoff = PayoffView()
        self._start_choice = StartChoice(self.session, self.form)
        self.start_from = self._start_choice.picker
        self.form.add_above("Validation images", self.validation)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(4, 4, 4, 4)
        self._layout.addWidget(heading("Painted images"))
        self._layout.addWidget(self.images)
        self._layout.addWidget(self.pixels)
        self._layout.addWidget(self.form)
        self._layout.addWidget(self.preview)
        self._layout.addWidget(self.start)
        self._layout.addWidget(self.outcome)
        self._layout.addWidget(self.payoff)

    def _connect(self) -> None:
        folder, current, runner = self._folder, self._current, self.session.runner
        folder.changed.connect(self._on_folder)
        folder.painted_changed.connect(self._show_painted)
        folder.surveyed.connect(self._on_surveyed)
        current.changed.connect(self._look)
        self.session.palette.classes_changed.connect(self._show_painted)
        self.images.ticked.connect(self._show_pixels)
        self.preview.toggled.connect(self._look)
        self.validation.valueChanged.connect(self._on_validation)
        self.form.changed.connect(self._on_form)
        runner.started.connect(self._update_start)
        runner.ended.connect(self._update_start)
        self._follow(runner.job_of(OWNER))

    # --- what is chosen

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the images to train on."""
        return self.images.chosen

    def settings(self) -> FinetuneSettings:
        """Return the settings of the panel, as the command line would make them.

        Raises
        ------
        SettingsError
            If values contradict each other.
        """
        return self.form.settings().model_copy(update={"unlabelled": 0})

    def _live_settings(self) -> FinetuneSettings:
        """Return settings whose encoder is the model's, where a model is gone on from."""
        settings, model = self.settings(), self.start_from.model
        return settings if model is None else settings.model_copy(update={"weights": str(model)})

    def _on_validation(self, count: int) -> None:
        """Keep the user's choice; painting another image doesn't change it."""
        self._wanted_validation = count
        self._show_validation()

    def _show_validation(self) -> None:
        """Keep in the form what is chosen outside of it, to be saved with it."""
        count = len(self.chosen)
        self.form.set_value("val_fraction", self.validation.value() / count if count else 0.0)

    def _on_form(self) -> None:
        """Show the validation images of loaded settings."""
        try:
            share = self.form.settings().val_fraction
        except MatSSLError:  # the form shows what is wrong
            return
        count = round(share * len(self.chosen))
        if count != self.validation.value():
            self.validation.setValue(count)

    # --- running

    def _start(self) -> None:
        self._current.flush()
        self._show_painted()  # files may have been deleted
        try:
            if reason := self._why_not():
                raise InputError(reason)
            project, settings = self._folder.require_project(), self.settings()
        except MatSSLError as error:
            self._notices.failed.emit(error)
            return
        names, out = self.chosen, project.models.new_path()
        table = painted_classes(project, names)
        start = self.start_from.model
        self._trained_on = project
        self._look()
        if settings.architecture == "pixel-classifier":  # fitted at once, without steps
            self._hide_curves()
        else:
            self._show_curves(table)
        self._clear_outcome()

        def make() -> Job[Any]:
            from napari_matssl.tasks.inputs import PaintedSet
            from napari_matssl.tasks.models import train_model

            def read() -> PaintedSet:
                parts = (project.labels.painted_parts(name) for name in names)
                painted = tuple(part for of_image in parts for part in of_image)
                return PaintedSet(painted, (), table, "the class table")

            return train_model(
                read, settings, out, start, lambda: self._view, keep_early=True,
                spare=project.models.new_path,
            )  # fmt: skip

        job = self.session.start(
            "Fine-tuning", make, OWNER, uses=[out, start or Path(settings.weights)]
        )
        if job is not None:
            job.succeeded.connect(self.session.fine_tuned)
            self._follow(job)

    def _follow(self, job: RunningJob | None) -> None:
        if job is not None:
            job.progressed.connect(self._on_progress)
            job.succeeded.connect(self._on_succeeded)

    def _on_progress(self, progress: Progress) -> None:
        if progress.preview is not None and self._folder.holds(self._trained_on):
            self.session.results.show_preview(progress.preview, self._part)
        # A run that is finished early reports 100 % at its end, although steps were left out.
        job = self.session.runner.job
        stopping = job is not None and job.stopping
        if progress.metrics and self.curves is not None and not stopping:
            self.curves.add(progress.step / max(progress.total, 1e-9), progress.metrics)

    def _on_succeeded(self, trained: "TrainedModel") -> None:
        """Show what was trained; called by a signal, so not in a closed panel."""
        metrics = trained.card.metrics
        score = metrics.get("val_miou")
        measured = "" if score is None else f", validation mIoU {score:.3f}"
        how = f"{trained.steps} steps" if trained.steps else "fitted"
        made = f"{how}{measured}."  # the time stands in the job's line, pauses and others' included
        project = self._folder.project
        here = project is not None and trained.path.parent == project.models.folder
        if not here and not self._folder.holds(self._trained_on):
            self._notices.remarked.emit(f"{trained.path} was trained: {made}")
            return
        self.outcome.setText(
            f"{trained.path.name}: {made} Segment with it below; to correct it, paint where it is "
            "wrong and fine-tune again."
        )
        self.payoff.show_card(trained.card if isinstance(trained.card, ModelCard) else None)
        self.start_from.select(trained.path)

    def _look(self) -> None:
        """Keep the image in view for a running job, which reads it in its own thread."""
        shown = self._current.shown
        wanted = self.preview.isChecked() and self._folder.holds(self._trained_on)
        self._view = self._part = None
        if not wanted or shown is None:
            return
        try:
            self._part = shown.part_in_view()
        except MatSSLError as error:  # the job goes on without previews
            self._notices.failed.emit(error)
            return
        self._view = shown.whole() if self._part is None else self._part.micrograph

    # --- what is shown

    def _clear_outcome(self) -> None:
        self.outcome.setText("")
        self.payoff.show_card(None)

    def _on_folder(self) -> None:
        self.images.clear()
        self._clear_outcome()
        self._wanted_validation = None
        self._start_choice.show_files()
        self.start_from.propose()
        self._show_painted()

    def _on_surveyed(self, _facts: object) -> None:
        if not self._painted_later.isActive():  # a large folder has thousands of images
            self._painted_later.start()

    def _show_painted(self, _which: object = None) -> None:
        """List the painted images."""
        project = self._folder.project
        names = () if project is None else project.labels.names()
        shown = self._current.shown
        if shown is not None and shown.name not in names and shown.painted_pixels():
            # Its first strokes aren't on disk yet.
            names = tuple(
                n for n in shown.project.micrographs.analysed if n in {*names, shown.name}
            )
        self.images.set_names(names)
        self._show_pixels()

    def _show_pixels(self) -> None:
        count = len(self.chosen)
        wanted = count // 5 if self._wanted_validation is None else self._wanted_validation
        with signals_blocked(self.validation):
            self.validation.setMaximum(min(max(0, count - 1), int(0.9 * count)))
            self.validation.setValue(wanted)
        self._show_validation()
        self.pixels.setText(self._pixels_in_words())
        self._update_start()

    def _pixels_in_words(self) -> str:
        project, names = self._folder.project, self.chosen
        if project is None or not names:
            return "Nothing is painted yet: paint a few strokes of each class on an image."
        return pixels_in_words(project.classes.in_order, self.session.palette.painted_pixels(names))

    def _show_curves(self, table: ClassTable) -> None:
        if self.curves is None:
            from napari_matssl.widgets.controls.curves import TrainingCurves

            self.curves = TrainingCurves()
            self._layout.addWidget(self.curves)
        self.curves.clear(table.classes)
        self.curves.show()
        bring_into_sight(self.curves)

    def _hide_curves(self) -> None:
        if self.curves is not None:
            self.curves.hide()

    def _update_start(self, _title: str = "") -> None:
        offer(self.start, self._why_not(), _START_TIP)

    def _why_not(self) -> str:
        project = self._folder.project
        if project is None:
            return "Open a folder and paint first."
        if self.session.runner.busy:
            return self.session.runner.busy_reason
        painted = [n for n in self.session.palette.painted_pixels(self.chosen).values() if n]
        if len(painted) < 2:
            return "Paint at least two classes on the ticked images first."
        return ""
