"""Exponential moving averages of weights, steadier than the last step's for scarce data."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def start_ema(network: nn.Module, decay: float) -> AveragedModel:
    """Start an exponential moving average of a network's weights; it is ``.module``.

    Statistics of batch norm are copied at each update, not averaged.

    Parameters
    ----------
    network
        The network that is trained.
    decay
        Weight of the past at each step, 0 to 1; smaller at first, so that the random start soon
        loses its weight.
    """

    @torch.no_grad()
    def average(averages: list[Tensor], weights: list[Tensor], count: Tensor) -> None:
        n = int(count)
        torch._foreach_lerp_(averages, weights, 1 - min(decay, n / (n + 9)))

    averaged = AveragedModel(network, multi_avg_fn=average)  # type: ignore[arg-type]
    averaged.n_averaged += 1  # the start counts, or the first step would replace it
    return averaged


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    """Copy all tensors of a network into the computer's own memory."""
    return {
        name: tensor.detach().to("cpu", copy=True) for name, tensor in network.state_dict().items()
    }
