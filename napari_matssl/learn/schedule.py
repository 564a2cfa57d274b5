"""End and learning rate of a training run."""

import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Self

from napari_matssl.learn.working_clock import WorkingClock
from napari_matssl.progress import Control, Job, Result

_BUSY = (
    "Other programs keep the processors busy: the training takes longer than its minutes, up to "
    "three times, so that the model gets as good. Ended early, it keeps the best so far."
)


@dataclass
class Budget:
    """The end of a run: a number of steps, a time, or whichever comes first.

    Parameters
    ----------
    steps
        Steps of the whole run, None if only the time counts.
    seconds
        Time for the whole run, what follows the last step included; None if only steps count.
    clock
        Seconds that only ever grow.
    """

    steps: int | None
    seconds: float | None
    clock: Callable[[], float] = time.monotonic
    reserve: float = 0.0
    """Seconds to keep for what follows the last step: a validation, writing the file."""
    spent_before: float = 0.0
    """Seconds that an interrupted run had used."""
    idle: float = 0.0
    """Seconds that passed outside of the job, as in a pause."""
    _begin: float = field(init=False)

    def __post_init__(self) -> None:
        self._begin = self.clock()

    @classmethod
    def of_minutes(cls, minutes: float | None, clock: Callable[[], float]) -> Self:
        """Make a budget of time; its steps are known once the batches are."""
        return cls(None, None if minutes is None else 60 * minutes, clock)

    @property
    def elapsed(self) -> float:
        """Seconds used so far."""
        return self.clock() - self._begin + self.spent_before - self.idle

    def replan(self, step: int, steps: int) -> None:
        """Continue with steps of another size: the rest takes its share of `steps` for a run."""
        if self.steps is not None:
            self.steps = step + math.ceil((1 - step / self.steps) * steps)

    def fraction(self, step: int) -> float:
        """Share of the run that is over after `step` steps, from 0 to 1."""
        shares = [0.0]
        if self.steps is not None:
            shares.append(step / self.steps)
        if self.seconds is not None:
            shares.append(self.elapsed / max(self.seconds - self.reserve, 1e-3))
        return min(1.0, max(shares))


def on_own_time(job: Job[Result], budget: Budget) -> Job[Result]:
    """Run a job so that what passes between its steps, such as a pause, costs it no budget.

    Where other programs make it longer than its minutes, a message tells so, once.
    """
    control: Control | None = None
    told = not isinstance(budget.clock, WorkingClock) or budget.seconds is None
    with closing(job):
        while True:
            try:
                progress = job.send(control)
            except StopIteration as end:
                result: Result = end.value
                return result
            left = budget.clock()
            if not told and not progress.message and _is_busy(budget.clock):
                told, progress = True, replace(progress, message=_BUSY, passing=True)
            control = yield progress
            budget.idle += budget.clock() - left


def _is_busy(clock: Callable[[], float]) -> bool:
    return isinstance(clock, WorkingClock) and clock.busy()


def rate_factor(fraction: float, warmup: float, floor: float = 0.0, cosine: bool = True) -> float:
    """Learning rate over its highest: a linear warm-up, then constant or half a cosine.

    Parameters
    ----------
    fraction
        Share of the run that is over.
    warmup
        Share of the run to warm up.
    floor
        Factor at the end of the cosine.
    """
    if fraction < warmup:
        return max(fraction / warmup, 0.01)
    if not cosine:
        return 1.0
    phase = (fraction - warmup) / max(1 - warmup, 1e-9)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(phase, 1.0)))
