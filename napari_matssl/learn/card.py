"""The model card: metadata of a model file, readable without its weights or torch."""

import math
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from napari_matssl import __version__
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.held_out import HeldOut
from napari_matssl.labels.payoff import Payoff
from napari_matssl.labels.unbroken import ENOUGH_IMAGES, UnbrokenClass
from napari_matssl.learn.grey_reference import GreyReference
from napari_matssl.learn.temperature import HIGHEST, LOWEST
from napari_matssl.settings import Architecture, IntensityScalingSettings

Channels = Literal["grey", "rgb"]

CARD_KEY = "napari_matssl"
FORMAT_VERSION = 3

SMALLEST_PIXEL_UM = 1e-8
LARGEST_PIXEL_UM = 1e5
"""From a hundredth of a picometre to ten centimetres per pixel: no micrograph is outside."""

LARGEST_FIGURE = 1e12
"""No number of steps, seconds or minutes is larger."""

LARGEST_MAGNIFICATION_RATIO = 2.0
"""Beyond this ratio of um/px between image and model, the user is warned."""

DENSE = 0.9
"""Share of painted pixels from which on a recipe for full labels is taken, not one for strokes."""


_Name = Annotated[
    str, StringConstraints(max_length=300, pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]*$")
]
"""A name on one line."""


class TrainingImage(BaseModel):
    """One training image of a model."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(max_length=4096)
    sha256: str = Field(max_length=128)
    page: int | None = Field(default=None, ge=1, description="of a file of several images")
    pixel_um: float | None = Field(
        default=None, gt=0, description="um per px that counted in training"
    )
    pixels_sha256: str = Field(
        default="", max_length=128, description="of its pixels, whatever the file"
    )
    origin_sha256: str = Field(
        default="", max_length=128, description="of the panorama or layer that it is a part of"
    )

    def is_of(self, other: "TrainingImage") -> bool:
        """Whether it is the same image; a card that names no page may mean any of them."""
        same_page = self.page == other.page or None in (self.page, other.page)
        return self.sha256 == other.sha256 and same_page

    def is_part_of(self, panorama: "TrainingImage") -> bool:
        """Whether it is a part of a panorama."""
        return self.origin_sha256 == panorama.sha256

    def shares_origin(self, other: "TrainingImage") -> bool:
        """Whether what a model has learnt from the other one tells of this one, too.

        They are the same pixels, pages of one file, or parts of one panorama or layer.
        """
        if self.pixels_sha256 and self.pixels_sha256 == other.pixels_sha256:
            return True
        return bool(self._origins & other._origins)

    @property
    def _origins(self) -> set[str]:
        return {self.sha256, self.origin_sha256} - {""}


_FORMER_NAMES = {"encoder_name": "encoder", "normalisation": "intensity_scaling"}


class _Card(BaseModel):
    """Metadata of every file of ours."""

    model_config = ConfigDict(frozen=True)

    format_version: int = Field(default=FORMAT_VERSION, ge=1)
    encoder: _Name
    channels: Channels
    intensity_scaling: IntensityScalingSettings
    settings: dict[str, Any] = Field(default_factory=dict, description="settings actually used")
    training_images: tuple[TrainingImage, ...] = ()
    metrics: dict[str, float] = Field(default_factory=dict, description="finite figures only")
    start: str = Field(
        default="random", max_length=10_000, description="where the encoder's weights came from"
    )
    package_version: _Name = __version__
    created: _Name = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @model_validator(mode="before")
    @classmethod
    def _by_todays_names(cls, data: Any) -> Any:
        """Accept files that were written before a field was renamed."""
        if not isinstance(data, dict):
            return data
        renamed = {now: data[then] for then, now in _FORMER_NAMES.items() if then in data}
        return {**renamed, **data}

    @field_validator("created")
    @classmethod
    def _is_a_time(cls, created: str) -> str:
        datetime.fromisoformat(created)
        return created

    @field_validator("metrics")
    @classmethod
    def _no_absurd_figure(cls, metrics: dict[str, float]) -> dict[str, float]:
        absurd = [name for name, value in metrics.items() if abs(value) > LARGEST_FIGURE]
        if absurd:
            raise ValueError(f"{absurd[0]} is absurd")
        return metrics

    @field_validator("metrics", mode="before")
    @classmethod
    def _only_finite(cls, metrics: Any) -> Any:
        """JSON has no NaN: it comes back as null, which must not make a file unreadable."""
        if not isinstance(metrics, dict):
            return metrics
        return {k: v for k, v in metrics.items() if v is not None and math.isfinite(v)}


class LeftOutTwin(BaseModel):
    """An image that was left out of pretraining, as it shows a field to keep apart."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(max_length=4096)
    like: str = Field(max_length=4096, description="image to keep apart")
    correlation: float = Field(ge=-1, le=1)
    share: float = Field(ge=0, le=1, description="of the field that both show")


class _PretrainingCard(_Card):
    """Card of what pretraining makes."""

    left_out: tuple[LeftOutTwin, ...] = Field(
        default=(), description="images that show a field to keep apart"
    )


class EncoderCard(_PretrainingCard):
    """Card of a pretrained encoder."""

    kind: Literal["encoder"] = "encoder"


class CheckpointCard(_PretrainingCard):
    """Card of an unfinished pretraining."""

    kind: Literal["checkpoint"] = "checkpoint"
    step: int = Field(ge=0, le=LARGEST_FIGURE)
    seconds: float = Field(ge=0, le=LARGEST_FIGURE, allow_inf_nan=False)
    batch_size: int = Field(ge=1, le=LARGEST_FIGURE)
    planned_steps: int | None = Field(ge=0, le=LARGEST_FIGURE)
    epoch_losses: tuple[float, ...]


class ModelCard(_Card):
    """Card of a segmenter."""

    kind: Literal["segmenter"] = "segmenter"
    architecture: Architecture = "unet++"
    classes: ClassTable
    unlabelled: int | None = Field(
        default=None, ge=0, le=65_535, description="label value that means unpainted"
    )
    pixel_size_um: float | None = Field(
        default=None,
        ge=SMALLEST_PIXEL_UM,
        le=LARGEST_PIXEL_UM,
        description="um/px of the training images, None if they had none",
    )
    scale: float = Field(
        default=1.0, ge=0.01, le=8, description="network px per px of such an image"
    )
    painted_share: float | None = Field(
        default=None, ge=0, le=1, description="share of the training images' pixels that is painted"
    )
    unbroken: tuple[UnbrokenClass, ...] = Field(
        default=(), description="classes in unbroken strata, of cross-sections"
    )
    grey_reference: GreyReference | None = Field(
        default=None, description="what images are matched to; None: each has its own grey scale"
    )
    held_out: HeldOut | None = Field(
        default=None, description="what was found in images that were held out, None if none were"
    )
    payoff: Payoff | None = Field(
        default=None, description="what each further painted image gained, None if that is unknown"
    )
    temperature: float = Field(
        default=1.0, ge=LOWEST, le=HIGHEST, description="by which probabilities are calibrated"
    )
    earlier_images: tuple[TrainingImage, ...] = Field(
        default=(), description="other images, which models that it began with have learnt"
    )

    @property
    def learnt_images(self) -> tuple[TrainingImage, ...]:
        """All images that show nothing of how the model does on new ones."""
        return (*self.training_images, *self.earlier_images)

    @property
    def densely_painted(self) -> bool:
        """Whether nearly all pixels of the training images were painted; not if that is unknown."""
        return self.painted_share is not None and self.painted_share >= DENSE

    def unbroken_classes(
        self, detached_components: Literal["auto", "merge", "keep"]
    ) -> dict[str, UnbrokenClass]:
        """Choose the classes of which detached components are merged, by name."""
        least = {"auto": ENOUGH_IMAGES, "merge": 1, "keep": math.inf}[detached_components]
        names = dict(zip(self.classes.ids, self.classes.names, strict=True))
        return {names[one.class_id]: one for one in self.unbroken if one.images >= least}

    @field_validator("architecture", mode="before")
    @classmethod
    def _by_todays_name(cls, architecture: Any) -> Any:
        """Accept models that were written before their network was renamed."""
        return "guided-unet++" if architecture == "residual-unet++" else architecture

    @model_validator(mode="after")
    def _classes_agree(self) -> Self:
        strange = [one.class_id for one in self.unbroken if one.class_id not in self.classes.ids]
        if strange:
            raise ValueError(f"class {strange[0]} in strata is no class")
        reference = self.grey_reference
        if reference is not None and len(reference.histograms) != len(self.classes) + 1:
            raise ValueError("the grey reference has other classes")
        if self.held_out is not None and self.held_out.classes != self.classes.names:
            raise ValueError("the held-out images have other classes")
        return self


Card = EncoderCard | CheckpointCard | ModelCard
