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
        self._unsaved: RunningJob | None = None  # job whose result couldn't be written
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
        """A job's result that couldn't be written and is kept in memory, until it is."""
        return None if self._unsaved is None else self._unsaved.unwritten

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
        """Write a job's result, which couldn't be written, to another file.

        Whoever started that job hears of its success.

        Raises
        ------
        InputError
            If a job is running, or nothing waits to be written.
        """
        unsaved = self._unsaved
        if unsaved is None or unsaved.unwritten is None:
            raise InputError("There is nothing that waits to be saved.")
        unwritten = unsaved.unwritten

        def write() -> Job[Any]:
            yield Progress("saving", 0, 1)
            return unwritten.write(path)

        self._saving = self._prepare(unsaved.title, write, "", ())
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
        unsaved = self._unsaved
        if unsaved is None or self._saving is None:
            return
        self._unsaved = None
        unsaved.succeeded.emit(result)
        unsaved.deleteLater()

    def _on_failed(self, _error: object) -> None:
        job = self.job
        if job is None or job.unwritten is None:
            return
        if self._saving is not None and self._unsaved is not None:
            self._unsaved.unwritten = job.unwritten  # it failed again
        else:
            self._unsaved = job

    def _on_ended(self) -> None:
        job, self.job, self._saving = self.job, None, None
        if job is None:
            return
        if job is not self._unsaved:
            job.deleteLater()
        self.ended.emit()
