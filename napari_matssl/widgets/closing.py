"""Closing of the window: strokes and counts are saved; the user is asked about a running job."""

from napari.viewer import Viewer
from qtpy import PYQT5, PYQT6
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QApplication, QMainWindow, QMessageBox

from napari_matssl.widgets.canvas.counting import PointCounting
from napari_matssl.widgets.canvas.current_image import CurrentImage
from napari_matssl.widgets.controls.forms import agreed
from napari_matssl.widgets.jobs.runner import JobRunner
from napari_matssl.widgets.jobs.running_job import RunningJob
from napari_matssl.widgets.napari_private import main_window, viewer_widget

FINISH, CANCEL, STAY = "Finish now and keep", "Cancel the job", "Stay"
"""Buttons of the question that a running job asks for."""


class Closing(QObject):
    """Watch over one window. Scripts that close their viewer are not asked anything."""

    def __init__(
        self,
        viewer: Viewer,
        current: CurrentImage,
        counting: PointCounting,
        runner: JobRunner,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._current, self._runner = viewer, current, runner
        self._counting = counting
        self._folder = current.folder
        self._afterwards = self._kept = False
        runner.started.connect(self._on_started)
        runner.ended.connect(self._on_ended)
        self._window.installEventFilter(self)

    @property
    def _window(self) -> QMainWindow:
        return main_window(self._viewer)  # a stored reference would outlive the window

    def eventFilter(self, window: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Ask before the window closes; end what runs before it is destroyed."""
        if event.type() == QEvent.Type.DeferredDelete:
            self._folder.end()
            self._runner.close(timeout=0)
        if event.type() != QEvent.Type.Close:
            return False
        if not viewer_widget(self._viewer).isVisibleTo(window):  # closed by a script
            self._folder.end()
            return False
        safe = self._strokes_are_safe() and self._counts_are_safe()
        if safe and self._job_may_end() and self._results_are_safe():
            return False
        event.ignore()
        return True

    def let_go(self) -> None:
        """Watch no more: Python ends before Qt does."""
        self._window.removeEventFilter(self)

    def _strokes_are_safe(self) -> bool:
        shown = self._current.shown
        if shown is None:
            return True
        self._current.flush()
        if not shown.autosave.unsaved:
            return True
        question = f"The strokes on {shown.name} can't be saved. {shown.autosave.problem}"
        return agreed(self._window, "Strokes would be lost", question, "Close and lose them")

    def _counts_are_safe(self) -> bool:
        problem = self._counting.save()
        if problem is None:
            return True
        question = f"The points that were judged can't be saved. {problem}"
        return agreed(self._window, "A count would be lost", question, "Close and lose it")

    def _job_may_end(self) -> bool:
        """Ask what becomes of the job that runs."""
        runner = self._runner
        job = runner.job
        if job is None or job.cancelling:
            return True
        title, answer = job.title, self._ask(job)
        if not runner.busy:  # the job ended while the dialog was open
            return answer != STAY
        if answer == FINISH:
            self._afterwards = True
            job.finish()
            self._folder.notices.remarked.emit(
                f"The window closes when the result of {title} is saved."
            )
        return answer == CANCEL

    def _results_are_safe(self) -> bool:
        """Ask about results that couldn't be written."""
        unwritten = self._runner.all_unwritten
        if not unwritten:
            return True
        question = "\n".join(f"The result isn't saved. {one}" for one in unwritten)
        return agreed(self._window, "A result would be lost", question, "Close and lose it")

    def _ask(self, job: RunningJob) -> str:
        box = QMessageBox(self._window)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle("A job is running")
        box.setText(f"{job.title} is running: {job.percent} % of {job.stage} is done.")
        box.setInformativeText(
            f"{FINISH}: stop after the current step, keep the best so far, then close. "
            f"{CANCEL}: discard its result, then close."
        )
        finish = box.addButton(FINISH, QMessageBox.ButtonRole.AcceptRole)
        box.addButton(CANCEL, QMessageBox.ButtonRole.DestructiveRole)
        stay = box.addButton(STAY, QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(finish)
        box.setEscapeButton(stay)
        self._runner.ended.connect(box.reject)
        box.exec()
        clicked = box.clickedButton()
        box.deleteLater()
        return STAY if clicked is None else clicked.text().replace("&", "")

    def _on_started(self, job: RunningJob) -> None:
        self._afterwards = self._kept = False
        job.succeeded.connect(self._on_succeeded)

    def _on_succeeded(self, _result: object) -> None:
        self._kept = True

    def _on_ended(self) -> None:
        if self._afterwards and self._kept:  # else the window stays, with the reason
            QTimer.singleShot(0, self._close)
        self._afterwards = False

    def _close(self) -> None:
        self._window.close(quit_app=self._window._quit_app)


def leave_windows_alone() -> None:
    """Have PyQt delete no open window at the end of Python: the process ends, and they with it.

    PyQt goes through all its objects then, and may go on in memory that is free: that of a widget
    which went with the window it has just deleted.
    """
    if PYQT5 or PYQT6:
        from qtpy import sip

        for widget in QApplication.topLevelWidgets():
            if sip.ispyowned(widget):
                sip.transferto(widget, None)
