"""One long job at a time, in a thread of its own, so that the window stays alive."""

import time
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtGui import QMovie
from qtpy.QtWidgets import QApplication, QLabel

from napari_matssl.errors import InputError, UnwrittenError
from napari_matssl.progress import Job, Progress
from napari_matssl.widgets.jobs.background import is_gone
from napari_matssl.widgets.jobs.job_thread import JobThread, Outcome, failure

HAND_OVER_MS = 30
"""How often the window asks the thread for news, ms."""

PLAIN_S = 0.25
"""Shortest time between two steps shown that bring neither message nor preview, s."""


class JobRunner(QObject):
    """Run one job at a time in a thread and tell the window about it.

    All signals are emitted in the window's thread. ``ended`` is always the last one of a job; the
    runner is busy until then, so what comes next is started from ``ended``, not from
    ``succeeded``. Receivers should drop results once they are done with them.
    """

    started = Signal(str)
    """A job began: its title."""
    progressed = Signal(object)
    """A Progress: at most four a second and the latest, but every one with message or preview."""
    succeeded = Signal(object)
    """The job's result."""
    failed = Signal(object)
    """The MatSSLError that ended the job."""
    cancelled = Signal()
    """The job was given up; there is no result."""
    ended = Signal()
    """The job is over, whatever happened."""
    pause_changed = Signal(bool)
    """The job was told to wait (True) or to go on (False)."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.details = ""
        """Traceback of the last failure; empty again once another job starts."""
        self._worker: JobThread | None = None
        self._on_result: Callable[[Any], None] | None = None
        self._unwritten_of: tuple[str, Callable[[Any], None] | None] = ("", None)
        self._uses: frozenset[Path] = frozenset()
        self._activity: Any = None
        self._held: list[QMovie] = []
        self._closed = self._handing_over = False
        self._plain_due = 0.0
        self.percent, self.stage = 0, ""
        """How far the present stage of the job is, and its name."""
        self.unwritten: UnwrittenError | None = None
        """A job's result that couldn't be written and is kept in memory, until it is."""
        self._timer = QTimer(self)
        self._timer.setInterval(HAND_OVER_MS)
        self._timer.timeout.connect(self._hand_over)

    @property
    def busy(self) -> bool:
        """Whether a job is running or paused."""
        return self._worker is not None

    @property
    def title(self) -> str:
        """The running job's title, else empty."""
        return self._worker.title if self._worker else ""

    @property
    def uses(self) -> frozenset[Path]:
        """Files of models that the running job needs to stay as they are."""
        return self._uses if self.busy else frozenset()

    @property
    def paused(self) -> bool:
        """Whether the job was told to wait."""
        return self._worker is not None and self._worker.paused

    @property
    def stopping(self) -> bool:
        """Whether the job was told to finish or was cancelled."""
        return self._worker is not None and (self._worker.finishing or self._worker.cancelling)

    @property
    def cancelling(self) -> bool:
        """Whether the job was cancelled and makes its last step."""
        return self._worker is not None and self._worker.cancelling

    @property
    def busy_reason(self) -> str:
        """Why no job can be started now; empty if one can."""
        if not self.busy:
            return ""
        return f"{self.title} is running; one job at a time. Wait, or cancel it."

    def start(
        self,
        title: str,
        make_job: Callable[[], Job[Any]],
        on_result: Callable[[Any], None] | None = None,
        uses: Iterable[Path] = (),
    ) -> None:
        """Start a job.

        Parameters
        ----------
        title
            Name of the job for people: ``"Fine-tuning"``.
        make_job
            Makes the generator. Called in the job's thread, since it may import torch.
        on_result
            Called with the result in the window's thread, before ``succeeded``. If it raises, the
            job has failed.
        uses
            Files of models that the job reads or writes.

        Raises
        ------
        InputError
            If a job is running.
        """
        if self.busy:
            raise InputError(self.busy_reason)
        if self._closed:
            raise InputError(f"{title} can't be started: its window was closed.")
        self.details = ""
        self._on_result = on_result
        self._uses = frozenset(uses)
        self._plain_due = 0.0
        self.percent, self.stage = 0, "starting"
        self._worker = JobThread(title, make_job, partial(is_gone, weakref.ref(self)))
        self._timer.start()
        self.started.emit(title)

    def write_elsewhere(self, path: Path) -> None:
        """Write a job's result, which couldn't be written, to another file.

        Raises
        ------
        InputError
            If a job is running, or nothing waits to be written.
        """
        unwritten = self.unwritten
        if unwritten is None:
            raise InputError("There is nothing that waits to be saved.")

        def write() -> Job[Any]:
            yield Progress("saving", 0, 1)
            written = unwritten.write(path)
            self.unwritten = None
            return written

        title, on_result = self._unwritten_of
        self.start(title, write, on_result)

    def pause(self) -> None:
        """Wait after the step that is running."""
        if self._worker is not None and not self.stopping and not self.paused:
            self._worker.steer(pause=True)
            self.pause_changed.emit(True)

    def resume(self) -> None:
        """Go on after a pause."""
        self._steer()

    def finish(self) -> None:
        """Stop after the step that is running and keep the best so far."""
        self._steer(finish=True)

    def cancel(self) -> None:
        """Stop after the step that is running and keep nothing."""
        self._steer(cancel=True)

    def close(self, timeout: float = 4.0) -> bool:
        """Cancel and wait for the thread; no signal is emitted any more.

        Parameters
        ----------
        timeout
            Longest time to wait, s. The window stands still meanwhile.

        Returns
        -------
        Whether the thread has ended. One that hasn't ends after its step, or with the program.
        """
        self._closed = True
        self._timer.stop()
        self._on_result = None
        worker, self._worker = self._worker, None
        self._close_activity()
        if worker is None:
            return True
        worker.cancel()
        return worker.ended(timeout)

    def _steer(self, *, finish: bool = False, cancel: bool = False) -> None:
        if self._worker is None:
            return
        was_paused = self.paused
        self._worker.steer(finish=finish, cancel=cancel)
        if was_paused:
            self.pause_changed.emit(False)

    def _hand_over(self) -> None:
        """Show what the thread has left for the window.

        napari's activity dock processes events, so this may be called from within itself, and the
        job's window may be closed meanwhile.
        """
        worker = self._worker
        if worker is None or self._handing_over:
            return
        over = worker.outcome is not None  # asked first: what is reported before the end is shown
        self._handing_over = True
        try:
            for progress in worker.take(with_latest=over or time.monotonic() >= self._plain_due):
                self._plain_due = time.monotonic() + PLAIN_S
                self.percent = round(100 * progress.step / progress.total) if progress.total else 0
                self.stage = progress.stage
                self.progressed.emit(progress)
                if self._worker is not worker:
                    return
            if not over:
                self._show_activity(worker)
        finally:
            self._handing_over = False
        if over:
            self._end(worker)

    def _end(self, worker: JobThread) -> None:
        """Tell how the job ended and drop every reference to it."""
        self._timer.stop()
        worker.ended(timeout=1)  # it has nothing left to do; with it go its frames
        self._close_activity()
        self.resume()  # told to pause during its last step
        outcome, worker.outcome = worker.outcome or Outcome(), None
        on_result, self._on_result = self._on_result, None
        if worker.cancelling:
            outcome = Outcome(cancelled=True)  # too late for the thread, in time for the user
        elif isinstance(outcome.error, UnwrittenError):
            self.unwritten, self._unwritten_of = outcome.error, (worker.title, on_result)
        elif outcome.error is None and on_result is not None:
            try:
                on_result(outcome.result)
            except Exception as error:  # noqa: BLE001 - told to the user like the job's own
                outcome = failure(worker.title, error)
        self._announce(outcome)
        del outcome, on_result
        if self._worker is worker:
            self._worker = None
            self.ended.emit()

    def _announce(self, outcome: Outcome) -> None:
        if self._closed:
            return
        if outcome.cancelled:
            self.cancelled.emit()
        elif outcome.error is not None:
            self.details = outcome.details
            self.failed.emit(outcome.error)
        else:
            self.succeeded.emit(outcome.result)

    def _show_activity(self, worker: JobThread) -> None:
        """Show the job in napari's activity dock.

        napari processes events in here, so the window may be closed before this returns.
        """
        if self._activity is None:
            from napari.utils import progress

            # Without a viewer such a bar is written to a file; a terminal has no use for it.
            bar = progress(total=100, desc=worker.title, file=StringIO())
            if self._worker is not worker:
                bar.close()
                return
            self._activity = bar
            self._held = _hold_spinners()
        # Closing the viewer disables its bars.
        if self.percent != self._activity.n and not self._activity.disable:
            self._activity.update(self.percent - self._activity.n)

    def _close_activity(self) -> None:
        bar, self._activity = self._activity, None
        if bar is not None:
            bar.close()
        held, self._held = self._held, []
        for movie in held:
            if isalive(movie):
                movie.setPaused(False)  # that of a bar which is gone has been stopped, and stays so


def _hold_spinners() -> list[QMovie]:
    """Hold napari's turning spinners still; the bars beside them say more. Return those held.

    Whatever moves in a window with an OpenGL canvas repaints all of it, canvas included: without
    a graphics card the spinner alone takes half a core from the training.
    """
    from napari._qt.dialogs.qt_activity_dialog import ActivityToggleItem

    held = []
    for window in QApplication.topLevelWidgets():
        for item in window.findChildren(ActivityToggleItem):
            movies = [label.movie() for label in item.findChildren(QLabel)]
            held += [m for m in movies if m is not None and m.state() == m.MovieState.Running]
    for movie in held:
        movie.setPaused(True)
    return held
