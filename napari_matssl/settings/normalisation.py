"""Settings of the grey values that a network sees."""

from typing import Literal

from pydantic import Field

from napari_matssl.settings.base import Settings


class NormalisationSettings(Settings):
    """How grey values become what a network sees. Stored in the model card."""

    kind: Literal["standardise", "imagenet"] = Field(
        default="standardise",
        description="each image by its own mean and spread, or by ImageNet's constants",
    )
    low_percent: float = Field(
        default=0.1, ge=0, lt=50, description="percentile that becomes black before standardising"
    )
    high_percent: float = Field(
        default=99.9, gt=50, le=100, description="percentile that becomes white"
    )
