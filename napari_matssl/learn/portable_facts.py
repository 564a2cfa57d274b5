"""What another program has to be told of a model: classes, magnification, grey scale."""

from typing import Any

from napari_matssl import __version__
from napari_matssl.learn.card import ModelCard
from napari_matssl.micrograph.image import LUMINANCE
from napari_matssl.micrograph.intensity_scaling import IMAGENET_MEAN, IMAGENET_STD

FACTS_VERSION = 1

MULTIPLE = 32
"""Height and width of an image that a network gets are multiples of this, px."""


def input_channels(card: ModelCard) -> int:
    """Channels of the images that another program gives to a model.

    Constants of ImageNet differ between channels, so that grey images become three of them.
    """
    return 1 if card.channels == "grey" and card.intensity_scaling.kind == "standardise" else 3


def portable_facts(card: ModelCard, name: str, sha256: str) -> dict[str, Any]:
    """Describe a model in plain values, as they stand in the metadata of an exported file.

    Parameters
    ----------
    card
        Of the model.
    name, sha256
        Of its file.
    """
    size = card.pixel_size_um
    return {
        "format_version": FACTS_VERSION,
        "model": name,
        "model_sha256": sha256,
        "architecture": card.architecture,
        "encoder": card.encoder,
        "created": card.created,
        "program": f"napari-matssl {__version__}",
        "classes": [one.model_dump() for one in card.classes.classes],
        "not_analysed": card.classes.no_class,
        "magnification": card.scale,
        "um_per_px": size,
        "network_um_per_px": None if size is None else size / card.scale,
        "channels": card.channels,
        "luminance": [round(float(weight), 6) for weight in LUMINANCE],
        "multiple_of": MULTIPLE,
        "temperature": card.temperature,
        "scaling": _scaling(card),
        "grey_scale": None
        if card.grey_reference is None
        else card.grey_reference.scale.model_dump(),
    }


def _scaling(card: ModelCard) -> dict[str, Any]:
    """Describe how an image is scaled that has no grey scale from elsewhere."""
    settings = card.intensity_scaling
    if settings.kind == "imagenet":
        constants = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
        rounded = {key: [round(float(v), 6) for v in value] for key, value in constants.items()}
        return {"kind": "imagenet", **rounded}
    return {
        "kind": "standardise",
        "low_percent": settings.low_percent,
        "high_percent": settings.high_percent,
    }
