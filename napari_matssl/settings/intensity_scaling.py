"""Settings of intensity scaling."""

from typing import Literal

from napari_matssl.settings.base import Settings
from napari_matssl.settings.fields import setting


class IntensityScalingSettings(Settings):
    """How stored grey values become the input of a network. Stored in the model card."""

    kind: Literal["standardise", "imagenet"] = setting(
        "standardise",
        "each image by its own mean and spread, or by ImageNet's constants",
        title="Method",
        expert=True,
    )
    low_percent: float = setting(
        0.1,
        "percentile that becomes black before standardising",
        title="Black at",
        unit="percentile",
        expert=True,
        ge=0,
        lt=50,
    )
    high_percent: float = setting(
        99.9,
        "percentile that becomes white",
        title="White at",
        unit="percentile",
        expert=True,
        gt=50,
        le=100,
    )
