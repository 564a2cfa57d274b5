"""Contrastive pretraining by pairs of views: MatSSL, MatSSL without its gates, and SimCLR.

What is built here serves pretraining alone; only the encoder goes on into U-Net++.
"""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from napari_matssl.learn.gated import STAGES, AllStages, GatedFusion, LastStage
from napari_matssl.learn.ntxent import nt_xent
from napari_matssl.learn.ranks import ALONE, Ranks


class ContrastiveMethod(nn.Module):
    """An encoder and what a method puts round it, with the loss of two views.

    Parameters
    ----------
    encoder
        Gives a list of feature maps, as segmentation-models-pytorch's encoders do.

    Attributes
    ----------
    ranks
        Those that have a share of each batch.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder: nn.Module = encoder
        self.ranks: Ranks = ALONE

    @abstractmethod
    def loss(
        self, first: Tensor, second: Tensor, generator: torch.Generator, count: int | None = None
    ) -> Tensor:
        """Compare two views ``(N, 3, H, W)`` of the same N patches; a scalar, of the joint batch.

        `generator` is on the CPU; where all randomness comes from. `count` patches are in the joint
        batch; None: those that are here.
        """

    def keep_up(self) -> None:
        """Do what follows a step of the optimiser; most methods do nothing."""


class PairContrast(ContrastiveMethod):
    """Views of other patches in the batch are the negatives.

    The fusion makes the method: :class:`GatedFusion` is MatSSL, :class:`AllStages` MatSSL without
    gates, :class:`LastStage` SimCLR (Chen et al. 2020).

    Parameters
    ----------
    encoder
        See :class:`ContrastiveMethod`.
    fusion
        Describes a view by the encoder's last four stages.
    hidden, out
        Widths of the projection head: linear, batch norm, ReLU, linear, batch norm, as published.
        Without the last, all embeddings point the same way at the start.
    temperature
        Of NT-Xent.
    """

    def __init__(
        self,
        encoder: nn.Module,
        fusion: GatedFusion | AllStages | LastStage,
        hidden: int = 2048,
        out: int = 128,
        temperature: float = 0.07,
    ) -> None:
        super().__init__(encoder)
        self.temperature = temperature
        self.fusion = fusion
        self.head = nn.Sequential(
            nn.Linear(fusion.out_channels, hidden, bias=False),
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
            embeddings: Tensor = self.head(self.fusion(stages[-STAGES:]))
            return embeddings

    def loss(
        self, first: Tensor, second: Tensor, generator: torch.Generator, count: int | None = None
    ) -> Tensor:
        """Compute NT-Xent of both views."""
        views = torch.cat([first, second]).contiguous(memory_format=torch.channels_last)
        own, other = self(views).chunk(2)
        return nt_xent(own, other, self.temperature, self.ranks, count)
