"""SegFormer: a transformer as encoder, and a decoder of linear layers (Xie et al. 2021)."""

import segmentation_models_pytorch as smp
from torch import Tensor

from napari_matssl.learn.channel_dropout import ChannelDropout
from napari_matssl.learn.encoders import smp_name, swin_options, without_stochastic_depth


class Segformer(smp.Segformer):  # type: ignore[misc]
    """SegFormer's decoder on a transformer, with ``dropout`` between encoder and decoder.

    Stands for the transformer pretrained on micrographs (MicroLite) that the MatSSL paper compares
    with; which decoder that one had isn't known here.

    Its weights have the names that segmentation-models-pytorch gives them. Stochastic depth, which
    draws from torch's own generator, is off; ``dropout`` takes its place.

    Parameters
    ----------
    encoder_name
        A transformer, by its smp or timm name.
    classes
        Number of channels of the logits.
    """

    def __init__(self, encoder_name: str, classes: int) -> None:
        known = smp_name(encoder_name)
        super().__init__(
            known, encoder_weights=None, in_channels=3, classes=classes, **swin_options(known)
        )
        without_stochastic_depth(self.encoder)
        self.dropout = ChannelDropout()

    def forward(self, images: Tensor) -> Tensor:
        """Classify ``(N, 3, H, W)`` standardised images; logits ``(N, K, H, W)``."""
        stages = self.dropout.hide(self.encoder(images))
        logits: Tensor = self.segmentation_head(self.decoder(stages))
        return logits
