"""Figures of the open folder that were measured on demand, whether a panel shows them or not."""

from collections.abc import Callable
from functools import partial

from qtpy.QtCore import QObject, Signal

from napari_matssl.tasks.measuring.mask_states import MaskStates
from napari_matssl.tasks.measuring.measure_plan import MeasurePlan
from napari_matssl.tasks.measuring.project_meter import MeasuredProject, ProjectMeter
from napari_matssl.widgets.canvas.open_folder import OpenFolder
from napari_matssl.widgets.jobs.running_job import RunningJob

OWNER = "measure"
"""Of the job that measures."""


class MeasuredFigures(QObject):
    """Has the masks of the open folder measured, and keeps what comes of it.

    Parameters
    ----------
    folder
        The open folder.
    start
        Starts a job, as the session does.
    parent
        The session.

    Attributes
    ----------
    states
        What is known of the folder's files; None without a folder.
    meter
        What measures them; None without a folder.
    measured
        What was measured last; None if nothing was.
    """

    arrived = Signal()
    """There are new figures; what they are of may have changed while it was measured."""

    def __init__(
        self, folder: OpenFolder, start: Callable[..., RunningJob | None], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._folder, self._start = folder, start
        self._at_work: ProjectMeter | None = None
        folder.changed.connect(self._on_folder)
        self._on_folder()

    def measure(self, plan: MeasurePlan) -> None:
        """Start the job, unless no folder is open."""
        if self.meter is None:
            return
        work = partial(self.meter.measure, plan)
        job = self._start("Measuring", work, OWNER, compute=False)
        if job is not None:
            self._at_work = self.meter
            job.succeeded.connect(self._on_measured)

    def _on_folder(self) -> None:
        """Drop the figures of another folder."""
        project = self._folder.project
        self.states = None if project is None else MaskStates(project)
        self.meter = None if project is None else ProjectMeter(project, self.states)
        self.measured: MeasuredProject | None = None

    def _on_measured(self, measured: MeasuredProject) -> None:
        if self._at_work is self.meter:  # else another folder was opened meanwhile
            self.measured = measured
            self.arrived.emit()
