"""Painted micrographs as input of a network; each label and image is scanned once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.labels.painted import PaintedMicrograph, painted_pixels, to_targets
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.crops import PreparedImage, prepare
from napari_matssl.learn.grey_reference import GreyScale
from napari_matssl.learn.grey_scale import fit_scalings
from napari_matssl.learn.magnification import magnification
from napari_matssl.micrograph.intensity_scaling import IntensityScaling, fit_intensity_scaling
from napari_matssl.settings import Exposure


@dataclass(frozen=True)
class ValidationImage:
    """A painted micrograph that is held out of training.

    Parameters
    ----------
    painted
        The micrograph and its labels.
    targets
        ``(H, W)`` uint8 channel indices, 255 unpainted.
    own
        The intensity scaling by its own mean and spread.
    """

    painted: PaintedMicrograph
    targets: NDArray[np.uint8]
    own: IntensityScaling


@dataclass(frozen=True)
class TrainingSet:
    """Images to train on, and images to choose the best model by.

    Parameters
    ----------
    painted
        The micrographs to learn from and their labels.
    images
        The same as the network sees them, in the same order.
    validation
        There may be none.
    scale
        The common grey scale of the images, None where each has its own.
    """

    painted: tuple[PaintedMicrograph, ...]
    images: tuple[PreparedImage, ...]
    validation: tuple[ValidationImage, ...] = ()
    scale: GreyScale | None = None


def scan(
    painted: Sequence[PaintedMicrograph],
    validation: Sequence[PaintedMicrograph],
    card: ModelCard,
    exposure: Exposure,
) -> TrainingSet:
    """Prepare painted micrographs for the network of a card.

    With the grey reference of a model to go on from, the images are matched to that.

    Raises
    ------
    InputError
        If an image or label can't be used, or nothing is painted to validate on, or if the pixel
        size of such an image can't be right.
    """
    scalings, scale = fit_scalings([one.micrograph for one in painted], card, exposure)
    images = tuple(prepare(*pair, card) for pair in zip(painted, scalings, strict=True))
    # Now, not at the first validation, when a training would be lost.
    pixels = painted_pixels(validation, card.classes, card.unlabelled)
    if validation and not any(pixels.values()):
        names = ", ".join(one.micrograph.name for one in validation[:3])
        raise InputError(
            f"Nothing is painted in the images to validate on ({names}).",
            "Paint on them, or validate on other images or on none.",
            settings="val_fraction",
        )
    for one in validation:
        magnification(card, one.micrograph)  # refuses an absurd pixel size
    apart = (
        ValidationImage(
            one,
            to_targets(one, card.classes, card.unlabelled),
            fit_intensity_scaling(one.micrograph, card.intensity_scaling, card.channels),
        )
        for one in validation
    )
    return TrainingSet(tuple(painted), images, tuple(apart), scale)
