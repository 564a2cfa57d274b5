"""Showing what a run of the panel Segment finds, whether or not the panel is still there."""

import time
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_matssl.progress import Progress
from napari_matssl.tasks.predicting.segment_project import ProjectRun, Told
from napari_matssl.widgets.canvas.maps import add_maps, remove_maps
from napari_matssl.widgets.canvas.shown import SEGMENTATION
from napari_matssl.widgets.jobs.running_job import RunningJob
from napari_matssl.widgets.session import Session

if TYPE_CHECKING:  # imports torch
    from napari_matssl.tasks.predicting.segmenting import SegmentedMicrograph

_GROW_S = 2.0  # between two looks at a mask that grows


class SegmentRun(QObject):
    """Brings results from the thread of the job to the window, unless another folder is open.

    Parameters
    ----------
    session
        Of the window.
    run
        What is segmented.

    Attributes
    ----------
    told
        For the job: signals, which may be emitted in its thread.
    seen
        How many of the images the model had learnt from.
    """

    found = Signal(object)
    """A SegmentedMicrograph."""
    grown = Signal(str)
    """Name of a panorama whose mask is finished."""
    remarked = Signal(str)
    """A line on what was replaced."""

    def __init__(self, session: Session, run: ProjectRun) -> None:
        super().__init__(session)
        self.run, self.seen = run, 0
        self._results, self._current = session.results, session.current
        self._folder, self._runner = session.folder, session.runner
        self._grow_again = 0.0
        self.told = Told(self.found.emit, self.grown.emit, self.remarked.emit)
        self.found.connect(self._take_over)
        self.grown.connect(self._take_grown)
        self.remarked.connect(session.notices.remarked)

    def follow(self, job: RunningJob) -> None:
        """Show what the job does, as long as it is there."""
        self.setParent(job)
        job.progressed.connect(self._on_progress)
        job.succeeded.connect(self._on_succeeded)
        job.failed.connect(self._drop_pieces)
        job.cancelled.connect(self._drop_pieces)

    @property
    def _in_sight(self) -> bool:
        return self._folder.holds(self.run.project)

    def _on_progress(self, progress: Progress) -> None:
        seen = progress.preview
        if seen is not None and self._in_sight:
            self._results.show_piece(SEGMENTATION, seen.image, seen.top, seen.left, seen.ids)
        self._show_growing()

    def _show_growing(self) -> None:
        """Show what is done of the panorama in view, from time to time."""
        run, shown, now = self.run, self._current.shown, time.monotonic()
        if shown is None or now < self._grow_again or not shown.is_panorama:
            return
        if shown.name not in run.pages or not self._in_sight:
            return
        page = run.pages[shown.name]
        path = run.project.masks.growing_path(shown.name, page)
        if path.is_file():
            self._grow_again = now + _GROW_S
            self._results.show_growing(shown.name, page, path, run.ids)

    def _take_grown(self, name: str) -> None:
        """Show the finished mask of a panorama."""
        if self._in_sight:
            self._results.show_panorama(name, self.run.pages[name])

    def _take_over(self, segmented: "SegmentedMicrograph") -> None:
        """Show a result; a folder that was left meanwhile has kept its own."""
        self.seen += segmented.seen_in_training
        if not self._in_sight:
            return
        results, shown = self._results, self._current.shown
        page = self.run.pages[segmented.name]
        results.take_over(segmented.name, segmented.mask, page)
        if shown is None or (shown.name, shown.page) != (segmented.name, page):
            return
        remove_maps(results, shown)
        if segmented.probabilities is not None and segmented.uncertainty is not None:
            classes = self.run.classes
            add_maps(results, shown, classes, segmented.probabilities, segmented.uncertainty)

    def _on_succeeded(self, _result: object) -> None:
        job = self._runner.job
        if job is not None and job.stopping:
            self._drop_pieces()

    def _drop_pieces(self, _error: object = None) -> None:
        """Show the last whole segmentation again, if the job has stopped amid an image."""
        shown = self._current.shown
        if shown is None or SEGMENTATION not in shown.extra:
            return
        if shown.is_panorama:
            self._results.show_panorama(shown.name, shown.page)
        elif shown.mask is None:
            self._results.remove_layer(SEGMENTATION)
        else:
            self._results.take_over(shown.name, shown.mask, shown.page)


def run_of(job: RunningJob) -> SegmentRun | None:
    """Return what a job segments."""
    return job.findChild(SegmentRun)
