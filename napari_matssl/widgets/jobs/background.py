"""Short work beside the window: thumbnails, saving strokes, measuring masks.

Long jobs, which can be paused and stopped, go through the runner instead.
"""

import logging
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from time import monotonic
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QApplication

from napari_matssl.errors import ComputeError, MatSSLError

log = logging.getLogger(__name__)

HAND_OVER_MS = 10
"""How often the window asks for results while there is work, ms."""


class Background(QObject):
    """One thread that does one thing after another and hands results back to the window.

    The thread uses no Qt: results wait until the window takes them. So the thread may
    outlive the panel, the dock or the window that gave it work.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="matssl")
        self._pending: set[Future[None]] = set()
        self._results: deque[Callable[[], object]] = deque()
        self._closed = False
        self._timer = QTimer(self)
        self._timer.setInterval(HAND_OVER_MS)
        self._timer.timeout.connect(self._hand_over)
        # Else the program would not end before all queued work is done. `destroyed` can't be used:
        # Python must not be called while garbage collection destroys an object of Qt.
        weakref.finalize(self, self._pool.shutdown, wait=False, cancel_futures=True)
        QApplication.instance().aboutToQuit.connect(self.close)

    def run(
        self,
        work: Callable[[], Any],
        then: Callable[[Any], object],
        failed: Callable[[MatSSLError], object],
    ) -> None:
        """Queue some work; `then` gets its result, `failed` its error, in the window's thread."""
        if self._closed:
            return
        future = self._pool.submit(_do, weakref.ref(self), work, then, failed, self._results)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        self._timer.start()

    def drop_waiting(self) -> None:
        """Drop the work that has not begun."""
        for future in list(self._pending):
            future.cancel()

    def finish(self, timeout: float) -> bool:
        """Wait until all is done and handed over, what results bring with them, too.

        Returns
        -------
        Whether it took no longer than `timeout`, in seconds.
        """
        end = monotonic() + timeout
        while self._pending or self._results:
            if wait(list(self._pending), max(0.0, end - monotonic())).not_done:
                return False
            self._hand_over()
        return True

    def close(self) -> None:
        """Take no more work, and hand nothing over any more."""
        self._closed = True
        self._timer.stop()
        self._results.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _hand_over(self) -> None:
        # Asked first, so that results that arrive meanwhile are handed over.
        over = not self._pending
        while self._results and not self._closed:
            self._results.popleft()()
        if over and not self._pending:
            self._timer.stop()


def is_gone(owner: weakref.ref[QObject]) -> bool:
    """Whether Qt has destroyed who asked for some work; may be asked from any thread."""
    there = owner()
    return there is None or not isalive(there)


def _do(
    background: weakref.ref[Background],
    work: Callable[[], Any],
    then: Callable[[Any], object],
    failed: Callable[[MatSSLError], object],
    results: deque[Callable[[], object]],
) -> None:
    if is_gone(background):
        return
    try:
        results.append(partial(then, work()))
    except MatSSLError as error:
        results.append(partial(failed, error))
    except Exception as error:  # any error has to reach the user
        log.exception("work in the background failed")
        problem = ComputeError(f"{type(error).__name__}: {error}", "The log holds the details.")
        results.append(partial(failed, problem))
