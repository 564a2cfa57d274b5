"""The thread that drives a job. It uses no Qt, so it may outlive the window."""

import atexit
import ctypes
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari_matssl.errors import ComputeError, MatSSLError
from napari_matssl.progress import Control, Job, Progress

log = logging.getLogger(__name__)

NICENESS = 10
"""Priority of the job's thread; the window's is 0, higher numbers wait for lower ones."""

LAST_STEP_S = 4.0
"""Longest time that the end of the program waits for a step, s."""

ASK_S = 0.5
"""How often a paused job looks whether its window is still there, s."""

LOOK_S = 0.12
"""Time that a job leaves the processor to the window to show a preview, s."""

LOOK_EVERY_S = 2.0
"""At most so often, s: jobs with many previews, such as tiles, aren't held up by each."""


@dataclass(frozen=True)
class Outcome:
    """The end of a job: its result, an error with details for the clipboard, or neither."""

    result: Any = None
    error: MatSSLError | None = None
    details: str = ""
    cancelled: bool = False


def failure(title: str, error: BaseException) -> Outcome:
    """Turn any exception into one for the user that keeps no frame, and so no model, alive."""
    details = "".join(traceback.format_exception(error))
    if isinstance(error, MatSSLError):
        log.debug("%s failed\n%s", title, details)
        error.__traceback__ = error.__cause__ = error.__context__ = None
        return Outcome(error=error, details=details)
    # As text, since handlers that store records would keep the frames of exc_info alive.
    log.error("%s failed\n%s", title, details)
    reason = str(error).strip().partition("\n")[0]
    if not reason or isinstance(error, KeyError):
        reason = f"{type(error).__name__} {reason}".strip()
    what = f"{title} failed: {reason.rstrip('.')}."
    remedy = "The log holds the details. Try again; if it fails again, report it with them."
    return Outcome(error=ComputeError(what, remedy), details=details)


def yield_to_the_window() -> None:
    """Lower the priority of this thread; only Linux has priorities of single threads."""
    if sys.platform != "linux":
        return
    try:
        niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0))
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
    except OSError as error:
        log.debug("the job keeps the window's priority: %s", error)


def give_memory_back() -> None:
    """Return freed memory to the system; only glibc keeps it for its threads.

    After a training these are 0.5 GB, and the next thread may take others.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is not None and hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def _leave_the_thread_alone() -> None:
    """Allow a clean end of the process while a thread is in the middle of torch.

    Two things would end it by a signal. Python, once it is ending, unwinds a thread that comes
    back to it, and C++ calls ``std::terminate`` where that passes torch: such a thread shall sleep
    instead. And destructors of libraries would run under the thread: the C library is asked to
    leave, with the status that the program ends with, as soon as Python has ended. Only glibc and
    libstdc++ can be asked so; elsewhere threads end before destructors run (Windows) or take their
    chance.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "on_exit"):
        library.on_exit(library._exit, None)
    try:
        set_terminate = ctypes.CDLL("libstdc++.so.6")._ZSt13set_terminatePFvvE
    except (OSError, AttributeError):
        return
    set_terminate(ctypes.cast(library.pause, ctypes.c_void_p))


class JobThread:
    """Drive one job in a daemon thread.

    Parameters
    ----------
    title
        Name of the job for people.
    make_job
        Makes the generator; called in the thread.
    forsaken
        Whether its owner is gone, which cancels the job; called in the thread.
    """

    def __init__(
        self,
        title: str,
        make_job: Callable[[], Job[Any]],
        forsaken: Callable[[], bool] = lambda: False,
    ) -> None:
        self.title = title
        self._forsaken = forsaken
        self.paused = self.finishing = self.cancelling = False
        self.outcome: Outcome | None = None
        self._news: list[Progress] = []
        self._latest: Progress | None = None
        self._next_look = 0.0
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._run, args=(make_job,), daemon=True)
        self._thread.start()
        atexit.register(self._leave)

    def steer(self, *, pause: bool = False, finish: bool = False, cancel: bool = False) -> None:
        """Request what the job does after the current step."""
        with self._wake:
            self.finishing |= finish
            self.cancelling |= cancel
            self.paused = pause
            self._wake.notify()

    def cancel(self) -> None:
        """Cancel after the current step."""
        self.steer(cancel=True)

    def take(self, with_latest: bool) -> list[Progress]:
        """Hand over what has to be shown: all with a message or preview, then the latest."""
        with self._wake:
            news, self._news = self._news, []
            if with_latest and self._latest is not None:
                news.append(self._latest)
                self._latest = None
            return news

    def ended(self, timeout: float) -> bool:
        """Wait for the end of the thread, s; return whether it came."""
        self._thread.join(timeout)
        over = not self._thread.is_alive()
        if over:
            atexit.unregister(self._leave)
        return over

    def _leave(self) -> None:
        """End with the program: a thread in the middle of torch would make it crash."""
        self.cancel()
        if not self.ended(LAST_STEP_S):
            log.warning("%s is left in the middle of a step", self.title)
            _leave_the_thread_alone()

    def _run(self, make_job: Callable[[], Job[Any]]) -> None:
        try:
            outcome = self._drive(make_job)
        except BaseException as error:  # noqa: BLE001 - else the window would wait for ever
            outcome = failure(self.title, error)
        give_memory_back()
        self.outcome = outcome

    def _drive(self, make_job: Callable[[], Job[Any]]) -> Outcome:
        job = make_job()
        # Not earlier: loading takes locks that the window needs, too (memory, the loader, Python).
        # Beside busy programs, a thread of low priority would hold them for seconds.
        yield_to_the_window()
        control: Control | None = None
        try:
            while not self.cancelling and not self._forsaken():
                progress = job.send(control)
                self._report(progress)
                control = Control.STOP if self.finishing else None
        except StopIteration as end:
            return Outcome(result=end.value)
        finally:
            job.close()
        return Outcome(cancelled=True)

    def _report(self, progress: Progress) -> None:
        """Leave news for the window; wait here while paused."""
        with self._wake:
            if progress.message or progress.preview is not None:
                self._news.append(progress)
                self._latest = None
            else:
                self._latest = progress
            while self.paused and not self._forsaken():
                self._wake.wait(ASK_S)
            if progress.preview is not None and time.monotonic() >= self._next_look:
                self._next_look = time.monotonic() + LOOK_EVERY_S
                self._wake.wait_for(lambda: self.finishing or self.cancelling, LOOK_S)
