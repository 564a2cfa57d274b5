"""Working time and remaining time of a job."""

import math
from collections.abc import Callable
from dataclasses import dataclass

SMOOTHING_S = 5.0
"""How fast the estimate follows a change of speed, s."""

SETTLED_S = 2.0
"""A stage's first seconds, too short for an estimate, s."""


class Stopwatch:
    """Measure time by a clock in s, pauses left out."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begin = clock()
        self._paused_at: float | None = None

    def seconds(self) -> float:
        """Time since the start without pauses, s."""
        now = self._clock() if self._paused_at is None else self._paused_at
        return now - self._begin

    def pause(self) -> None:
        """Stand still."""
        if self._paused_at is None:
            self._paused_at = self._clock()

    def resume(self) -> None:
        """Resume."""
        if self._paused_at is not None:
            self._begin += self._clock() - self._paused_at
            self._paused_at = None


@dataclass
class _Stage:
    """When a stage was first heard of, with which share done, and the share done now."""

    begin: float
    first: float
    share: float


class TimeLeft:
    """Estimate what is left of the present stage from the share done, smoothed.

    Stages may alternate, as training and validation do: each goes on where it was.
    """

    def __init__(self) -> None:
        self._stages: dict[str, _Stage] = {}
        self._present = ""
        self._left: float | None = None
        self._at = 0.0

    def learn(self, name: str, share: float, now: float) -> None:
        """Take note of a stage's progress.

        Parameters
        ----------
        name
            The stage.
        share
            What is done of it, 0 to 1.
        now
            Working time since the start of the job, s.
        """
        stage = self._stages.get(name)
        if stage is None or share < stage.share:
            stage = self._stages[name] = _Stage(now, share, share)
        stage.share = share
        before = self.seconds(now) if name == self._present else None
        elapsed = now - stage.begin
        if elapsed < SETTLED_S or share <= stage.first:
            self._left = None
        else:
            self._left = (1 - share) * elapsed / (share - stage.first)
            if before is not None:
                weight = 1 - math.exp((self._at - now) / SMOOTHING_S)
                self._left = before + weight * (self._left - before)
        self._present, self._at = name, now

    def seconds(self, now: float) -> float | None:
        """Time left of the current stage, s; None while it is unknown."""
        return None if self._left is None else max(0.0, self._left - (now - self._at))


def duration(seconds: float) -> str:
    """Write a time in words: ``"2 min 3 s"``, ``"1 h 5 min"``."""
    whole = round(seconds)
    if whole < 1:
        return "less than 1 s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        large, unit, small, part = whole // 60, "min", whole % 60, "s"
    else:
        large, unit, small, part = whole // 3600, "h", whole % 3600 // 60, "min"
    return f"{large} {unit} {small} {part}" if small else f"{large} {unit}"


def about(seconds: float) -> str:
    """Format a remaining time, no finer than its accuracy."""
    if seconds < 10:
        return "a few seconds left"
    if seconds < 100:
        return f"{duration(5 * round(seconds / 5))} left"
    grain = 60 if seconds < 3600 else 300
    return f"about {duration(grain * round(seconds / grain))} left"
