"""Batch norm over the joint batch of all ranks.

PyTorch's own, ``SyncBatchNorm``, computes on GPUs alone.
"""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from napari_matssl.learn.ranks import JoinedRanks, Ranks


def join_norms(network: nn.Module, ranks: Ranks) -> None:
    """Have a network's batch norms normalise by the joint batch, where their weights learn.

    The momentum encoder's don't: they are to see a part of the batch alone.
    """
    if isinstance(ranks, JoinedRanks):
        for module in network.modules():
            if isinstance(module, _BatchNorm) and module.weight.requires_grad:
                module.__class__ = _joint(type(module), ranks)  # type: ignore[arg-type]


@lru_cache(maxsize=32)
def _joint(kind: type[_BatchNorm], ranks: JoinedRanks) -> type[_BatchNorm]:
    """Make the joint variant of a class of batch norms; weights keep their names."""

    def forward(self: _BatchNorm, maps: Tensor) -> Tensor:
        if not self.training:
            return kind.forward(self, maps)
        normalised, mean, variance, count = _Normalise.apply(
            maps, self.weight, self.bias, self.eps, ranks
        )
        _follow(self, mean, variance * (count / (count - 1).clamp(min=1)))
        # Those of timm drop and activate, too.
        for after in ("drop", "act"):
            normalised = getattr(self, after, nn.Identity())(normalised)
        return normalised  # type: ignore[no-any-return]

    return type(f"Joint{kind.__name__}", (kind,), {"forward": forward})


@torch.no_grad()
def _follow(norm: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Update running statistics: a moving average, or a plain one without momentum."""
    assert norm.num_batches_tracked is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.num_batches_tracked += 1
    factor = 1 / int(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean, factor)
    norm.running_var.lerp_(variance, factor)


class _Normalise(torch.autograd.Function):
    """Normalise maps ``(N, C, ...)`` of a share by mean and variance of the joint batch.

    Gives maps, mean and variance ``(C,)`` and the number of values per channel.
    """

    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor, eps: float, ranks: JoinedRanks
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        dims, shape = _layout(maps)
        values = maps.float()
        own = torch.full((1,), maps[:, 0].numel(), dtype=torch.float32, device=maps.device)
        sums = ranks.add_up(torch.cat([values.sum(dims), own]))
        count = sums[-1:]
        mean = sums[:-1] / count
        # The mean of squares less the squared mean would be inexact.
        centred = values - mean.view(shape)
        variance = ranks.add_up(centred.square().sum(dims)) / count
        scale = (variance + eps).rsqrt()
        ctx.save_for_backward(maps, weight, mean, scale, count)
        ctx.ranks = ranks
        ctx.mark_non_differentiable(mean, variance, count)
        out = centred * (scale * weight).view(shape) + bias.view(shape)
        return out.to(maps.dtype), mean, variance, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        maps, weight, mean, scale, count = ctx.saved_tensors
        dims, shape = _layout(maps)
        gradient = gradients[0].float()
        normalised = (maps.float() - mean.view(shape)) * scale.view(shape)
        own = torch.cat([gradient.sum(dims), (gradient * normalised).sum(dims)])
        of_bias, of_weight = own.clone().chunk(2)
        plain, along = (one.view(shape) for one in (ctx.ranks.add_up(own) / count).chunk(2))
        back = (gradient - plain - normalised * along) * (scale * weight).view(shape)
        return back.to(maps.dtype), of_weight, of_bias, None, None


def _layout(maps: Tensor) -> tuple[list[int], list[int]]:
    """Return the dimensions to sum over, and the shape of values per channel."""
    rest = range(2, maps.ndim)
    return [0, *rest], [1, -1, *(1 for _ in rest)]
