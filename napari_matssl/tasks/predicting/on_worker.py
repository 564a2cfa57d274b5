"""What a process of a cluster does with the tasks that it is given; knows nothing of dask."""

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari_matssl import __version__
from napari_matssl.errors import ComputeError, InputError, MatSSLError, SettingsError
from napari_matssl.progress import drain
from napari_matssl.tasks.batch import Prepared, memory_errors
from napari_matssl.tasks.provenance import torch_version

_MOST_HELD = 4
"""Runs whose models a process keeps, should their callers have died without a word."""


@dataclass(frozen=True)
class Versions:
    """What has to be the same in caller and worker."""

    program: str
    torch: str

    def __str__(self) -> str:
        return f"napari-matssl {self.program} with PyTorch {self.torch}"


@dataclass(frozen=True)
class Task:
    """One item, and what is done to it.

    Parameters
    ----------
    run
        What the tasks have in common.
    prepare
        Loads what all items need; called once per process.
    name, item
        The item.
    versions
        Of the caller.
    """

    run: str
    prepare: Callable[[], Prepared[Any, Any]]
    name: str
    item: Any
    versions: Versions


@dataclass(frozen=True)
class Outcome:
    """What came of a task.

    Parameters
    ----------
    result
        Of the job; None if it was stopped or failed.
    error
        Why the item can't be used.
    fatal
        Why the whole run can't go on.
    opened
        A line on the process, the same for all its tasks; empty if there is nothing to tell.
    messages
        Those of the job.
    """

    result: Any = None
    error: MatSSLError | None = None
    fatal: MatSSLError | None = None
    opened: str = ""
    messages: tuple[str, ...] = ()


_PREPARED: OrderedDict[str, Prepared[Any, Any]] = OrderedDict()
_STOPPED: set[str] = set()
_ONE_AT_A_TIME = threading.Lock()
"""A network takes all threads of its process, and a panorama most of its memory."""


def versions_here() -> Versions:
    """Return the versions of this process."""
    return Versions(__version__, torch_version())


def check_versions(caller: Versions, here: Versions, worker: str) -> None:
    """Refuse a worker that might make other masks.

    Raises
    ------
    SettingsError
        If a version differs.
    """
    if here != caller:
        raise SettingsError(
            f"The worker {worker} has {here}, but this program is {caller}.",
            "Install the same versions on both.",
            settings="scheduler",
        )


def carry_out(task: Task, worker: str, threads: int) -> Outcome:
    """Do a task; the process does one at a time.

    Parameters
    ----------
    worker
        What the process is called in messages.
    threads
        How many threads of PyTorch it takes.
    """
    with _ONE_AT_A_TIME:
        if task.run in _STOPPED:
            return Outcome()
        try:
            check_versions(task.versions, versions_here(), worker)
            prepared = _prepare(task)
        except MatSSLError as error:
            where = f"On the worker {worker}: {error.what}"
            told = error if worker in error.what else error.reworded(where)
            return Outcome(fatal=told)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(threads)
        return _do(task, prepared)


def stop(run: str) -> None:
    """Have the process leave off at the next step of a run, and do no more of it."""
    _STOPPED.add(run)


def forget(run: str) -> None:
    """Free what was loaded for a run, which does no more."""
    _STOPPED.add(run)
    _PREPARED.pop(run, None)


def _prepare(task: Task) -> Prepared[Any, Any]:
    if task.run not in _PREPARED:
        while len(_PREPARED) >= _MOST_HELD:
            _PREPARED.popitem(last=False)
        with memory_errors("The model"):
            _PREPARED[task.run] = task.prepare()
    return _PREPARED[task.run]


def _do(task: Task, prepared: Prepared[Any, Any]) -> Outcome:
    messages: list[str] = []
    result, failed, fatal = None, None, None
    try:
        with memory_errors(task.name):
            result = drain(
                prepared.do(task.item),
                lambda progress: messages.append(progress.message),
                lambda: task.run in _STOPPED,
            )
    except (InputError, ComputeError) as error:
        failed = error
    except MatSSLError as error:
        fatal = error
    told = tuple(filter(None, messages))
    return Outcome(result, failed, fatal, prepared.message, told)
