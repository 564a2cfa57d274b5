"""Area fractions of a project, corrected for the error of the model that found them."""

from collections.abc import Sequence

from napari_matssl.errors import ModelFileError
from napari_matssl.labels.held_out import HeldOut
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.card_files import read_card
from napari_matssl.measure.corrected import CorrectedFractions, correct_fractions
from napari_matssl.measure.phases import PhaseFraction
from napari_matssl.project.folder import Project


def correct_project(project: Project, rows: Sequence[PhaseFraction]) -> CorrectedFractions:
    """Correct what was measured on a project's masks, by the card of the model that made them."""
    held_out, why_none = held_out_of(project, rows)
    if why_none:
        return correct_fractions(rows, held_out, why_none)
    return correct_fractions(rows, held_out)


def held_out_of(project: Project, rows: Sequence[PhaseFraction]) -> tuple[HeldOut | None, str]:
    """Find what the model of some masks has mistaken in held-out images.

    Returns
    -------
    That with the project's names of the classes, and why there is none where no model can be asked.
    """
    origins = (row.origin for row in rows if row.origin is not None)
    models = {(one.model, one.model_created) for one in origins if one.model}
    if not models:
        return None, "the masks name no model"
    if len(models) > 1:
        return None, f"the masks are of {len(models)} models"
    ((name, created),) = models
    path = project.models.folder / name
    try:
        card = read_card(path, "segmenter")
    except ModelFileError:
        return None, f"the model {name} isn't among those of this folder"
    if created and card.created != created:
        return None, f"the model {name} was trained again since"
    return (None if card.held_out is None else _named_as_here(project, card)), ""


def _named_as_here(project: Project, card: ModelCard) -> HeldOut:
    """Return the held-out images of a card with the names that classes have in a project."""
    assert card.held_out is not None
    ours = dict(zip(project.classes.table.ids, project.classes.table.names, strict=True))
    ids = project.classes.matching(card.classes)
    names = (ours.get(ids.get(one.id, -1), one.name) for one in card.classes.classes)
    return card.held_out.model_copy(update={"classes": tuple(names)})
