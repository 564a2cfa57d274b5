"""Handing in the results: masks, overlays, tables and the report, into a folder."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_matssl.errors import MatSSLError
from napari_matssl.export.outputs import Outputs
from napari_matssl.tasks.measuring.export_measured import existing_tables, export_measured
from napari_matssl.tasks.measuring.export_project import Exported
from napari_matssl.tasks.measuring.measure_plan import MeasurePlan
from napari_matssl.tasks.measuring.project_meter import ProjectMeter
from napari_matssl.widgets.controls.folder_field import FolderField
from napari_matssl.widgets.controls.forms import (
    agreed,
    bring_into_sight,
    button,
    heading,
    note,
    offer,
    say,
    show_in_files,
    side_by_side,
)
from napari_matssl.widgets.controls.recent import RecentFolders
from napari_matssl.widgets.jobs.running_job import RunningJob
from napari_matssl.widgets.panels.report_box import ReportBox
from napari_matssl.widgets.session import Session

_OWNER = "export"

_EXPORT_TIP = "Write the ticked files into the folder above, for every segmented image."
_PLACE_TIP = "Folder to export to; it is made if it isn't there. Type a new name, or pick one."
_OUTPUTS = {
    "masks_png": (
        "Masks (PNG)",
        "One image per micrograph: pixel values are class ids, shown in the classes' colours.",
    ),
    "masks_tiff": (
        "Masks (TIFF, calibrated)",
        "The same for ImageJ: pixel values are class ids, with the pixel size.",
    ),
    "overlays": (
        "Overlays with legend and scale bar",
        "Pictures for a report: the phases tinted over the micrograph, with their fractions.",
    ),
    "tables": (
        "Tables (CSV)",
        "phases.csv has a line per image and phase (%, px, um²), summary.csv the means with "
        "their 95 % confidence intervals, corrected.csv those corrected for the model's own error, "
        "fields.csv the pixel sizes; and the tables of every measure that is ticked, as the "
        "command measure writes them.",
    ),
}


class ExportBox(QWidget):
    """Choose files and a folder; export in the background.

    Parameters
    ----------
    session
        Of the window.
    chosen
        Gives what is measured, and the meter that knows most of it; raises why it can't be.
    missing
        Gives what has to be chosen before measures can be exported; empty if nothing has.
    """

    def __init__(
        self,
        session: Session,
        chosen: Callable[[], tuple[ProjectMeter, MeasurePlan]],
        missing: Callable[[], str],
    ) -> None:
        super().__init__()
        self._session, self._chosen, self._missing = session, chosen, missing
        self._segmented = 0
        self._exported: Path | None = None
        self.choices = {}
        for name, (text, tip) in _OUTPUTS.items():
            choice = self.choices[name] = QCheckBox(text)
            choice.setToolTip(tip)
            choice.setChecked(True)
            choice.toggled.connect(self.update_export)
        self.place = FolderField("Export to a folder", _PLACE_TIP, RecentFolders("exported"))
        self.place.changed.connect(self.update_export)
        self.export = button("Export", _EXPORT_TIP, self._export)
        self.report = ReportBox(session, chosen, missing, self.place)
        self.outcome = note("", "Files of the last export.")
        self.show_exported = button(
            "Show in folder", "Open the folder of the exported files.", self._open
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(heading("Export to"))
        layout.addWidget(self.place)
        layout.addWidget(side_by_side(self.choices["masks_png"], self.choices["masks_tiff"]))
        layout.addWidget(self.choices["overlays"])
        row = (self.choices["tables"], QWidget(), self.report.button, self.export)
        layout.addWidget(side_by_side(*row, stretch=1))
        layout.addWidget(self.outcome)
        layout.addWidget(side_by_side(self.show_exported))
        layout.addWidget(self.report)
        session.runner.started.connect(self.update_export)
        session.runner.ended.connect(self.update_export)
        self._follow(session.runner.job_of(_OWNER))
        self.on_folder()

    @property
    def outputs(self) -> Outputs:
        """The ticked outputs."""
        return Outputs(**{name: box.isChecked() for name, box in self.choices.items()})

    def on_folder(self) -> None:
        """Propose a folder beside that of the images that was opened."""
        project = self._session.folder.project
        self._segmented = 0
        self._exported = None
        if project is not None:
            self.place.propose(project.folder.with_name(f"{project.folder.name}-results"))
        self.place.setEnabled(project is not None)
        self.report.on_folder()
        self._forget()
        self.update_export()

    def set_segmented(self, count: int) -> None:
        """Take in how many images are segmented."""
        self._segmented = count
        self.report.set_segmented(count)
        self.update_export()

    def update_export(self, _what: object = None) -> None:
        """Offer the export if there is something, and a place for it."""
        offer(self.export, self._why_not(), _EXPORT_TIP)
        self.report.update_report()

    def _export(self) -> None:
        outputs, out = self.outputs, self.place.folder
        if out is None:  # can't happen while the button is off
            return
        try:
            meter, plan = self._chosen()
            existing = existing_tables(meter.project, out, outputs, plan)
        except MatSSLError as error:
            self._session.notices.failed.emit(error)
            return
        if existing and not agreed(self, "Replace files", _question(out, existing), "Replace"):
            return
        self._forget()
        work = partial(export_measured, meter, out, outputs, plan)
        self._follow(self._session.start("Exporting", work, _OWNER, compute=False))

    def _follow(self, job: RunningJob | None) -> None:
        if job is not None:
            job.succeeded.connect(self._on_exported)

    def _on_exported(self, result: Exported) -> None:
        """Show what was exported; called by a signal, so not in a closed panel."""
        done, wanted = len(result.images), result.wanted
        number = f"{done}" if done == wanted else f"{done} of {wanted}"
        text = f"{number} image{'s' * (wanted != 1)} exported to {result.folder}."
        say(self.outcome, f"{text}\n{few_of(result.problems)}".rstrip())
        self._exported = result.folder
        self.place.used()
        self.show_exported.show()
        bring_into_sight(self.show_exported)

    def _forget(self) -> None:
        say(self.outcome, "")
        self.show_exported.hide()

    def _open(self) -> None:
        if self._exported is not None:
            show_in_files(self._exported)

    def _why_not(self) -> str:
        if self._session.folder.project is None:
            return "Open a folder of micrographs first."
        if not self._segmented:
            return "Segment some images first."
        if not any(box.isChecked() for box in self.choices.values()):
            return "Tick what to export first."
        if self.place.folder is None:
            return "Name a folder to export to first."
        if self.choices["tables"].isChecked() and self._missing():
            return self._missing()
        return self._session.runner.busy_reason


def _question(out: Path, existing: tuple[Path, ...]) -> str:
    names = few_of([path.name for path in existing], ", ")
    return f"{out} holds {names} already. Replace?"


def few_of(lines: Sequence[str], between: str = "\n") -> str:
    """Join the first lines, with the number of others."""
    more = [f"and {len(lines) - 4} more"] if len(lines) > 5 else []
    return between.join([*lines[: 4 if more else 5], *more])
