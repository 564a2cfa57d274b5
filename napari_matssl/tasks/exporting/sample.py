"""The test image of a package: what a network gets and gives, and whether exported files agree."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_matssl.errors import ComputeError, InputError
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.magnification import magnification, rescale
from napari_matssl.learn.portable import Portable
from napari_matssl.learn.portable_facts import MULTIPLE, input_channels
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.intensity_scaling import specimen_values
from napari_matssl.tasks.exporting.preprocessing import (
    Floats,
    in_eight_bits,
    preprocessed,
    standardises,
)

SMALLEST = 128
"""Px of the network that an image of a package has at least."""

_SIDE = 256  # px of the network
_TOLERANCE, _MOST_DIFFERENT = 1e-3, 100e-6  # relative and absolute; share of the values


@dataclass(frozen=True)
class Sample:
    """One image as the network gets it, and what it gives.

    Parameters
    ----------
    name
        Of the image.
    stored
        ``(1, C, H, W)``, stored values at the network's magnification.
    probabilities
        ``(1, K, H, W)``.
    """

    name: str
    stored: Floats
    probabilities: Floats


def sample_of(segmenter: Segmenter, micrograph: Micrograph) -> Sample:
    """Take the middle of an image, and let the model see it as the description tells.

    Raises
    ------
    InputError
        If the image is too small.
    """
    stored = _middle(segmenter.card, micrograph)
    image = torch.from_numpy(preprocessed(stored, segmenter.card))
    with torch.inference_mode():
        probabilities: Floats = Portable(segmenter, standardises(segmenter.card))(image).numpy()
    return Sample(micrograph.name, stored, probabilities)


def check_reproduced(
    sample: Sample, card: ModelCard, run: Callable[[Tensor], Tensor], form: str
) -> None:
    """Check an exported file on a sample, with the tolerances of ``bioimageio test``.

    Parameters
    ----------
    sample
        Its image passes the steps of the description first.
    card
        Of the model.
    run
        Turns such images into probabilities, as the file does.
    form
        What the file is, for people.

    Raises
    ------
    ComputeError
        If it gives other probabilities.
    """
    with torch.inference_mode():
        found = run(torch.from_numpy(preprocessed(sample.stored, card))).numpy()
    expected = sample.probabilities
    different = np.abs(found - expected) > _TOLERANCE * (1 + np.abs(expected))
    if different.mean() > _MOST_DIFFERENT:
        raise ComputeError(
            f"The {form} file gives other probabilities than the model for "
            f"{100 * different.mean():.2g} % of the values of {sample.name}.",
            "Nothing was written; use predict.",
        )


def _middle(card: ModelCard, micrograph: Micrograph) -> Floats:
    """Return the stored values ``(1, C, H, W)`` in the middle, at the network's magnification."""
    channels = "grey" if input_channels(card) == 1 else "rgb"
    values = in_eight_bits(specimen_values(micrograph, channels), card, micrograph)
    seen = rescale(values, magnification(card, micrograph)).astype(np.float32)
    height, width = seen.shape[:2]
    sides = [min(_SIDE, side // MULTIPLE * MULTIPLE) for side in (height, width)]
    if min(sides) < SMALLEST:
        raise InputError(
            f"{micrograph.name} is too small for the test image of a package: the network sees "
            f"{width} x {height} px of it.",
            f"Name an image of which it sees {SMALLEST} x {SMALLEST} px at least.",
            settings="check",
        )
    top, left = ((whole - side) // 2 for whole, side in zip((height, width), sides, strict=True))
    part = seen[top : top + sides[0], left : left + sides[1]]
    planes = part[None] if part.ndim == 2 else part.transpose(2, 0, 1)
    return np.ascontiguousarray(planes[None])
