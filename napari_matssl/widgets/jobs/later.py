"""Calls that wait a little: many wishes become one, and more urgent things come first."""

from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer

AFTER_VIEW_MS = 200
"""In which the first view of an image is drawn, before threads read what isn't in view."""


def later(parent: QObject, call: Callable[[], object], ms: int = 0) -> QTimer:
    """Make a timer that calls once, so many ms after it was last started."""
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(ms)
    timer.timeout.connect(call)
    return timer
