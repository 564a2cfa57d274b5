"""Messages of a window beside jobs: remarks, problems, and what it waits for."""

from collections.abc import Callable

from qtpy.QtCore import QObject, Signal

from napari_matssl.widgets.jobs.waiting import Result, wait_for


class Notices(QObject):
    """Signals for messages, which session and panels show."""

    remarked = Signal(str)
    """A line worth reading."""
    failed = Signal(object)
    """A MatSSLError to show."""
    busy = Signal(str)
    """What the window waits for; empty once it is over."""

    def wait_for(self, work: Callable[[], Result], text: str) -> Result:
        """Do in a thread what the next step needs; `text` is shown if it takes long."""
        return wait_for(work, self.busy.emit, text)
