"""Running statistics of batch norm: keeping them, and making them anew."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


def norms_of(network: nn.Module) -> list[nn.BatchNorm2d]:
    """List the batch norms of a network."""
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


def keep_statistics(network: nn.Module) -> None:
    """Normalise by the running statistics and leave them as they are, in training mode too."""
    for norm in norms_of(network):
        norm.eval()


@contextmanager
def fresh_statistics(network: nn.Module) -> Iterator[None]:
    """Make the statistics anew from all batches that pass inside the block, as a plain mean.

    The network has to be in training mode.
    """
    norms = norms_of(network)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
