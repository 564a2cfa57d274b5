"""Leads through the images and places that are worth painting next."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.viewer import Viewer
from qtpy.QtCore import QObject, Qt, Signal

from napari_matssl.progress import Job
from napari_matssl.project.folder import Project
from napari_matssl.settings import FinetuneSettings
from napari_matssl.tasks.provenance import newest_model
from napari_matssl.widgets.canvas.current_image import CurrentImage
from napari_matssl.widgets.canvas.view import look_at
from napari_matssl.widgets.jobs.running_job import RunningJob

if TYPE_CHECKING:  # it imports torch
    from napari_matssl.tasks.suggest import Suggestions

IMAGE_KEY, PLACE_KEY = Qt.Key.Key_N, Qt.Key.Key_U
_OWNER = "suggest"
_REGIONS = 50

Start = Callable[..., RunningJob | None]


class Guide(QObject):
    """Goes to the next image, or the next place, that was suggested and not yet visited.

    Images are suggested once per folder, since painting them in that order keeps it right, and
    again when there are new ones; places once per model. What was visited is remembered as long.

    Parameters
    ----------
    viewer, current
        Where images are shown.
    start
        Starts a job, as :meth:`~napari_matssl.widgets.session.Session.start` does.
    """

    changed = Signal(str)
    """Where the guide has gone, or why it can't, in a line."""

    def __init__(
        self, viewer: Viewer, current: CurrentImage, start: Start, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._viewer, self._current, self._start = viewer, current, start
        self._folder = current.folder
        self._images: Suggestions | None = None
        self._places: Suggestions | None = None
        self._seen: set[str] = set()
        self._visited = 0
        self._folder.changed.connect(self._forget)

    def next_image(self) -> None:
        """Show the next image to paint; compare all images of the folder before, once."""
        project = self._folder.project
        if project is None:
            self.changed.emit("Open a folder of micrographs first.")
        elif self._images is None or not self._images.known.issuperset(
            project.micrographs.analysed
        ):
            self._suggest("Comparing the images", project, None)
        else:
            self._show_image(project, self._images)

    def next_place(self) -> None:
        """Go to the next place where the newest model is unsure; segment all images first, once."""
        project = self._folder.project
        model = None if project is None else newest_model(project)
        if project is None or model is None:
            self.changed.emit("Fine-tune a model first: where it is unsure, painting pays.")
        elif self._places is None:
            self._suggest("Looking where the model is unsure", project, model)
        else:
            self._show_place(self._places)

    def forget_places(self) -> None:
        """Begin anew with places: there is another model."""
        self._places, self._visited = None, 0

    def _forget(self) -> None:
        self._images, self._seen = None, set()
        self.forget_places()
        self.changed.emit("")

    def _suggest(self, title: str, project: Project, model: Path | None) -> None:
        def make() -> Job[Any]:
            from napari_matssl.learn.segmenter import read_segmenter
            from napari_matssl.tasks.suggest import suggest

            segmenter = None if model is None else read_segmenter(model)
            return suggest(project, FinetuneSettings(), segmenter, model, _REGIONS)

        job = self._start(title, make, _OWNER, uses=[] if model is None else [model])
        if job is not None:
            job.succeeded.connect(partial(self._take, project, model))

    def _take(self, project: Project, model: Path | None, found: "Suggestions") -> None:
        """Keep what was found, unless another folder was opened meanwhile; go to the first."""
        if not self._folder.holds(project):
            return
        if model is None:
            self._images = found
            self._show_image(project, found)
        else:
            self._places, self._visited = found, 0
            self._show_place(found)

    def _show_image(self, project: Project, found: "Suggestions") -> None:
        excluded = project.micrographs.is_excluded
        left = [
            (rank, one)
            for rank, one in enumerate(found.images, 1)
            if one.name not in self._seen
            and not project.labels.has(one.name)
            and not excluded(one.name)
        ]
        if not left:
            self._seen.clear()
            self.changed.emit("Every image is painted, or was shown: the next one begins anew.")
            return
        rank, one = left[0]
        self._seen.add(one.name)
        if self._current.show(one.name):
            why = "the most typical image"
            if one.distance is not None:
                why = f"the one most unlike those before it (distance {one.distance:.1f})"
            self.changed.emit(f"{rank} of {len(found.images)}: {one.name}, {why}")

    def _show_place(self, found: "Suggestions") -> None:
        if not found.regions:
            self.changed.emit("The model is sure of every image: there is no such place.")
            return
        number = self._visited % len(found.regions)
        self._visited += 1
        one = found.regions[number]
        if not self._current.show(one.name):
            return
        region, shown = one.region, self._current.require_shown()
        look_at(self._viewer, shown, region.row, region.column, region.side)
        share = f"{100 * region.share:.0f} % of this place is uncertain"
        self.changed.emit(f"{number + 1} of {len(found.regions)}: {one.name}, {share}")
