"""Area fractions of a project, corrected for the error of the model that found them."""

from collections.abc import Sequence

from napari_matssl.errors import ModelFileError
from napari_matssl.labels.held_out import HeldOut
from napari_matssl.labels.names import few
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


def remark_unlearnt(project: Project, rows: Sequence[PhaseFraction]) -> str:
    """Return a line on classes that the models of a project's masks don't have; empty if none.

    Their fractions are those of strokes alone, however well the interval looks. Where a model isn't
    among those of the project, or a mask names none, nothing can be told.
    """
    models = {"" if row.origin is None else row.origin.model for row in rows}
    learnt: set[int] = set()
    for name in models:
        try:
            card = read_card(project.models.folder / name, "segmenter") if name else None
        except ModelFileError:
            card = None
        if card is None:
            return ""
        learnt |= set(project.classes.matching(card.classes).values())
    names = dict.fromkeys(row.class_name for row in rows if row.class_id not in learnt)
    if not names:
        return ""
    return (
        f"{few(tuple(names))}: unknown to the model that made the masks, so only strokes count. "
        "Paint it, fine-tune, and segment again."
    )


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
    """Return the held-out images of a card with the names that classes have in a project.

    Classes that were merged since are one, as in the masks.
    """
    assert card.held_out is not None
    ours = dict(zip(project.classes.table.ids, project.classes.table.names, strict=True))
    ids, former = project.classes.matching(card.classes), project.record.value.former_names
    names = [
        ours.get(ids.get(one.id, former.get(one.name, -1)), one.name)
        for one in card.classes.classes
    ]
    return card.held_out.called(names)
