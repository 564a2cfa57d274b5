"""Area fractions of masks on disk, corrected for the error of the model that made them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from napari_matssl.export.run_tables import CORRECTED
from napari_matssl.measure.corrected import (
    CorrectedFractions,
    correct_fractions,
    corrected_frame,
)
from napari_matssl.measure.phases import PhaseFraction
from napari_matssl.project.image_settings import own_folder_of_image
from napari_matssl.project.own_folder import FOLDER
from napari_matssl.tasks.measuring.mask_sizes import project_folders
from napari_matssl.tasks.measuring.masks_to_measure import MeasuredMask
from napari_matssl.tasks.measuring.model_facts import FoundModel, find_models


def models_of_masks(
    masks: Sequence[MeasuredMask], given: Path | None = None
) -> tuple[FoundModel, ...]:
    """Find the models that masks name, in their project or as given.

    Raises
    ------
    SettingsError
        If the file given made none of the masks.
    InputError
        If the record of the masks' project is damaged.
    """
    return find_models((one.origin for one in masks), own_folder_of(masks), given)


def own_folder_of(masks: Sequence[MeasuredMask]) -> Path | None:
    """Return the own folder of the one project that masks belong to; None if there isn't one."""
    folders = {folder for one in masks for folder in _projects_of(one)}
    return folders.pop() / FOLDER if len(folders) == 1 else None


def _projects_of(one: MeasuredMask) -> Iterator[Path]:
    """Yield the folder of images whose project a mask, or else its image, belongs to."""
    found = [*project_folders(one.file.path)]
    if not found and one.image is not None:
        own = own_folder_of_image(one.image)
        found = [own.parent] if own.is_dir() else []
    yield from found


def correct_masks(
    rows: Sequence[PhaseFraction], models: Sequence[FoundModel]
) -> CorrectedFractions | None:
    """Correct what was measured on masks, by the card of the model that made them.

    Returns
    -------
    None where the masks name no model, or no area fractions were measured.
    """
    if not rows or not models:
        return None
    if len(models) > 1:
        return correct_fractions(rows, None, f"the masks are of {len(models)} models")
    (model,) = models
    if model.card is None:
        return correct_fractions(rows, None, f"the file of the model {model.name} was not found")
    return correct_fractions(rows, model.card.held_out)


def with_corrected(
    tables: Mapping[str, pd.DataFrame], corrected: CorrectedFractions | None
) -> Mapping[str, pd.DataFrame]:
    """Add the table of corrected fractions, where there are any."""
    if corrected is None or all(row.corrected is None for row in corrected.rows):
        return tables
    return {**tables, CORRECTED: corrected_frame(corrected.rows)}
