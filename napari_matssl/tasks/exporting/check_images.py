"""Images on which an exported file is compared with the model."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_matssl.learn.card import ModelCard
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.project.pixel_sizes import read_calibrated
from napari_matssl.samples import make_sample

_MOST = 2  # of a project's own images
_SIDE, _SMALLEST, _LARGEST = 320, 96, 1024  # px of the network, and of the samples
_MATERIALS = ("dual-phase", "coating")


def images_to_check(
    model: Path, card: ModelCard, given: Sequence[Path]
) -> tuple[str, Iterator[Micrograph]]:
    """Choose the images on which an exported file is checked.

    Parameters
    ----------
    model
        File of the model.
    card
        Its card.
    given
        What the user names. Else painted images of the model's project are taken, and synthetic
        ones where there are none.

    Returns
    -------
    What they are, for people, and the images, read one after another.

    Raises
    ------
    InputError
        While they are read, if one can't be used.
    """
    if given:
        return _counted(len(given), "given image"), (read_calibrated(path) for path in given)
    own = _painted(model, card)
    if own:
        return _counted(len(own), "painted image"), (read_calibrated(path) for path in own)
    return _counted(len(_MATERIALS), "synthetic image"), _samples(card)


def _painted(model: Path, card: ModelCard) -> list[Path]:
    """Find images that a model was trained on, beside the ``matssl/models`` it lies in."""
    folder = model.resolve().parent
    if (folder.parent.name, folder.name) != ("matssl", "models"):
        return []
    names = (one.name for one in card.training_images if one.page is None)
    found = [folder.parents[1] / name for name in names if Path(name).name == name]
    return [path for path in found if path.is_file()][:_MOST]


def _samples(card: ModelCard) -> Iterator[Micrograph]:
    """Draw micrographs at the model's magnification, without a pixel size or an info bar."""
    side = int(np.clip(round(_SIDE / card.scale), _SMALLEST, _LARGEST))
    for seed, material in enumerate(_MATERIALS):
        drawn = make_sample(material, seed, (side, side + side // 4)).micrograph
        yield replace(drawn, pixel_size=None, info_bar=None)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"
