"""The folder that is open in a window: its project, its images, and their facts."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from qtpy.QtCore import QFileSystemWatcher, QObject, Signal

from napari_matssl.errors import InputError, MatSSLError, StackError
from napari_matssl.learn.card_files import read_card
from napari_matssl.project.folder import Project
from napari_matssl.project.image_summary import ImageFacts, survey
from napari_matssl.project.substitute_folder import begin_elsewhere, folder_in
from napari_matssl.widgets.canvas.notices import Notices
from napari_matssl.widgets.controls.recent import Places
from napari_matssl.widgets.jobs.background import Background
from napari_matssl.widgets.jobs.later import AFTER_VIEW_MS, later

REFRESH_MS = 500
"""Time to gather changes of the folder before its images are listed anew."""


class OpenFolder(QObject):
    """The project of the open folder, if there is one, and the survey of its images."""

    changed = Signal()
    """Another folder is open, or none."""
    opened = Signal()
    """A folder is open, and one of its images shall be shown."""
    moved = Signal(object)
    """Strokes and masks will be kept elsewhere: the Project there, which is about to be opened."""
    ending = Signal()
    """The window closes."""
    images_changed = Signal()
    """The list of images is another."""
    surveyed = Signal(str)
    """What `facts` holds of that image is new."""
    painted_changed = Signal(str)
    """The strokes on that image: changed, or saved."""
    classes_changed = Signal()
    """Another window has changed the class table."""

    def __init__(self, notices: Notices, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.notices = notices
        self.project: Project | None = None
        self.order: tuple[str, ...] = ()
        """The images as the list shows them, sorted and filtered; empty: all."""
        self.facts: dict[str, ImageFacts | MatSSLError] = {}
        """What was found out about images so far."""
        self.unreadable: set[str] = set()
        """Images that couldn't be read when it was tried last."""
        self.painting: str | None = None
        """The image in the viewer: it stays in the list even if its file is gone."""
        self.ended = False
        self.may_close: Callable[[], bool] = lambda: True
        """Asked before the folder is closed; False if something of it can't be saved."""
        self._paths: tuple[Path, ...] = ()
        self._survey = Background(self)
        self._watcher = QFileSystemWatcher(self)
        # Copying images into a folder changes it many times.
        self._refresh_later = later(self, self.refresh, REFRESH_MS)
        self._survey_later = later(self, self._survey_all, AFTER_VIEW_MS)
        self._watcher.directoryChanged.connect(self._refresh_later.start)

    def open(self, paths: Sequence[Path], show: bool = True) -> bool:
        """Open a folder, or some files of one, and show an image if wanted; whether that worked."""
        try:
            project, gone = self.notices.wait_for(
                lambda: _project_of(paths), f"Opening {paths[0].name}..."
            )
        except MatSSLError as error:
            self.notices.failed.emit(error)
            return False
        if self.ended or not self.close():
            return False
        self.project, self._paths = project, tuple(paths)
        self._watcher.addPath(str(project.folder))
        self.order = ()
        self.changed.emit()
        self.images_changed.emit()
        for remark in (*project.remarks, *project.presence.enter()):
            self.notices.remarked.emit(remark)
        if gone is not None:
            self.notices.remarked.emit(
                f"{project.folder}: its strokes and masks are kept in {gone}, which isn't there. "
                "Put it back and open the folder again."
            )
        if show:
            self.opened.emit()
        self._survey_later.start()  # an image that is shown comes first
        return True

    def require_project(self) -> Project:
        """Return the project, for what can't be done without one.

        Raises
        ------
        InputError
            If no folder is open.
        """
        if self.project is None:
            raise InputError("No folder is open.", "Open a folder of micrographs first.")
        return self.project

    def close(self) -> bool:
        """Close the folder; False if it stays open, as strokes can't be saved."""
        if not self.may_close():
            return False
        self._survey_later.stop()
        self._survey.drop_waiting()
        self.unreadable.clear()
        self.facts.clear()
        if self.project is not None:
            self._watcher.removePath(str(self.project.folder))
            self.project.presence.leave()
            self.project = None
            self.changed.emit()
            self.images_changed.emit()
        return True

    def end(self) -> None:
        """Save everything; the window closes."""
        self.ended = True
        self.ending.emit()
        if self.project is not None:
            self.project.presence.leave()
        self._survey.close()

    def keep_elsewhere(self, place: Path) -> bool:
        """Keep strokes and masks of the open folder elsewhere from now on; whether that worked.

        Strokes that couldn't be saved go there, and what is in the folder already is copied.
        """
        project = self.project
        if project is None:
            return False
        own = folder_in(place, project.folder)

        def copy() -> Project:
            begin_elsewhere(project.folder, own)
            return Project(project.folder, (), own)

        try:
            moved = self.notices.wait_for(copy, f"Copying strokes and masks to {place}...")
        except MatSSLError as error:
            self.notices.failed.emit(error)
            return False
        if self.ended or self.project is not project:  # another folder was opened meanwhile
            return False
        self.moved.emit(moved)
        Places().choose(project.folder, own)
        return self.open(self._paths)

    def holds(self, project: Project | None) -> bool:
        """Whether a project is that of the open folder; another may have been opened meanwhile."""
        return (
            self.project is not None
            and project is not None
            and self.project.folder == project.folder
        )

    def _survey_all(self) -> None:
        if self.project is not None:
            self.survey(self.project.images.names)

    def survey(self, names: Sequence[str]) -> None:
        """Look at images in the background, for the table."""
        project = self.project
        if project is None:
            return

        def note(name: str, facts: ImageFacts | MatSSLError) -> None:
            if self.project is project:  # else that folder was closed meanwhile
                self.note(name, facts)

        for name in names:
            self._survey.run(
                partial(survey, project, name), partial(note, name), partial(note, name)
            )

    def note(self, name: str, facts: ImageFacts | MatSSLError) -> None:
        """Keep what was found out about an image, or why it can't be read."""
        self.facts[name] = facts
        if isinstance(facts, MatSSLError) and not isinstance(facts, StackError):
            self.unreadable.add(name)
        self.surveyed.emit(name)

    def refresh(self) -> None:
        """List the images of the folder anew: some may have come or gone."""
        project = self.project
        if project is None:
            return
        before, shown = {*project.images.names}, self.painting
        if not project.images.refresh(keep=shown):
            return
        added = [name for name in project.images.names if name not in before]
        gone = before - {*project.images.names}
        self.order = ()
        self.images_changed.emit()
        self.survey([*added, shown] if shown is not None and shown not in added else added)
        changes = [f"{len(n)} {w}" for n, w in ((added, "new"), (gone, "gone")) if n]
        if changes:
            self.notices.remarked.emit(f"Images of the folder: {', '.join(changes)}.")

    def set_excluded(self, names: Sequence[str], excluded: bool) -> None:
        """Exclude images from training, segmenting all, and measuring; or take them in again."""
        if self.project is None:
            return
        try:
            self.project.micrographs.set_excluded(names, excluded)
        except MatSSLError as error:
            self.notices.failed.emit(error)
        for name in names:
            self.painted_changed.emit(name)
        self.images_changed.emit()

    def neighbour(self, name: str | None, by: int) -> str | None:
        """Find the image to step to: the next in the order of the list, as sorted and filtered.

        Parameters
        ----------
        name
            The image that is shown; may be none of the list's.
        by
            1 or -1.

        Returns
        -------
        None past the ends.
        """
        names = () if self.project is None else self.project.images.names
        listed = [one for one in self.order if one in names] or list(names)
        if name is None:
            return listed[0] if listed else None
        if name in listed:
            at = listed.index(name) + by
            return listed[at] if 0 <= at < len(listed) else None
        place = names.index(name) if name in names else -1
        beyond = [one for one in listed if (names.index(one) - place) * by > 0]
        return min(beyond, key=lambda one: abs(names.index(one) - place), default=None)


def _project_of(paths: Sequence[Path]) -> tuple[Project, Path | None]:
    """Read a folder, or some files of one; and the place that it is kept in, if that is gone.

    The models' cards are read along, so that lists of models needn't wait for a slow drive.
    """
    folders = [path for path in paths if path.is_dir()]
    if folders and len(paths) > 1:
        raise InputError("More than one folder was given.", "Open one folder at a time.")
    folder = folders[0] if folders else paths[0].parent
    own = Places().of(folder)
    gone = own is not None and not own.is_dir()
    project = Project(folder, () if folders else tuple(paths), None if gone else own)
    for model in project.models.files():
        with suppress(MatSSLError):  # the lists show the reason
            read_card(model)
    return project, own if gone else None
