"""Time in which a job could work: other programs take none of it."""

import time
from collections.abc import Callable

from napari_matssl.learn.device import choose_compute

MOST_STRETCH = 3.0
"""A run takes at most this many times its minutes."""

_SHARE = 0.85
"""Of the time, that a thread is at work which shares its work with others: 0.85 to 0.88 measured on
two cores that had nothing else to do."""

_WORTH_TELLING, _SOON = 1.25, 20.0  # times the minutes; seconds


class WorkingClock:
    """Count the seconds in which this thread was at work, at least a third of those that passed.

    A budget of minutes is a promise of how good a model becomes as much as of when it is ready. On
    a machine that is busy with something else, a thread gets a share of a processor; by this clock
    its run makes as many steps as on a quiet one, and takes up to three times its minutes.

    Parameters
    ----------
    passed
        Seconds that pass, whoever has the processor.
    worked
        Seconds that the calling thread had a processor; of another thread, it counts from there.
    """

    def __init__(
        self,
        passed: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.thread_time,
    ) -> None:
        self._passed, self._worked = passed, worked
        self._last = passed(), worked()
        self._passed_in_all = self._counted = 0.0

    def __call__(self) -> float:
        """Return the seconds counted so far."""
        now = self._passed(), self._worked()
        passed, worked = (new - old for new, old in zip(now, self._last, strict=True))
        self._last = now
        self._passed_in_all += passed
        self._counted += min(passed, max(worked / _SHARE, passed / MOST_STRETCH))
        return self._counted

    @property
    def stretch(self) -> float:
        """How many times as many seconds have passed as were counted."""
        return self._passed_in_all / self._counted if self._counted else 1.0

    def busy(self) -> bool:
        """Whether other programs make the run so much longer that it is worth telling."""
        return self._passed_in_all > _SOON and self.stretch > _WORTH_TELLING


def clock_for(device: str) -> Callable[[], float]:
    """Return the clock by which a run on a device spends its minutes.

    A thread that waits for a GPU is not at work, but the GPU is: there, all time counts.

    Raises
    ------
    DeviceError
        If there is no such device.
    """
    return WorkingClock() if choose_compute(device).device.type == "cpu" else time.monotonic
