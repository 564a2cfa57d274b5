"""The networks by name: how each is built, what starts it, and which parts are encoders."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from timm.models.swin_transformer import SwinTransformerBlock
from torch import nn

from napari_matssl.errors import ModelFileError, SettingsError, WeightsError
from napari_matssl.learn.cs_unet import CsUnet
from napari_matssl.learn.device import seeded
from napari_matssl.learn.encoders import (
    LITE0,
    STRIDE,
    SWIN,
    check_sizes,
    is_transformer,
    refuse_for,
)
from napari_matssl.learn.guided_unet import GuidedUnetPlusPlus
from napari_matssl.learn.pixel_classifier import PixelClassifier
from napari_matssl.learn.segformer import Segformer
from napari_matssl.learn.unet import UnetPlusPlus
from napari_matssl.settings import Architecture, FinetuneSettings

Trainable = UnetPlusPlus | GuidedUnetPlusPlus | Segformer | CsUnet
"""Networks that are trained step by step; the pixel classifier is fitted."""


@dataclass(frozen=True)
class Kind:
    """A kind of network.

    Parameters
    ----------
    build
        Builds it from the name of an encoder and the number of classes. The encoder is its
        attribute ``encoder``; a Swin beside it, ``transformer``.
    name
        As messages call it.
    needs
        What its encoder has to be, for the message that refuses another; empty if all will do.
    fits
        Whether it can have an encoder of a name.
    has_transformer
        Whether it has a Swin beside the encoder.
    """

    build: Callable[[str, int], nn.Module]
    name: str
    needs: str = ""
    fits: Callable[[str], bool] = lambda _encoder: True
    has_transformer: bool = False


KINDS: dict[Architecture, Kind] = {
    "guided-unet++": Kind(GuidedUnetPlusPlus, "U-Net++"),
    "unet++": Kind(UnetPlusPlus, "U-Net++"),
    "segformer": Kind(
        Segformer, "segformer", f"a transformer, such as mit_b0 or {SWIN}", is_transformer
    ),
    "cs-unet": Kind(
        CsUnet,
        "cs-unet",
        f"a CNN beside its own Swin, such as {LITE0} or resnet50",
        lambda encoder: not is_transformer(encoder),
        has_transformer=True,
    ),
    "pixel-classifier": Kind(PixelClassifier, "The pixel classifier"),
}


def build_network(
    encoder_name: str, classes: int, seed: int = 0, architecture: Architecture = "unet++"
) -> nn.Module:
    """Build a network with random weights; its encoder is the attribute ``encoder``.

    Raises
    ------
    SettingsError
        If there is no such encoder or the network can't be built on it.
    """
    kind = KINDS[architecture]
    if not kind.fits(encoder_name):
        raise SettingsError(
            f"The encoder of {kind.name} is {kind.needs}, not {encoder_name!r}.",
            "Choose such an encoder, or another network.",
            settings="encoder architecture",
        )
    check_sizes(encoder_name)
    with seeded(seed):
        try:
            return kind.build(encoder_name, classes)
        except SettingsError:
            raise
        except Exception as error:  # timm raises whatever its model's builder raises
            raise refuse_for(kind.name, encoder_name, error) from error


def is_of_one_kind(one: Architecture, other: Architecture) -> bool:
    """Whether a network can go on from the weights of the decoder of another."""
    return KINDS[one].name == KINDS[other].name


@dataclass(frozen=True)
class StartingPart:
    """A part of a network that gets start weights.

    Parameters
    ----------
    attribute
        Of the network.
    encoder, weights
        The part's network, and where its weights come from.
    setting
        Names these weights.
    """

    attribute: str
    encoder: str
    weights: str
    setting: str

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Name the setting of these weights where they can't be had.

        Raises
        ------
        WeightsError, ModelFileError
            As they were raised inside.
        """
        try:
            yield
        except (WeightsError, ModelFileError) as error:
            if not is_transformer(self.encoder):
                raise
            remedy = "Give a file of weights, or ask for random."
            raise error.reworded(remedy=remedy, settings=self.setting) from error


def starting_parts(settings: FinetuneSettings) -> Iterator[StartingPart]:
    """Yield the parts of the network of settings that get start weights, its encoder first."""
    yield StartingPart("encoder", settings.encoder, settings.weights, "weights")
    if settings.architecture != "auto" and KINDS[settings.architecture].has_transformer:
        wanted = settings.transformer_weights
        yield StartingPart("transformer", SWIN, wanted, "transformer_weights")


def describe_start(settings: FinetuneSettings) -> str:
    """Describe what a network with a transformer starts from; empty for others."""
    parts = list(starting_parts(settings))
    if not any(is_transformer(part.encoder) for part in parts):
        return ""
    both = " and ".join(f"{part.encoder} (weights: {part.weights})" for part in parts)
    return f"The network starts with {both}."


def encoder_parameters(network: nn.Module) -> list[nn.Parameter]:
    """List the parameters of a network's encoders, which learn at a rate of their own."""
    parts = [part for name, part in network.named_children() if name in ("encoder", "transformer")]
    return [parameter for part in parts for parameter in part.parameters()]


def tile_step(network: nn.Module) -> int:
    """Px at multiples of which tiles begin, so that all see the same grid as the whole image.

    Subsampling gives 32. The windows of a Swin, the lowest of which are as many patches of 32 px,
    have to coincide, too.
    """
    windows = [
        module.window_size[0]
        for module in network.modules()
        if isinstance(module, SwinTransformerBlock)
    ]
    return STRIDE * max(windows, default=1)
