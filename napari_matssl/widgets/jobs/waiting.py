"""Waiting for short work whose result the next step needs, with a window that is redrawn meanwhile.

Opening a folder or a large image takes a second or more. It is done in a thread; the window goes
on with all but the user's input, which is kept until the work is done. So the caller gets the
result as from a function, and no folder is ever half open.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from qtpy.QtCore import QEventLoop, Qt
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QApplication

Result = TypeVar("Result")

QUICK_S = 0.05
"""What is done within this time needs no events in between, s."""

SIGN_S = 0.3
"""From then on a busy sign is shown, s."""

_TURN_S = 0.01


def wait_for(
    work: Callable[[], Result], sign: Callable[[str], object] | None = None, text: str = ""
) -> Result:
    """Do some work in a thread and return its result, or raise its error.

    Timers and signals are delivered meanwhile: check afterwards whether what the result is for is
    still there.

    Parameters
    ----------
    work
        Work to do, without Qt.
    sign
        Called with `text` once it takes long, and with an empty text at the end of that.
    text
        What is being done.
    """
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            outcome.set_exception(error)

    thread = threading.Thread(target=run, name="matssl-waiting", daemon=True)
    began = time.monotonic()
    thread.start()
    thread.join(QUICK_S)
    shown = False
    try:
        while thread.is_alive():
            if not shown and time.monotonic() - began > SIGN_S:
                shown = True
                QApplication.setOverrideCursor(QCursor(Qt.CursorShape.BusyCursor))
                if sign is not None:
                    sign(text)
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
            thread.join(_TURN_S)
    finally:
        if shown:
            QApplication.restoreOverrideCursor()
            if sign is not None:
                sign("")
    return outcome.result()
