"""The button of the report: what it asks, the job, and opening the page."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_matssl.errors import MatSSLError
from napari_matssl.report.seal import grouped
from napari_matssl.tasks.measuring.measure_plan import MeasurePlan
from napari_matssl.tasks.measuring.project_meter import ProjectMeter
from napari_matssl.tasks.recipe.saving import SavedRecipe
from napari_matssl.tasks.reporting.report_plan import Request
from napari_matssl.tasks.reporting.report_project import existing_report, report_project
from napari_matssl.tasks.reporting.write_report import WrittenReport
from napari_matssl.widgets.controls.folder_field import FolderField
from napari_matssl.widgets.controls.forms import (
    agreed,
    bring_into_sight,
    button,
    note,
    offer,
    say,
    side_by_side,
)
from napari_matssl.widgets.controls.report_dialog import asked_details
from napari_matssl.widgets.jobs.running_job import RunningJob
from napari_matssl.widgets.panels.saving_recipe import OWNER as _SAVING
from napari_matssl.widgets.panels.saving_recipe import ask_and_save_recipe
from napari_matssl.widgets.session import Session

_OWNER = "report"

_TIP = (
    "Write a page of all figures that are ticked, with pictures, methods and checksums, a PDF of "
    "it and a workbook, into the folder above; the page opens in the browser."
)


_RECIPE_TIP = (
    "Lock model, cleaning, the measures that are ticked, and limits into one file, which others "
    "run on their folders in the panel Run recipe."
)


class ReportBox(QWidget):
    """Write the report of the open folder in the background, and open its page.

    Parameters
    ----------
    session
        Of the window.
    chosen
        Gives what is measured, and the meter that knows most of it; raises why it can't be.
    missing
        Gives what has to be chosen before measures can be made; empty if nothing has.
    place
        Where it goes.

    Attributes
    ----------
    button
        For whoever lays out the box: it stands beside others.
    """

    def __init__(
        self,
        session: Session,
        chosen: Callable[[], tuple[ProjectMeter, MeasurePlan]],
        missing: Callable[[], str],
        place: FolderField,
    ) -> None:
        super().__init__()
        self._session, self._chosen, self._missing, self._place = session, chosen, missing, place
        self._segmented = 0
        self._written: Path | None = None
        self.button = button("Report...", _TIP, self._ask)
        self.outcome = note("", "Files of the last report.")
        self.show_page = button("Open report", "Open the page in the browser.", self._open)
        self.save_recipe = button("Save recipe...", _RECIPE_TIP, self._save_recipe)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.outcome)
        layout.addWidget(side_by_side(self.show_page, self.save_recipe))
        self._follow(session.runner.job_of(_OWNER))
        self._follow_recipe(session.runner.job_of(_SAVING))
        self.on_folder()

    def on_folder(self) -> None:
        """Forget the report of another folder."""
        self._segmented = 0
        self._forget()
        self.update_report()

    def set_segmented(self, count: int) -> None:
        """Take in how many images are segmented."""
        self._segmented = count
        self.update_report()

    def update_report(self, _what: object = None) -> None:
        """Offer the report if there is something to report, and a place for it."""
        offer(self.button, self._why_not(), _TIP)
        offer(self.save_recipe, self._why_no_recipe(), _RECIPE_TIP)

    def _ask(self) -> None:
        out = self._place.folder
        if out is None:  # can't happen while the button is off
            return
        try:
            meter, plan = self._chosen()
            existing = existing_report(meter.project, out, plan)
        except MatSSLError as error:
            self._session.notices.failed.emit(error)
            return
        asked = asked_details(self, meter.project.record.value.details)
        if asked is None:
            return
        question = f"{out} holds {', '.join(path.name for path in existing)} already. Replace?"
        if existing and not agreed(self, "Replace files", question, "Replace"):
            return
        self._forget()
        work = partial(report_project, meter, plan, out, Request(*asked))
        self._follow(self._session.start("Report", work, _OWNER, compute=False))

    def _save_recipe(self) -> None:
        try:
            _, plan = self._chosen()
        except MatSSLError as error:
            self._session.notices.failed.emit(error)
            return
        self._follow_recipe(ask_and_save_recipe(self._session, plan, self))

    def _follow_recipe(self, job: RunningJob | None) -> None:
        if job is not None:
            job.succeeded.connect(self._on_recipe)

    def _on_recipe(self, saved: SavedRecipe) -> None:
        """Tell where the recipe is; called by a signal, so not in a closed panel."""
        say(self.outcome, f"{saved.path} saved, checksum {grouped(saved.checksum)}.")

    def _follow(self, job: RunningJob | None) -> None:
        if job is not None:
            job.succeeded.connect(self._on_written)

    def _on_written(self, made: WrittenReport) -> None:
        """Tell what was written and open the page; called by a signal, so not in a closed panel."""
        names = (path.name for path in (made.page, made.pdf, made.workbook) if path is not None)
        text = f"{', '.join(names)} written to {made.page.parent}."
        say(self.outcome, "\n".join((text, *made.remarks)))
        self._written = made.page
        self._place.used()
        self.show_page.show()
        bring_into_sight(self.show_page)
        self._open()

    def _forget(self) -> None:
        say(self.outcome, "")
        self.show_page.hide()

    def _open(self) -> None:
        if self._written is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._written)))

    def _why_no_recipe(self) -> str:
        if self._session.folder.project is None:
            return "Open a folder of micrographs first."
        return self._missing() or self._session.runner.busy_reason

    def _why_not(self) -> str:
        if self._session.folder.project is None:
            return "Open a folder of micrographs first."
        if not self._segmented:
            return "Segment some images first."
        if self._place.folder is None:
            return "Name a folder to export to first."
        return self._missing() or self._session.runner.busy_reason
