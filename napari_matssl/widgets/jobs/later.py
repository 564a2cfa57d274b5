"""Calls that wait a little, so that many wishes become one."""

from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer


def later(parent: QObject, call: Callable[[], object], ms: int = 0) -> QTimer:
    """Make a timer that calls once, so many ms after it was last started."""
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(ms)
    timer.timeout.connect(call)
    return timer
