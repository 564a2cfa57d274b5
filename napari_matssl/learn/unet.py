"""U-Net++ on its own, the network of the method, for full labels."""

import segmentation_models_pytorch as smp
from torch import Tensor

from napari_matssl.learn.channel_dropout import ChannelDropout
from napari_matssl.learn.dense_decoder import decode
from napari_matssl.learn.encoders import smp_name, swin_options


class UnetPlusPlus(smp.UnetPlusPlus):  # type: ignore[misc]
    """U-Net++ (Zhou et al. 2018) with ``dropout`` between encoder and decoder.

    Its weights have the names that segmentation-models-pytorch gives them.

    Parameters
    ----------
    encoder_name
        By its smp or timm name.
    classes
        Number of channels of the logits.
    """

    def __init__(self, encoder_name: str, classes: int) -> None:
        known = smp_name(encoder_name)
        super().__init__(
            known, encoder_weights=None, in_channels=3, classes=classes, **swin_options(known)
        )
        self.dropout = ChannelDropout()

    def forward(self, images: Tensor) -> Tensor:
        """Classify ``(N, 3, H, W)`` standardised images; logits ``(N, K, H, W)``."""
        stages = self.dropout.hide(self.encoder(images))
        logits: Tensor = self.segmentation_head(decode(self.decoder, stages))
        return logits
