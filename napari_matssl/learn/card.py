"""The model card: what a model file says of itself, readable without its weights or torch."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from safetensors import SafetensorError, safe_open

from napari_matssl import __version__
from napari_matssl.errors import ModelFileError
from napari_matssl.labels.classes import ClassTable
from napari_matssl.labels.unbroken import ENOUGH_IMAGES, UnbrokenClass
from napari_matssl.settings import Architecture, NormalisationSettings

Channels = Literal["grey", "rgb"]

CARD_KEY = "napari_matssl"
FORMAT_VERSION = 2

DENSE = 0.9
"""Share of painted pixels from which on a recipe for full labels is taken, not one for strokes."""


class TrainingImage(BaseModel):
    """One image that a model has seen."""

    model_config = ConfigDict(frozen=True)

    name: str
    sha256: str


class ModelCard(BaseModel):
    """What a model file says of itself."""

    model_config = ConfigDict(frozen=True)

    format_version: int = FORMAT_VERSION
    kind: Literal["encoder", "segmenter", "checkpoint"]
    encoder_name: str
    architecture: Architecture = Field(default="unet++", description="segmenters only")
    channels: Channels
    normalisation: NormalisationSettings
    classes: ClassTable | None = Field(default=None, description="segmenters only")
    unlabelled: int | None = Field(default=None, description="label value that means unpainted")
    pixel_size_um: float | None = Field(
        default=None, description="um/px of the training images, None if they had none"
    )
    scale: float = Field(default=1.0, description="network px per px of such an image")
    settings: dict[str, Any] = Field(default_factory=dict, description="settings actually used")
    training_images: tuple[TrainingImage, ...] = ()
    painted_share: float | None = Field(
        default=None,
        description="share of the training images' pixels that is painted; segmenters only",
    )
    unbroken: tuple[UnbrokenClass, ...] = Field(
        default=(), description="classes in unbroken layers; segmenters of cross-sections"
    )
    metrics: dict[str, float] = Field(default_factory=dict, description="finite figures only")
    start: str = Field(default="random", description="where the encoder's weights came from")
    package_version: str = __version__
    created: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def densely_painted(self) -> bool:
        """Whether nearly all pixels of the training images were painted; not if that is unknown."""
        return self.painted_share is not None and self.painted_share >= DENSE

    def kept_unbroken(self, islands: Literal["auto", "close", "keep"]) -> dict[str, UnbrokenClass]:
        """Choose the classes in which islands are closed, by name; as settings want it."""
        least = {"auto": ENOUGH_IMAGES, "close": 1, "keep": math.inf}[islands]
        names = dict(zip(self.classes.ids, self.classes.names, strict=True)) if self.classes else {}
        return {names[one.class_id]: one for one in self.unbroken if one.images >= least}

    @field_validator("metrics", mode="before")
    @classmethod
    def _only_finite(cls, metrics: Any) -> Any:
        """JSON has no NaN: it comes back as null, which must not make a file unreadable."""
        if not isinstance(metrics, dict):
            return metrics
        return {k: v for k, v in metrics.items() if v is not None and math.isfinite(v)}


def read_card(path: Path, kind: str | None = None) -> ModelCard:
    """Read the card of a model file without loading its tensors.

    Parameters
    ----------
    path
        A ``.safetensors`` file of ours.
    kind
        The kind that is needed, if only one will do.

    Raises
    ------
    ModelFileError
        If the file is missing, a pickle, truncated, not ours, from a newer format, or of another
        kind.
    """
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise ModelFileError(
            f"Can't read the model file {path}: {error.strerror}.", "Give an existing model file."
        ) from error
    # Safetensors begin with the length of a header in JSON: the length may look like a pickle's
    # first bytes, the brace after it may not.
    if start[8:] != b"{" and start.startswith(_PICKLE_STARTS):
        raise ModelFileError(
            f"{path} is a pickled PyTorch file, not a model of napari-matssl.",
            "Published weights can be the start of training: pretrain --init or finetune "
            "--encoder.",
        )
    try:
        with safe_open(path, framework="numpy") as tensors:
            metadata = tensors.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ModelFileError(
            f"{path} is damaged or no model file ({error}).", "Copy or train it again."
        ) from error
    return _parse_card(path, metadata, kind)


PUBLISHED_ENCODER = "resnet50"
"""The network of every encoder published by MatSSL's and MicroNet's authors that is read here."""

MICROGRAPHS = "micrographs"
"""What settings call the encoder that comes with the program."""

_SHIPPED = Path(__file__).parents[1] / "weights" / "micrographs.safetensors"

PICKLES = frozenset({".pth", ".pt", ".tar", ".ckpt"})
"""Suffixes of PyTorch's own files of weights."""


_PICKLE_STARTS = (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def weights_path(source: str) -> Path:
    """Find the file of weights that settings name: the shipped encoder, or a path."""
    return _SHIPPED if source == MICROGRAPHS else Path(source)


def encoder_of_file(source: str) -> str | None:
    """Name the encoder network whose weights a file holds; None if `source` is no such file.

    Raises
    ------
    ModelFileError
        If the file is one of ours, but damaged.
    """
    path = weights_path(source)
    if source in ("imagenet", "random") or not path.is_file():
        return None
    return PUBLISHED_ENCODER if path.suffix.lower() in PICKLES else read_card(path).encoder_name


def _parse_card(path: Path, metadata: dict[str, str], kind: str | None) -> ModelCard:
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
        card = ModelCard.model_validate(data)
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise ModelFileError(
            f"The model card in {path} is damaged ({type(error).__name__}).",
            "Copy or train the model again.",
        ) from error
    if kind is not None and card.kind != kind:
        article = "an" if card.kind == "encoder" else "a"
        remedies = {
            "segmenter": "Give a model that finetune wrote.",
            "encoder": "Give an encoder that pretrain wrote.",
            "checkpoint": "Give a checkpoint that pretrain wrote.",
        }
        raise ModelFileError(f"{path} holds {article} {card.kind}; {kind} needed.", remedies[kind])
    return card
