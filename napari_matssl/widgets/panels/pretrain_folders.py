"""The list of folders to pretrain on, and the sizes of their images."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFileDialog, QListWidget, QVBoxLayout, QWidget

from napari_matssl.errors import MatSSLError
from napari_matssl.progress import Skipped
from napari_matssl.project.folder import Project
from napari_matssl.widgets.canvas.open_folder import OpenFolder
from napari_matssl.widgets.controls.forms import button, offer, side_by_side
from napari_matssl.widgets.jobs.background import Background

_REMOVE_TIP = "Remove the selected folder from the list; its files stay."


@dataclass(frozen=True)
class Survey:
    """Height and width of each image's specimen, px, and the images that can't be used."""

    sizes: tuple[tuple[int, int], ...] = ()
    unusable: tuple[Skipped, ...] = ()

    def __add__(self, other: "Survey") -> "Survey":
        return Survey(self.sizes + other.sizes, self.unusable + other.unusable)


class PretrainFolders(QWidget):
    """The open folder and others that the user adds."""

    changed = Signal()
    """Another folder is listed, or others of its images are known."""

    def __init__(self, folder: OpenFolder, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._folder = folder
        self._surveys: dict[Path, Survey | MatSSLError] = {}
        self._asked: set[Path] = set()
        self._background = Background(self)
        self.list = QListWidget()
        self.list.setToolTip("Folders of images to pretrain on; don't include test images.")
        self.list.setMaximumHeight(64)
        self.add = button("Add folder...", "Pretrain on another folder, too.", self._ask_folder)
        self.remove = button("Remove", _REMOVE_TIP, self._remove)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.list)
        layout.addWidget(side_by_side(self.add, self.remove))
        self.list.itemSelectionChanged.connect(self._update_remove)
        folder.images_changed.connect(self._count_again)
        self._update_remove()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The folders to learn from."""
        return tuple(Path(self.list.item(row).text()) for row in range(self.list.count()))

    @property
    def sources(self) -> tuple[Path | Project, ...]:
        """The folders; the open project for its own folder, as images may be excluded there."""
        return tuple(map(self._source, self.paths))

    def survey(self) -> Survey | None:
        """Return what is known of all images; None while they are being read.

        Raises
        ------
        MatSSLError
            If a folder couldn't be read.
        """
        known = Survey()
        for path in self.paths:
            survey = self._surveys.get(path)
            if isinstance(survey, MatSSLError):
                raise survey
            if survey is None:
                return None
            known += survey
        return known

    def start_over(self) -> None:
        """List the open folder alone."""
        self.list.clear()
        self._background.drop_waiting()
        self._asked.clear()
        if self._folder.project is not None:
            self.add_folder(self._folder.project.folder)
        self.changed.emit()

    def add_folder(self, folder: Path) -> None:
        """Put a folder on the list."""
        if folder in self.paths:
            return
        self.list.addItem(str(folder))
        self._surveys.pop(folder, None)
        self._asked.discard(folder)
        self._count()
        self.changed.emit()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Read the images once the list is looked at: most folders are never pretrained on."""
        super().showEvent(event)
        self._count()

    def _ask_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Add a folder of unlabelled images")
        if chosen:
            self.add_folder(Path(chosen))

    def _remove(self) -> None:
        for item in self.list.selectedItems():
            self.list.takeItem(self.list.row(item))
        self.changed.emit()

    def _update_remove(self) -> None:
        selected = bool(self.list.selectedItems())
        offer(self.remove, "" if selected else "Select a folder in the list first.", _REMOVE_TIP)

    def _source(self, folder: Path) -> Path | Project:
        project = self._folder.project
        return project if project is not None and folder == project.folder else folder

    def _count(self) -> None:
        """Read the sizes of images in folders that weren't read before."""
        if not self.isVisible():
            return
        for folder in self.paths:
            if folder not in self._asked:
                self._asked.add(folder)
                then = partial(self._on_survey, folder)
                self._background.run(partial(_survey, self._source(folder)), then, then)

    def _count_again(self) -> None:
        """Count the images of the open folder anew: some came, went, or were excluded."""
        project = self._folder.project
        if project is not None and project.folder in self._asked:
            self._asked.discard(project.folder)
            self._count()

    def _on_survey(self, folder: Path, survey: Survey | MatSSLError) -> None:
        self._surveys[folder] = survey
        self.changed.emit()


def _survey(source: Path | Project) -> Survey:
    """Read all images of a folder for their sizes."""
    from napari_matssl.tasks.inputs import read_unlabelled

    skipped: list[Skipped] = []
    read = read_unlabelled([source], skipped.append)
    sizes = tuple(micrograph.specimen.shape[:2] for micrograph in read)
    return Survey(sizes, tuple(skipped))
