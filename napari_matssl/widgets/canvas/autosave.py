"""Painted labels save themselves."""

from functools import partial
from typing import NamedTuple

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from napari_matssl.errors import MatSSLError, OutputError, without_frames
from napari_matssl.project.folder import Project
from napari_matssl.project.merging_strokes import Saved
from napari_matssl.project.panorama_strokes import StrokesFile
from napari_matssl.widgets.controls.preferences import preferences
from napari_matssl.widgets.jobs.background import Background
from napari_matssl.widgets.jobs.later import later

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
    file
        Where they are saved; used in another thread. Strokes of other programs that are joined with
        them are shown in the layer.
    """

    changed = Signal()
    """The strokes differ from what is on disk."""
    saved = Signal()
    """They are on disk."""
    failed = Signal(object)
    """A MatSSLError: they could not be written. Writing is repeated, and reported once."""
    remarked = Signal(str)
    """A line on what another program has done with the file."""

    def __init__(self, layer: Labels, file: StrokesFile, parent: QObject) -> None:
        super().__init__(parent)
        self.problem: MatSSLError | None = None
        """Why the last saving failed; None if it didn't."""
        self.quiet = False
        """Whether others' strokes are joined without a line: they are of a job of this window."""
        self._layer, self._file = layer, file
        self._kept = layer.data.copy()
        self._joined: _Joined | None = None
        self._busy = False
        self._idle = True
        self._thread = Background(self)
        prepare = partial(file.prepare, lambda: self._idle)
        self._thread.run(prepare, lambda _done: None, self._on_failed)
        # From the first stroke that isn't saved; by default under 2 seconds, with writing.
        self._timer = later(self, self._begin, round(1000 * preferences().saving))
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

    def move(self, project: Project) -> None:
        """Save to another place from now on, to which the file was copied."""
        self._file = self._file.at(project)

    @property
    def settled(self) -> bool:
        """Whether all is saved, and nothing is being written or looked at."""
        return not self._busy and not self.unsaved

    def go_on_with(self, file: StrokesFile) -> None:
        """Watch the layer with other strokes from another place, as it is now; once settled."""
        self._file, self._kept = file, self._layer.data.copy()

    def flush(self) -> None:
        """Save now what isn't saved, and wait for it."""
        self._idle = False
        self._timer.stop()
        if not self._thread.finish(LONGEST_WAIT):
            slow = f"The disk has taken more than {LONGEST_WAIT:.0f} s to save the strokes."
            self._on_failed(OutputError(slow, "Wait for it, then try again."))
            return
        self._busy = False
        try:
            if self._differs() or self._file.written_elsewhere():
                self._on_saved(self._write(self._layer.data.copy()))
            elif self.problem is not None:
                self._on_saved()
        except MatSSLError as error:
            self._on_failed(error)

    def close(self) -> None:
        """Save what isn't saved and stop watching; may be called again."""
        for event in self._events:
            event.disconnect(self._touched)
        self._events.clear()
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
        self._thread.run(self._file.written_elsewhere, self._on_looked, self._on_failed)

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

    def _write(self, ids: NDArray[np.uint8]) -> Saved:
        saved = self._file.save(ids)
        # Set in this thread, so that it is there once a wait for it ends.
        self._kept = saved.version.ids
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
        for line in () if saved is None or self.quiet else saved.remarks:
            self.remarked.emit(line)
        self.saved.emit()

    def _on_failed(self, error: MatSSLError) -> None:
        self._busy = False
        reported = self.problem is not None and str(self.problem) == str(error)
        self.problem = without_frames(error)
        self._again.start()
        if not reported:
            self.failed.emit(error)
