"""A job that runs in its thread: what the window hears of it, and how it is steered."""

import time
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QCoreApplication, QEvent, QObject, QTimer, Signal
from qtpy.QtGui import QMovie

from napari_matssl.errors import UnwrittenError
from napari_matssl.progress import Job
from napari_matssl.widgets.jobs.background import is_gone
from napari_matssl.widgets.jobs.job_thread import JobThread, Outcome
from napari_matssl.widgets.napari_private import running_spinners

HAND_OVER_MS = 30
"""How often the window asks the thread for news, ms."""

PLAIN_S = 0.25
"""Shortest time between two steps shown that bring neither message nor preview, s."""


class RunningJob(QObject):
    """One job. Whoever starts it connects to these signals; all come in the window's thread.

    Receivers should drop results once they are done with them.

    Parameters
    ----------
    title
        Name of the job for people: ``"Fine-tuning"``.
    make_job
        Makes the generator. Called in the job's thread, since it may import torch.
    owner
        Which kind of panel it belongs to: one that is opened while it runs follows it, too.
    uses
        Files of models that it reads or writes: they have to stay as they are.
    """

    progressed = Signal(object)
    """A Progress: at most four a second and the latest, but every one with message or preview."""
    succeeded = Signal(object)
    """The job's result. It may follow `failed`: a result that is written elsewhere later."""
    failed = Signal(object)
    """The MatSSLError that ended the job."""
    cancelled = Signal()
    """The job was given up; there is no result."""
    ended = Signal()
    """The job is over, whatever happened; another one can be started."""
    pause_changed = Signal(bool)
    """The job was paused (True) or resumed (False)."""

    def __init__(
        self,
        title: str,
        make_job: Callable[[], Job[Any]],
        owner: str = "",
        uses: Iterable[Path] = (),
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.title, self.owner, self.uses = title, owner, frozenset(uses)
        self.details = ""
        """Traceback of the failure."""
        self.unwritten: UnwrittenError | None = None
        """The result, where it couldn't be written and is kept in memory."""
        self.percent, self.stage = 0, "starting"
        """How far the present stage of the job is, and its name."""
        self._activity: Any = None
        self._held: list[QMovie] = []
        self._over = self._closed = self._handing_over = False
        self._plain_due = 0.0
        self._thread = JobThread(title, make_job, partial(is_gone, weakref.ref(self)))
        self._timer = QTimer(self)
        self._timer.setInterval(HAND_OVER_MS)
        self._timer.timeout.connect(self._hand_over)
        self._timer.start()

    @property
    def paused(self) -> bool:
        """Whether the job was paused."""
        return self._thread.paused

    @property
    def stopping(self) -> bool:
        """Whether the job was asked to finish or was cancelled."""
        return self._thread.finishing or self._thread.cancelling

    @property
    def cancelling(self) -> bool:
        """Whether the job was cancelled and makes its last step."""
        return self._thread.cancelling

    def pause(self) -> None:
        """Wait after the current step."""
        if not self._over and not self.stopping and not self.paused:
            self._thread.steer(pause=True)
            self.pause_changed.emit(True)

    def resume(self) -> None:
        """Resume after a pause."""
        self._steer()

    def finish(self) -> None:
        """Stop after the current step and keep the best so far."""
        self._steer(finish=True)

    def cancel(self) -> None:
        """Stop after the current step and keep nothing."""
        self._steer(cancel=True)

    def close(self, timeout: float) -> bool:
        """Cancel and wait for the thread; no signal is emitted any more.

        Parameters
        ----------
        timeout
            Longest time to wait, s. The window stands still meanwhile.

        Returns
        -------
        Whether the thread has ended. One that hasn't ends after its step, or with the program.
        """
        self._over = self._closed = True
        self._timer.stop()
        self._close_activity()
        self._thread.cancel()
        return self._thread.ended(timeout)

    def _steer(self, *, finish: bool = False, cancel: bool = False) -> None:
        was_paused = self.paused
        self._thread.steer(finish=finish, cancel=cancel)
        if was_paused:
            self.pause_changed.emit(False)

    def _hand_over(self) -> None:
        """Show what the thread has left for the window.

        napari's activity dock processes events, so this may be called from within itself, and the
        job's window may be closed meanwhile.
        """
        if self._over or self._handing_over:
            return
        # Asked first, so that reports that arrive meanwhile are shown.
        outcome = self._thread.outcome
        self._handing_over = True
        try:
            now = outcome is not None or time.monotonic() >= self._plain_due
            for progress in self._thread.take(with_latest=now):
                self._plain_due = time.monotonic() + PLAIN_S
                self.percent = round(100 * progress.step / progress.total) if progress.total else 0
                self.stage = progress.stage
                self.progressed.emit(progress)
                if self._over:
                    return
            if outcome is None:
                self._show_activity()
        finally:
            self._handing_over = False
        if outcome is not None:
            self._end(outcome)

    def _end(self, outcome: Outcome) -> None:
        """Emit how the job ended and drop every reference to it."""
        self._over = True
        self._timer.stop()
        # Signals that the job's thread has sent to the window arrive before its end.
        QCoreApplication.sendPostedEvents(None, int(QEvent.Type.MetaCall))
        if self._closed:
            return
        self._thread.ended(timeout=1)  # the thread is idle; its end frees its frames
        self._thread.outcome = None
        self._close_activity()
        self.resume()  # it may have been paused during its last step
        if self.cancelling:  # the job was done already, but the user has cancelled it
            outcome = Outcome(cancelled=True)
        if isinstance(outcome.error, UnwrittenError):
            self.unwritten = outcome.error
        self._announce(outcome)
        del outcome
        if not self._closed:  # the window may be closed by now
            self.ended.emit()

    def _announce(self, outcome: Outcome) -> None:
        if outcome.cancelled:
            self.cancelled.emit()
        elif outcome.error is not None:
            self.details = outcome.details
            self.failed.emit(outcome.error)
        else:
            self.succeeded.emit(outcome.result)

    def _show_activity(self) -> None:
        """Show the job in napari's activity dock.

        napari processes events in here, so the window may be closed before this returns.
        """
        if self._activity is None:
            from napari.utils import progress

            # Without a viewer, napari writes the bar to a file, here to one that is discarded.
            bar = progress(total=100, desc=self.title, file=StringIO())
            if self._over:
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
                # napari stops the animation with a bar and doesn't restart it.
                movie.setPaused(False)


def _hold_spinners() -> list[QMovie]:
    """Stop napari's spinners, beside which there is a bar; return those stopped.

    Whatever moves in a window with an OpenGL canvas repaints all of it, canvas included: without
    a graphics card the spinner alone takes half a core from the training.
    """
    held = running_spinners()
    for movie in held:
        movie.setPaused(True)
    return held
