"""Twins of what is learnt among the images that are held out."""

from collections.abc import Generator
from dataclasses import replace

from napari_matssl.labels.names import few
from napari_matssl.micrograph.twins import Twin, TwinSearch
from napari_matssl.progress import Control, Progress
from napari_matssl.tasks.finetune.origins import by_origin, choose_left_out
from napari_matssl.tasks.finetune.planning import Plan
from napari_matssl.tasks.finetune.result import FinetuneResult

_DOING = "looking for copies"


def find_twins_apart(plan: Plan) -> Generator[Progress, Control | None, tuple[Twin, ...]]:
    """Find validation images, and images left out in turn, that show a field of one learnt from.

    Those of one origin are held out together, and are not compared. After STOP, the twins that were
    found until then are returned.
    """
    data = plan.data
    apart = [one.painted.micrograph for one in data.validation]
    left_out = [data.painted[n] for n in choose_left_out(data, len(plan.card.classes))]
    total, found = len(apart) + len(left_out), list[Twin | None]()
    search = TwinSearch((one.micrograph for one in data.painted if apart), turned=True)
    for micrograph in apart:
        if (yield Progress(_DOING, len(found), total)) is Control.STOP:
            return _there(found)
        found.append(search.twin_of(micrograph))
    search = TwinSearch(turned=True)
    for places in by_origin(left_out):
        of_origin = [left_out[n].micrograph for n in places]
        for micrograph in of_origin:
            if (yield Progress(_DOING, len(found), total)) is Control.STOP:
                return _there(found)
            found.append(search.twin_of(micrograph))
        for micrograph in of_origin:
            search.add(micrograph)
    return _there(found)


def twins_in_words(twins: tuple[Twin, ...]) -> str:
    """Tell what twins mean for the scores; empty without any."""
    if not twins:
        return ""
    return (
        "Held out, though the same field is learnt from under another name, so that scores and "
        f"corrections are too good: {few([str(one) for one in twins], 8)}. Take one of each pair "
        "out."
    )


def with_twins(result: FinetuneResult, twins: tuple[Twin, ...]) -> FinetuneResult:
    """Note in the card of a model that it has learnt fields of its held-out images."""
    segmenter, held_out = result.segmenter, result.segmenter.card.held_out
    if held_out is None or not {one.name for one in twins} & {one.name for one in held_out.images}:
        return result
    noted = held_out.model_copy(update={"twins": True})
    card = segmenter.card.model_copy(update={"held_out": noted})
    return replace(result, segmenter=replace(segmenter, card=card))


def _there(found: list[Twin | None]) -> tuple[Twin, ...]:
    return tuple(one for one in found if one is not None)
