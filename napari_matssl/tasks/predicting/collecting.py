"""Results of tasks that others do, as they come."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from napari_matssl.errors import MatSSLError
from napari_matssl.progress import Control, Job, Progress
from napari_matssl.tasks.batch import Ended, as_skipped, left_out
from napari_matssl.tasks.predicting.on_worker import Outcome

_POLL_S = 0.05
_LOOK_S = 2.0


class SentTasks(Protocol):
    """Tasks that workers do."""

    @property
    def without_worker(self) -> bool:
        """Whether no worker is there now."""

    def next_ended(self) -> tuple[str, Outcome] | None:
        """Return the name and the outcome of a task that has ended; None if there is none yet."""

    def cancel_waiting(self) -> None:
        """Cancel tasks that no worker has begun."""


class Collecting:
    """Takes the results of tasks as they come, until each has ended.

    Parameters
    ----------
    sent
        The tasks.
    names
        Of their items, in order.
    stage
        What the job is called.
    take
        Called with each name and result.
    """

    def __init__(
        self,
        sent: SentTasks,
        names: Sequence[str],
        stage: str,
        take: Callable[[str, Any], None],
    ) -> None:
        self._sent, self._names, self._stage, self._take = sent, names, stage, take
        self._errors: dict[str, MatSSLError] = {}
        self._fatal: MatSSLError | None = None
        self._opened: set[str] = set()
        self._count, self._unfinished = 0, False

    def run(self, stop_workers: Callable[[], None]) -> Job[Ended]:
        """Take them.

        Parameters
        ----------
        stop_workers
            Has workers leave off; called once, after STOP or an error that ends the run.
        """
        stopping, alone, looked = False, False, time.monotonic()
        while self._count < len(self._names):
            message, ended = "", self._sent.next_ended()
            if ended is not None:
                message = self._took(*ended)
            elif time.monotonic() - looked < _LOOK_S:
                time.sleep(_POLL_S)
            else:
                looked, was_alone, alone = time.monotonic(), alone, self._sent.without_worker
                if alone and stopping:
                    self._unfinished = True
                    break
                if alone and not was_alone:
                    message = "The cluster has no worker: waiting for one."
            control = yield Progress(self._stage, self._count, len(self._names), message=message)
            if not stopping and (control is Control.STOP or self._fatal is not None):
                stopping = True
                stop_workers()
                self._sent.cancel_waiting()
        if self._fatal is not None:
            raise self._fatal
        errors = {name: self._errors[name] for name in self._names if name in self._errors}
        skipped = tuple(as_skipped(name, error) for name, error in errors.items())
        return Ended(skipped, next(iter(errors.values()), None), self._unfinished)

    def _took(self, name: str, outcome: Outcome) -> str:
        """Take what came of one task; return its messages."""
        self._count += 1
        lines = [*({outcome.opened} - self._opened), *outcome.messages]
        self._opened.add(outcome.opened)
        if outcome.error is not None:
            self._errors[name] = outcome.error
            lines.append(left_out(as_skipped(name, outcome.error)))
        elif outcome.result is not None:
            self._take(name, outcome.result)
        else:
            self._unfinished = True
            self._fatal = self._fatal or outcome.fatal
        return "\n".join(filter(None, lines))
