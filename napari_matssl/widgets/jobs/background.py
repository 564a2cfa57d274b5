"""Short work beside the window: thumbnails, saving strokes, measuring masks.

Long jobs, which can be paused and stopped, go through the runner instead.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_matssl.errors import ComputeError, MatSSLError

log = logging.getLogger(__name__)


class Background(QObject):
    """One thread that does one thing after another and hands results back to the window."""

    _finished = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="matssl")
        self._pending: set[Any] = set()
        self._closed = False
        stop = partial(self._pool.shutdown, wait=False, cancel_futures=True)
        self.destroyed.connect(lambda: stop())  # else the program would end after all that waits
        self._finished.connect(self._hand_over)  # emitted in the thread, received in the window's

    def run(
        self,
        work: Callable[[], Any],
        then: Callable[[Any], None],
        failed: Callable[[MatSSLError], None],
    ) -> None:
        """Queue some work; `then` gets its result, `failed` its error, in the window's thread."""
        if self._closed:
            return
        future = self._pool.submit(self._do, work, then, failed)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)

    def drop_waiting(self) -> None:
        """Forget the work that has not begun."""
        for future in list(self._pending):
            future.cancel()

    def wait(self, timeout: float) -> bool:
        """Wait until everything queued is done; whether it was in time."""
        return not wait(list(self._pending), timeout).not_done

    def close(self) -> None:
        """Take no more work, and hand nothing over any more."""
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _do(
        self,
        work: Callable[[], Any],
        then: Callable[[Any], None],
        failed: Callable[[MatSSLError], None],
    ) -> None:
        try:
            result = work()
            call = lambda: then(result)  # noqa: E731
        except MatSSLError as error:
            kept = error
            call = lambda: failed(kept)  # noqa: E731
        except Exception as error:  # whatever it is, the user has to hear of it
            log.exception("work in the background failed")
            problem = ComputeError(f"{type(error).__name__}: {error}", "The log holds the details.")
            call = lambda: failed(problem)  # noqa: E731
        if not self._closed:
            self._finished.emit(call)

    def _hand_over(self, call: Callable[[], None]) -> None:
        if not self._closed:
            call()
