"""Cards of model files: read without their tensors, or made up for published weights."""

import json
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, overload

from pydantic import ValidationError

from napari_matssl.errors import InputError, ModelFileError
from napari_matssl.files import Stamp, stamp_of
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.learn.card import (
    CARD_KEY,
    FORMAT_VERSION,
    Card,
    CheckpointCard,
    EncoderCard,
    ModelCard,
)
from napari_matssl.learn.pickled import read_shapes
from napari_matssl.learn.published import Published, identify
from napari_matssl.learn.shipped_weights import weights_path
from napari_matssl.learn.tensorfile import damaged_model, is_pickle, read_header
from napari_matssl.settings import IntensityScalingSettings

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
