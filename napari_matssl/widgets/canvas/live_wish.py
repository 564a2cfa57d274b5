"""Whether a live preview is wanted: one truth for the panel that asks and the one that makes it."""

from qtpy.QtCore import QObject, Signal


class LiveWish(QObject):
    """The switch of the live preview, and its messages."""

    switched = Signal(bool)
    """Previews are wanted from now on, or not."""
    asked = Signal()
    """A preview of the image in view is wanted at once, painted or not."""
    reported = Signal(str)
    """How long the preview took, or why there is none."""
    offered = Signal()
    """Previews can be made from now on."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.on = True
        self.is_offered = False

    def switch(self, on: bool) -> None:
        """Want previews, or none."""
        if on != self.on:
            self.on = on
            self.switched.emit(on)

    def offer(self) -> None:
        """Announce that previews can be made."""
        self.is_offered = True
        self.offered.emit()
