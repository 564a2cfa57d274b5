"""What one viewer works on: the open folder, the image that is shown, and its layers."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from napari.layers import Layer
from napari.utils.events import Event
from qtpy.QtCore import QFileSystemWatcher, QObject, QTimer, Signal

from napari_matssl.errors import InputError, MatSSLError, StackError
from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.micrograph.reading import images_in
from napari_matssl.project.elsewhere import begin_elsewhere, folder_in
from napari_matssl.project.folder import ImageFacts, KeptStrokes, Project
from napari_matssl.project.kept import FOLDER
from napari_matssl.project.planes import PLANES, keep_plane
from napari_matssl.project.strokes import Version
from napari_matssl.widgets.canvas.autosave import Autosave
from napari_matssl.widgets.canvas.kept_look import KeptLook
from napari_matssl.widgets.canvas.layers import (
    CLASSES,
    INFO_BAR,
    add_labels,
    add_micrograph,
    apply_pixel_size,
    load_units,
    micrograph_of,
)
from napari_matssl.widgets.canvas.planes import UserLayers, plane_title
from napari_matssl.widgets.canvas.shown import PAINTED, Shown
from napari_matssl.widgets.controls.recent import Places
from napari_matssl.widgets.jobs.background import Background
from napari_matssl.widgets.jobs.waiting import Result, wait_for

REFRESH_MS = 500
"""Time to gather changes of the folder before its images are listed anew."""


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
    fitted = Signal()
    """The view was just fitted to the shown image."""
    image_leaves = Signal()
    """The layers of the shown image are about to go."""
    painted_changed = Signal(str)
    """The strokes on that image: changed, or saved."""
    classes_changed = Signal()
    """Another window has changed the class table."""
    said = Signal(str)
    """A line worth reading."""
    busy = Signal(str)
    """What the window waits for; empty once it is over."""
    failed = Signal(object)
    """A MatSSLError to show."""

    def __init__(self, viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.project: Project | None = None
        self.shown: Shown | None = None
        self._opened: tuple[Path, ...] = ()
        self.order: tuple[str, ...] = ()
        self._survey = Background(self)
        self._look = KeptLook()
        self._unreadable: set[str] = set()
        self.looked_at: dict[str, ImageFacts | MatSSLError] = {}  # for docks that come later
        self.surveyed.connect(self._keep_facts)
        self._user_layers = UserLayers()
        self._arranging = self._closed = False
        self._orphaned = QTimer(self)
        self._orphaned.setSingleShot(True)
        self._orphaned.timeout.connect(self._let_go)
        self._watcher = QFileSystemWatcher(self)
        self._changed = QTimer(self)  # copying a folder of images changes it many times
        self._changed.setSingleShot(True)
        self._changed.setInterval(REFRESH_MS)
        self._changed.timeout.connect(self.refresh)
        self._watcher.directoryChanged.connect(self._changed.start)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.dims.events.current_step.connect(self._on_plane)

    # --- folder

    def open(self, paths: Sequence[Path]) -> bool:
        """Open a folder, or some files of one; whether that worked."""
        folders = [path for path in paths if path.is_dir()]
        try:
            if folders and len(paths) > 1:
                raise InputError("More than one folder was given.", "Open one folder at a time.")
            folder = folders[0] if folders else paths[0].parent
            only = () if folders else tuple(paths)
            own = Places().of(folder)
            gone = own is not None and not own.is_dir()
            project = self.wait_for(
                lambda: Project.open(folder, only, None if gone else own),
                f"Opening {folder.name}...",
            )
        except MatSSLError as error:
            self.failed.emit(error)
            return False
        if self._closed or not self.close_folder():
            return False
        self.project, self._opened = project, tuple(paths)
        self._watcher.addPath(str(project.folder))
        self.order = ()
        self.folder_changed.emit()
        self.images_changed.emit()
        for remark in (*project.remarks, *project.presence.enter()):
            self.said.emit(remark)
        if gone:
            self.said.emit(
                f"{folder}: its strokes and masks are kept in {own}, which isn't there. Put it "
                "back and open the folder again."
            )
        self.survey(project.names)
        self._show_any(project)
        return True

    def wait_for(self, work: Callable[[], Result], text: str) -> Result:
        """Do in a thread what the next step needs; `text` is shown if it takes long."""
        return wait_for(work, self.busy.emit, text)

    def close_folder(self) -> bool:
        """Save everything and take the folder's layers out; False if strokes can't be saved."""
        if not self.leave_image():
            return False
        self._survey.drop_waiting()
        self._look.forget()
        self._unreadable.clear()
        self.looked_at.clear()
        self._user_layers = UserLayers()
        if self.project is not None:
            self._watcher.removePath(str(self.project.folder))
            self.project.presence.leave()
            self.project = None
            self.folder_changed.emit()
            self.images_changed.emit()
            self.shown_changed.emit()
        return True

    def keep_elsewhere(self, place: Path) -> bool:
        """Keep strokes and masks of the open folder elsewhere from now on; whether that worked.

        Strokes that couldn't be saved go there, and what is in the folder already is copied.

        Parameters
        ----------
        place
            A folder that may serve several folders of images.
        """
        project, shown = self.project, self.shown
        if project is None:
            return False
        own = folder_in(place, project.folder)
        try:
            begin_elsewhere(project.folder, own)
            moved = Project.open(project.folder, (), own)
        except MatSSLError as error:
            self.failed.emit(error)
            return False
        if shown is not None and shown.autosave.unsaved:
            kept = KeptStrokes(moved, shown.name, Version(None, None), shown.page)
            shown.autosave.redirect(kept.save, kept.written_elsewhere)
        Places().choose(project.folder, own)
        return self.open(self._opened)

    def survey(self, names: Sequence[str]) -> None:
        """Look at images in the background, for the table."""
        project = self.project

        def tell(found: object) -> None:
            if self.project is project:  # else it is of a folder that was closed
                if isinstance(found, tuple) and not isinstance(found[1], StackError):
                    self._unreadable.add(found[0])
                self.surveyed.emit(found)

        for name in names:
            self._survey.run(
                partial(project.survey, name), tell, lambda error, name=name: tell((name, error))
            )

    def _keep_facts(self, found: ImageFacts | tuple[str, MatSSLError]) -> None:
        name, facts = found if isinstance(found, tuple) else (found.name, found)
        self.looked_at[name] = facts

    def add_layer(self, layer: Layer, folder: Path | None = None) -> bool:
        """Take the visible plane of any image layer into the open folder; whether that worked.

        Parameters
        ----------
        layer
            Any image layer of the viewer.
        folder
            Where to keep it if no folder is open.
        """
        step = self.viewer.dims.current_step
        try:
            micrograph = micrograph_of(layer, self.viewer.dims)
            name, new = self._take_in(plane_title(layer, step), micrograph, folder)
        except MatSSLError as error:
            self.failed.emit(error)
            return False
        if self.project is None or not self.leave_image():
            return False
        self._user_layers.remember(name, layer, step)
        path = self.project.image_path(name)
        self.said.emit(f"{layer.name} is {'kept' if new else 'in the folder already,'} as {path}.")
        if not self.show_image(name):
            return False
        if new and micrograph.pixel_size is not None:
            self.set_pixel_size(micrograph.pixel_size)
        return True

    def _take_in(self, title: str, micrograph: Micrograph, folder: Path | None) -> tuple[str, bool]:
        """Make a plane an image of the open folder, else of `folder`; its name, whether it is new.

        A file of the folder is what it is.
        """
        file = micrograph.path
        target = self.project.folder if self.project is not None else folder
        if target is None:
            raise InputError("No folder is open.", "Open a folder first.")
        if file is not None and file.parent.resolve() == target.resolve():
            if self.project is None or file.name not in self.project.names:
                self.open([target])
            return file.name, False
        if self.project is None:
            path, new = keep_plane(target / FOLDER / PLANES, images_in(target), title, micrograph)
            self.open([target])
            return path.name, new
        name, new = self.project.add_plane(title, micrograph)
        self.images_changed.emit()
        if new:
            self.survey([name])
        return name, new

    # --- the shown image

    def show_image(self, name: str) -> bool:
        """Show an image with its painted labels and its last segmentation."""
        if self.project is None or (self.shown is not None and self.shown.name == name):
            return self.shown is not None
        return self._show_image(self.project, name)

    def _show_image(self, project: Project, name: str) -> bool:
        def read() -> tuple[str, int | None, Micrograph, Version]:
            load_units()
            chosen = project.begin_page(name)
            page = project.page(name)
            return chosen, page, project.read(name, page), project.label_version(name, page)

        try:
            found = self.wait_for(read, f"Opening {name}...")
        except MatSSLError as error:
            self._unreadable.add(name)
            self.surveyed.emit((name, error))
            self.failed.emit(error)
            return False
        self._unreadable.discard(name)
        if self._closed or self.project is not project:  # while it was read
            return False
        with self.viewer.layers.batched_update():  # else napari tidies up after each layer
            return self._bring_up(project, name, *found)

    def _bring_up(
        self,
        project: Project,
        name: str,
        chosen: str,
        page: int | None,
        micrograph: Micrograph,
        strokes: Version,
    ) -> bool:
        """Put an image that was read into the place of the one that is shown."""
        before = None if self.shown is None else self.shown.micrograph
        if not self.leave_image():
            return False
        self._arranging = True
        try:
            users = self._user_layers.bring_up(name, self.viewer)
            image = add_micrograph(self.viewer, micrograph) if users is None else users
            blank = np.zeros((micrograph.height, micrograph.width), np.uint8)
            painted = blank if strokes.ids is None else strokes.ids.copy()
            layer = add_labels(self.viewer, image, painted, project.classes, PAINTED, "painted")
        finally:
            self._arranging = False
        kept = KeptStrokes(project, name, strokes, page)
        autosave = Autosave(layer, kept.save, self, kept.written_elsewhere, kept.prepare)
        self.shown = Shown(name, micrograph, image, layer, autosave, users is None, page)
        autosave.changed.connect(lambda: self.painted_changed.emit(name))
        autosave.saved.connect(lambda: self._on_saved(name))
        autosave.remarked.connect(self.said)
        autosave.failed.connect(self.failed)
        autosave.failed.connect(lambda _error: self.painted_changed.emit(name))
        project.current = name
        if before is None or _extent(before) != _extent(micrograph):
            self.viewer.reset_view()
            self.fitted.emit()
        self.image_shown.emit()
        self._look.bring_back(self.shown)
        self.shown_changed.emit()
        if chosen:
            self.said.emit(chosen)
            self.survey([name])
        return True

    def set_page(self, page: int) -> None:
        """Choose which page of the shown image's file counts, from 1, and show it."""
        project, shown = self.project, self.shown
        if project is None or shown is None or page == shown.micrograph.page:
            return
        shown.autosave.flush()
        if shown.autosave.unsaved:  # why has been told
            self.shown_changed.emit()
            return
        name, left = shown.name, shown.micrograph.page
        painted = int(np.count_nonzero(shown.painted.data))
        try:
            remarks = project.set_page(name, page)
        except MatSSLError as error:
            self.failed.emit(error)
            self.shown_changed.emit()
            return
        self._show_image(project, name)
        if painted:
            self.said.emit(
                f"{name}: page {page} counts. The {painted:,} px painted on page {left} are kept "
                "for when that page is chosen again."
            )
        for remark in remarks:
            self.said.emit(remark)
        self.survey([name])
        self.painted_changed.emit(name)

    def _on_saved(self, name: str) -> None:
        shown, project = self.shown, self.project
        if shown is None or project is None:
            return
        if shown.painted.metadata[CLASSES] != project.classes:
            self.classes_changed.emit()
        self.painted_changed.emit(name)

    def _show_any(self, project: Project) -> None:
        """Show the image that was shown last, or the first of those that can be read."""
        for name in dict.fromkeys([project.current or project.names[0], *project.names]):
            if self.show_image(name):
                return

    def step(self, by: int) -> None:
        """Show the next (1) or previous (-1) image; those that can't be read are passed."""
        if self.project is None:
            return
        name = None if self.shown is None else self.shown.name
        while True:
            name = neighbour(self.order, self.project.names, name, by)
            if name is None:
                return
            if name not in self._unreadable and self.show_image(name):
                return
            if name not in self._unreadable:  # the strokes of the shown image can't be saved
                return

    def refresh(self) -> None:
        """List the images of the folder anew: some may have come or gone."""
        project = self.project
        if project is None:
            return
        before = {*project.names}
        shown = None if self.shown is None else self.shown.name
        if not project.refresh(keep=shown):
            return
        added = [name for name in project.names if name not in before]
        gone = before - {*project.names}
        self.order = ()
        self.images_changed.emit()
        self.survey([*added, shown] if shown is not None and shown not in added else added)
        changes = [f"{len(n)} {w}" for n, w in ((added, "new"), (gone, "gone")) if n]
        if changes:
            self.said.emit(f"Images of the folder: {', '.join(changes)}.")

    def set_excluded(self, names: Sequence[str], excluded: bool) -> None:
        """Exclude images from training, segmenting all, and measuring; or take them in again."""
        if self.project is None:
            return
        try:
            self.project.set_excluded(names, excluded)
        except MatSSLError as error:
            self.failed.emit(error)
        for name in names:
            self.painted_changed.emit(name)
        self.images_changed.emit()

    def leave_image(self) -> bool:
        """Save the strokes of the shown image and take its layers out of the viewer.

        Returns False, and leaves everything as it is, if the strokes can't be saved.
        """
        shown = self.shown
        if shown is None:
            return True
        shown.autosave.flush()
        if shown.autosave.unsaved:
            return False
        self.image_leaves.emit()
        self.shown = None
        self._look.remember(shown)
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

    def set_pixel_size(self, size: PixelSize | None, everywhere: bool = False) -> None:
        """Set the pixel size of the shown image, or of all; None goes back to the files'."""
        if everywhere:
            self._set(lambda project, _name: project.set_pixel_size_of_all(size))
            self.survey(() if self.project is None else self.project.names)
        else:
            self._set(lambda project, name: project.set_pixel_size(name, size))

    def set_info_bar(self, row: int | Literal["auto"] | None) -> None:
        """Set the first row of the shown image's info bar; None: it has none."""
        self._set(lambda project, name: project.set_info_bar(name, row))

    # --- inside

    def _set(self, change: Callable[[Project, str], None]) -> None:
        """Change what is known of the shown image, and its layers with it."""
        project, shown = self.project, self.shown
        if project is None or shown is None:
            return
        try:
            change(project, shown.name)
            micrograph = self.wait_for(
                lambda: project.read(shown.name), f"Reading {shown.name} again..."
            )
            if self.shown is not shown:  # while it was read
                return
            shown.micrograph = micrograph
        except MatSSLError as error:
            self.failed.emit(error)
        shown.image.metadata[INFO_BAR] = shown.micrograph.info_bar
        before = tuple(shown.image.scale)
        if shown.image.ndim == 2:  # else it is a user's stack, on whose grid the strokes stay
            apply_pixel_size([shown.image, *shown.layers], shown.micrograph.pixel_size)
        if tuple(shown.image.scale) != before:
            self.viewer.reset_view()
            self.fitted.emit()
        self.survey([shown.name])
        self.shown_changed.emit()

    def _on_plane(self, _event: Event) -> None:
        """Hide the strokes while another plane of their stack is shown."""
        shown = self.shown
        if shown is not None and not shown.own_image and not self._arranging:
            shown.painted.visible = self._user_layers.shows(shown.name, self.viewer.dims)

    def _on_removed(self, event: Event) -> None:
        """Save the strokes of an image whose layers somebody deletes."""
        shown = self.shown
        if self._arranging or shown is None:
            return
        shown.extra = {title: x for title, x in shown.extra.items() if x is not event.value}
        if event.value in (shown.image, shown.painted):
            self.flush()
            self._orphaned.start()  # the list of layers may be in the middle of deleting several

    def _let_go(self) -> None:
        """Leave an image of which layers were deleted."""
        shown, layers = self.shown, self.viewer.layers
        if shown is None or (shown.image in layers and shown.painted in layers):
            return
        if shown.image in layers:
            layers.append(shown.painted)
            self.said.emit(
                f'The layer "{shown.painted.name}" is back: it holds the strokes on {shown.name}. '
                "The eye beside its name hides it."
            )
        elif self.leave_image():
            self.said.emit(
                f"{shown.name} is closed, since its layer was deleted; its strokes are saved. "
                "Choose it in the list of images to go on."
            )
            self.shown_changed.emit()
        elif shown.painted not in layers:
            layers.append(shown.painted)  # strokes that can't be saved stay in sight

    def close(self) -> None:
        """Save everything; the viewer closes."""
        self._closed = True
        if self.shown is not None:
            self.shown.autosave.close()
        self.shown = None
        if self.project is not None:
            self.project.presence.leave()
        self._survey.close()


def neighbour(order: Sequence[str], names: Sequence[str], shown: str | None, by: int) -> str | None:
    """Find the image to step to: the next in the order of the list, as sorted and filtered.

    Parameters
    ----------
    order
        The images that the list shows, from top to bottom; empty: all.
    names
        All images in natural order.
    shown
        The image that is shown; may be none of the list's.
    by
        1 or -1.

    Returns
    -------
    None past the ends.
    """
    listed = [name for name in order if name in names] or list(names)
    if shown is None:
        return listed[0]
    if shown in listed:
        at = listed.index(shown) + by
        return listed[at] if 0 <= at < len(listed) else None
    place = names.index(shown) if shown in names else -1
    beyond = [n for n in listed if (names.index(n) - place) * by > 0]
    return min(beyond, key=lambda n: abs(names.index(n) - place), default=None)


def _extent(micrograph: Micrograph) -> tuple[float, float]:
    size = micrograph.pixel_size.mean_um if micrograph.pixel_size is not None else 1.0
    return micrograph.height * size, micrograph.width * size
