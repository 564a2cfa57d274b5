"""The decoder of U-Net++, run so that its gradients stay in one piece.

Joining maps gives each a gradient that is a part of a larger one, with gaps between its pixels.
What follows in the backward pass copies such parts again and again, and enlarging copies them into
another order of channels, nine times as slowly. Here each part is put together at once.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def decode(decoder: nn.Module, stages: Sequence[Tensor]) -> Tensor:
    """Run the decoder of segmentation-models-pytorch's U-Net++.

    Node ``x_i_j`` of column j joins the enlarged node below it, ``x_i_(j-1)`` or the encoder's
    map, with the nodes of its own column and the encoder's map of its size.

    Parameters
    ----------
    decoder
        A ``UnetPlusPlusDecoder``.
    stages
        Maps of the encoder, the image itself first.
    """
    maps = stages[:0:-1]
    blocks: nn.ModuleDict = decoder.blocks  # type: ignore[assignment]
    nodes: dict[tuple[int, int], Tensor] = {}
    for column in range(len(maps) - 1):
        for row in range(column, -1, -1):
            below = maps[column] if row == column else nodes[row, column - 1]
            beside = [nodes[other, column] for other in range(row + 1, column + 1)]
            block = blocks[f"x_{row}_{column}"]
            nodes[row, column] = _run(block, below, [*beside, maps[column + 1]])
    last = len(maps) - 1
    return _run(blocks[f"x_0_{last}"], nodes[0, last - 1], [])


def _run(block: nn.Module, below: Tensor, beside: Sequence[Tensor]) -> Tensor:
    larger = functional.interpolate(below, scale_factor=2.0, mode="nearest")
    if block.is_empty:
        return larger[:, :0]
    joined = _joined([larger, *beside]) if beside else larger
    found: Tensor = block.conv2(block.conv1(joined))  # type: ignore[operator]
    return found


def _joined(maps: Sequence[Tensor]) -> Tensor:
    """Join maps; without gradients as plainly as exporters take it."""
    found: Tensor = _Joined.apply(*maps) if torch.is_grad_enabled() else torch.cat([*maps], dim=1)
    return found


class _Joined(torch.autograd.Function):
    """Maps ``(N, C, H, W)`` behind one another along C."""

    @staticmethod
    def forward(ctx: Any, *maps: Tensor) -> Tensor:
        ctx.widths = [one.shape[1] for one in maps]
        return torch.cat(maps, dim=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        last = gradient.is_contiguous(memory_format=torch.channels_last)
        order = torch.channels_last if last else torch.contiguous_format
        parts = torch.split(gradient, ctx.widths, dim=1)
        return tuple(part.contiguous(memory_format=order) for part in parts)
