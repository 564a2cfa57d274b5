"""Segment images of a project: each mask is kept there as soon as it is done."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_matssl.labels.renumbering import ids_by
from napari_matssl.learn.card import ModelCard
from napari_matssl.micrograph.panorama import Panorama
from napari_matssl.progress import Job
from napari_matssl.project.folder import Project
from napari_matssl.settings import PredictSettings

if TYPE_CHECKING:  # they import torch
    from napari_matssl.tasks.predicting.panoramas import SegmentedPanorama
    from napari_matssl.tasks.predicting.segmenting import SegmentedBatch, SegmentedMicrograph


@dataclass(frozen=True)
class ProjectRun:
    """Choices at the start of a run; the user may change them meanwhile.

    Parameters
    ----------
    project
        The project.
    model
        File of the model.
    classes
        Names of the model's classes in its own order, as the project calls them.
    renumber
        The project's id for each class id of the model.
    pages
        Which page of each image's file is segmented.
    """

    project: Project
    model: Path
    classes: tuple[str, ...]
    renumber: Mapping[int, int]
    pages: Mapping[str, int | None]

    @classmethod
    def begin(
        cls, project: Project, model: Path, card: ModelCard, names: Iterable[str]
    ) -> "ProjectRun":
        """Make ready to segment some images; classes that the project lacks are added.

        Raises
        ------
        InputError
            If the model's classes and the project's don't go together.
        OutputError
            If the classes can't be kept.
        """
        renumber = project.classes.adopt(card.classes)
        ours = {one.id: one.name for one in project.classes.in_order}
        called = tuple(ours[renumber[one.id]] for one in card.classes.classes)
        pages = {name: project.micrographs.page(name) for name in names}
        return cls(project, model, called, renumber, pages)

    @cached_property
    def ids(self) -> NDArray[np.uint8]:
        """``(256,)``, the project's id for each value of the model's masks."""
        return ids_by(self.renumber)

    @property
    def unfinished(self) -> list[str]:
        """The panoramas of which a part is done."""
        path = self.project.masks.growing_path
        return [name for name, page in self.pages.items() if path(name, page).is_file()]


@dataclass(frozen=True)
class Told:
    """Who is told of what a run keeps, in the thread of its job.

    Parameters
    ----------
    found
        Gets each mask.
    grown
        Gets the name of each panorama whose mask is finished.
    remarked
        Gets lines on what was replaced or left out.
    """

    found: "Callable[[SegmentedMicrograph], None]"
    grown: Callable[[str], None]
    remarked: Callable[[str], None]


def segment_project(
    run: ProjectRun, settings: PredictSettings, told: Told, probabilities: bool = False
) -> "Job[SegmentedBatch]":
    """Segment images of a project, panoramas among them; a run that was stopped goes on with these.

    Parameters
    ----------
    run
        What is segmented, by which model.
    settings
        Of segmenting. Masks are kept as they are found: the project's cleaning is for what is shown
        and measured.
    told
        Of what comes.
    probabilities
        Also give probabilities and uncertainty of images that are no panoramas.

    Raises
    ------
    MatSSLError
        As :func:`napari_matssl.tasks.predicting.with_model.segment_with_model`.
    """
    from napari_matssl.tasks.predicting.panoramas import PanoramaPlace
    from napari_matssl.tasks.predicting.with_model import segment_with_model

    masks, pages = run.project.masks, run.pages

    def keep(segmented: "SegmentedMicrograph") -> None:
        name = segmented.name
        for line in masks.write(name, segmented.mask, segmented.facts, pages[name]):
            told.remarked(line)
        told.found(segmented)

    def keep_grown(name: str, segmented: "SegmentedPanorama", _panorama: Panorama) -> None:
        pixels = dict[int, int]()
        for value, count in segmented.pixels.items():
            ours = int(run.ids[value])
            pixels[ours] = pixels.get(ours, 0) + count
        masks.write_panorama(
            name,
            lambda start, stop: run.ids[segmented.read(start, stop)],
            pixels,
            segmented.facts,
            pages[name],
        )
        segmented.mask.remove()
        if probabilities:
            told.remarked(f"{name}: there are no probability layers of a panorama.")
        told.grown(name)

    def place(name: str) -> PanoramaPlace:
        growing = masks.begin_growing(name, pages[name])
        return PanoramaPlace(growing, partial(keep_grown, name))

    read = run.project.micrographs.read_any
    reads = {name: partial(read, name, page) for name, page in pages.items()}
    return segment_with_model(run.model, reads, settings, keep, run.renumber, probabilities, place)
