"""The provenance of a mask in a sentence or two."""

from napari_matssl.labels.provenance import Provenance
from napari_matssl.tasks.provenance import (
    ANOTHER_BAR,
    ANOTHER_MODEL,
    ANOTHER_SIZE,
    DOUBTFUL_MASK,
    OLDER_THAN_STROKES,
    UNSURE_MASK,
)
from napari_matssl.widgets.controls.card_view import local_time


def origin_in_words(origin: Provenance, doubt: str, has_model: bool = True) -> str:
    """Describe which model made a mask, when, and how it was cleaned since.

    Parameters
    ----------
    origin
        Provenance of the mask, with the cleaning that is shown.
    doubt
        As `mask_doubts` gives it; empty if there is none.
    has_model
        The model is among those of the folder.
    """
    if origin.model or origin.model_created:
        name = origin.model.removesuffix(".safetensors") or "a model without a file"
        facts = []
        if origin.model and not has_model:
            facts.append("not in this folder any more")
        if origin.model_created:
            facts.append(f"trained {local_time(origin.model_created)}")
        if origin.model_sha256:
            facts.append(f"checksum {origin.short_sha256}")
        text = f"Mask made by {name}"
        if facts:
            text += f" ({', '.join(facts)})"
        if origin.written:
            text += f", segmented {local_time(origin.written)}"
    else:
        text = "The model that made this mask is unknown"
    text += f"; cleaned: {origin.cleaning}." if origin.cleaning else "; not cleaned."
    if doubt == ANOTHER_BAR:
        text += " It was made with another info bar than is set now."
    elif doubt == ANOTHER_SIZE:
        text += " It was made at another pixel size than is set now."
    elif doubt == OLDER_THAN_STROKES:
        text += " It is older than the strokes on this image."
    elif doubt == ANOTHER_MODEL:
        text += " It was made by another model than the newest."
    if origin.reasons:
        text += f" The image is {origin.light}: {'; '.join(origin.reasons)}."
    if origin.unsure:
        text += f" {origin.unsure[:1].upper()}{origin.unsure[1:]}."
    return text


def doubts_in_words(doubts: dict[str, str], newest: str) -> str:
    """Count masks that may be out of date or wrong; empty if there are none.

    Parameters
    ----------
    doubts
        By name of the image, as `mask_doubts` gives them.
    newest
        Name of the newest model.
    """
    bars = sum(doubt == ANOTHER_BAR for doubt in doubts.values())
    sizes = sum(doubt == ANOTHER_SIZE for doubt in doubts.values())
    old = sum(doubt == OLDER_THAN_STROKES for doubt in doubts.values())
    doubtful = sum(doubt == DOUBTFUL_MASK for doubt in doubts.values())
    unsure = sum(doubt == UNSURE_MASK for doubt in doubts.values())
    other = len(doubts) - bars - sizes - old - doubtful - unsure
    parts = []
    if bars:
        were = "masks were" if bars > 1 else "mask was"
        parts.append(f"{bars} {were} made with another info bar than is set now.")
    if sizes:
        were = "masks were" if sizes > 1 else "mask was"
        parts.append(f"{sizes} {were} made at another pixel size than is set now.")
    if other:
        were = "masks were" if other > 1 else "mask was"
        parts.append(f"{other} {were} made by another model than {newest}, the newest.")
    if old:
        are = "masks are older than the strokes on their images" if old > 1 else (
            "mask is older than the strokes on its image")  # fmt: skip
        parts.append(f"{old} {are}.")
    if doubtful:
        images = "images are" if doubtful > 1 else "image is"
        parts.append(f"{doubtful} {images} doubtful by grey values: see the list of images.")
    if unsure:
        masks = "masks are" if unsure > 1 else "mask is"
        parts.append(f"{unsure} {masks} uncertain in places: see the list of images.")
    if not parts:
        return ""
    return " ".join([*parts, "Segment again or check them before you report figures."])
