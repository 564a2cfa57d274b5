"""The segmenter: a network with its card."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_matssl.errors import ModelFileError, SettingsError
from napari_matssl.labels.class_table import ClassTable, match_by_name
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.card_files import find_published, read_card
from napari_matssl.learn.encoders import outline
from napari_matssl.learn.modelfile import (
    StateDict,
    check_shapes,
    check_weights,
    load_checked,
    read_pickle,
    read_tensors,
    shapes_of,
    write_tensors,
)
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.pickled import Shape
from napari_matssl.learn.published import bare_names
from napari_matssl.learn.tensorfile import is_pickle, read_header


@dataclass(frozen=True)
class Segmenter:
    """A network with its card.

    Parameters
    ----------
    network
        ``(N, 3, H, W)`` standardised images to ``(N, K, H, W)`` logits; H, W multiples of 32.
    card
        Channel k of the logits stands for the k-th class of its table.
    """

    network: nn.Module
    card: ModelCard

    @property
    def classes(self) -> ClassTable:
        """The class table."""
        return self.card.classes


def write_segmenter(path: Path, segmenter: Segmenter) -> None:
    """Write a segmenter atomically."""
    write_tensors(path, segmenter.card, segmenter.network.state_dict())


def read_segmenter(path: Path) -> Segmenter:
    """Read a segmenter: a model of ours, or a U-Net++ that others have published as ``.pth``.

    Raises
    ------
    ModelFileError
        If the file is of another kind, damaged, newer, or its tensors don't fit or can't be meant.
    """
    card = read_card(path, kind="segmenter")
    _check_outline(card, path)
    if is_pickle(path):
        tensors = _published(path)
    else:
        tensors = _present_names(read_tensors(path, "segmenter"))
    check_weights(tensors, path, _ZERO_AT_FIRST if card.architecture == "guided-unet++" else ())
    network = build_network(card.encoder, len(card.classes), architecture=card.architecture)
    load_checked(network, tensors, path)
    return Segmenter(network.eval(), card)


_ZERO_AT_FIRST = ("segmentation_head.",)
"""The correction of a pixel classifier starts at zero, and stays there in a very short run."""


def _check_outline(card: ModelCard, path: Path) -> None:
    """Compare a file's header with its card, before memory is taken for either."""
    try:
        with outline():
            network = build_network(card.encoder, len(card.classes), architecture=card.architecture)
    except SettingsError as error:
        raise ModelFileError(
            f"{path} can't be used: {error.what}", "Train the model again with another encoder."
        ) from error
    if not is_pickle(path):
        own: dict[str, Shape] = shapes_of(network.state_dict())
        check_shapes(own, _present_names(read_header(path).shapes), path)


def _present_names(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Rename tensors of older files, in which a classifier's heads had no prefix.

    ``context.0.weight`` is now ``heads.context.0.weight``.
    """
    if any(name.startswith("heads.") for name in stored):
        return dict(stored)
    former = ("context.", "filters.")
    return {f"heads.{n}" if n.startswith(former) else n: one for n, one in stored.items()}


def _published(path: Path) -> StateDict:
    """Read a published U-Net++; a single channel gets one of zeros beside it for the background."""
    published = find_published(path)
    state = read_pickle(path)
    tensors = {bare: state[name] for bare, name in bare_names(state, published.prefix).items()}
    if published.classes == 1:
        for name in ("segmentation_head.0.weight", "segmentation_head.0.bias"):
            tensors[name] = torch.cat([torch.zeros_like(tensors[name]), tensors[name]])
    return tensors


_HEADS = ("segmentation_head.", "heads.")
"""Weights of which each row belongs to a class."""


def adopt(network: nn.Module, own: ClassTable, start: Segmenter) -> None:
    """Load the weights of another segmenter; of its heads, those of classes with equal names.

    Of one with another architecture, what both have is taken.

    Parameters
    ----------
    network
        The new network, of the same encoder.
    own
        Its class table, which may have classes more or fewer than `start`.
    start
        The segmenter to go on from.
    """
    theirs: dict[str, Tensor] = start.network.state_dict()
    mine: dict[str, Tensor] = network.state_dict()
    rows = shared_classes(own, start)
    for name in theirs.keys() & mine.keys():
        rest = int(name.startswith(_HEADS))  # rows of heads go by classes
        if theirs[name].shape[rest:] != mine[name].shape[rest:]:
            continue
        if not name.startswith(_HEADS):
            mine[name].copy_(theirs[name])
            continue
        for row, theirs_row in rows.items():
            mine[name][row].copy_(theirs[name][theirs_row])
    network.load_state_dict(mine)


def shared_classes(own: ClassTable, start: Segmenter) -> dict[int, int]:
    """Return the channel in `start` of each channel of `own` with the same class name."""
    rows = {one: row for row, one in enumerate(start.classes.ids)}
    ids = match_by_name(start.classes, own)
    return {row: rows[ids[one]] for row, one in enumerate(own.ids) if one in ids}
