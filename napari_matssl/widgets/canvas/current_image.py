"""The image of the open folder that is shown, and its layers; its strokes save themselves."""

import numpy as np
from napari.layers import Image, Layer
from napari.utils.events import Event
from napari.viewer import Viewer
from qtpy.QtCore import QObject, Signal

from napari_matssl.errors import InputError, MatSSLError
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.panorama import AnyMicrograph
from napari_matssl.project.folder import KeptStrokes, Project
from napari_matssl.project.panorama_strokes import PanoramaStrokes, StrokesFile
from napari_matssl.widgets.canvas.autosave import Autosave
from napari_matssl.widgets.canvas.kept_look import KeptLook
from napari_matssl.widgets.canvas.layers import (
    CLASSES,
    INFO_BAR,
    add_labels,
    add_micrograph,
    add_panorama,
    apply_pixel_size,
)
from napari_matssl.widgets.canvas.lazy_levels import levels_of
from napari_matssl.widgets.canvas.looking_over import LookingOver
from napari_matssl.widgets.canvas.open_folder import OpenFolder
from napari_matssl.widgets.canvas.painting_area import ELSEWHERE, PaintingArea
from napari_matssl.widgets.canvas.planes import UserLayers
from napari_matssl.widgets.canvas.read_image import ReadImage, read_image
from napari_matssl.widgets.canvas.shown import PAINTED, Shown
from napari_matssl.widgets.jobs.later import later
from napari_matssl.widgets.napari_private import forget_history


class CurrentImage(QObject):
    """The one image of the open folder that a viewer shows, if there is one."""

    changed = Signal()
    """Another image is shown, or none, or facts of the shown one changed."""
    appeared = Signal(object)
    """The Shown that was just put into the viewer, and is not yet painted on."""
    fitted = Signal()
    """The view was just fitted to the image."""
    leaving = Signal()
    """The layers of the image are about to go."""

    def __init__(self, viewer: Viewer, folder: OpenFolder, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.folder = folder
        self.shown: Shown | None = None
        self.user_layers = UserLayers()
        self._notices = folder.notices
        self._look = KeptLook()
        self._arranging = False
        self._wishes = 0  # counts requests to show an image; only the last is met
        self._orphaned = later(self, self._let_go)
        self._looking = LookingOver(self)
        self._looking.done.connect(self._on_looked_over)
        self._looking.coloured.connect(self._show_again)
        self._looking.failed.connect(self._notices.failed)
        folder.may_close = self.leave
        folder.changed.connect(self._on_folder)
        folder.opened.connect(self._show_any)
        folder.moved.connect(self._save_to)
        folder.ending.connect(self._end)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.dims.events.current_step.connect(self._on_plane)

    def show(self, name: str) -> bool:
        """Show an image with its painted labels and its last segmentation."""
        if self.folder.project is None or (self.shown is not None and self.shown.name == name):
            return self.shown is not None
        return self._read_and_show(self.folder.project, name)

    def show_anew(self) -> bool:
        """Read the shown image again and show it, as where another page of its file counts."""
        shown = self.require_shown()
        return self._read_and_show(shown.project, shown.name)

    def _read_and_show(self, project: Project, name: str) -> bool:
        self._wishes += 1
        wish = self._wishes
        try:
            found = self._notices.wait_for(lambda: read_image(project, name), f"Opening {name}...")
        except MatSSLError as error:
            self.folder.note(name, error)
            self._notices.failed.emit(error)
            return False
        self.folder.unreadable.discard(name)
        gone = self.folder.ended or self.folder.project is not project
        if gone or wish != self._wishes:  # while it was read
            return False
        with self.viewer.layers.batched_update():
            # napari updates itself once instead of after each layer.
            return self._bring_up(project, found)

    def _bring_up(self, project: Project, found: ReadImage) -> bool:
        """Put an image that was read into the place of the one that is shown."""
        before = None if self.shown is None else self.shown.micrograph
        name, page = found.name, found.page
        micrograph, strokes = found.micrograph, found.strokes
        if not self.leave():
            return False
        self._arranging = True
        try:
            users = self.user_layers.bring_up(name, self.viewer)
            image = self._add_image(found) if users is None else users
            classes, painting = project.classes.in_order, None
            file: StrokesFile = KeptStrokes(project, name, strokes, page)
            extra = dict[str, Layer]()
            if found.seen is not None:
                every = PanoramaStrokes(file, strokes, (micrograph.height, micrograph.width))
                painting = PaintingArea(self.viewer, image, every)
                extra[ELSEWHERE] = painting.show_elsewhere(classes)
                painted, file = painting.ids, every.in_area(painting.area)
            elif strokes.ids is None:
                painted = np.zeros((micrograph.height, micrograph.width), np.uint8)
            else:
                painted = strokes.ids.copy()
            layer = add_labels(self.viewer, image, painted, classes, PAINTED, "painted")
        finally:
            self._arranging = False
        autosave = Autosave(layer, file, self)
        mask = found.mask_now(project)
        if isinstance(mask, MatSSLError):
            self._notices.failed.emit(mask)
            mask = None
        self.shown = Shown(
            project,
            name,
            micrograph,
            image,
            layer,
            autosave,
            users is None,
            page,
            mask,
            extra,
            painting,
        )
        if painting is not None:
            painting.begin(layer, autosave)
            painting.too_wide.connect(self._on_wide)
        self.folder.painting = name
        autosave.changed.connect(lambda: self.folder.painted_changed.emit(name))
        autosave.saved.connect(lambda: self._on_saved(name))
        autosave.remarked.connect(self._notices.remarked)
        autosave.failed.connect(self._notices.failed)
        autosave.failed.connect(lambda _error: self.folder.painted_changed.emit(name))
        project.micrographs.current = name
        if before is None or _extent(before) != _extent(micrograph):
            self.viewer.reset_view()
            self.fitted.emit()
        self.appeared.emit(self.shown)
        self._look.bring_back(self.shown)
        self.changed.emit()
        if found.seen is not None and not found.seen.complete:
            self._looking.begin(self.shown)
        if found.chosen:
            self._notices.remarked.emit(found.chosen)
            self.folder.survey([name])
        return True

    def _add_image(self, found: ReadImage) -> Image:
        """Show what was read as a new layer."""
        if found.seen is not None:
            levels = levels_of(found.seen, self._notices.failed.emit)
            return add_panorama(self.viewer, found.seen.panorama, levels)
        assert isinstance(found.micrograph, Micrograph)  # only panoramas are in sight by parts
        return add_micrograph(self.viewer, found.micrograph)

    def _on_wide(self) -> None:
        """Tell where strokes go while more is in view than can be painted on."""
        self._notices.remarked.emit("Zoom in to paint: strokes go into the frame.")

    def _on_looked_over(self, shown: Shown) -> None:
        if self.shown is shown:
            self.folder.survey([shown.name])
            self.changed.emit()

    def _show_again(self, shown: Shown) -> None:
        if self.shown is shown:
            self.show_anew()

    def _on_saved(self, name: str) -> None:
        if self.shown is None:
            return
        if self.shown.painted.metadata[CLASSES] != self.shown.project.classes.in_order:
            self.folder.classes_changed.emit()
        self.folder.painted_changed.emit(name)

    def _show_any(self) -> None:
        """Show the image that was shown last, or the first of those that can be read."""
        project = self.folder.project
        if project is None:
            return
        names = project.images.names
        for name in dict.fromkeys([project.micrographs.current or names[0], *names]):
            if self.show(name):
                return

    def step(self, by: int) -> None:
        """Show the next (1) or previous (-1) image; those that can't be read are passed."""
        name = self.folder.painting
        while (name := self.folder.neighbour(name, by)) is not None:
            if name not in self.folder.unreadable and self.show(name):
                return
            if name not in self.folder.unreadable:
                # The strokes of the shown image can't be saved.
                return

    def leave(self) -> bool:
        """Save the strokes of the shown image and take its layers out of the viewer.

        Returns False, and leaves everything as it is, if the strokes can't be saved.
        """
        shown = self.shown
        if shown is None:
            return True
        shown.autosave.flush()
        if shown.autosave.unsaved:
            return False
        self.leaving.emit()
        self._looking.end()
        if shown.painting is not None:
            shown.painting.end()
        self.shown = self.folder.painting = None
        self._look.remember(shown, self._on_own_plane(shown))
        shown.autosave.close()
        self._arranging = True
        try:
            shown.remove_from(self.viewer)
        finally:
            self._arranging = False
        shown.autosave.deleteLater()
        return True

    def require_shown(self) -> Shown:
        """Return the image, for what can't be done without one.

        Raises
        ------
        InputError
            If none is shown.
        """
        if self.shown is None:
            raise InputError("No image is shown.", "Choose one in the list of images.")
        return self.shown

    def flush(self) -> None:
        """Save the strokes of the shown image now."""
        if self.shown is not None:
            self.shown.autosave.flush()

    def take_facts(self, micrograph: AnyMicrograph) -> None:
        """Show the image with the pixel size and info bar that are set for it now.

        Parameters
        ----------
        micrograph
            The shown image, read again.
        """
        shown = self.require_shown()
        shown.micrograph = micrograph
        shown.image.metadata[INFO_BAR] = micrograph.info_bar
        before = tuple(shown.image.scale)
        if shown.image.ndim == 2:  # strokes on a user's stack stay on its grid
            apply_pixel_size([shown.image, *shown.layers], micrograph.pixel_size)
            if shown.painting is not None:
                shown.painting.place()
        if tuple(shown.image.scale) != before:
            self.viewer.reset_view()
            self.fitted.emit()
        self.folder.survey([shown.name])
        self.changed.emit()

    def forget_histories(self) -> None:
        """Let nothing be undone or redone any more, on any image."""
        self._look.forget()
        if self.shown is not None:
            forget_history(self.shown.painted)

    # --- inside

    def _on_plane(self, _event: Event) -> None:
        """Hide the strokes while another plane of their stack is shown."""
        shown = self.shown
        if shown is not None and not shown.own_image and not self._arranging:
            shown.painted.visible = self._on_own_plane(shown)

    def _on_own_plane(self, shown: Shown) -> bool:
        """Whether the plane is in view that the strokes belong to."""
        return shown.own_image or self.user_layers.shows(shown.name, self.viewer.dims)

    def _on_removed(self, event: Event) -> None:
        """Save the strokes of an image whose layers are deleted."""
        shown = self.shown
        if self._arranging or shown is None:
            return
        shown.extra = {title: x for title, x in shown.extra.items() if x is not event.value}
        if event.value in (shown.image, shown.painted):
            self.flush()
            self._orphaned.start()  # napari may be deleting several layers at this moment

    def _let_go(self) -> None:
        """Leave an image of which layers were deleted."""
        shown, layers = self.shown, self.viewer.layers
        if shown is None or (shown.image in layers and shown.painted in layers):
            return
        if shown.image in layers:
            layers.append(shown.painted)
            self._notices.remarked.emit(
                f'The layer "{shown.painted.name}" is back: it holds the strokes on {shown.name}. '
                "The eye beside its name hides it."
            )
        elif self.leave():
            self._notices.remarked.emit(
                f"{shown.name} is closed, since its layer was deleted; its strokes are saved. "
                "Choose it in the list of images to go on."
            )
            self.changed.emit()
        elif shown.painted not in layers:
            layers.append(shown.painted)  # strokes that can't be saved stay in sight

    def _on_folder(self) -> None:
        self._look.forget()
        self.user_layers = UserLayers()
        if self.folder.project is None:
            self.changed.emit()

    def _save_to(self, moved: Project) -> None:
        """Save strokes that aren't saved yet to another place."""
        shown = self.shown
        if shown is not None and shown.autosave.unsaved:
            shown.autosave.move(moved)

    def _end(self) -> None:
        self._looking.end()
        if self.shown is not None:
            if self.shown.painting is not None:
                self.shown.painting.end()
            self.shown.autosave.close()
        self.shown = None


def _extent(micrograph: AnyMicrograph) -> tuple[float, float]:
    size = micrograph.pixel_size.mean_um if micrograph.pixel_size is not None else 1.0
    return micrograph.height * size, micrograph.width * size
