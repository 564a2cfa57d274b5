"""Painted labels save themselves."""

from collections.abc import Callable

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from napari_matssl.errors import MatSSLError
from napari_matssl.widgets.jobs.background import Background

DELAY_MS = 700
"""Time from the first stroke that isn't saved to its saving; with writing, under 2 seconds."""

LONGEST_WAIT = 20.0
"""Seconds to wait for a slow disk when a layer is left."""


class Autosave(QObject):
    """Watch one painted layer and save it shortly after each change.

    A change is a difference between the layer and what was saved last, however it came about:
    strokes, fills, undo, data set by a script.

    Parameters
    ----------
    layer
        The painted labels.
    save
        Writes ``(H, W)`` uint8 ids to disk; called in another thread.
    """

    changed = Signal()
    """The strokes differ from what is on disk."""
    saved = Signal()
    """They are on disk."""
    failed = Signal(object)
    """A MatSSLError: they could not be written. Tried again at the next stroke."""

    def __init__(
        self, layer: Labels, save: Callable[[NDArray[np.uint8]], None], parent: QObject
    ) -> None:
        super().__init__(parent)
        self.problem: MatSSLError | None = None
        """Why the last saving failed; None if it didn't."""
        self._layer, self._save = layer, save
        self._kept = layer.data.copy()
        self._thread = Background(self)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self._begin)
        self._events = [
            getattr(layer.events, name) for name in ("paint", "labels_update", "set_data", "data")
        ]
        for event in self._events:
            event.connect(self._touched)

    @property
    def unsaved(self) -> bool:
        """Whether there are strokes that are not on disk yet."""
        return not np.array_equal(self._kept, self._layer.data)

    def flush(self) -> None:
        """Save now what isn't saved, and wait for it."""
        self._timer.stop()
        self._thread.wait(LONGEST_WAIT)
        if not self.unsaved:
            return
        try:
            self._write(self._layer.data.copy())
        except MatSSLError as error:
            self._on_failed(error)
        else:
            self._on_saved()

    def close(self) -> None:
        """Save what isn't saved and stop watching."""
        for event in self._events:
            event.disconnect(self._touched)
        self.flush()
        self._thread.close()

    def _touched(self, _event: object = None) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _begin(self) -> None:
        if not self.unsaved:
            return
        self.changed.emit()
        ids = self._layer.data.copy()
        self._thread.run(lambda: self._write(ids), self._on_saved, self._on_failed)

    def _write(self, ids: NDArray[np.uint8]) -> None:
        self._save(ids)
        self._kept = ids  # here, so that whoever waits for the thread knows what it has written

    def _on_saved(self, _result: object = None) -> None:
        self.problem = None
        if self.unsaved:  # undone, perhaps, while it was written
            self._touched()
        self.saved.emit()

    def _on_failed(self, error: MatSSLError) -> None:
        self.problem = error
        self.failed.emit(error)
