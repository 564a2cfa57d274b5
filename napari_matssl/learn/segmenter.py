"""The segmenter: U-Net++ on any encoder, with its card."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from napari_matssl.errors import ModelFileError, SettingsError
from napari_matssl.labels.classes import ClassTable
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.device import seeded
from napari_matssl.learn.encoders import smp_name
from napari_matssl.learn.modelfile import load_checked, read_tensors, write_tensors
from napari_matssl.learn.pixel_classifier import PixelClassifier
from napari_matssl.learn.residual_unet import ResidualUnet
from napari_matssl.learn.unet import Unet
from napari_matssl.settings import Architecture


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
        """The class table; segmenters always have one."""
        if self.card.classes is None:
            raise ModelFileError("The segmenter's card has no class table.", "Train it again.")
        return self.card.classes


def build_network(
    encoder_name: str, classes: int, seed: int = 0, architecture: Architecture = "unet++"
) -> nn.Module:
    """Build a network with random weights; its encoder is the attribute ``encoder``.

    Raises
    ------
    SettingsError
        If there is no such encoder or U-Net++ can't use it.
    """
    known = smp_name(encoder_name)
    with seeded(seed):
        try:
            if architecture == "pixel-classifier":
                return PixelClassifier(encoder_name, classes)
            if architecture == "residual-unet++":
                return ResidualUnet(encoder_name, classes)
            return Unet(encoder_name=known, encoder_weights=None, in_channels=3, classes=classes)
        except SettingsError:
            raise
        except Exception as error:  # timm raises whatever its model's builder raises
            raise SettingsError(
                f"U-Net++ can't be built on the encoder {encoder_name!r} ({error}).",
                "Choose another, such as resnet50 or tf_efficientnet_lite0.",
            ) from error


def write_segmenter(path: Path, segmenter: Segmenter) -> None:
    """Write a segmenter atomically."""
    write_tensors(path, segmenter.card, segmenter.network.state_dict())


def read_segmenter(path: Path) -> Segmenter:
    """Read a segmenter.

    Raises
    ------
    ModelFileError
        If the file is of another kind, damaged, newer, or its tensors don't fit.
    """
    card, tensors = read_tensors(path, kind="segmenter")
    segmenter = Segmenter(nn.Identity(), card)
    classes = len(segmenter.classes)
    network = build_network(card.encoder_name, classes, architecture=card.architecture)
    load_checked(network, tensors, path)
    return Segmenter(network.eval(), card)


_HEADS = ("segmentation_head.", "context.", "filters.")
"""Weights of which each row belongs to a class."""


def adopt(network: nn.Module, own: ClassTable, start: Segmenter) -> None:
    """Start from another segmenter: all its weights, and of its heads the classes of equal name.

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
    rows = known_classes(own, start)
    for name in theirs.keys() & mine.keys():
        if not name.startswith(_HEADS):
            mine[name].copy_(theirs[name])
            continue
        for row, theirs_row in rows.items():
            mine[name][row].copy_(theirs[name][theirs_row])
    network.load_state_dict(mine)


def known_classes(own: ClassTable, start: Segmenter) -> dict[int, int]:
    """Give the channel in `start` of each channel of `own` whose class it knows by name."""
    theirs = start.classes.names
    return {row: theirs.index(name) for row, name in enumerate(own.names) if name in theirs}
