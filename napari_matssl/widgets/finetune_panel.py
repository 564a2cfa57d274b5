"""The panel that trains a segmenter on the strokes."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QListWidget,
    QListWidgetItem,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_matssl.errors import MatSSLError
from napari_matssl.labels.classes import ClassTable
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Job, Progress
from napari_matssl.project.folder import Project
from napari_matssl.settings import FinetuneSettings
from napari_matssl.widgets.forms import button, heading, note, offer
from napari_matssl.widgets.session import session_of
from napari_matssl.widgets.settings_form import SettingsForm
from napari_matssl.widgets.shown import PREVIEW
from napari_matssl.widgets.start_picker import StartPicker

TITLE = "Fine-tuning"
FEW = 200
"""Painted pixels of a class below which a few more strokes are asked for."""

_START_TIP = "Train a model on the painted pixels of the images ticked above."


class FinetunePanel(QWidget):
    """Choose images, a start and a time; watch the curves and the preview."""

    def __init__(self, napari_viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session_of(napari_viewer)
        self._workspace = self.session.workspace
        self._view: Micrograph | None = None
        self.curves: QWidget | None = None
        self._build()
        self._connect()
        self._show_painted()

    def _build(self) -> None:
        self.images = QListWidget()
        self.images.setToolTip("The painted images; untick those to leave out.")
        self.images.setMaximumHeight(96)
        self.pixels = note("", "Painted pixels of each class in the ticked images.")
        self.start_from = StartPicker()
        self.validation = QSpinBox()
        self.validation.setToolTip(
            "How many of the images are kept out of training to measure the model and to choose "
            "its best state. They are drawn at random; 0 trains on all."
        )
        self.form = SettingsForm(
            FinetuneSettings,
            ("preset", "minutes"),
            ("encoder", "unlabelled", "val_fraction"),
        )
        self.preview = QCheckBox("Preview on the image in view")
        self.preview.setChecked(True)
        self.preview.setToolTip(
            "Every few seconds show what the model makes of the image that is shown."
        )
        self.start = button("Fine-tune", _START_TIP, self._start)
        self.outcome = note("", "What the last run made.")
        rows = QFormLayout()
        rows.addRow("Start from", self.start_from)
        rows.addRow("Validation images", self.validation)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(4, 4, 4, 4)
        self._layout.addWidget(heading("Painted images"))
        self._layout.addWidget(self.images)
        self._layout.addWidget(self.pixels)
        self._layout.addLayout(rows)
        self._layout.addWidget(self.form)
        self._layout.addWidget(self.preview)
        self._layout.addWidget(self.start)
        self._layout.addWidget(self.outcome)

    def _connect(self) -> None:
        workspace, runner = self._workspace, self.session.runner
        workspace.folder_changed.connect(self._on_folder)
        workspace.painted_changed.connect(self._show_painted)
        workspace.surveyed.connect(self._show_painted)
        workspace.shown_changed.connect(self._look)
        self.session.palette.classes_changed.connect(self._show_painted)
        self.session.models_changed.connect(self._show_starts)
        self.images.itemChanged.connect(self._show_pixels)
        self.preview.toggled.connect(self._look)
        runner.started.connect(self._update_start)
        runner.progressed.connect(self._on_progress)
        runner.ended.connect(self._update_start)

    # --- what is chosen

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the images to train on."""
        items = [self.images.item(row) for row in range(self.images.count())]
        ticked = [item for item in items if item.checkState() == Qt.CheckState.Checked]
        return tuple(item.text() for item in ticked)

    def settings(self) -> FinetuneSettings:
        """Return what the panel says, as the command line would make it.

        Raises
        ------
        SettingsError
            If values contradict each other.
        """
        count = len(self.chosen)
        share = self.validation.value() / count if count else 0.0
        encoder = self.start_from.encoder
        known = {"encoder": encoder.source, "unlabelled": 0, "val_fraction": share}
        if encoder.name is not None:
            known["encoder_name"] = encoder.name
        return self.form.settings().model_copy(update=known)

    # --- running

    def _start(self) -> None:
        project = self._workspace.project
        self._workspace.flush()
        self._show_painted()
        try:
            settings = self.settings()
        except MatSSLError as error:
            self._workspace.failed.emit(error)
            return
        names, out = self.chosen, project.new_model_path()
        table = _painted_classes(project, names)
        start = self.start_from.model
        self._look()
        self._show_curves(table)

        def make() -> Job:
            from napari_matssl.tasks.inputs import PaintedSet
            from napari_matssl.tasks.models import train_model

            def read() -> PaintedSet:
                painted = tuple(project.painted_micrograph(name) for name in names)
                return PaintedSet(painted, (), table, "the class table")

            return train_model(read, settings, out, start, lambda: self._view)

        self.session.start(TITLE, make, self._on_result)

    def _on_progress(self, progress: Progress) -> None:
        if self.session.runner.title != TITLE:
            return
        if progress.preview is not None:
            seen = progress.preview
            self.session.results.show_piece(PREVIEW, seen.image, seen.top, seen.left, seen.ids)
        if progress.metrics and self.curves is not None:
            self.curves.add(progress.step / max(progress.total, 1e-9), progress.metrics)

    def _on_result(self, trained) -> None:
        metrics = trained.card.metrics
        score = metrics.get("val_miou")
        measured = "" if score is None else f", validation mIoU {score:.3f}"
        self.outcome.setText(
            f"{trained.path.name}: {trained.steps} steps in {metrics['minutes']:.1f} min{measured}."
            " Segment with it below; to correct it, paint where it is wrong and fine-tune again."
        )
        self.session.models_changed.emit()
        self.start_from.select(trained.path)

    def _look(self) -> None:
        """Tell a running job which image is looked at; it asks from its own thread."""
        shown = self._workspace.shown
        wanted = self.preview.isChecked() and shown is not None
        self._view = shown.micrograph if wanted else None

    # --- what is shown

    def _on_folder(self) -> None:
        self.images.clear()
        self.outcome.setText("")
        self._show_starts()
        self._show_painted()

    def _show_starts(self) -> None:
        project = self._workspace.project
        self.start_from.set_files(() if project is None else project.models())

    def _show_painted(self, _which: object = None) -> None:
        """List the painted images; those that are new are ticked."""
        project = self._workspace.project
        names = () if project is None else project.painted_names()
        shown = self._workspace.shown
        if shown is not None and shown.name not in names and shown.painted.data.any():
            names = tuple(n for n in project.names if n in {*names, shown.name})
        listed = [self.images.item(row).text() for row in range(self.images.count())]
        if list(names) != listed:
            unticked = set(listed) - set(self.chosen)
            self.images.blockSignals(True)
            self.images.clear()
            for name in names:
                item = QListWidgetItem(name)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(
                    Qt.CheckState.Unchecked if name in unticked else Qt.CheckState.Checked
                )
                self.images.addItem(item)
            self.images.blockSignals(False)
        self._show_pixels()

    def _show_pixels(self, _item: object = None) -> None:
        count = len(self.chosen)
        self.validation.setMaximum(max(0, count - 1))
        if not self.validation.hasFocus():
            self.validation.setValue(count // 5)
        self.pixels.setText(self._pixels_in_words())
        self._update_start()

    def _pixels_in_words(self) -> str:
        project, names = self._workspace.project, self.chosen
        if project is None or not names:
            return "Nothing is painted yet: paint a few strokes of each class on an image."
        pixels = self.session.palette.painted_pixels(names)
        lines = []
        for one in project.classes:
            count = pixels.get(one.id, 0)
            few = ""
            if count == 0:
                few = ": not painted, so the model will not know it"
            elif count < FEW:
                few = ": few, a stroke or two more would help"
            lines.append(f"{one.name}: {count:,} px{few}")
        return "\n".join(lines)

    def _show_curves(self, table: ClassTable) -> None:
        if self.curves is None:
            from napari_matssl.widgets.curves import TrainingCurves

            self.curves = TrainingCurves()
            self._layout.addWidget(self.curves)
        self.curves.clear(table.classes)

    def _update_start(self, _title: str = "") -> None:
        offer(self.start, self._why_not(), _START_TIP)

    def _why_not(self) -> str:
        project = self._workspace.project
        if project is None:
            return "Open a folder and paint first."
        if self.session.runner.busy:
            return self.session.runner.busy_reason
        painted = [n for n in self.session.palette.painted_pixels(self.chosen).values() if n]
        if len(painted) < 2:
            return "Paint at least two classes on the ticked images first."
        return ""


def _painted_classes(project: Project, names: tuple[str, ...]) -> ClassTable:
    """Leave out the classes that are painted nowhere: a network can't learn them."""
    used = {class_id for name in names for class_id, n in project.painted(name).items() if n}
    kept = tuple(one for one in project.table.classes if one.id in used)
    return ClassTable(classes=kept) if kept else project.table
