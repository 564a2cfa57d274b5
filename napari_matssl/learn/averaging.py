"""Moving averages of weights: steadier than the last step's where data is scarce."""

import copy

import torch
from torch import Tensor, nn


class AveragedNetwork:
    """Exponential moving average of a network's weights.

    Statistics of batch norm are copied, not averaged.

    Parameters
    ----------
    network
        The network that is trained.
    decay
        Weight of the past at each step, 0 to 1; smaller at first, so that the random start is
        soon forgotten. 0 keeps no average: `network` itself is used.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self._updates = 0
        self.network = copy.deepcopy(network) if decay > 0 else network

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights after a step."""
        if self.network is network:
            return
        self._updates += 1
        decay = min(self._decay, self._updates / (self._updates + 9))
        own: list[Tensor] = list(self.network.parameters())
        torch._foreach_lerp_(own, list(network.parameters()), 1 - decay)
        for mine, theirs in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(theirs)


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    """Copy all tensors of a network into the computer's own memory."""
    return {
        name: tensor.detach().to("cpu", copy=True) for name, tensor in network.state_dict().items()
    }
