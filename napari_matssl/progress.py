"""Progress of long jobs, and requests to stop them.

Every long job is a generator: it yields a :class:`Progress` per batch or tile, may be sent
:attr:`Control.STOP`, and returns its result. The command line, a panel and a test drive the same
generator.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Result = TypeVar("Result")


class Control(Enum):
    """Requests to a running job."""

    STOP = "stop"
    """Finish cleanly and return the best result so far."""


@dataclass(frozen=True)
class Preview:
    """A piece of a mask to look at before the job is over.

    Parameters
    ----------
    image
        Name of the image that it belongs to.
    top, left
        Row and column of its first pixel, px.
    ids
        ``(H, W)`` uint8 class ids.
    """

    image: str
    top: int
    left: int
    ids: NDArray[np.uint8]


@dataclass(frozen=True)
class Progress:
    """One step of a job.

    Parameters
    ----------
    stage
        What is being done now, for people: ``"fine-tuning"``.
    step, total
        Units of work done so far and in all, within the stage. The unit is the stage's own (steps,
        tiles, seconds of a time budget); only the ratio is meant for display.
    metrics
        Figures worth showing or plotting, such as ``{"loss": 0.31}``.
    message
        A line worth telling the user once; empty for most steps.
    preview
        A piece of a mask, from jobs that were asked to show some.
    passing
        Whether the message is on what goes on now, not on the result: it is over with its stage.
    """

    stage: str
    step: float
    total: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    message: str = ""
    preview: Preview | None = None
    passing: bool = False


@dataclass(frozen=True)
class Skipped:
    """One of many that a job left out; the others are done all the same.

    Parameters
    ----------
    name
        Name of the image.
    reason
        What is wrong, and what to do, in one line.
    settings
        Settings that help, as errors name them.
    """

    name: str
    reason: str
    settings: str = ""


Job = Generator[Progress, Control | None, Result]


def drain(
    job: Job[Result],
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Result:
    """Run a job to its end and return its result.

    Parameters
    ----------
    job
        The generator to run.
    on_progress
        Called with every progress that the job yields.
    should_stop
        Asked after every step; once true, :attr:`Control.STOP` is sent.

    Returns
    -------
    The job's result.
    """
    control: Control | None = None
    try:
        progress = next(job)
        while True:
            if on_progress is not None:
                on_progress(progress)
            if should_stop is not None and should_stop():
                control = Control.STOP
            progress = job.send(control)
    except StopIteration as end:
        result: Result = end.value
        return result


def inside(job: Job[Result], show: Callable[[Progress], Progress]) -> Job[Result]:
    """Run a job inside another: ``result = yield from inside(...)``. STOP is passed on to it.

    Parameters
    ----------
    job
        The inner job.
    show
        How the outer job shows each progress of the inner one.
    """
    control: Control | None = None
    while True:
        try:
            progress = job.send(control)
        except StopIteration as end:
            result: Result = end.value
            return result
        control = yield show(progress)


def one_of_many(
    job: Job[Result],
    number: int,
    total: int,
    stage: str,
    look: Callable[[Preview], Preview] = lambda preview: preview,
) -> Job[Result]:
    """Run a job as one of `total` equal parts of another, `number` of which are done.

    Parameters
    ----------
    job, number, total
        See above.
    stage
        Of the outer job.
    look
        Changes previews.
    """

    def show(inner: Progress) -> Progress:
        done = number + inner.step / inner.total
        preview = None if inner.preview is None else look(inner.preview)
        return replace(inner, stage=stage, step=done, total=total, preview=preview)

    return inside(job, show)


__all__ = ["Control", "Job", "Preview", "Progress", "Skipped", "drain", "inside", "one_of_many"]
