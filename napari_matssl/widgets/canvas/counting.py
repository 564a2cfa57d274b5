"""Counting classes at points of the shown image, by keys, while its mask is out of sight."""

import secrets
import time
from collections.abc import Callable
from functools import partial
from statistics import median

from napari.layers import Layer
from napari.viewer import Viewer
from qtpy.QtCore import QObject, Qt, Signal

from napari_matssl.errors import MatSSLError, without_frames
from napari_matssl.labels.class_table import LabelClass
from napari_matssl.project.folder import Project
from napari_matssl.project.kept_points import KeptCount
from napari_matssl.tasks.measuring.point_counts import new_count, now_in_words
from napari_matssl.widgets.canvas.current_image import CurrentImage
from napari_matssl.widgets.canvas.keys import Keys
from napari_matssl.widgets.canvas.palette import Palette
from napari_matssl.widgets.canvas.point_view import PointView
from napari_matssl.widgets.canvas.shown import OVERLAYS, Shown
from napari_matssl.widgets.canvas.unwritten_counts import UnwrittenCounts
from napari_matssl.widgets.jobs.job_time import about

SAVED_EVERY = 5
"""Points after which a count is written."""

HINT = "1 to 9: class, B: boundary, 0: can't tell, Backspace: undo, + and -: zoom, Esc: pause"
"""Text of napari's status bar meanwhile."""

_KEYS = 9  # classes that have a key
_ZOOM_STEP = 1.25
_PACE = 20  # points whose time foretells that of the others


class PointCounting(QObject):
    """One count at a time, of the shown image; it pauses when another is shown."""

    changed = Signal()
    """It began, went on, or paused; a point was judged."""
    finished = Signal(str)
    """The count of that image is finished."""

    def __init__(self, viewer: Viewer, current: CurrentImage, palette: Palette, keys: Keys) -> None:
        super().__init__(current)
        self._viewer, self._current, self._palette, self._keys = viewer, current, palette, keys
        self._notices = current.folder.notices
        self._view = PointView(viewer)
        self._shown: Shown | None = None
        self._kept: KeptCount | None = None
        self._between: tuple[int, ...] | None = None  # classes of a boundary that is being judged
        self._unwritten = UnwrittenCounts()
        self._unsaved = 0
        self._pace: list[float] = []  # s from point to point
        self._since = 0.0
        self._begun = False  # a count of the shown image, which isn't finished
        self._blinded: list[Layer] = []  # overlays that stay out of sight while a count is begun
        self._looked_at: Shown | None = None
        current.leaving.connect(self._on_leaving)
        current.changed.connect(self._on_shown)
        current.folder.moved.connect(self._save_to)
        current.folder.ending.connect(self._end)
        palette.classes_changed.connect(self._on_classes)

    # --- what there is

    @property
    def running(self) -> bool:
        """Whether points are judged now."""
        return self._kept is not None

    @property
    def blind(self) -> bool:
        """Whether masks and figures stay out of sight: a count runs, or pauses on this image."""
        return self.running or self._begun

    @property
    def kept(self) -> KeptCount | None:
        """The count that runs."""
        return self._kept

    @property
    def waiting(self) -> KeptCount | None:
        """A count of the shown image that pauses and couldn't be written yet."""
        return self._unwritten.of(self._current.shown)

    @property
    def asks_for_boundary(self) -> bool:
        """Whether the classes on both sides of a boundary are asked for."""
        return self._between is not None

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """The classes that can be counted, in the order of their keys."""
        return self._palette.classes

    @property
    def progress(self) -> str:
        """How far it is, and how long it will take, in words."""
        if self._kept is None:
            return ""
        done, total = len(self._kept.answers), len(self._kept.points)
        if done == total:
            return f"All {total} points are judged. Enter: compare with the mask"
        text = f"{done + 1} of {total}"
        if len(self._pace) >= SAVED_EVERY:
            text += f", {about(median(self._pace[-_PACE:]) * (total - done))}"
        return text

    # --- beginning and ending

    def begin(self, points: int, anew: bool = False, by: str = "") -> bool:
        """Begin to count, or go on where it was left; whether that worked.

        Parameters
        ----------
        points
            How many, where no count was begun.
        anew
            Draw new points in any case.
        by
            Who counts; empty leaves a name that a begun count has.
        """
        shown = self._current.shown
        if shown is None or self.running:
            return False
        waits = self.waiting is not None and not anew
        try:
            if waits:
                self._unwritten.write(shown)
            kept = shown.project.points.go_on(shown.name, shown.page)
            if waits and kept is not None and kept.finished:
                self._end_of(shown)
                return True
            if kept is None or kept.finished or anew:
                seed = secrets.randbits(32)
                kept = new_count(shown.project, shown.whole(), points, seed)
            if by:
                kept = kept.model_copy(update={"by": by})
            shown.project.points.write(shown.name, kept, shown.page)
        except MatSSLError as error:
            self._notices.failed.emit(error)
            self.changed.emit()
            return False
        self._unwritten.drop(shown)
        self._shown, self._kept, self._between = shown, kept, None
        self._pace, self._unsaved = [], 0
        self._view.begin(shown)
        self._keys.lend(self._calls())
        self._next()
        return True

    def pause(self) -> None:
        """Save what is judged, and show all but the mask as it was before.

        A count of which all is judged is finished. What can't be saved stays in memory.
        """
        kept, shown = self._kept, self._shown
        if kept is None or shown is None:
            return
        saved = True
        try:
            self._unwritten.write_or_keep(shown, kept)
        except MatSSLError as error:
            self._notices.failed.emit(error)
            saved = False
        self._stop()
        if kept.finished and saved:
            self._end_of(shown)
        else:
            self._blind()
            self.changed.emit()

    def save(self) -> MatSSLError | None:
        """Save all that is judged; return why that isn't possible."""
        if self._kept is not None and self._shown is not None:
            try:
                self._shown.project.points.write(self._shown.name, self._kept, self._shown.page)
            except MatSSLError as error:
                return without_frames(error)
            self._unsaved = 0
        return self._unwritten.write_all()

    def discard(self) -> None:
        """Delete the count of the shown image."""
        self.pause()
        shown = self._current.shown
        if shown is None:
            return
        try:
            shown.project.points.remove(shown.name, shown.page)
        except MatSSLError as error:
            self._notices.failed.emit(error)
            return
        self._unwritten.drop(shown)
        self._unblind()
        self.changed.emit()

    def finish(self) -> None:
        """End the count with the points that are judged."""
        kept, shown = self._kept, self._shown
        if kept is None or shown is None or not kept.answers:
            return
        self._kept = kept.ended()
        if self._save():
            self._stop()
            self._end_of(shown)
        else:
            self._kept = kept

    # --- judging

    def answer(self, class_id: int) -> None:
        """Judge the point to be of a class; or one side of it, if it is on a boundary."""
        if self._between is None:
            self._judge((class_id,))
        elif not self._between:
            self._between = (class_id,)
            self.changed.emit()
        elif class_id not in self._between:
            self._judge((*self._between, class_id))

    def on_boundary(self) -> None:
        """Judge the point to be on a boundary; of which classes is asked for where there are more.

        A second call takes the first back.
        """
        if len(self.classes) == 2:
            self._judge(tuple(one.id for one in self.classes))
        elif self._kept is not None and not self._kept.finished:
            self._between = () if self._between is None else None
            self.changed.emit()

    def cannot_tell(self) -> None:
        """Pass over the point."""
        self._judge(())

    def undo(self) -> None:
        """Take back the last key."""
        if self._kept is None:
            return
        if self._between is not None:
            self._between = None
            self.changed.emit()
        elif self._kept.answers:
            self._kept = self._kept.undone()
            self._pace = self._pace[:-1]
            self._count_unsaved()
            self._next()

    def zoom(self, factor: float) -> None:
        """Show less or more around the points."""
        if self._shown is not None:
            self._view.zoom(self._shown, factor)
            self._look()

    # --- inside

    def _calls(self) -> dict[tuple[Qt.Key, bool], Callable[[], None]]:
        key = Qt.Key
        calls: dict[tuple[Qt.Key, bool], Callable[[], None]] = {
            (getattr(key, f"Key_{place + 1}"), False): partial(self.answer, one.id)
            for place, one in enumerate(self.classes[:_KEYS])
        }
        others: dict[Qt.Key, Callable[[], None]] = {
            key.Key_B: self.on_boundary,
            key.Key_0: self.cannot_tell,
            key.Key_Backspace: self.undo,
            key.Key_Plus: partial(self.zoom, _ZOOM_STEP),
            key.Key_Equal: partial(self.zoom, _ZOOM_STEP),
            key.Key_Minus: partial(self.zoom, 1 / _ZOOM_STEP),
            key.Key_Return: self._finish_if_all,
            key.Key_Enter: self._finish_if_all,
            key.Key_Escape: self.pause,
        }
        calls |= {(one, False): call for one, call in others.items()}
        calls[key.Key_Z, True] = self.undo
        return calls

    def _finish_if_all(self) -> None:
        if self._kept is not None and self._kept.finished:
            self.finish()

    def _judge(self, classes: tuple[int, ...]) -> None:
        kept = self._kept
        if kept is None or kept.finished:
            return
        self._kept = kept.answered(classes, now_in_words())
        self._between = None
        now = time.monotonic()
        self._pace.append(now - self._since)
        self._count_unsaved()
        self._next()

    def _count_unsaved(self) -> None:
        self._unsaved += 1
        if self._unsaved >= SAVED_EVERY:
            self._save()

    def _save(self) -> bool:
        kept, shown = self._kept, self._shown
        assert kept is not None
        assert shown is not None
        try:
            shown.project.points.write(shown.name, kept, shown.page)
        except MatSSLError as error:
            self._notices.failed.emit(error)
            return False
        self._unsaved = 0
        return True

    def _end_of(self, shown: Shown) -> None:
        """Show again what a finished count has hidden."""
        self._unblind()
        self.changed.emit()
        self.finished.emit(shown.name)

    def _save_to(self, moved: Project) -> None:
        """Keep what is judged elsewhere, too, where it couldn't be saved."""
        self.pause()
        problem = self._unwritten.move(moved)
        if problem is not None:
            self._notices.failed.emit(problem)

    def _end(self) -> None:
        self.pause()
        self._unwritten.write_all()

    def _next(self) -> None:
        """Show the next point that has no answer; the last one once all have."""
        self._since = time.monotonic()
        self._look()
        self.changed.emit()

    def _look(self) -> None:
        kept, shown = self._kept, self._shown
        assert kept is not None
        assert shown is not None
        at = kept.points[min(len(kept.answers), len(kept.points) - 1)]
        self._view.look(shown, at, HINT)

    def _stop(self) -> None:
        self._kept, self._shown, self._between = None, None, None
        self._keys.take_back()
        self._view.end()
        self._palette.resume()

    def _blind(self) -> None:
        """Keep the mask of the shown image out of sight, as its count isn't finished."""
        self._begun = True
        shown = self._current.shown
        overlays = [] if shown is None else [x for t, x in shown.extra.items() if t in OVERLAYS]
        for layer in overlays:
            self.keep_out_of_sight(layer)

    def keep_out_of_sight(self, layer: Layer) -> None:
        """Hide an overlay until the count of the shown image is finished, if one is begun."""
        if self._begun and layer.visible:
            layer.visible = False
            self._blinded.append(layer)

    def _unblind(self) -> None:
        self._begun = False
        for layer in self._blinded:
            if layer in self._viewer.layers:
                layer.visible = True
        self._blinded = []

    def _on_leaving(self) -> None:
        """Leave the next image's mask as visible as this one's was."""
        self.pause()
        self._unblind()

    def _on_shown(self) -> None:
        """Hide the mask of an image whose count was begun."""
        shown = self._current.shown
        if shown is self._looked_at:
            return
        self._looked_at = shown
        if shown is None or self.running:
            return
        try:
            kept = shown.project.points.read(shown.name, shown.page)
        except MatSSLError:  # the panel shows the reason
            kept = None
        if self.waiting is not None or (kept is not None and not kept.finished):
            self._blind()
            self.changed.emit()

    def _on_classes(self) -> None:
        """Pause if the class table is another: keys would have another meaning."""
        kept = self._kept
        if kept is not None and kept.classes.classes != tuple(
            sorted(self._palette.classes, key=lambda one: one.id)
        ):
            self.pause()
