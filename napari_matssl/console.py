"""Running a job in a terminal: a progress bar, Ctrl-C, errors as one line."""

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from napari_matssl.errors import MatSSLError
from napari_matssl.progress import Job, Progress, drain

log = logging.getLogger(__name__)
Result = TypeVar("Result")

BAD_INPUT = 2
"""Exit status after an error that the user can mend."""

INTERRUPTED = 130
"""Exit status after a second Ctrl-C."""


def say(text: str = "") -> None:
    """Print a line for the user on standard output."""
    print(text, flush=True)  # noqa: T201 - the one place that prints


def complain(text: str) -> None:
    """Print a line on standard error."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with one line and status 2 for an error that the user can mend."""
    try:
        yield
    except MatSSLError as error:
        log.debug("details", exc_info=error)
        complain(f"error: {error}")
        raise SystemExit(BAD_INPUT) from error
    except KeyboardInterrupt:
        complain("interrupted")
        raise SystemExit(INTERRUPTED) from None


class StopButton:
    """Ctrl-C once asks the job to finish cleanly, twice leaves at once."""

    def __init__(self) -> None:
        self.pressed = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        """Handle the signal."""
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True
        complain("\nFinishing with the best so far; Ctrl-C again leaves at once.")


def run_job(job: Job[Result]) -> Result:
    """Run a job behind a progress bar with the time left.

    The first Ctrl-C sends STOP into the job, the second aborts it.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    stop = StopButton()
    previous = signal.signal(signal.SIGINT, stop)
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    try:
        with Bar(*columns, console=console, transient=True) as bar:
            tasks: dict[str, object] = {}

            def show(progress: Progress) -> None:
                if progress.message:
                    console.print(progress.message, markup=False, highlight=False, soft_wrap=True)
                if progress.stage not in tasks:
                    for known in list(tasks.values()):
                        bar.remove_task(known)  # type: ignore[arg-type]
                    tasks.clear()
                    tasks[progress.stage] = bar.add_task(progress.stage, total=1.0, figures="")
                bar.update(
                    tasks[progress.stage],  # type: ignore[arg-type]
                    completed=progress.step / max(progress.total, 1e-9),
                    figures=_figures(progress),
                )

            return drain(job, show, lambda: stop.pressed)
    finally:
        job.close()
        signal.signal(signal.SIGINT, previous)


def _figures(progress: Progress) -> str:
    shown = {k: v for k, v in progress.metrics.items() if k in ("loss", "epoch", "val_miou")}
    return "  ".join(
        f"{name} {value:.0f}" if name == "epoch" else f"{name} {value:.3f}"
        for name, value in shown.items()
    )
