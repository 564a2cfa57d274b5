"""Steps of the optimiser, for fine-tuning and pretraining."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Protocol

import torch
from torch import Tensor

from napari_matssl.errors import DivergedError, OutOfMemoryError
from napari_matssl.learn.device import Compute
from napari_matssl.learn.device_errors import device_errors, free_memory
from napari_matssl.learn.memory_guard import memory_guard
from napari_matssl.learn.schedule import Budget


class Batches(Protocol):
    """A source of batches."""

    batch_size: int

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches that cover all images about once."""

    def halve(self) -> bool:
        """Halve the memory needed; False at the smallest."""


class Trainer:
    """Take steps of an optimiser, smaller ones where memory is short.

    Parameters
    ----------
    optimiser
        With the highest learning rate of each group.
    compute
        Where the network is, and the ranks that share each batch.
    batches
        Halved where memory runs out.
    budget
        Gets as many steps as the epochs take, and less or more once batches are halved.
    epochs
        None if only the time counts.
    rate
        Learning rate over its highest, of the share of the run that is over.
    follow
        Called after each step, for averages of the weights.
    doing
        What fails if something does, for messages: "training".
    remedy
        What helps against a loss that isn't finite.
    """

    def __init__(
        self,
        optimiser: torch.optim.Optimizer,
        compute: Compute,
        batches: Batches,
        budget: Budget,
        *,
        epochs: int | None,
        rate: Callable[[float], float],
        follow: Callable[[], None],
        doing: str,
        remedy: str,
    ) -> None:
        self.optimiser, self.budget, self.step = optimiser, budget, 0
        self._compute, self._batches, self._epochs = compute, batches, epochs
        self._rate, self._follow, self._doing, self._remedy = rate, follow, doing, remedy
        self._highest = [group["lr"] for group in optimiser.param_groups]
        if epochs is not None:
            budget.steps = epochs * batches.steps_per_epoch

    @property
    def shrunk(self) -> str:
        """A line for users after memory ran out."""
        return f"Out of memory: batches of {self._batches.batch_size} now."

    def advance(self, fraction: float, losses: Callable[[], tuple[Tensor, Tensor]]) -> float | None:
        """Take one step.

        Parameters
        ----------
        fraction
            Share of the run that is over.
        losses
            Computes the loss to minimise and the one to report.

        Returns
        -------
        The loss to report; None if memory ran out, and the next try will be smaller.

        Raises
        ------
        DivergedError
            If the loss isn't finite.
        OutOfMemoryError
            If nothing smaller can be tried, or others share the batch.
        DeviceError, ComputeError
            If the device fails.
        """
        factor = self._rate(fraction)
        for group, highest in zip(self.optimiser.param_groups, self._highest, strict=True):
            group["lr"] = highest * factor
        try:
            with device_errors(self._doing):
                reported = self._learn(losses)
        except OutOfMemoryError:
            # The other ranks wait for this one amid their step.
            if self._compute.ranks.size > 1 or not self._batches.halve():
                raise
        else:
            self.step += 1
            return reported
        # Not in the clause above: there, the error still holds what fills the memory.
        self.optimiser.zero_grad(set_to_none=True)
        free_memory(self._compute.device)
        if self._epochs is not None:
            self.budget.replan(self.step, self._epochs * self._batches.steps_per_epoch)
        return None

    def _learn(self, losses: Callable[[], tuple[Tensor, Tensor]]) -> float:
        # Later steps keep as much as the first.
        with nullcontext() if self.step else memory_guard(self._compute.device):
            loss, reported = losses()
        if not bool(torch.isfinite(loss)):
            raise DivergedError(
                f"The loss was {loss.item()} at step {self.step + 1}: training has diverged.",
                self._remedy,
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        learning = (p for group in self.optimiser.param_groups for p in group["params"])
        self._compute.ranks.average_gradients(learning)
        self.optimiser.step()
        self._follow()
        return float(reported.item())
