"""The state that panels of a viewer share: open folder, classes, results, job."""

import atexit
import logging
import os
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QApplication

from napari_matssl.errors import MatSSLError, OutputError, UnwrittenError
from napari_matssl.progress import Job
from napari_matssl.tasks.label_import.importing import ImportedLabels
from napari_matssl.widgets.canvas.bar_line import BarLine
from napari_matssl.widgets.canvas.canvas_menu import CanvasMenu
from napari_matssl.widgets.canvas.correction_area import CorrectionArea
from napari_matssl.widgets.canvas.counting import PointCounting
from napari_matssl.widgets.canvas.current_image import CurrentImage
from napari_matssl.widgets.canvas.info_bar import InfoBarLine
from napari_matssl.widgets.canvas.keys import Keys
from napari_matssl.widgets.canvas.live_wish import LiveWish
from napari_matssl.widgets.canvas.measured_layer import MeasuredLayer
from napari_matssl.widgets.canvas.mouse import Mouse
from napari_matssl.widgets.canvas.notices import Notices
from napari_matssl.widgets.canvas.open_folder import OpenFolder
from napari_matssl.widgets.canvas.palette import Palette
from napari_matssl.widgets.canvas.peek import Peek
from napari_matssl.widgets.canvas.results import Results
from napari_matssl.widgets.canvas.settings_watch import SettingsWatch
from napari_matssl.widgets.canvas.strokes import Strokes
from napari_matssl.widgets.canvas.view import View
from napari_matssl.widgets.closing import Closing, leave_windows_alone
from napari_matssl.widgets.controls.error_text import explain
from napari_matssl.widgets.controls.message_box import MessageBox, Messages, MessagesOver
from napari_matssl.widgets.guide import IMAGE_KEY, PLACE_KEY, Guide
from napari_matssl.widgets.jobs.runner import JobRunner
from napari_matssl.widgets.jobs.running_job import RunningJob
from napari_matssl.widgets.jobs.torch_start import start_torch
from napari_matssl.widgets.measured_figures import MeasuredFigures
from napari_matssl.widgets.model_files import ModelFiles
from napari_matssl.widgets.napari_private import (
    canvas_widget,
    has_window,
    keep_canvas_alive,
    main_window,
)

log = logging.getLogger(__name__)


class Session(QObject):
    """One per viewer; panels find it by :func:`session_of`."""

    models_changed = Signal()
    """A model or encoder was trained, imported, renamed, noted on or deleted."""
    fine_tuned = Signal(object)
    """A model was fine-tuned: what the task returns."""

    def __init__(self, viewer: Viewer) -> None:
        window = main_window(viewer)
        super().__init__(window)
        self.viewer = viewer
        keep_canvas_alive(viewer)
        self.notices = Notices(self)
        self.folder = OpenFolder(self.notices, self)
        self.current = CurrentImage(viewer, self.folder, self)
        self.palette = Palette(self.current)
        self.results = Results(self.current)
        self.settings_watch = SettingsWatch(self.results)
        self.measured = MeasuredLayer(self.current, self.results)
        self.info_bar = InfoBarLine(self.results)
        self.view = View(viewer, self.current)
        self.peek = Peek(self.current)
        self.live = LiveWish(self)
        self.runner = JobRunner(self)
        self._job_title = ""
        self.last_import: ImportedLabels | None = None
        """What was imported last, to be undone."""
        self.messages = Messages(self)
        self.over_canvas = MessagesOver(self.messages, canvas_widget(viewer))
        self.figures = MeasuredFigures(self.folder, self.start, self)
        self.model_files = ModelFiles(self.folder, self.runner, self.start, self)
        self.model_files.changed.connect(self.models_changed)
        self.notices.failed.connect(self._show_problem)
        self.notices.remarked.connect(lambda text: self._show_message(text, problem=False))
        self.runner.started.connect(self._on_job)
        self.area = CorrectionArea(viewer, self.results, self.palette)
        self.bar_line = BarLine(viewer, self.results, self.palette, self.notices)
        self.keys = Keys(viewer, self.current, self.palette, self.peek)
        self.strokes = Strokes(viewer, self.current, self)
        self.guide = Guide(viewer, self.current, self.start, self)
        self.models_changed.connect(self.guide.forget_places)
        self.fine_tuned.connect(self.models_changed)
        self.keys.bind(IMAGE_KEY, self.guide.next_image)
        self.keys.bind(PLACE_KEY, self.guide.next_place)
        self.counting = PointCounting(viewer, self.current, self.palette, self.keys)
        self.results.overlay_shown.connect(self.counting.keep_out_of_sight)
        self.menu = CanvasMenu(viewer, self.current, self.palette)
        self.mouse = Mouse(viewer, self.current, self.menu, self)
        self.closing = Closing(viewer, self.current, self.counting, self.runner, self)
        QApplication.instance().aboutToQuit.connect(self._quit)
        atexit.register(_leave, weakref.ref(self))

    def start(
        self,
        title: str,
        make_job: Callable[[], Job[Any]],
        owner: str = "",
        compute: bool = True,
        uses: Iterable[Path] = (),
    ) -> RunningJob | None:
        """Save the strokes and start a job; tell if it goes without some that can't be saved.

        Parameters
        ----------
        title, make_job, owner, uses
            As for the runner.
        compute
            The job needs torch, which is loaded in its thread and leaves a core to the window.

        Returns
        -------
        The job; None if it couldn't be started, which was reported.
        """

        def limited() -> Job[Any]:
            start_torch()
            return make_job()

        try:
            self.current.flush()
            job = self.runner.start(title, limited if compute else make_job, owner, uses)
        except MatSSLError as error:
            self.notices.failed.emit(error)
            return None
        shown = self.current.shown
        if shown is not None and shown.autosave.unsaved:
            what = f"{title} goes without the strokes on {shown.name} that aren't saved."
            self.notices.failed.emit(OutputError(what, str(shown.autosave.problem or "")))
        return job

    def _show_problem(self, error: MatSSLError) -> None:
        log.warning("%s", error)
        self._show_message(explain(error), problem=True)

    def _show_message(self, text: str, problem: bool) -> None:
        """Show a message in the docks; while none is in sight, over the image."""
        project = self.folder.project
        shown = text if project is None else text.replace(f"{project.folder}{os.sep}", "")
        self.messages.add(shown, text, problem)
        if not self._dock_in_sight:
            self.over_canvas.call(True)

    @property
    def _dock_in_sight(self) -> bool:
        """Whether one of our docks is to be seen: neither closed nor behind another tab."""
        boxes = main_window(self.viewer).findChildren(MessageBox)
        docked = [b.parentWidget() for b in boxes if b is not self.over_canvas]
        # Qt calls a dock behind another tab visible, but places it far outside the window.
        return any(not one.visibleRegion().isEmpty() for one in docked)

    def _on_job(self, job: RunningJob) -> None:
        self._job_title = job.title
        job.failed.connect(self._on_job_failed)
        job.succeeded.connect(self._on_job_done)

    def _on_job_failed(self, error: MatSSLError) -> None:
        """Show the messages of the job bar while it is out of sight."""
        if self._dock_in_sight:
            return
        text = f"{self._job_title} failed. {explain(error)}"
        if isinstance(error, UnwrittenError):
            text += " A MatSSL panel (in the menu Plugins) has the button for it."
        self._show_message(text, problem=True)

    def _on_job_done(self, _result: object) -> None:
        if not self._dock_in_sight:
            self._show_message(f"{self._job_title} is done.", problem=False)

    def leave(self) -> None:
        """End with Python, if Qt's window hasn't been closed before: a script was over."""
        self._quit()
        for watcher in (self.keys, self.mouse, self.closing):
            watcher.let_go()
        leave_windows_alone()

    def _quit(self) -> None:
        self.folder.end()
        self.runner.close(timeout=0)  # Python waits for its thread when the program ends


def _leave(session: weakref.ref[Session]) -> None:
    there = session()
    if there is None or not isalive(there) or not has_window(there.viewer):
        return  # the window was closed
    there.leave()


def session_of(viewer: Viewer) -> Session:
    """Find the session of a viewer, or begin it."""
    viewer = getattr(viewer, "__wrapped__", viewer)  # napari hands a proxy to plugins
    window = main_window(viewer)
    session = window.findChild(Session)
    return session if session is not None else Session(viewer)
