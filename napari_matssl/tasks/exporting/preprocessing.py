"""How bioimage.io describes what happens to an image before the network, and the same in NumPy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_matssl.learn.card import ModelCard
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.intensity_scaling import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    fit_intensity_scaling,
)

Floats = NDArray[np.float32]

_EPS = 1e-6  # the one of bioimage.io
_EIGHT_BIT = 255.0


def standardises(card: ModelCard) -> bool:
    """Whether the network of a package has to standardise images itself.

    bioimageio.core takes the statistics of all steps from the stored image, so that a description
    can't ask for the mean and spread of what its percentiles have left.
    """
    return card.intensity_scaling.kind == "standardise" and card.grey_reference is None


def preprocessing(card: ModelCard) -> list[dict[str, Any]]:
    """Describe the intensity scaling of a model, for stored values at its magnification.

    Constants are written as gain and offset, a step that QuPath applies, too. Models that match
    images to painted ones take the grey scale of these; bioimage.io has no step that looks for
    another. What is left to the network is :func:`standardises`.
    """
    if takes_eight_bits(card):
        return [_linear(_EIGHT_BIT * IMAGENET_MEAN, _EIGHT_BIT * IMAGENET_STD)]
    if card.grey_reference is not None:
        scale = card.grey_reference.scale
        channels = np.ones(1 if card.channels == "grey" else 3)
        return [
            {"id": "clip", "kwargs": {"min": scale.low, "max": scale.high}},
            _linear(scale.middle * channels, scale.spread * channels),
        ]
    percent = {
        "min_percentile": card.intensity_scaling.low_percent,
        "max_percentile": card.intensity_scaling.high_percent,
    }
    return [
        {"id": "scale_range", "kwargs": {"axes": ["channel", "y", "x"], "eps": _EPS, **percent}},
        {"id": "clip", "kwargs": {"min": 0.0, "max": 1.0}},
    ]


def _linear(middle: NDArray[np.floating[Any]], spread: NDArray[np.floating[Any]]) -> dict[str, Any]:
    """Describe the step that makes 0 of the middle and 1 of a spread, of each channel."""
    gain = 1.0 / spread.astype(np.float64)
    offset = -middle.astype(np.float64) * gain
    constants = {"axis": "channel", "gain": gain.tolist(), "offset": offset.tolist()}
    return {"id": "scale_linear", "kwargs": constants}


def takes_eight_bits(card: ModelCard) -> bool:
    """Whether the description is for values from 0 to 255 alone, as ImageNet's constants are."""
    return card.intensity_scaling.kind == "imagenet"


def in_eight_bits(
    values: NDArray[np.generic], card: ModelCard, micrograph: Micrograph
) -> NDArray[np.generic]:
    """Bring the values of an image to 0 to 255 where the description is for these alone.

    Images of 8 bits stay as they are; others go from their smallest to their largest value, as
    :func:`~napari_matssl.micrograph.intensity_scaling.fit_intensity_scaling` has it.

    Raises
    ------
    InputError
        If the image is constant.
    """
    if not takes_eight_bits(card) or micrograph.pixels.dtype == np.uint8:
        return values
    scaling = fit_intensity_scaling(micrograph, card.intensity_scaling, card.channels)
    span = scaling.high - scaling.low
    unit = ((values.astype(np.float64) - scaling.low) / span).clip(0, 1)
    stretched: Floats = (_EIGHT_BIT * unit).astype(np.float32)
    return stretched


def preprocessed(stored: Floats, card: ModelCard) -> Floats:
    """Do what :func:`preprocessing` describes to an image ``(1, C, H, W)``."""
    scaled: NDArray[np.floating[Any]]
    if takes_eight_bits(card):
        mean, std = (_EIGHT_BIT * one[:, None, None] for one in (IMAGENET_MEAN, IMAGENET_STD))
        scaled = (stored - mean) / std
    elif card.grey_reference is not None:
        scale = card.grey_reference.scale
        scaled = (stored.clip(scale.low, scale.high) - scale.middle) / scale.spread
    else:
        settings = card.intensity_scaling
        low, high = np.percentile(stored, (settings.low_percent, settings.high_percent))
        scaled = ((stored - low) / (high - low + _EPS)).clip(0, 1)
    return scaled.astype(np.float32)
