"""Copies of a model in training, for a device that fails."""

from dataclasses import dataclass, field

from torch import Tensor, nn

from napari_matssl.errors import ComputeError, DivergedError
from napari_matssl.learn.device_errors import device_errors
from napari_matssl.learn.ema import snapshot
from napari_matssl.learn.schedule import Budget

COPY_SECONDS = 30.0
"""Time between two copies."""


@dataclass
class SpareCopy:
    """A copy of a model in the computer's own memory: a failing GPU loses its own.

    Parameters
    ----------
    budget
        Of the run.
    """

    budget: Budget
    _weights: dict[str, Tensor] | None = None
    _next: float = field(default_factory=lambda: COPY_SECONDS)

    def update(self, network: nn.Module) -> None:
        """Copy the network, if the last copy is old."""
        if self.budget.elapsed >= self._next:
            with device_errors("copying the model"):
                self._weights = snapshot(network)
            self._next = self.budget.elapsed + COPY_SECONDS

    def after(self, error: ComputeError, network: nn.Module) -> dict[str, Tensor] | None:
        """Return the weights from before an error: the network's own, if the device still answers.

        None if there is no copy either, or the weights themselves are to blame.
        """
        if isinstance(error, DivergedError):
            return None
        try:
            with device_errors("copying the model"):
                return snapshot(network)
        except ComputeError:  # of the same failure, which is reported
            return self._weights
