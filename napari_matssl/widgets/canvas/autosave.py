"""Painted labels save themselves."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from napari_matssl.errors import MatSSLError, OutputError
from napari_matssl.project.merging_strokes import Saved
from napari_matssl.widgets.jobs.background import Background
from napari_matssl.widgets.jobs.later import later

DELAY_MS = 700
"""Time from the first stroke that isn't saved to its saving; with writing, under 2 seconds."""

LONGEST_WAIT = 20.0
"""Seconds to wait for a slow disk when a layer is left."""

AGAIN_MS = 3000
"""Time from a saving that failed to the next try."""

LOOK_MS = 1500
"""Time between checks whether another program has written the file."""


class _Joined(NamedTuple):
    """Strokes as handed over, and as on disk, joined with those of other programs."""

    ours: NDArray[np.uint8]
    all: NDArray[np.uint8]


class Autosave(QObject):
    """Watch one painted layer and save it shortly after each change.

    A change is a difference between the layer and what was saved last, however it came about:
    strokes, fills, undo, data set by a script.

    Parameters
    ----------
    layer
        The painted labels.
    save
        Writes ``(H, W)`` uint8 ids to disk; called in another thread. It returns
        whether strokes of other programs were joined with them; these are shown in the layer.
    written_elsewhere
        Whether another program has written the file; called in another thread.
    prepare
        Makes the first saving quick; called in another thread at once, with a function that tells
        whether it is still of use.
    """

    changed = Signal()
    """The strokes differ from what is on disk."""
    saved = Signal()
    """They are on disk."""
    failed = Signal(object)
    """A MatSSLError: they could not be written. Writing is repeated, and reported once."""
    remarked = Signal(str)
    """A line on what another program has done with the file."""

    def __init__(
        self,
        layer: Labels,
        save: Callable[[NDArray[np.uint8]], Saved | None],
        parent: QObject,
        written_elsewhere: Callable[[], bool] = lambda: False,
        prepare: Callable[[Callable[[], bool]], None] = lambda _wanted: None,
    ) -> None:
        super().__init__(parent)
        self.problem: MatSSLError | None = None
        """Why the last saving failed; None if it didn't."""
        self._layer, self._save, self._written_elsewhere = layer, save, written_elsewhere
        self._kept = layer.data.copy()
        self._joined: _Joined | None = None
        self._busy = False
        self._idle = True
        self._thread = Background(self)
        self._thread.run(lambda: prepare(lambda: self._idle), lambda _done: None, self._on_failed)
        self._timer = later(self, self._begin, DELAY_MS)
        self._again = later(self, self._begin, AGAIN_MS)
        self._looks = QTimer(self)
        self._looks.setInterval(LOOK_MS)
        self._looks.timeout.connect(self._look)
        self._looks.start()
        self._events = [
            getattr(layer.events, name) for name in ("paint", "labels_update", "set_data", "data")
        ]
        for event in self._events:
            event.connect(self._touched)

    @property
    def unsaved(self) -> bool:
        """Whether there are strokes that are not on disk yet, or not any more."""
        return self.problem is not None or self._differs()

    def redirect(
        self,
        save: Callable[[NDArray[np.uint8]], Saved | None],
        written_elsewhere: Callable[[], bool],
    ) -> None:
        """Save to another place from now on, all that is painted: see the class's parameters."""
        self._save, self._written_elsewhere = save, written_elsewhere

    def flush(self) -> None:
        """Save now what isn't saved, and wait for it."""
        self._idle = False
        self._timer.stop()
        if not self._thread.wait(LONGEST_WAIT):
            slow = f"The disk has taken more than {LONGEST_WAIT:.0f} s to save the strokes."
            self._on_failed(OutputError(slow, "Wait for it, then try again."))
            return
        self._busy = False
        try:
            if self._differs() or self._written_elsewhere():
                self._on_saved(self._write(self._layer.data.copy()))
            elif self.problem is not None:
                self._on_saved()
        except MatSSLError as error:
            self._on_failed(error)

    def close(self) -> None:
        """Save what isn't saved and stop watching."""
        for event in self._events:
            event.disconnect(self._touched)
        self._looks.stop()
        self.flush()
        self._timer.stop()
        self._again.stop()
        self._thread.close()

    def _touched(self, _event: object = None) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _begin(self) -> None:
        if self._busy:
            return  # the end of that saving calls this again
        if self._differs():
            self.changed.emit()
            self._save_in_thread()
        elif self.problem is not None:
            # Strokes may have been undone until nothing was left to save.
            self._look_in_thread()

    def _save_in_thread(self) -> None:
        self._busy, self._idle = True, False
        ids = self._layer.data.copy()
        self._thread.run(lambda: self._write(ids), self._on_saved, self._on_failed)

    def _look(self) -> None:
        """Join what another program has written meanwhile, even without strokes here."""
        if not self._busy and not self._timer.isActive() and self.problem is None:
            self._look_in_thread()

    def _look_in_thread(self) -> None:
        self._busy = True
        self._thread.run(self._written_elsewhere, self._on_looked, self._on_failed)

    def _on_looked(self, written: bool) -> None:
        self._busy = False
        if written:
            self._save_in_thread()
        elif self._differs():
            self._touched()
        elif self.problem is not None:
            self._on_saved()

    def _differs(self) -> bool:
        """Whether the layer shows something else than what was saved last."""
        self._show_joined()
        return not np.array_equal(self._kept, self._layer.data)

    def _write(self, ids: NDArray[np.uint8]) -> Saved | None:
        saved = self._save(ids)
        # Set in this thread, so that it is there once a wait for it ends.
        self._kept = ids if saved is None else saved.version.ids
        if self._kept is not ids:
            self._joined = _Joined(ids, self._kept)
        return saved

    def _show_joined(self) -> None:
        """Show others' strokes in the layer, but where it was painted again since."""
        joined, self._joined = self._joined, None
        if joined is None:
            return
        data = self._layer.data
        theirs = (joined.all != joined.ours) & (data == joined.ours)
        data[theirs] = joined.all[theirs]  # bypasses the undo history: the user didn't paint it
        self._layer.refresh()

    def _on_saved(self, saved: Saved | None = None) -> None:
        self._busy = False
        self._again.stop()
        self.problem = None
        if self._differs():  # strokes may have changed during the writing
            self._touched()
        for line in () if saved is None else saved.remarks:
            self.remarked.emit(line)
        self.saved.emit()

    def _on_failed(self, error: MatSSLError) -> None:
        self._busy = False
        reported = self.problem is not None and str(self.problem) == str(error)
        self.problem = error
        self._again.start()
        if not reported:
            self.failed.emit(error)
