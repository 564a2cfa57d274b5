"""Taking up what other windows and programs set for the open folder."""

from functools import partial

from qtpy.QtCore import QObject, QTimer

from napari_matssl.errors import MatSSLError
from napari_matssl.micrograph.panorama import AnyMicrograph
from napari_matssl.project.folder import Project
from napari_matssl.project.record import Record
from napari_matssl.widgets.canvas.autosave import LOOK_MS
from napari_matssl.widgets.canvas.results import Results
from napari_matssl.widgets.canvas.shown import Shown
from napari_matssl.widgets.jobs.background import Background


class SettingsWatch(QObject):
    """Look at class table and record of the open folder now and then, and show what is new there.

    Parameters
    ----------
    results
        Of the open folder.
    """

    def __init__(self, results: Results) -> None:
        super().__init__(results)
        self._results, self._current, self._folder = results, results.current, results.folder
        self._busy = False
        self._told = ""
        self._known: Record | None = None
        self._thread = Background(self)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)
        self._timer.start()
        self._folder.changed.connect(self._on_folder)
        self._folder.ending.connect(self._end)

    def _on_folder(self) -> None:
        project = self._folder.project
        self._known = None if project is None else project.record.value

    def _look(self) -> None:
        project = self._folder.project
        if project is None or self._busy:
            return
        self._busy = True
        self._thread.run(project.look_again, partial(self._on_looked, project), self._on_failed)

    def _on_looked(self, project: Project, changed: bool) -> None:
        self._busy, self._told = False, ""
        if self._folder.project is not project:
            return
        before, now = self._known, project.record.value
        self._known = now
        if not changed:
            return
        self._folder.notices.remarked.emit(
            "Settings or classes of this folder were changed by another window or program: they "
            "count here, too."
        )
        self._folder.classes_changed.emit()
        self._folder.images_changed.emit()
        self._results.clean(project.masks.cleaning)
        names = project.images.names
        self._folder.survey(
            [name for name in names if before is None or before.image(name) != now.image(name)]
        )
        shown = self._current.shown
        if shown is not None:
            read = partial(project.micrographs.read_any, shown.name, shown.page)
            self._thread.run(read, partial(self._on_read, shown), self._on_failed)

    def _on_read(self, shown: Shown, micrograph: AnyMicrograph) -> None:
        if self._current.shown is shown:
            self._current.take_facts(micrograph)

    def _on_failed(self, error: MatSSLError) -> None:
        """Report what can't be read, once."""
        self._busy = False
        if str(error) != self._told:
            self._told = str(error)
            self._folder.notices.failed.emit(error)

    def _end(self) -> None:
        self._timer.stop()
        self._thread.close()
