"""The model card: metadata of a model file, readable without its weights or torch."""

import json
import math
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, overload

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from napari_matssl import __version__
from napari_matssl.errors import InputError, ModelFileError
from napari_matssl.files import Stamp, stamp_of
from napari_matssl.labels.class_table import ClassTable, numbered_table
from napari_matssl.labels.held_out import HeldOut
from napari_matssl.labels.payoff import Payoff
from napari_matssl.labels.unbroken import ENOUGH_IMAGES, UnbrokenClass
from napari_matssl.learn.grey_reference import GreyReference
from napari_matssl.learn.pickled import read_shapes
from napari_matssl.learn.published import Published, identify
from napari_matssl.learn.shipped_weights import weights_path
from napari_matssl.learn.temperature import HIGHEST, LOWEST
from napari_matssl.learn.tensorfile import damaged_model, is_pickle, read_header
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

    def is_of(self, other: "TrainingImage") -> bool:
        """Whether it is the same image; a card that names no page may mean any of them."""
        same_page = self.page == other.page or None in (self.page, other.page)
        return self.sha256 == other.sha256 and same_page


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

Kind = Literal["encoder", "checkpoint", "segmenter"]

_TYPES: dict[Kind, type[Card]] = {
    "encoder": EncoderCard,
    "checkpoint": CheckpointCard,
    "segmenter": ModelCard,
}


@overload
def read_card(path: Path, kind: Literal["segmenter"]) -> ModelCard: ...
@overload
def read_card(path: Path, kind: Literal["encoder"]) -> EncoderCard: ...
@overload
def read_card(path: Path, kind: Literal["checkpoint"]) -> CheckpointCard: ...
@overload
def read_card(path: Path, kind: Kind | None = None) -> Card: ...
def read_card(path: Path, kind: Kind | None = None) -> Card:
    """Read the card of a model file without loading its tensors.

    Parameters
    ----------
    path
        A ``.safetensors`` file of ours, or weights that others have published: their card is made
        up from the tensors, with numbered classes.
    kind
        The kind that is needed, if only one will do.

    Raises
    ------
    ModelFileError
        If the file is missing, no regular one, truncated, neither ours nor of a known encoder, from
        a newer format, or of another kind, or its card has values that can't be.
    """
    try:
        stamp = stamp_of(path)
    except InputError as error:
        raise ModelFileError(error.what, error.remedy) from error
    card = _card_of(path, stamp)
    if kind is not None and card.kind != kind:
        article = "an" if card.kind == "encoder" else "a"
        raise ModelFileError(f"{path} holds {article} {card.kind}; {kind} needed.", _REMEDIES[kind])
    return card


@lru_cache(maxsize=256)
def _card_of(path: Path, _stamp: Stamp | None) -> Card:
    """Read a card, once for as long as its file is the same."""
    if is_pickle(path):
        return _published_card(path)
    return _parse_card(path, read_header(path).metadata)


_REMEDIES = {
    "segmenter": "Give a model that finetune wrote.",
    "encoder": "Give an encoder that pretrain wrote.",
    "checkpoint": "Give a checkpoint that pretrain wrote.",
}

PICKLES = frozenset({".pth", ".pt", ".tar", ".ckpt"})
"""Suffixes of PyTorch's own files of weights."""


def encoder_of_file(source: str) -> str | None:
    """Name the encoder network whose weights a file holds.

    None if `source` is no file, or its tensors don't identify a network.

    Raises
    ------
    ModelFileError
        If the file is damaged.
    """
    path = weights_path(source)
    if source in ("imagenet", "random") or not path.exists():
        return None
    if is_pickle(path):
        published = identify(read_shapes(path))
        return None if published is None else published.encoder
    return read_card(path).encoder


def find_published(path: Path) -> Published:
    """Recognise what a published file of weights holds.

    Raises
    ------
    ModelFileError
        If it can't be read, or its encoder isn't known.
    """
    published = identify(read_shapes(path))
    if published is None:
        raise ModelFileError(
            f"{path} is a PyTorch file of weights, but of no encoder that is known by its tensors.",
            "Published weights can be the start of training all the same: name their network, too.",
            settings="weights encoder",
        )
    return published


def _published_card(path: Path) -> Card:
    """Make a card for published weights.

    Their images are taken as the released code does: in colour, ImageNet's constants, their own
    size. A single channel separates two classes by its sign.
    """
    published = find_published(path)
    changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    facts: dict[str, Any] = {
        "encoder": published.encoder,
        "channels": "rgb",
        "intensity_scaling": IntensityScalingSettings(kind="imagenet"),
        "start": f"published weights ({path.name})",
        "package_version": "unknown",
        "created": changed.isoformat(timespec="seconds"),
    }
    if published.classes is None:
        return EncoderCard(**facts)
    return ModelCard(**facts, classes=numbered_table(list(range(max(published.classes, 2)))))


def _parse_card(path: Path, metadata: dict[str, str]) -> Card:
    if CARD_KEY not in metadata:
        raise ModelFileError(
            f"{path} is a safetensors file, but not one of napari-matssl.",
            "Give a file that pretrain or finetune wrote.",
        )
    try:
        data = json.loads(metadata[CARD_KEY])
        version = int(data["format_version"])
        if version > FORMAT_VERSION:
            raise ModelFileError(
                f"{path} has format {version}, newer than this program's {FORMAT_VERSION}.",
                "Update: pip install -U napari-matssl.",
            )
        return _TYPES[data["kind"]].model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        detail = ": ".join(filter(None, ("its card", where, reason)))
        raise damaged_model(path, detail) from error
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise damaged_model(path, f"its card: {type(error).__name__}") from error
