"""The live preview: an instant segmentation of the image in view after every stroke."""

import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_matssl.errors import MatSSLError
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.progress import Preview, Progress
from napari_matssl.project.folder import Project
from napari_matssl.project.panorama_parts import Part
from napari_matssl.settings import FinetuneSettings
from napari_matssl.widgets.canvas.own_strokes import (
    KnownParts,
    OwnStrokes,
    few_with_all_classes,
)
from napari_matssl.widgets.canvas.shown import PREVIEW, SEGMENTATION, Shown
from napari_matssl.widgets.controls.painted_list import PaintedList
from napari_matssl.widgets.jobs.background import Background, is_gone
from napari_matssl.widgets.jobs.job_thread import yield_to_the_window
from napari_matssl.widgets.jobs.later import later
from napari_matssl.widgets.jobs.running_job import RunningJob
from napari_matssl.widgets.jobs.torch_start import start_torch
from napari_matssl.widgets.session import Session

if TYPE_CHECKING:
    from napari_matssl.tasks.live import LiveClassifier

QUIET_MS = 400
"""Time without a change after which a preview is begun."""

MOST_IMAGES = 6
"""Painted images that a preview is learnt from: more would take longer than anyone waits."""


class LivePreview(QObject):
    """Show a preview whenever the user has painted and pauses.

    Previews begin with the first stroke, so that they don't cover the masks of a folder that is
    only looked at. After a job they begin again with the next stroke: what the job has shown stays
    until then, but a preview from before the job is made anew. Over a segmentation there are none:
    it is better, and strokes are corrections to it. On request there is one there, too, and on an
    unpainted image. While points are counted there are none, as a preview would take the place of
    the mask that the points are compared with.

    Parameters
    ----------
    session
        Of the viewer.
    images
        Those that are ticked are learnt from.
    settings
        Asked for encoder, intensity scaling and device; may raise a MatSSLError.
    """

    def __init__(
        self,
        session: Session,
        images: PaintedList,
        settings: Callable[[], FinetuneSettings],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._session, self._images, self._settings = session, images, settings
        self._live = session.live
        self._on = session.live.on
        self._wanted: Shown | None = None  # image for which a preview was asked for
        self._painting = False  # a stroke was painted since the folder was opened or a job ended
        self._shown: Shown | None = None
        self._strokes: NDArray[np.uint8] | None = None  # those on `_shown` at the last preview
        self._asked: _Wish | None = None
        self._computing = self._showing = False
        self._outlasts = False  # a preview from before the job is in sight
        self._thread = Background(self)
        self._work = _Work()
        self._quiet = later(self, self._look, QUIET_MS)
        folder, current, runner = session.folder, session.current, session.runner
        folder.changed.connect(self._rest)
        current.changed.connect(self._on_shown)
        folder.painted_changed.connect(self._touched)
        session.palette.stroked.connect(self._touched)  # emitted before Autosave has saved
        session.palette.classes_changed.connect(self._changed)
        session.counting.changed.connect(self._changed)
        images.ticked.connect(self._changed)
        runner.started.connect(self._on_job)
        runner.ended.connect(self._on_job_over)
        self._live.switched.connect(self.switch)
        self._live.asked.connect(self._on_asked)
        self._live.offer()
        self._on_shown()

    def switch(self, on: bool) -> None:
        """Show previews from now on, or none."""
        self._on = self._painting = on
        if not on:
            self._wanted = None
            self._take_away()
        self._changed()

    def _on_asked(self) -> None:
        """Show a preview of the image in view, painted or not."""
        self._wanted, self._painting = self._shown, True
        self._changed()

    def _take_away(self) -> None:
        if self._showing:
            self._session.results.remove_layer(PREVIEW)
            self._showing = False

    # --- when to look

    def _on_shown(self) -> None:
        shown = self._session.current.shown
        if shown is not self._shown:
            self._shown, self._showing, self._outlasts = shown, False, False
            self._strokes = None if shown is None else shown.painted.data.copy()
            if shown is not None and shown.painting is not None:
                shown.painting.moved.connect(self._on_moved)
        self._work.known = {}  # info bars or pixel sizes may have changed
        self._changed()

    def _on_moved(self) -> None:
        """Take up another area of a panorama, as if it had been painted on before."""
        self._strokes = None if self._shown is None else self._shown.painted.data.copy()

    def _on_job(self, job: RunningJob) -> None:
        """Leave processor and memory to a job."""
        self._outlasts = self._showing
        job.progressed.connect(self._on_progress)
        self._rest()
        self._thread.run(self._work.forget, lambda _result: None, lambda _error: None)

    def _on_progress(self, progress: Progress) -> None:
        if progress.preview is not None:
            self._outlasts = False

    def _on_job_over(self) -> None:
        """Wait for the next stroke; bring a preview up to date that is still in sight."""
        self._rest()
        self._painting = self._showing = self._outlasts

    def _rest(self) -> None:
        """Wait for the next stroke."""
        self._painted_anew()
        self._painting = self._showing = False
        self._changed()

    def _changed(self) -> None:
        """Drop what is computed: it would show what isn't so any more."""
        self._work.stop.set()
        self._asked = None
        self._quiet.start()

    def _touched(self, _event: object = None) -> None:
        self._quiet.start()

    # --- what to show

    def _look(self) -> None:
        """Begin a preview if one is wanted and what it is made of has changed."""
        try:
            wish = self._wish()
        except MatSSLError as error:
            self._show_problem(error)
            return
        if isinstance(wish, str):
            self._live.reported.emit(wish)
        elif wish is not None and not self._computing and not wish.same_as(self._asked):
            self._begin(wish)

    def _wish(self) -> "_Wish | str | None":
        """Return what to preview, or why nothing; None while the list of images is out of date."""
        project, shown = self._session.folder.project, self._shown
        if not self._on or project is None or shown is None:
            return ""
        if self._session.runner.busy:
            return "No live preview while a job runs."
        if self._session.counting.blind:
            return "No live preview before all points of this image are counted."
        painted = shown.painted_pixels()
        excluded = project.micrographs.is_excluded(shown.name)
        if shown.name not in self._images.names and painted and not excluded:
            return None  # the image is listed, and ticked, once Autosave has seen the stroke
        segmentation = shown.extra.get(SEGMENTATION)
        asked = self._wanted is shown
        if segmentation is not None and segmentation.visible and not asked:
            return "No live preview over a segmentation: hide that layer and paint to see one."
        if not asked and not painted:
            self._take_away()
            return "No live preview before the first stroke on this image."
        counted = {n: self._session.palette.painted_pixels([n]) for n in self._images.chosen}
        classes = {name: {i for i, n in pixels.items() if n} for name, pixels in counted.items()}
        anew = self._painted_anew()
        if len(set().union(*classes.values())) < 2:
            self._take_away()
            if anew and self._work.classifier is None:
                # Prepares while the second class is being painted.
                work, settings = self._work, self._settings()
                self._thread.run(
                    lambda: work.load().prepare(settings), lambda _result: None, self._show_problem
                )
            return "No live preview yet: paint at least two classes."
        if not anew and not self._painting:
            return "Live preview: starts with the next stroke."
        self._painting = True
        names = few_with_all_classes(classes, shown.name, MOST_IMAGES)
        used = set().union(*(classes[name] for name in names))
        table = ClassTable(classes=tuple(c for c in project.classes.table.classes if c.id in used))
        assert self._strokes is not None
        own = OwnStrokes.of(shown, self._strokes)
        return _Wish(project, names, table, own, self._settings())

    def _painted_anew(self) -> bool:
        """Whether the strokes are others than when last looked at."""
        painted = None if self._shown is None else self._shown.painted.data
        if painted is None or (
            self._strokes is not None and np.array_equal(self._strokes, painted)
        ):
            return False
        self._strokes = painted.copy()
        return True

    def _begin(self, wish: "_Wish") -> None:
        self._asked, self._computing = wish, True
        work, began, owner = self._work, time.monotonic(), weakref.ref(self)
        work.stop = stop = threading.Event()
        if work.classifier is None:
            self._live.reported.emit("Live preview: preparing...")
        elif not self._showing:
            self._live.reported.emit("Live preview: computing...")

        def over(show: Callable[[], None]) -> None:
            self._computing = False
            if not stop.is_set():
                show()
            if not self._quiet.isActive():
                self._look()  # takes up changes made meanwhile

        self._thread.run(
            lambda: work.make(wish, lambda: stop.is_set() or is_gone(owner)),
            lambda found: over(
                lambda: self._show(found[0], found[1], wish, time.monotonic() - began)
            ),
            lambda error: over(lambda: self._show_problem(error)),
        )

    def _show(self, preview: Preview, part: Part | None, wish: "_Wish", seconds: float) -> None:
        self._session.results.show_preview(preview, part)
        self._showing = True
        ticked = len(self._images.chosen)
        few = f", from {len(wish.names)} of {ticked} images" if len(wish.names) < ticked else ""
        self._live.reported.emit(f"Live preview made in {seconds:.1f} s{few}.")

    def _show_problem(self, error: MatSSLError) -> None:
        self._live.reported.emit(f"No live preview: {error}")


@dataclass(frozen=True, eq=False)
class _Wish:
    """Inputs of a preview: strokes on the image in view, and on others."""

    project: Project
    names: tuple[str, ...]
    table: ClassTable
    own: OwnStrokes
    settings: FinetuneSettings

    def same_as(self, other: "_Wish | None") -> bool:
        """Whether another wish would give the same preview; arrays are compared by identity."""
        return (
            other is not None
            and self.own.micrograph is other.own.micrograph
            and self.own.strokes is other.own.strokes
            and (self.names, self.table, self.settings)
            == (other.names, other.table, other.settings)
        )


class _Work:
    """Work and cache of the thread. It uses no Qt, so it may outlive the panel."""

    def __init__(self) -> None:
        self.classifier: LiveClassifier | None = None
        self.stop = threading.Event()
        self.known: dict[str, tuple[tuple[object, ...], tuple[PaintedMicrograph, ...]]] = {}
        self.parts = KnownParts()

    def make(self, wish: _Wish, stop: Callable[[], bool]) -> tuple[Preview | None, Part | None]:
        """Return a preview, None if it was to stop, and which part of a panorama it shows."""
        if stop():
            return None, None
        classifier, known = self.load(), self.known
        painted: list[PaintedMicrograph] = []
        for name in wish.names:
            if name == wish.own.micrograph.name:
                painted += wish.own.painted(self.parts, MOST_IMAGES)
            else:
                painted += _read(wish.project, name, known)
        view, part = wish.own.view()
        found = classifier.segment(painted, wish.table, view, wish.settings, stop)
        return found, part

    def load(self) -> "LiveClassifier":
        start_torch()
        from napari_matssl.tasks.live import LiveClassifier

        yield_to_the_window()  # not earlier: loading takes locks that the window needs, too
        if self.classifier is None:
            self.classifier = LiveClassifier()
        return self.classifier

    def forget(self) -> None:
        if self.classifier is not None:
            self.classifier.forget()


def _read(
    project: Project,
    name: str,
    known: dict[str, tuple[tuple[object, ...], tuple[PaintedMicrograph, ...]]],
) -> tuple[PaintedMicrograph, ...]:
    """Read a painted image, or parts of it, unless its files are those in the cache."""
    files = project.images.path(name), project.labels.path(name)
    stamp = (project.micrographs.page(name), *map(_stamp, files))
    before = known.get(name)
    if before is None or before[0] != stamp:
        known[name] = before = (stamp, project.labels.painted_parts(name)[:MOST_IMAGES])
    return before[1]


def _stamp(path: Path) -> tuple[int, ...]:
    """Return when a file was changed, and its size; empty if it is missing."""
    if not path.is_file():
        return ()
    found = path.stat()
    return found.st_mtime_ns, found.st_size
