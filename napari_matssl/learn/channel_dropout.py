"""Dropout of whole feature maps, drawn from a generator of its own."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from napari_matssl.learn.ranks import ALONE, Ranks


class ChannelDropout(nn.Module):
    """Hide some channels of each image while training; in evaluation mode, nothing.

    What is left is made larger, so that the expected value stays (dropout, Srivastava et al. 2014;
    of whole channels, Tompson et al. 2015). torch's own ``Dropout2d`` draws from a generator that
    belongs to the whole process, which would make runs depend on what else goes on.

    Attributes
    ----------
    share
        Of the channels that are hidden, 0 (at first) to below 1.
    random
        Where all randomness comes from.
    ranks, count
        Those that have a share of each batch, and the images of the joint batch; 0: all are here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.share = 0.0
        self.random = np.random.default_rng(0)
        self.ranks: Ranks = ALONE
        self.count = 0

    def forward(self, maps: Tensor) -> Tensor:
        """Hide channels of maps ``(N, C, H, W)``."""
        if not self.training or self.share == 0:
            return maps
        count = self.count or len(maps)
        drawn = self.random.random((count, maps.shape[1]))[self.ranks.share(count)]
        kept = drawn >= self.share  # (N, C)
        factor = torch.from_numpy(kept / (1 - self.share)).to(maps)
        return maps * factor[:, :, None, None]

    def hide(self, stages: Sequence[Tensor]) -> list[Tensor]:
        """Hide channels of an encoder's stages, but not of the first, the image itself."""
        return [stages[0], *(self(stage) for stage in stages[1:])]
