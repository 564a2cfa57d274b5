"""What pretraining makes of the encoder's stages: MatSSL's Gated Feature Fusion, and its parts.

The gates and the projection head serve pretraining alone; only the encoder goes on into U-Net++.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

STAGES = 4
"""The last four stages are fused; for ResNet-50 they are 256, 512, 1024 and 2048 wide."""


class LastStage(nn.Module):
    """Pool the last stage alone, as SimCLR does.

    Parameters
    ----------
    channels
        Widths C_i of the stages.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.out_channels = channels[-1]

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """Describe feature maps ``(N, C_i, H_i, W_i)`` by ``(N, C)`` float32, C of the last."""
        return _pooled(stages[-1])


class AllStages(nn.Module):
    """Pool each stage and concatenate: Gated Feature Fusion without its gates.

    Parameters
    ----------
    channels
        Widths C_i of the stages.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.out_channels = sum(channels)

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """Fuse feature maps ``(N, C_i, H_i, W_i)`` into ``(N, sum C_i)`` float32."""
        return torch.cat([_pooled(stage) for stage in stages], dim=1)


class GatedFusion(nn.Module):
    """Pool each stage, weigh it by a learnable gate, concatenate.

    Parameters
    ----------
    channels
        Widths C_i of the stages.
    form
        ``"paper"``: equation 1, G_i = sigmoid(F_i) * P_i. ``"released"``: the published code's
        G_i = sigmoid(P_i) * F_i. F_i is the global average of stage i, P_i its gate, ones at the
        start in both forms.
    """

    def __init__(self, channels: Sequence[int], form: str = "paper") -> None:
        super().__init__()
        if form not in ("paper", "released"):
            raise ValueError(f"gate must be 'paper' or 'released', not {form!r}")
        self.form = form
        self.gates = nn.ParameterList([nn.Parameter(torch.ones(1, c)) for c in channels])
        self.out_channels = sum(channels)

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """Fuse feature maps ``(N, C_i, H_i, W_i)`` into ``(N, sum C_i)`` float32."""
        gated = []
        for features, gate in zip(stages, self.gates, strict=True):
            pooled = _pooled(features)
            if self.form == "paper":
                gated.append(torch.sigmoid(pooled) * gate)
            else:
                gated.append(torch.sigmoid(gate) * pooled)
        return torch.cat(gated, dim=1)


def _pooled(features: Tensor) -> Tensor:
    """Return the global average of each map, ``(N, C)`` float32."""
    return features.float().mean(dim=(2, 3))
