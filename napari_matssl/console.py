"""Jobs in a terminal: progress bar, signals, errors in one line, exit statuses."""

import contextlib
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Generic, NoReturn, TypeVar

from typer.core import TyperCommand

from napari_matssl.errors import (
    MatSSLError,
    OutputError,
    SettingsError,
    StoppedError,
    UnwrittenError,
    add_settings,
    printable,
)
from napari_matssl.printing import console, print_error, printable_lines
from napari_matssl.progress import Job, Progress, Skipped, drain

log = logging.getLogger(__name__)
Result = TypeVar("Result")

FOUND_CHANGED = 1
"""Exit status after something was found that isn't as it was."""

BAD_INPUT = 2
"""Exit status after an error of input, which the user can correct."""

DONE_WITH_EXCEPTIONS = 3
"""Exit status after a job that left something out."""

INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 plus the number of the signal, as for other signals."""

_OPTIONS: ContextVar[frozenset[str] | None] = ContextVar("options", default=None)
"""Options of the command that runs; None outside of one."""


class Command(TyperCommand):
    """A command; errors name only the options that it has."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; report its errors while its options are at hand."""
        flags = frozenset(flag for parameter in self.params for flag in parameter.opts)
        before = _OPTIONS.set(flags)
        try:
            with one_line_errors():
                return super().invoke(ctx)
        finally:
            _OPTIONS.reset(before)


class SizeCommand(Command):
    """A command whose option ``--pixel-size-um`` takes one number or two: ``X [Y]``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Join the two numbers, as options take a fixed number of values."""
        joined: list[str] = []
        for one in args:
            if _is_number(one) and _awaits_number(joined):
                joined[-1] = f"{joined[-1]} {one}"
            else:
                joined.append(one)
        return list(super().parse_args(ctx, joined))


_SIZE = "--pixel-size-um"


def _awaits_number(arguments: Sequence[str]) -> bool:
    """Whether the last of some arguments is the first number of a pixel size."""
    *before, last = ["", *arguments]
    return (before[-1:] == [_SIZE] and _is_number(last)) or last.startswith(f"{_SIZE}=")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class Interrupted(BaseException):
    """A signal that ends the program at once. Not a KeyboardInterrupt: typer swallows those."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn errors of input into one line and an exit status.

    Characters that the terminal can't show are escaped. Ctrl-C outside of a job ends at once.
    """
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    try:
        with _signals_to(_leave, "SIGINT"):
            yield
    except StoppedError as error:
        print_error(str(error))
        raise SystemExit(INTERRUPTED) from error
    except MatSSLError as error:
        log.debug("details", exc_info=error)
        print_error(f"error: {add_settings(str(error), error.settings, _flag_of)}")
        raise SystemExit(BAD_INPUT) from error
    except MemoryError as error:
        print_error(
            "error: The memory is full. Close other programs, or use fewer or smaller images."
        )
        raise SystemExit(BAD_INPUT) from error
    except OSError as error:
        if error.errno is None:  # no report of the system's
            raise
        log.debug("details", exc_info=error)
        file = "A file" if error.filename is None else printable(str(error.filename))
        reason = f"{file} can't be used: {error.strerror}."
        print_error(f"error: {reason} Check the rights, the disk and the network.")
        raise SystemExit(BAD_INPUT) from error
    except Interrupted as end:
        print_error("interrupted")
        raise SystemExit(end.status) from None


def check_arguments(arguments: Sequence[str]) -> None:
    """Refuse empty arguments, which come from unset variables of scripts.

    Raises
    ------
    SettingsError
        If one is empty: as a path it would mean the current folder.
    """
    before = ""
    for one in arguments:
        option, given, value = one.partition("=")
        if not one.strip():
            place = f"The value of {before}" if before.startswith("--") else "An argument"
            raise SettingsError(f"{place} is empty.", _NOT_EMPTY)
        if option.startswith("--") and given and not value.strip():
            raise SettingsError(f"The value of {option} is empty.", _NOT_EMPTY)
        before = one


_NOT_EMPTY = 'Give a value or leave it out; the current folder is ".".'


@dataclass(frozen=True)
class JobOutcome(Generic[Result]):
    """The end of a job.

    Parameters
    ----------
    result
        Return value of the job.
    interrupted
        Exit status of the signal that ended it early; 0 if it ended by itself.
    """

    result: Result
    interrupted: int = 0

    def leave(
        self,
        skipped: Sequence[Skipped] = (),
        failure: MatSSLError | None = None,
        unfinished: bool = False,
    ) -> None:
        """List what was left out, and exit with a status unless all was done.

        Parameters
        ----------
        skipped
            Images that were left out, with reasons.
        failure
            The error that ended the job early.
        unfinished
            Whether the result is incomplete, which was reported before.
        """
        if skipped:
            print_error(f"{len(skipped)} left out:")
            for one in skipped:
                name = printable(one.name)
                line = one.reason if name in one.reason else f"{name}: {one.reason}"
                print_error(f"  {add_settings(line, one.settings, _flag_of)}")
        if failure is not None:
            raise failure
        if self.interrupted or skipped or unfinished:
            raise SystemExit(self.interrupted or DONE_WITH_EXCEPTIONS)


class StopButton:
    """A first signal asks the job to finish cleanly, a second leaves at once."""

    def __init__(self) -> None:
        self.status = 0

    @property
    def pressed(self) -> bool:
        """Whether a signal has arrived."""
        return self.status != 0

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Handle the signal."""
        if self.pressed:
            raise Interrupted(number)
        self.status = 128 + number
        # os.write, since the signal may have interrupted a print.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            os.write(sys.stderr.fileno(), _FINISHING.encode())


_FINISHING = "\nFinishing with the best so far; Ctrl-C again leaves at once.\n"


def run_job(job: Job[Result]) -> JobOutcome[Result]:
    """Run a job behind a progress bar with the time left.

    The first Ctrl-C, or request of the system to end, sends STOP into the job, a second one aborts
    it. A job that has nothing to keep then ends the program.
    """
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    stop = StopButton()
    terminal = console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=28),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
    )
    try:
        with (
            _signals_to(stop, "SIGINT", "SIGTERM", "SIGHUP"),
            Bar(*columns, console=terminal, transient=True) as bar,
        ):
            tasks: dict[str, Any] = {}

            def show(progress: Progress) -> None:
                if progress.message:
                    terminal.print(printable_lines(progress.message), soft_wrap=True)
                if progress.stage not in tasks:
                    for task in list(tasks.values()):
                        bar.remove_task(task)
                    tasks.clear()
                    tasks[progress.stage] = bar.add_task(progress.stage, total=1.0, figures="")
                bar.update(
                    tasks[progress.stage],
                    completed=progress.step / max(progress.total, 1e-9),
                    figures=_figures(progress),
                )

            result = drain(job, show, lambda: stop.pressed)
    except StoppedError as error:
        print_error(str(error))
        raise SystemExit(stop.status or INTERRUPTED) from error
    finally:
        job.close()
    return JobOutcome(result, stop.status)


@contextmanager
def rescued_output(name: str) -> Iterator[None]:
    """Write a result to a file of this name among temporary ones if its place takes none.

    Raises
    ------
    OutputError
        If that happened; the message names the file, or reports the loss.
    """
    try:
        yield
    except UnwrittenError as error:
        place = Path(tempfile.mkdtemp(prefix="napari-matssl-")) / name
        try:
            error.write(place)
        except OutputError as again:
            place.parent.rmdir()
            remedy = f"What was trained is lost: {place.parent.parent} has no room either."
            raise OutputError(error.what, remedy) from again
        remedy = f"What was trained is kept in {place}; move it before the system is restarted."
        raise OutputError(error.what, remedy) from error


@contextmanager
def _signals_to(handler: Callable[[int, FrameType | None], None], *names: str) -> Iterator[None]:
    """Handle signals; those ignored at the start of the program stay ignored."""
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    heard = [n for n in numbers if signal.getsignal(n) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, handler) for number in heard}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def _flag_of(setting: str) -> str:
    """Name the option of a setting; empty if the command that runs has none."""
    flag = f"--{setting.replace('_', '-')}"
    options = _OPTIONS.get()
    return flag if options is None or flag in options else ""


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    raise Interrupted(number)


def _figures(progress: Progress) -> str:
    shown = {k: v for k, v in progress.metrics.items() if k in ("loss", "epoch", "val_miou")}
    return "  ".join(
        f"{name} {value:.0f}" if name == "epoch" else f"{name} {value:.3f}"
        for name, value in shown.items()
    )
