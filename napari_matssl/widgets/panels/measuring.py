"""Measuring more than phase fractions: the button, the figures, whether they are out of date."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_matssl.errors import MatSSLError
from napari_matssl.labels.names import few
from napari_matssl.tasks.measuring.measure_plan import MeasurePlan
from napari_matssl.tasks.measuring.project_meter import (
    MeasuredProject,
    ProjectMeter,
    changed_images,
)
from napari_matssl.widgets.controls.forms import button, note, offer, say, side_by_side
from napari_matssl.widgets.controls.measure_choice import MEASURES, MeasureChoice
from napari_matssl.widgets.measured_figures import OWNER
from napari_matssl.widgets.panels.single_items import SingleItems
from napari_matssl.widgets.session import Session

if TYPE_CHECKING:  # pyqtgraph is slow to import
    from napari_matssl.widgets.controls.measure_tabs import MeasureTabs

_TIP = "Measure what is ticked, in all segmented images. Masks that haven't changed are known."


class Measuring(QObject):
    """Starts the job, shows its results, and tells when they are out of date.

    Parameters
    ----------
    session
        Of the window.
    choice
        What is to be measured.
    parent
        The panel.
    """

    arrived = Signal()
    """There are new figures; what they are of may have changed while it was measured."""

    def __init__(self, session: Session, choice: MeasureChoice, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._choice = session, choice
        self._figures = session.figures
        self._tabs: MeasureTabs | None = None
        self.items: SingleItems | None = None
        self._segmented = 0
        self._changed: tuple[str, ...] = ()
        self.start = button("Measure", _TIP, self._start)
        self.row: QWidget = side_by_side(self.start)
        self.state = note("", "What the figures of the ticked measures are of.")
        choice.changed.connect(self._on_choice)
        self._figures.arrived.connect(self._on_arrived)
        session.runner.started.connect(self._on_job)
        session.runner.ended.connect(self._on_job)
        session.current.changed.connect(self._follow_image)
        self._update()

    @property
    def meter(self) -> ProjectMeter | None:
        """What measures the open folder."""
        return self._figures.meter

    @property
    def measured(self) -> MeasuredProject | None:
        """What was measured last, by an earlier panel, too."""
        return self._figures.measured

    def serve(self, tabs: "MeasureTabs") -> None:
        """Show figures in these tabs from now on."""
        self._tabs = tabs
        self.items = SingleItems(self._session, tabs, self)
        self._on_choice()

    def on_folder(self) -> None:
        """Forget what is known of another folder."""
        self._changed, self._segmented = (), 0
        self._update()

    def set_segmented(self, count: int) -> None:
        """Take in how many images are segmented."""
        self._segmented = count
        self._update()

    # --- the job

    def _start(self) -> None:
        try:
            plan = self._choice.plan()
        except MatSSLError as error:
            self._session.notices.failed.emit(error)
            return
        self._figures.measure(plan)

    def _on_arrived(self) -> None:
        """Show the figures; called by a signal, so not in a closed panel."""
        self._changed = ()
        self._show()
        self.arrived.emit()

    def _show(self) -> None:
        """Show the figures of the last job, where they were measured as they are chosen."""
        tabs, measured, plan = self._tabs, self.measured, self._plan()
        if tabs is None:
            return
        for name, view in tabs.views.items():
            known = measured is not None and name in measured.plan.settings.chosen
            if measured is not None and known and measured.images:
                view.show_measured(measured, self._colours())
                view.mark_old(self._changed)
            elif name in self._choice.ticked:
                view.clear(self._todo(name))
        if self.items is not None:
            self.items.set_plan(plan)
        self._follow_image()
        self._update()

    def _colours(self) -> dict[str, str]:
        """Return the colours of the classes by name."""
        table = () if self.meter is None else self.meter.project.classes.table.classes
        return {one.name: one.colour for one in table}

    def _todo(self, name: str) -> str:
        """Return what to do for figures of a measure."""
        if self.meter is None:
            return "Open a folder of micrographs first."
        if not self._segmented:
            return "Nothing segmented yet: segment some images in Segment first."
        if self._session.runner.job_of(OWNER) is not None:
            return "Measuring..."
        return self._choice.missing or f"{MEASURES[name][0]}: not measured yet. Press Measure."

    def _plan(self) -> MeasurePlan | None:
        """Return what is chosen; None while it can't be measured."""
        if self._choice.missing:
            return None
        try:
            return self._choice.plan()
        except MatSSLError:  # the form shows the reason
            return None

    # --- out of date

    def outdated_check(self) -> Callable[[], tuple[str, ...]] | None:
        """Return what lists the images that have changed since; None without figures."""
        states, measured = self._figures.states, self.measured
        if measured is None or states is None:
            return None
        return partial(changed_images, states.project, states, measured)

    def show_changed(self, changed: tuple[str, ...]) -> None:
        """Mark images that have changed since they were measured."""
        self._changed = changed
        if self._tabs is not None:
            for view in self._tabs.views.values():
                view.mark_old(changed)
        self._update()

    @property
    def _other_choice(self) -> bool:
        """Whether what is chosen isn't what was measured."""
        plan, measured = self._plan(), self.measured
        if measured is None or plan is None:
            return False
        names = [one for one in plan.settings.chosen if one != "phases"]
        return any(
            one not in measured.plan.settings.chosen or measured.plan.key(one) != plan.key(one)
            for one in names
        )

    # --- controls

    def _on_job(self, _job: object = None) -> None:
        """Show what can be done now, also in the tabs that are empty."""
        if self._tabs is not None:
            for name in self._choice.ticked:
                self._tabs.views[name].empty.setText(self._todo(name))
        self._update()

    def _on_choice(self) -> None:
        if self._tabs is not None:
            self._tabs.set_measures(self._choice.ticked)
        self._show()

    def _follow_image(self) -> None:
        shown = self._session.current.shown
        if self._tabs is not None and shown is not None:
            for view in self._tabs.views.values():
                view.follow(shown.name)
            self._tabs.phases.follow(shown.name)

    def _update(self, _what: object = None) -> None:
        ticked = bool(self._choice.ticked)
        self.row.setVisible(ticked)
        offer(self.start, self._why_not(), _TIP)
        say(self.state, self._words() if ticked else "")

    def _why_not(self) -> str:
        if self.meter is None:
            return "Open a folder of micrographs first."
        if not self._segmented:
            return "Segment some images first."
        return self._choice.missing or self._session.runner.busy_reason

    def _words(self) -> str:
        measured = self.measured
        if measured is None:
            return self._choice.missing
        done, wanted = len(measured.images), len(measured.wanted)
        lines = list(measured.problems[:3])
        if done < wanted and not measured.problems:
            lines.append(f"Stopped: {done} of {wanted} images are measured.")
        if self._changed:
            which = few(self._changed, 3)
            lines.append(f"Out of date: {which} changed since. Press Measure.")
        elif self._other_choice:
            lines.append("Out of date: measures, classes or settings changed since. Press Measure.")
        elif not lines:
            lines.append(f"{done} image{'s' * (done != 1)} measured.")
        return "\n".join(lines)
