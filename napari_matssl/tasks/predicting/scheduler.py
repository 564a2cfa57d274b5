"""Jobs over many items, done by the workers of an existing dask.distributed cluster.

Everything about dask stands here; it is loaded when a cluster is asked for.
"""

import concurrent.futures
import contextlib
import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_matssl.errors import ComputeError, MatSSLError, SettingsError, one_line
from napari_matssl.progress import Job
from napari_matssl.tasks.batch import Ended, Item, Prepared, Result
from napari_matssl.tasks.predicting.collecting import Collecting
from napari_matssl.tasks.predicting.on_worker import (
    Outcome,
    Task,
    carry_out,
    check_versions,
    forget,
    stop,
    versions_here,
)

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_S = 10
"""How long a scheduler is waited for."""

_TELL_S = 5.0


@contextmanager
def connect(address: str) -> Iterator["Cluster"]:
    """Connect to the scheduler of a cluster, and leave it in the end.

    Parameters
    ----------
    address
        ``tcp://host:8786``, ``host:8786``, or the file that ``dask scheduler --scheduler-file``
        writes.

    Raises
    ------
    SettingsError
        If dask.distributed isn't installed, no scheduler answers in time, or a worker has another
        version of the program or of PyTorch.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise SettingsError(
            "Working on a cluster takes the package dask.distributed, which isn't installed.",
            'Install it: pip install "napari-matssl[cluster]".',
        ) from error
    place = {"scheduler_file" if Path(address).is_file() else "address": address}
    with _quiet():
        try:
            client = _within(
                CONNECT_S, lambda: Client(**place, timeout=CONNECT_S, set_as_default=False)
            )
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise SettingsError(
                f"No scheduler of dask answers at {address} within {CONNECT_S} s.",
                "Give its address, such as tcp://host:8786, or its scheduler file.",
                settings="scheduler",
            ) from error
        try:
            cluster = Cluster(client, address)
            with contextlib.suppress(TimeoutError):  # each task is checked, too
                _within(CONNECT_S, cluster.check)
            yield cluster
        finally:
            with contextlib.suppress(Exception):
                client.close(timeout=_TELL_S)


class Cluster:
    """The workers of a scheduler.

    Parameters
    ----------
    client
        Connected to it.
    address
        What the user calls it.
    """

    def __init__(self, client: "Client", address: str) -> None:
        self._client, self._address = client, address

    def check(self) -> None:
        """Check that the workers that are there have this program.

        Raises
        ------
        SettingsError
            If one hasn't, or has another version of it or of PyTorch.
        """
        for worker, found in self._client.run(versions_here, on_error="return").items():
            if isinstance(found, Exception):
                raise _unfit(found)
            check_versions(versions_here(), found, worker)

    def each(
        self,
        prepare: Callable[[], Prepared[Item, Result]],
        items: Mapping[str, Item],
        stage: str,
        take: Callable[[str, Result], None],
    ) -> Job[Ended]:
        """Do the same to many items, as :class:`~napari_matssl.tasks.batch.Each`.

        A task whose worker dies is given to another one; one that has cost several workers is left
        out. After STOP, workers leave off at the next step; what they have finished counts.

        Raises
        ------
        SettingsError
            If a worker has other versions or can't run this program.
        ComputeError
            If the scheduler is lost.
        MatSSLError
            Any but an InputError or a ComputeError of an item.
        """
        run, versions = f"{stage}-{secrets.token_hex(4)}", versions_here()
        tasks = [Task(run, prepare, name, item, versions) for name, item in items.items()]
        sent = _SentTasks(self._client, tasks)
        try:
            ended = yield from Collecting(sent, list(items), stage, take).run(
                lambda: self._tell(stop, run)
            )
        finally:
            self._tell(forget, run)
            sent.cancel()
        return ended

    def _tell(self, what: Callable[[str], None], run: str) -> None:
        """Have all workers do something at once; those that don't answer aren't waited for long."""
        with contextlib.suppress(Exception):
            _within(_TELL_S, lambda: self._client.run(what, run, on_error="ignore"))


class _SentTasks:
    """Tasks that a scheduler has.

    dask counts the death of a worker against all tasks that were assigned to it. Which one is to
    blame shows in a second try, one task at a time after all others.
    """

    def __init__(self, client: "Client", tasks: Sequence[Task]) -> None:
        from distributed import as_completed

        self._client, self._cancelled = client, False
        self._suspects: list[Task] = []
        self._alone: Future | None = None
        self._tasks = {self._send(task, str(number)): task for number, task in enumerate(tasks)}
        self._ended = as_completed(
            list(self._tasks), loop=client.loop, with_results=True, raise_errors=False
        )

    @property
    def without_worker(self) -> bool:
        """Whether no worker is there now."""
        return not self._client.nthreads()

    def next_ended(self) -> tuple[str, Outcome] | None:
        """Return the name and the outcome of a task that has ended; None if there is none yet."""
        if self._cancelled and self._suspects:
            return self._suspects.pop().name, Outcome()
        if not self._ended.has_ready():
            return None
        future, result = next(self._ended)
        task = self._tasks.pop(future)
        if self._may_be_innocent(future, result):
            self._suspects.append(task)
            ended = None
        else:
            ended = task.name, self._outcome_of(task.name, future, result)
        if not self._tasks and self._suspects:
            suspect = self._suspects.pop(0)
            self._alone = self._send(suspect, f"alone-{suspect.name}")
            self._tasks[self._alone] = suspect
            self._ended.add(self._alone)
        return ended

    def cancel_waiting(self) -> None:
        """Cancel tasks that no worker has begun."""
        self._cancelled = True
        with contextlib.suppress(Exception):  # a scheduler that has gone
            processing = _within(_TELL_S, self._client.processing)
            begun = {key for keys in processing.values() for key in keys}
            waiting = [future for future in self._tasks if future.key not in begun]
            _within(_TELL_S, lambda: self._client.cancel(waiting))

    def cancel(self) -> None:
        """Cancel all that haven't ended."""
        with contextlib.suppress(Exception):
            _within(_TELL_S, lambda: self._client.cancel(list(self._tasks)))

    def _send(self, task: Task, key: str) -> "Future":
        return self._client.submit(_carry_out, task, key=f"{task.run}-{key}", pure=False)

    def _may_be_innocent(self, future: "Future", result: Any) -> bool:
        """Whether workers have died with a task that was not tried alone."""
        from distributed import KilledWorker

        killed = future.status == "error" and isinstance(result[1], KilledWorker)
        return killed and future is not self._alone and not self._cancelled

    def _outcome_of(self, name: str, future: "Future", result: Any) -> Outcome:
        from distributed import KilledWorker

        if future.status == "finished":
            return result  # type: ignore[no-any-return]
        if future.status != "error":
            lost = ComputeError(
                "The scheduler of the cluster has gone.", "What is done is kept; run it again."
            )
            return Outcome(fatal=None if self._cancelled else lost)
        error = result[1]
        if isinstance(error, KilledWorker):
            times = error.allowed_failures + 1
            killed = ComputeError(
                f"{name}: {times} workers died with it, the last one {error.last_worker.address}.",
                "Its log tells why; perhaps its memory is too small.",
            )
            return Outcome(error=killed)
        if isinstance(error, ImportError) or "deserializ" in str(error).lower():
            return Outcome(fatal=_unfit(error))
        raise error


def _carry_out(task: Task) -> Outcome:
    """Do a task on the worker that has it."""
    from distributed import get_worker

    worker = get_worker()
    return carry_out(task, worker.address, worker.state.nthreads)


def _unfit(error: Exception) -> MatSSLError:
    return SettingsError(
        f"A worker of the cluster can't run this program: {one_line(str(error))}.",
        "Install napari-matssl for scheduler and workers in the version of this program.",
        settings="scheduler",
    )


def _within(seconds: float, do: Callable[[], Any]) -> Any:
    """Call what may wait for ever, such as a handshake with a program that isn't dask.

    Raises
    ------
    TimeoutError
        If it takes longer; it is left to itself then.
    """
    ended: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def call() -> None:
        try:
            ended.set_result(do())
        except Exception as error:  # noqa: BLE001 - raised below
            ended.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return ended.result(timeout=seconds)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep dask's own log, which goes to the terminal, for what ends the program."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    loggers = [logging.getLogger(name) for name in names]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
