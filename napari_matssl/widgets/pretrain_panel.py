"""The panel that pretrains an encoder on unlabelled images."""

from dataclasses import dataclass
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QFormLayout, QListWidget, QVBoxLayout, QWidget

from napari_matssl.errors import MatSSLError
from napari_matssl.learn.card import read_card
from napari_matssl.micrograph.patches import count_patches
from napari_matssl.progress import Job
from napari_matssl.project.folder import Project
from napari_matssl.settings import PretrainSettings
from napari_matssl.widgets.background import Background
from napari_matssl.widgets.forms import button, heading, note, offer, side_by_side
from napari_matssl.widgets.job_time import about
from napari_matssl.widgets.session import session_of
from napari_matssl.widgets.settings_form import SettingsForm
from napari_matssl.widgets.start_picker import StartPicker

TITLE = "Pretraining"

_START_TIP = "Let an encoder learn from these images, without labels."
_ABOUT = (
    "Optional. The encoder learns what your images look like before it sees a label. Fine-tuning "
    "works without; whether it pays on a small folder is being measured (see the documentation)."
)

SECONDS_PER_MPX = {"tf_efficientnet_lite0": 1.5, "resnet50": 4.3}
"""Seconds to learn from a million px of views on 2 CPU cores, for a first guess of the time."""


@dataclass(frozen=True)
class Speed:
    """Seconds per patch, and whether that was measured here or is a first guess."""

    seconds: float
    measured: bool


class PretrainPanel(QWidget):
    """Choose folders, an encoder and a recipe."""

    def __init__(self, napari_viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session_of(napari_viewer)
        self._workspace = self.session.workspace
        self._sizes: dict[Path, list[tuple[int, int]]] = {}
        self._survey = Background(self)
        self._build()
        self._connect()
        self._on_folder()

    def _build(self) -> None:
        self.folders = QListWidget()
        self.folders.setToolTip("Folders whose images the encoder learns from; no test images.")
        self.folders.setMaximumHeight(64)
        self.add = button("Add folder...", "Learn from another folder too.", self._ask_folder)
        self.remove = button("Remove", "Take the selected folder off the list.", self._remove)
        self.start_from = StartPicker(models=False)
        self.form = SettingsForm(
            PretrainSettings, ("preset", "encoder", "minutes", "epochs"), ("init",)
        )
        self.estimate = note("", "How much there is to learn from, and how long it takes.")
        self.start = button("Pretrain", _START_TIP, self._start)
        self.outcome = note("", "What the last run made.")
        rows = QFormLayout()
        rows.addRow("Start weights", self.start_from)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(note(_ABOUT))
        layout.addWidget(heading("Unlabelled images"))
        layout.addWidget(self.folders)
        layout.addWidget(side_by_side(self.add, self.remove))
        layout.addLayout(rows)
        layout.addWidget(self.form)
        layout.addWidget(self.estimate)
        layout.addWidget(self.start)
        layout.addWidget(self.outcome)

    def _connect(self) -> None:
        runner = self.session.runner
        self._workspace.folder_changed.connect(self._on_folder)
        self.session.models_changed.connect(self._show_starts)
        self.form.changed.connect(self._show_estimate)
        runner.started.connect(self._update_start)
        runner.ended.connect(self._update_start)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The folders to learn from."""
        return tuple(Path(self.folders.item(row).text()) for row in range(self.folders.count()))

    def settings(self) -> PretrainSettings:
        """Return what the panel says, as the command line would make it.

        Raises
        ------
        SettingsError
            If values contradict each other.
        """
        start = self.start_from.encoder
        known = {"init": start.source}
        if start.name is not None:
            known["encoder"] = start.name
        return self.form.settings().model_copy(update=known)

    def _start(self) -> None:
        folders = self.paths
        try:
            settings = self.settings()
            project = self._workspace.project or Project.open(folders[0])
        except MatSSLError as error:
            self._workspace.failed.emit(error)
            return
        out = project.new_model_path("encoder")

        def make() -> Job:
            from napari_matssl.tasks.models import pretrain_encoder

            return pretrain_encoder(folders, settings, out)

        self.session.start(TITLE, make, self._on_result)

    def _on_result(self, trained) -> None:
        metrics = trained.card.metrics
        self.outcome.setText(
            f"{trained.path.name}: {metrics['epochs']:.0f} epochs in {metrics['minutes']:.1f} min. "
            "Choose it in Fine-tune as the start."
        )
        self.session.models_changed.emit()
        self._show_estimate()

    # --- folders

    def _ask_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Add a folder of unlabelled images")
        if chosen:
            self.add_folder(Path(chosen))

    def add_folder(self, folder: Path) -> None:
        """Put a folder on the list and look at the sizes of its images."""
        if folder in self.paths:
            return
        self.folders.addItem(str(folder))
        self._survey.run(
            lambda: _sizes(folder),
            lambda sizes: self._on_sizes(folder, sizes),
            self._workspace.failed.emit,
        )
        self._show_estimate()

    def _remove(self) -> None:
        for item in self.folders.selectedItems():
            self.folders.takeItem(self.folders.row(item))
        self._show_estimate()

    def _on_folder(self) -> None:
        self.folders.clear()
        self.outcome.setText("")
        if self._workspace.project is not None:
            self.add_folder(self._workspace.project.folder)
        self._show_starts()
        self._show_estimate()

    def _on_sizes(self, folder: Path, sizes: list[tuple[int, int]]) -> None:
        self._sizes[folder] = sizes
        self._show_estimate()

    # --- what is shown

    def _show_starts(self) -> None:
        project = self._workspace.project
        self.start_from.set_files(() if project is None else project.models())

    def _show_estimate(self) -> None:
        self.estimate.setText(self._estimate())
        self._update_start()

    def _estimate(self) -> str:
        if not self.paths:
            return "Add a folder of images."
        sizes = [size for path in self.paths for size in self._sizes.get(path, [])]
        if not sizes:
            return "Counting the patches..."
        try:
            settings = self.settings()
        except MatSSLError as error:
            return str(error)
        patches = sum(count_patches(*size, settings.patch_size, settings.overlap) for size in sizes)
        text = f"{len(sizes)} images give {patches:,} patches of {settings.patch_size} px. "
        speed = _speed(self._workspace.project, settings)
        if speed is None:
            return f"{text}How fast this encoder learns here shows itself after the first run."
        epoch = patches * speed.seconds
        basis = "by the last run" if speed.measured else "a first guess, for 2 processor cores"
        if settings.minutes is not None:
            passes = 60 * settings.minutes / epoch
            return f"{text}{settings.minutes:g} min are about {passes:.2g} epochs ({basis})."
        return f"{text}{settings.epochs} epochs take {about(settings.epochs * epoch)} ({basis})."

    def _update_start(self, _title: str = "") -> None:
        reason = self.session.runner.busy_reason
        if not reason and not self.paths:
            reason = "Open or add a folder of images first."
        offer(self.start, reason, _START_TIP)


def _sizes(folder: Path) -> list[tuple[int, int]]:
    """Height and width of each image's specimen."""
    from napari_matssl.tasks.inputs import read_folder

    return [micrograph.specimen.shape[:2] for micrograph in read_folder([folder])]


def _speed(project: Project | None, settings: PretrainSettings) -> Speed | None:
    """How fast the encoder learns: by the newest encoder of the folder, or by a first guess."""
    for path in project.models() if project is not None else ():
        measured = _measured(path, settings)
        if measured is not None:
            return Speed(measured, True)
    guess = SECONDS_PER_MPX.get(settings.encoder)
    views = 2 * settings.view_size**2 / 1e6
    return None if guess is None else Speed(guess * views, False)


def _measured(path: Path, settings: PretrainSettings) -> float | None:
    """Seconds per patch of the run that made an encoder; None if it isn't comparable."""
    try:
        card = read_card(path)
    except MatSSLError:  # pickers say what is wrong with it
        return None
    alike = ("encoder", "view_size", "device")
    if card.kind != "encoder" or any(
        card.settings.get(name) != getattr(settings, name) for name in alike
    ):
        return None
    steps, minutes = card.metrics.get("steps", 0), card.metrics.get("minutes", 0)
    patches = steps * card.settings.get("batch_size", 0)
    return 60 * minutes / patches if patches else None
