"""The methods of contrastive pretraining by their names in the settings."""

from collections.abc import Sequence

from torch import nn

from napari_matssl.learn.device import seeded
from napari_matssl.learn.encoders import build_encoder
from napari_matssl.learn.gated import STAGES, AllStages, GatedFusion, LastStage
from napari_matssl.learn.momentum_contrast import DenseContrast, MomentumContrast
from napari_matssl.learn.pair_contrast import ContrastiveMethod, PairContrast
from napari_matssl.settings import PretrainSettings

TITLES = {
    "matssl": "MatSSL",
    "stages": "four stages, no gates",
    "simclr": "SimCLR",
    "mocov2": "MoCo v2",
    "densecl": "DenseCL",
}
"""Names of the methods as users read them."""


def build_method(encoder: nn.Module, settings: PretrainSettings, patches: int) -> ContrastiveMethod:
    """Build a method on an encoder that has its start weights.

    Parameters
    ----------
    encoder
        From :func:`~napari_matssl.learn.encoders.build_encoder`.
    settings
        Name the method and its parts.
    patches
        How many there are. More keys in a queue would hold a patch's own key as a negative.
    """
    channels: Sequence[int] = encoder.out_channels  # type: ignore[assignment]
    with seeded(settings.seed):
        if settings.method in ("matssl", "stages", "simclr"):
            fusion = _fusion(settings, channels[-STAGES:])
            widths = (settings.projection_hidden, settings.projection_out)
            return PairContrast(encoder, fusion, *widths, settings.temperature)
        copy = build_encoder(settings.encoder, settings.seed)
        method = MomentumContrast if settings.method == "mocov2" else DenseContrast
        return method(encoder, copy, channels, settings, min(settings.queue, patches))


def _fusion(
    settings: PretrainSettings, channels: Sequence[int]
) -> GatedFusion | AllStages | LastStage:
    if settings.method == "matssl":
        return GatedFusion(channels, settings.gate)
    return AllStages(channels) if settings.method == "stages" else LastStage(channels)
