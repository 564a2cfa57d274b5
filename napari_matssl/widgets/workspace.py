"""What one viewer works on: the open folder, the image that is shown, and its layers."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from napari.layers import Image, Layer
from napari.utils.events import Event
from qtpy.QtCore import QObject, Signal

from napari_matssl.errors import InputError, MatSSLError
from napari_matssl.files import check_writable_folder
from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.micrograph.writing import write_micrograph
from napari_matssl.project.folder import ImageFacts, Project
from napari_matssl.widgets.autosave import Autosave
from napari_matssl.widgets.background import Background
from napari_matssl.widgets.layers import (
    INFO_BAR,
    add_labels,
    add_micrograph,
    apply_pixel_size,
    micrograph_of,
)
from napari_matssl.widgets.shown import PAINTED, Shown


class Workspace(QObject):
    """The folder that is open in a viewer, and the one image of it that is shown."""

    folder_changed = Signal()
    """Another folder is open, or none."""
    images_changed = Signal()
    """The list of images is another."""
    surveyed = Signal(object)
    """ImageFacts of one image, or a (name, MatSSLError)."""
    shown_changed = Signal()
    """Another image is shown, or none, or what is known of the shown one."""
    image_shown = Signal()
    """Another image was just put into the viewer, and is not yet painted on."""
    painted_changed = Signal(str)
    """The strokes on that image: changed, or saved."""
    said = Signal(str)
    """A line worth reading."""
    failed = Signal(object)
    """A MatSSLError to show."""

    def __init__(self, viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.project: Project | None = None
        self.shown: Shown | None = None
        self._survey = Background(self)
        self._layers: dict[str, tuple[Image, tuple[int, ...]]] = {}
        self._arranging = False
        viewer.layers.events.removed.connect(self._on_removed)

    # --- folder

    def open(self, paths: Sequence[Path]) -> bool:
        """Open a folder, or some files of one; whether that worked."""
        folders = [path for path in paths if path.is_dir()]
        try:
            if folders and len(paths) > 1:
                raise InputError("More than one folder was given.", "Open one folder at a time.")
            folder = folders[0] if folders else paths[0].parent
            project = Project.open(folder, () if folders else tuple(paths))
        except MatSSLError as error:
            self.failed.emit(error)
            return False
        if not self.close_folder():
            return False
        self.project = project
        self.folder_changed.emit()
        self.images_changed.emit()
        for remark in project.remarks:
            self.said.emit(remark)
        self.survey(project.names)
        self.show_image(project.current or project.names[0])
        return True

    def close_folder(self) -> bool:
        """Save everything and take the folder's layers out; False if strokes can't be saved."""
        if not self.leave_image():
            return False
        self._survey.drop_waiting()
        self._layers.clear()
        if self.project is not None:
            self.project = None
            self.folder_changed.emit()
            self.images_changed.emit()
            self.shown_changed.emit()
        return True

    def survey(self, names: Sequence[str]) -> None:
        """Look at images in the background, for the table."""
        project = self.project
        for name in names:

            def tell(facts: ImageFacts) -> None:
                if self.project is project:
                    self.surveyed.emit(facts)

            def complain(error: MatSSLError, name: str = name) -> None:
                if self.project is project:
                    self.surveyed.emit((name, error))

            self._survey.run(lambda name=name: project.survey(name), tell, complain)

    def add_layer(self, layer: Layer, folder: Path | None = None) -> bool:
        """Take the visible plane of any image layer into the open folder; whether that worked.

        Parameters
        ----------
        layer
            Any image layer of the viewer.
        folder
            Where to keep it if no folder is open.
        """
        try:
            micrograph = micrograph_of(layer, self.viewer.dims)
            target = self.project.folder if self.project is not None else folder
            if target is None:
                raise InputError("No folder is open.", "Open a folder first.")
            path = micrograph.path
            if path is None or path.parent != target:
                check_writable_folder(target)
                path = _unused(target, layer, self.viewer.dims.current_step)
                write_micrograph(path, micrograph)
        except MatSSLError as error:
            self.failed.emit(error)
            return False
        known = self._layers if self.project is not None else {}
        plane = tuple(self.viewer.dims.current_step)
        if not self.open([target]):
            return False
        self._layers = {**known, path.name: (layer, plane)}
        if micrograph.pixel_size is not None:
            self.project.set_pixel_size(path.name, micrograph.pixel_size)
        self.said.emit(f"{layer.name} is kept as {path}.")
        return self.leave_image() and self.show_image(path.name)

    # --- the shown image

    def show_image(self, name: str) -> bool:
        """Show an image with its painted labels and its last segmentation."""
        if self.project is None or (self.shown is not None and self.shown.name == name):
            return self.shown is not None
        try:
            micrograph = self.project.read(name)
            painted = self.project.labels(name)
        except MatSSLError as error:
            self.failed.emit(error)
            return False
        before = None if self.shown is None else self.shown.micrograph
        if not self.leave_image():
            return False
        self._arranging = True
        try:
            image, own = self._image_layer(micrograph)
            if painted is None:
                painted = np.zeros((micrograph.height, micrograph.width), np.uint8)
            layer = add_labels(
                self.viewer, image, painted, self.project.classes, PAINTED, "painted"
            )
        finally:
            self._arranging = False
        project = self.project
        autosave = Autosave(layer, lambda ids: project.save_labels(name, ids), self)
        self.shown = Shown(name, micrograph, image, layer, autosave, own)
        autosave.changed.connect(lambda: self.painted_changed.emit(name))
        autosave.saved.connect(lambda: self.painted_changed.emit(name))
        autosave.failed.connect(self.failed)
        project.current = name
        if before is None or _extent(before) != _extent(micrograph):
            self.viewer.reset_view()
        self.image_shown.emit()
        self.shown_changed.emit()
        return True

    def step(self, by: int) -> None:
        """Show the next (1) or previous (-1) image."""
        if self.project is None:
            return
        names = self.project.names
        at = names.index(self.shown.name) + by if self.shown is not None else 0
        if 0 <= at < len(names):
            self.show_image(names[at])

    def leave_image(self) -> bool:
        """Save the strokes of the shown image and take its layers out of the viewer.

        Returns False, and leaves everything as it is, if the strokes can't be saved.
        """
        shown = self.shown
        if shown is None:
            return True
        shown.autosave.flush()
        if shown.autosave.unsaved and shown.painted in self.viewer.layers:
            return False
        self.shown = None
        shown.autosave.close()
        self._arranging = True
        try:
            shown.remove_from(self.viewer)
        finally:
            self._arranging = False
        shown.autosave.deleteLater()
        return True

    def flush(self) -> None:
        """Save the strokes of the shown image now."""
        if self.shown is not None:
            self.shown.autosave.flush()

    def read_again(self) -> None:
        """Take over what was set for the shown image: pixel size, info bar."""
        shown = self.shown
        if shown is None or self.project is None:
            return
        shown.micrograph = self.project.read(shown.name)
        shown.image.metadata[INFO_BAR] = shown.micrograph.info_bar
        before = tuple(shown.image.scale)
        apply_pixel_size([shown.image, *shown.layers], shown.micrograph.pixel_size)
        if tuple(shown.image.scale) != before:
            self.viewer.reset_view()
        self.survey([shown.name])
        self.shown_changed.emit()

    def set_pixel_size(self, size: PixelSize | None, everywhere: bool = False) -> None:
        """Set the pixel size of the shown image, or of all; None goes back to the files'."""
        if self.project is None or self.shown is None:
            return
        if everywhere:
            self.project.set_pixel_size_of_all(size)
            self.survey(self.project.names)
        else:
            self.project.set_pixel_size(self.shown.name, size)
        self.read_again()

    # --- inside

    def _image_layer(self, micrograph: Micrograph) -> tuple[Image, bool]:
        """Give the layer to show: the one that the image was taken from, or else a new one."""
        layer, plane = self._layers.get(micrograph.name, (None, ()))
        if layer is not None and layer in self.viewer.layers:
            if len(plane) == len(self.viewer.dims.current_step):
                self.viewer.dims.current_step = plane
            return layer, False
        return add_micrograph(self.viewer, micrograph), True

    def _on_removed(self, event: Event) -> None:
        """Let go of an image whose layers somebody deleted; its strokes are saved."""
        shown = self.shown
        if self._arranging or shown is None:
            return
        shown.extra = {title: x for title, x in shown.extra.items() if x is not event.value}
        if event.value in (shown.image, shown.painted):
            self.leave_image()
            self.shown_changed.emit()

    def close(self) -> None:
        """Save everything; the viewer closes."""
        if self.shown is not None:
            self.shown.autosave.close()
        self.shown = None
        self._survey.close()


def _extent(micrograph: Micrograph) -> tuple[float, float]:
    size = micrograph.pixel_size.mean_um if micrograph.pixel_size is not None else 1.0
    return micrograph.height * size, micrograph.width * size


def _unused(folder: Path, layer: Layer, step: Sequence[int]) -> Path:
    """Name a new file after a layer, and the plane of a stack."""
    plane = "".join(f"_{index}" for index in step[: layer.ndim - 2])
    stem = re.sub(r"[^\w.-]+", "_", layer.name).strip("._") or "layer"
    for number in range(1, 10_000):
        path = folder / f"{stem}{plane}{'' if number == 1 else f'-{number}'}.tif"
        if not path.exists():
            return path
    raise InputError(f"{folder} is full of files called {stem}.", "Choose another folder.")
