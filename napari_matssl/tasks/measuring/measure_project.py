"""Measure the masks of a project."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError, MatSSLError, printable
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.provenance import Provenance, read_mask_facts
from napari_matssl.labels.sparse_ids import bands
from napari_matssl.measure.cleaning import clean_mask
from napari_matssl.measure.corrected import CorrectedFractions
from napari_matssl.measure.phases import PhaseFraction, phase_fractions
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.place import Place
from napari_matssl.project.folder import Project
from napari_matssl.tasks.batch import memory_errors
from napari_matssl.tasks.measuring.correcting import correct_project, remark_unlearnt
from napari_matssl.tasks.measuring.mask_states import MaskStates
from napari_matssl.tasks.measuring.project_places import places_that_count
from napari_matssl.tasks.provenance import (
    ANOTHER_BAR,
    ANOTHER_SIZE,
    cleaning_in_words,
    has_another_bar,
    has_another_size,
)


@dataclass(frozen=True)
class Measured:
    """Phase fractions of the segmented images.

    Parameters
    ----------
    rows
        One per image and class, images in the project's order, classes by ascending id.
    problems
        A line for each image that could not be measured.
    corrected
        The mean fractions corrected for the error of the model that found them.
    remark
        Why specimens don't count, if some are typed and others not.
    """

    rows: tuple[PhaseFraction, ...]
    problems: tuple[str, ...]
    corrected: CorrectedFractions
    remark: str = ""


def segmented_names(project: Project, names: Iterable[str] | None = None) -> tuple[str, ...]:
    """List those of some images, or of all that aren't excluded, that have a mask."""
    chosen = project.micrographs.analysed if names is None else names
    return tuple(name for name in chosen if project.masks.has(name))


class PhaseMeter:
    """Measures a project's masks, each again only after something has changed.

    Their files show whether images and masks have changed. Used by one thread at a time.

    Parameters
    ----------
    project
        Its class table and its settings are those at the time of measuring, whoever set them.
    states
        What is known of its files; others may know it, too.
    """

    def __init__(self, project: Project, states: MaskStates | None = None) -> None:
        self.project = project
        self._states = states or MaskStates(project)
        self._rows: dict[str, tuple[object, tuple[PhaseFraction, ...]]] = {}

    def measure(self, names: Iterable[str] | None = None) -> Measured:
        """Measure the final masks of some images; skip those without a mask.

        Parameters
        ----------
        names
            The images; None takes all.

        Raises
        ------
        InputError
            If what is set for the project can't be read.
        """
        self.project.look_again()
        table = self.project.classes.table
        rows: list[PhaseFraction] = []
        problems: list[str] = []
        chosen = segmented_names(self.project, names)
        places = places_that_count(self.project, chosen)
        for name in chosen:
            place = places.of(name)
            try:
                with memory_errors(name):
                    rows += [_at(place, row) for row in self._of_image(name, table)]
            except MatSSLError as error:
                problems.append(str(error))
        problems += filter(None, [remark_unlearnt(self.project, rows)])
        corrected = correct_project(self.project, rows)
        return Measured(tuple(rows), tuple(problems), corrected, places.remark)

    def _of_image(self, name: str, table: ClassTable) -> tuple[PhaseFraction, ...]:
        size, state = self._states.pixel_size(name), self._states.of(name, table)
        known = self._rows.get(name)
        if known is None or known[0] != state:
            mask = final_mask(self.project, name, table, size)
            origin = final_origin(self.project, name, table, size)
            known = state, tuple(phase_fractions(name, mask, table, size, origin))
            self._rows[name] = known
        return known[1]


def _at(place: Place, row: PhaseFraction) -> PhaseFraction:
    return replace(row, group=place.group, specimen=place.specimen, section=place.section)


def final_mask(
    project: Project, name: str, table: ClassTable, pixel_size: PixelSize | None
) -> NDArray[np.uint8]:
    """Read an image's mask as it is measured and exported.

    It is cleaned, and painted pixels replace it (unless the project is set otherwise): what was
    corrected by hand is right, whatever the model found.

    Parameters
    ----------
    project, name, table
        The image, and the classes of its mask.
    pixel_size
        Of the image; None if it isn't calibrated: sizes in um2 clean nothing then.

    Returns
    -------
    ``(H, W)`` class ids; 0 where nothing was analysed.

    Raises
    ------
    InputError
        If there is none, it or the painted labels are damaged, or it has too many regions to be
        cleaned.
    """
    mask = project.masks.read(name)
    if mask is None:
        raise InputError(f"The mask of {name} was removed meanwhile.", "Segment the image again.")
    area = None if pixel_size is None else pixel_size.area_um2
    try:
        mask = clean_mask(mask, table, project.masks.cleaning, area)
    except InputError as error:
        raise error.reworded(f"{name}: {error.what}") from error
    painted = project.labels.read(name) if project.masks.painted_counts else None
    if painted is None:
        return mask
    for rows in bands(mask.shape):
        if painted[rows].any():
            known = (painted[rows] != 0) & (mask[rows] != table.no_class)
            mask[rows][known] = painted[rows][known]
    return mask


def final_origin(
    project: Project, name: str, table: ClassTable, pixel_size: PixelSize | None
) -> Provenance:
    """Return the provenance of a final mask: the mask's own, with later cleaning and corrections.

    A model that was renamed since is called by its name of today, under which it can be found. That
    info bar or pixel size were set otherwise since is remarked.
    """
    cleaning = cleaning_in_words(project.masks.cleaning, table, pixel_size)
    facts = read_mask_facts(project.masks.path(name))
    origin = facts.provenance or Provenance(image=printable(name))
    painted = project.masks.painted_counts and project.labels.has(name)
    model = printable(project.models.name_now(origin.model, origin.model_created))
    remarks = origin.remarks
    if has_another_bar(project, name, origin):
        remarks += (f"segmented {ANOTHER_BAR}",)
    if has_another_size(facts, pixel_size):
        remarks += (f"segmented {ANOTHER_SIZE}",)
    changes = {"cleaning": cleaning, "painted": painted, "model": model, "remarks": remarks}
    return origin.model_copy(update=changes)
