"""U-Net++ on its own, the network of the method, for full labels."""

from typing import Any

import segmentation_models_pytorch as smp
from torch import Tensor

from napari_matssl.learn.channel_dropout import ChannelDropout


class UnetPlusPlus(smp.UnetPlusPlus):  # type: ignore[misc]
    """U-Net++ (Zhou et al. 2018) with ``dropout`` between encoder and decoder.

    Its weights have the names that segmentation-models-pytorch gives them.

    Parameters
    ----------
    values
        As of ``smp.UnetPlusPlus``.
    """

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.dropout = ChannelDropout()

    def forward(self, images: Tensor) -> Tensor:
        """Classify ``(N, 3, H, W)`` standardised images; logits ``(N, K, H, W)``."""
        stages = self.dropout.hide(self.encoder(images))
        logits: Tensor = self.segmentation_head(self.decoder(stages))
        return logits
