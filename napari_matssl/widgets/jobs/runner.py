"""One long job at a time, in a thread of its own, so that the window stays alive."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_matssl.errors import InputError, UnwrittenError
from napari_matssl.progress import Job, Progress
from napari_matssl.widgets.jobs.running_job import RunningJob


class JobRunner(QObject):
    """Run one job at a time.

    :meth:`start` returns the job, to whose signals whoever started it connects. The runner is free
    again when they hear of the job's end.
    """

    started = Signal(object)
    """A job began: the RunningJob."""
    ended = Signal()
    """No job runs any more."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.job: RunningJob | None = None
        """The job that is running or paused."""
        self._unsaved: list[RunningJob] = []  # jobs whose results couldn't be written
        self._saving: RunningJob | None = None  # job that writes this result elsewhere
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a job is running or paused."""
        return self.job is not None

    def job_of(self, owner: str) -> RunningJob | None:
        """Return the job that is running, if it belongs to this kind of panel."""
        return self.job if self.job is not None and self.job.owner == owner else None

    @property
    def busy_reason(self) -> str:
        """Why no job can be started now; empty if one can."""
        if self.job is None:
            return ""
        return f"{self.job.title} is running; one job at a time. Wait, or cancel it."

    @property
    def unwritten(self) -> UnwrittenError | None:
        """The last result that couldn't be written; None if there is none."""
        return self.all_unwritten[-1] if self._unsaved else None

    @property
    def all_unwritten(self) -> tuple[UnwrittenError, ...]:
        """Results that couldn't be written and are kept in memory, each until it is."""
        return tuple(job.unwritten for job in self._unsaved if job.unwritten is not None)

    def start(
        self,
        title: str,
        make_job: Callable[[], Job[Any]],
        owner: str = "",
        uses: Iterable[Path] = (),
    ) -> RunningJob:
        """Start a job, given as :class:`RunningJob` is.

        Raises
        ------
        InputError
            If a job is running.
        """
        job = self._prepare(title, make_job, owner, uses)
        self.started.emit(job)
        return job

    def write_elsewhere(self, path: Path) -> RunningJob:
        """Write the last result that couldn't be written to another file.

        Whoever started that job hears of its success.

        Raises
        ------
        InputError
            If a job is running, or nothing waits to be written.
        """
        unwritten = self.unwritten
        if unwritten is None:
            raise InputError("There is nothing that waits to be saved.")

        def write() -> Job[Any]:
            yield Progress("saving", 0, 1)
            return unwritten.write(path)

        self._saving = self._prepare(self._unsaved[-1].title, write, "", ())
        self.started.emit(self._saving)
        return self._saving

    def close(self, timeout: float = 4.0) -> bool:
        """Start no job any more, and close the one that runs: see :meth:`RunningJob.close`."""
        self._closed = True
        job, self.job = self.job, None
        return job is None or job.close(timeout)

    def _prepare(
        self, title: str, make_job: Callable[[], Job[Any]], owner: str, uses: Iterable[Path]
    ) -> RunningJob:
        """Make the job, and connect to it first."""
        if self.busy:
            raise InputError(self.busy_reason)
        if self._closed:
            raise InputError(f"{title} can't be started: its window was closed.")
        job = self.job = RunningJob(title, make_job, owner, uses, self)
        job.succeeded.connect(self._on_succeeded)
        job.failed.connect(self._on_failed)
        job.ended.connect(self._on_ended)
        return job

    def _on_succeeded(self, result: object) -> None:
        """Hand a result that was written elsewhere to those who wait for it."""
        if self._saving is None:
            return
        unsaved, self._saving = self._unsaved.pop(), None
        unsaved.succeeded.emit(result)
        unsaved.deleteLater()

    def _on_failed(self, _error: object) -> None:
        job = self.job
        if job is None or job.unwritten is None:
            return
        if self._saving is not None:
            self._unsaved[-1].unwritten = job.unwritten  # it failed again
        else:
            self._unsaved.append(job)

    def _on_ended(self) -> None:
        job, self.job, self._saving = self.job, None, None
        if job is None:
            return
        if job not in self._unsaved:
            job.deleteLater()
        self.ended.emit()
