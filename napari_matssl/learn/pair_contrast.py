"""Contrastive pretraining by pairs of views: MatSSL, and SimCLR, which is MatSSL without gates.

What is built here serves pretraining alone; only the encoder goes on into U-Net++.
"""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_matssl.learn.gated import STAGES, GatedFusion
from napari_matssl.learn.ntxent import nt_xent


class ContrastiveMethod(nn.Module):
    """An encoder and what a method puts round it, with the loss of two views.

    Parameters
    ----------
    encoder
        Gives a list of feature maps, as segmentation-models-pytorch's encoders do.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder: nn.Module = encoder

    @abstractmethod
    def loss(self, first: Tensor, second: Tensor, generator: torch.Generator) -> Tensor:
        """Compare two views ``(N, 3, H, W)`` of the same N patches; a scalar.

        `generator` is on the CPU; where all randomness comes from.
        """

    def keep_up(self) -> None:
        """Do what follows a step of the optimiser; most methods do nothing."""


class PairContrast(ContrastiveMethod):
    """Views of other patches in the batch are the negatives.

    With a gate form it is MatSSL: the last four stages go through :class:`GatedFusion`. Without,
    it is SimCLR (Chen et al. 2020): the last stage alone, pooled.

    Parameters
    ----------
    encoder
        See :class:`ContrastiveMethod`.
    channels
        Widths of all maps that the encoder gives.
    gate
        Form of the gates, or None for SimCLR.
    hidden, out
        Widths of the projection head: linear, batch norm, ReLU, linear, batch norm, as published.
        Without the last, all embeddings point the same way at the start.
    temperature
        Of NT-Xent.
    """

    def __init__(
        self,
        encoder: nn.Module,
        channels: Sequence[int],
        gate: str | None = "paper",
        hidden: int = 2048,
        out: int = 128,
        temperature: float = 0.07,
    ) -> None:
        super().__init__(encoder)
        self.temperature = temperature
        self.fusion = None if gate is None else GatedFusion(channels[-STAGES:], gate)
        width = channels[-1] if self.fusion is None else self.fusion.out_channels
        self.head = nn.Sequential(
            nn.Linear(width, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, out, bias=False),
            nn.BatchNorm1d(out),
        )

    def forward(self, views: Tensor) -> Tensor:
        """Embed views ``(N, 3, H, W)`` as ``(N, out)``."""
        stages = self.encoder(views)
        # Patches of one material differ little: in bfloat16, rounding would, by as much.
        with torch.autocast(views.device.type, enabled=False):
            if self.fusion is None:
                described = stages[-1].float().mean(dim=(2, 3))
            else:
                described = self.fusion(stages[-STAGES:])
            embeddings: Tensor = self.head(described)
            return embeddings

    def loss(self, first: Tensor, second: Tensor, generator: torch.Generator) -> Tensor:
        """Compute NT-Xent of both views."""
        views = torch.cat([first, second]).contiguous(memory_format=torch.channels_last)
        embeddings = self(views).chunk(2)
        return nt_xent(embeddings[0], embeddings[1], self.temperature)
