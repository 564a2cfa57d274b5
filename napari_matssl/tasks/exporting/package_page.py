"""What people see of a package: its page of documentation, and its cover picture."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from napari_matssl.export.masks import palette_of
from napari_matssl.learn.card import ModelCard
from napari_matssl.tasks.exchanging.credits import Credits
from napari_matssl.tasks.exporting.preprocessing import takes_eight_bits
from napari_matssl.tasks.exporting.sample import Sample

_BLEND = 0.4  # of the classes' colours
_BLACK_WHITE = (0.5, 99.5)  # percentiles


def documentation(
    card: ModelCard, facts: Mapping[str, Any], credits: Credits, title: str, model_file: str
) -> str:
    """Write what a person reads who finds the package, in Markdown.

    Parameters
    ----------
    card, facts
        Of the model.
    credits
        Stand below the title.
    title
        Of the page.
    model_file
        Name of the model itself in the package.
    """
    classes = "".join(f"| {one.id} | {_cell(one.name)} |\n" for one in card.classes.classes)
    size = card.pixel_size_um
    seen = "" if size is None else f" ({size:.4g} µm/px; the network sees {size / card.scale:.4g})"
    images = len(card.training_images)
    figures = "".join(f"- {name}: {value:.4g}\n" for name, value in sorted(card.metrics.items()))
    held_out = "" if card.held_out is None else f"\nFound in {card.held_out.in_words()}.\n"
    return (
        f"# {title}\n\n"
        f"{card.architecture} on {card.encoder}, trained with {facts['program']} on {images} "
        f"painted micrographs, {card.created}.\n\n{', '.join(credits.authors)}; {credits.licence}\n"
        f"\n| class id | class, in the order of the output's channels |\n|---|---|\n{classes}\n"
        f"Resample an image to {card.scale:.4g} of its size before it goes in{seen}. "
        f"{_values(card)}\n\n`{model_file}` is the model itself, for "
        "`napari-matssl import` and `predict`.\n\n"
        f"## Validation\n\nFigures of the training:\n\n{figures or '- none'}\n{held_out}\n"
        "Paint some images that the model hasn't seen, and compare: `napari-matssl evaluate`.\n"
    )


def _values(card: ModelCard) -> str:
    if takes_eight_bits(card):
        return (
            "Values are those of an 8-bit image; the description holds how they are scaled. Bring "
            "other images to 0 to 255 first, from their smallest to their largest value."
        )
    return (
        "Values are stored ones; the description holds how they are scaled. Take the grey values "
        "of an 8-bit image if the model was trained on such."
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def cover(card: ModelCard, sample: Sample) -> bytes:
    """Draw the test image, and its classes over it, side by side, as PNG."""
    stored = sample.stored[0]
    low, high = np.percentile(stored, _BLACK_WHITE)
    grey = ((stored - low) / max(high - low, 1e-6)).clip(0, 1) * 255
    image = np.broadcast_to(grey.transpose(1, 2, 0), (*grey.shape[1:], 3))
    ids = np.array(card.classes.ids)[sample.probabilities[0].argmax(axis=0)]
    blended = (1 - _BLEND) * image + _BLEND * palette_of(card.classes)[ids]
    side = min(image.shape[:2])
    both = np.concatenate([one[:side, :side] for one in (image, blended)], axis=1)
    picture = BytesIO()
    Image.fromarray(both.round().astype(np.uint8)).save(picture, format="PNG")
    return picture.getvalue()
