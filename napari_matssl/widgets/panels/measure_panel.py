"""The panel that measures the segmented images, and exports masks and tables."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.viewer import Viewer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_matssl.errors import MatSSLError
from napari_matssl.export.results import Outputs
from napari_matssl.project.folder import Project
from napari_matssl.tasks.export_project import Exported, existing_exports, export_project
from napari_matssl.tasks.measure_project import Measured, PhaseMeter, segmented_names
from napari_matssl.tasks.provenance import mask_doubts
from napari_matssl.widgets.controls.error_text import explain
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
from napari_matssl.widgets.controls.mask_origin import doubts_in_words
from napari_matssl.widgets.controls.recent import RecentFolders
from napari_matssl.widgets.jobs.background import Background
from napari_matssl.widgets.jobs.later import later
from napari_matssl.widgets.jobs.running_job import RunningJob
from napari_matssl.widgets.session import session_of

if TYPE_CHECKING:  # pyqtgraph is slow to import
    from napari_matssl.widgets.controls.phases_view import PhasesView

DELAY_MS = 300
"""Time to gather changes before masks are measured again."""

_OWNER = "measure"

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
        "their 95 % confidence intervals, corrected.csv those corrected for the model's own error.",
    ),
}


class MeasurePanel(QWidget):
    """Phase fractions of the open folder, and handing in the results."""

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session_of(napari_viewer)
        self.view: PhasesView | None = None
        self._folder, self._notices = self.session.folder, self.session.notices
        self._meter: PhaseMeter | None = None
        self._segmented = 0
        self._stale = True
        self._exported: Path | None = None
        self._timer = later(self, self._measure, DELAY_MS)
        self._background = Background(self)
        self._build()
        self._connect()
        self._on_folder()

    def _build(self) -> None:
        self.count = heading("")
        self.count.setToolTip("Number of segmented images in the folder.")
        self.state = note("", "Progress of the measurement.")
        self.doubts = note("", "Masks that may be out of date.")
        self.problems = note("", "Images without figures, and why.")
        self.choices = {}
        for name, (text, tip) in _OUTPUTS.items():
            choice = self.choices[name] = QCheckBox(text)
            choice.setToolTip(tip)
            choice.setChecked(True)
            choice.toggled.connect(self._update_export)
        self.painted = QCheckBox("Painted pixels count as painted")
        self.painted.setToolTip(
            "Where you have painted, by hand or by copying and correcting, your class is measured "
            "and exported, not the model's."
        )
        self.place = FolderField("Export to a folder", _PLACE_TIP, RecentFolders("exported"))
        self.place.changed.connect(self._update_export)
        self.export = button("Export", _EXPORT_TIP, self._export)
        self.outcome = note("", "Files of the last export.")
        self.show_exported = button(
            "Show in folder", "Open the folder of the exported files.", self._open
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.count)
        layout.addWidget(self.state)
        layout.addWidget(self.doubts)
        layout.addWidget(self.problems)
        layout.addWidget(self.painted)
        layout.addWidget(heading("Export to"))
        layout.addWidget(self.place)
        layout.addWidget(side_by_side(self.choices["masks_png"], self.choices["masks_tiff"]))
        layout.addWidget(self.choices["overlays"])
        layout.addWidget(side_by_side(self.choices["tables"], QWidget(), self.export, stretch=1))
        layout.addWidget(self.outcome)
        layout.addWidget(side_by_side(self.show_exported))

    def _connect(self) -> None:
        session = self.session
        session.folder.changed.connect(self._on_folder)
        session.current.changed.connect(self._refresh)  # its pixel size may have changed
        session.results.mask_changed.connect(self._refresh)
        session.models_changed.connect(self._refresh)
        session.results.cleaning_changed.connect(self._refresh)
        session.palette.classes_changed.connect(self._refresh)
        session.folder.painted_changed.connect(self._refresh)
        self.painted.toggled.connect(self._set_painted)
        session.runner.started.connect(self._update_export)
        session.runner.ended.connect(self._update_export)
        self._follow(session.runner.job_of(_OWNER))

    # --- measuring

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Measure what has changed while the panel was hidden."""
        super().showEvent(event)
        if self.view is None:
            self._build_view()
        if self._stale:
            self._measure()

    def _build_view(self) -> None:
        from napari_matssl.widgets.controls.phases_view import PhasesView

        view = self.view = PhasesView()
        view.setMinimumHeight(380)
        policy = view.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        view.setSizePolicy(policy)
        self.layout().insertWidget(self.layout().indexOf(self.problems) + 1, view, 1)
        self._clear_view()

    def _clear_view(self) -> None:
        """Show no figures, and no reason while masks are measured for the first time."""
        if self.view is not None:
            self.view.clear()
            self.view.setVisible(self._meter is None)

    def _on_folder(self) -> None:
        """Clear the figures of another folder."""
        project = self._folder.project
        self._meter = None if project is None else PhaseMeter(project)
        self._segmented = 0
        self._background.drop_waiting()
        self._clear_view()
        self.painted.setEnabled(project is not None)
        with signals_blocked(self.painted):
            self.painted.setChecked(project is None or project.masks.painted_counts)
        self.count.setText("No folder is open." if project is None else "")
        say(self.state, "")
        say(self.doubts, "")
        say(self.problems, "")
        self._exported = None
        if project is not None:
            self.place.propose(project.folder.with_name(f"{project.folder.name}-results"))
        self.place.setEnabled(project is not None)
        self._forget_export()
        self._update_export()
        self._refresh()

    def _set_painted(self, counts: bool) -> None:
        try:
            self._folder.require_project().masks.set_painted_counts(counts)
        except MatSSLError as error:
            self._notices.failed.emit(error)
        self._refresh()

    def _refresh(self, _what: object = None) -> None:
        """Measure soon; once the panel is looked at, if it isn't now."""
        self._stale = True
        if not self._timer.isActive():
            self._timer.start()

    def _measure(self) -> None:
        """Measure in the background, image by image, so that other work needs not wait for all.

        The last run finds every image measured, and gives the figures of one moment.
        """
        if not self.isVisible():
            return
        self._stale = False
        self._background.drop_waiting()
        meter = self._meter
        if meter is None:
            return
        names, measured = meter.project.micrographs.analysed, count(1)

        def of_this_folder(then: Callable[[Any], object]) -> Callable[[Any], object]:
            return lambda result: then(result) if self._meter is meter else None

        def report(_measured: object) -> None:
            # Later runs are quick, and old figures stay visible.
            if self.view is None or self.view.isHidden():
                say(self.state, f"Measuring: {next(measured)} of {len(names)} images...")

        def run(work: Callable[[], Any], then: Callable[[Any], object]) -> None:
            self._background.run(work, of_this_folder(then), of_this_folder(self._complain))

        run(partial(segmented_names, meter.project), partial(self._show_count, meter.project))
        run(partial(_doubts_of, meter.project), partial(say, self.doubts))
        for name in names:
            run(partial(meter.measure, [name]), report)
        run(meter.measure, partial(self._show, meter.project))

    def _show_count(self, project: Project, segmented: tuple[str, ...]) -> None:
        total = len(project.micrographs.analysed)
        excluded = len(project.images.names) - total
        self._segmented = len(segmented)
        text = f"{self._segmented} of {total} image{'s' * (total != 1)} "
        text += "is segmented" if self._segmented == 1 else "are segmented"
        self.count.setText(f"{text}, {excluded} excluded." if excluded else f"{text}.")
        self._update_export()

    def _show(self, project: Project, measured: Measured) -> None:
        if self.view is not None:
            self.view.show_phases(measured.rows, project.classes.in_order, measured.corrected)
            self.view.show()
        say(self.state, "")
        say(self.problems, _few(measured.problems))

    def _complain(self, error: MatSSLError) -> None:
        say(self.state, "")
        say(self.problems, explain(error))

    # --- exporting

    @property
    def outputs(self) -> Outputs:
        """The ticked outputs."""
        return Outputs(**{name: box.isChecked() for name, box in self.choices.items()})

    def _export(self) -> None:
        outputs, out = self.outputs, self.place.folder
        if out is None:  # can't happen while the button is off
            return
        try:
            project = self._folder.require_project()
            existing = existing_exports(project, out, outputs)
        except MatSSLError as error:
            self._notices.failed.emit(error)
            return
        if existing and not agreed(self, "Replace files", _question(out, existing), "Replace"):
            return
        self._forget_export()
        self._follow(
            self.session.start(
                "Exporting", lambda: export_project(project, out, outputs), _OWNER, compute=False
            )
        )

    def _follow(self, job: RunningJob | None) -> None:
        if job is not None:
            job.succeeded.connect(self._on_exported)

    def _on_exported(self, result: Exported) -> None:
        """Show what was exported; called by a signal, so not in a closed panel."""
        done, wanted = len(result.images), result.wanted
        number = f"{done}" if done == wanted else f"{done} of {wanted}"
        text = f"{number} image{'s' * (wanted != 1)} exported to {result.folder}."
        say(self.outcome, f"{text}\n{_few(result.problems)}".rstrip())
        self._exported = result.folder
        self.place.used()
        self.show_exported.show()
        bring_into_sight(self.show_exported)

    def _forget_export(self) -> None:
        say(self.outcome, "")
        self.show_exported.hide()

    def _open(self) -> None:
        if self._exported is not None:
            show_in_files(self._exported)

    def _update_export(self, _what: object = None) -> None:
        offer(self.export, self._why_not(), _EXPORT_TIP)

    def _why_not(self) -> str:
        if self._folder.project is None:
            return "Open a folder of micrographs first."
        if not self._segmented:
            return "Segment some images first."
        if not any(box.isChecked() for box in self.choices.values()):
            return "Tick what to export first."
        if self.place.folder is None:
            return "Name a folder to export to first."
        return self.session.runner.busy_reason


def _doubts_of(project: Project) -> str:
    newest = next(iter(project.models.files()), None)
    doubts = mask_doubts(project, project.micrographs.analysed)
    return doubts_in_words(doubts, "" if newest is None else newest.stem)


def _question(out: Path, existing: tuple[Path, ...]) -> str:
    names = _few([path.name for path in existing], ", ")
    return f"{out} holds {names} already. Replace?"


def _few(lines: Sequence[str], between: str = "\n") -> str:
    """Join the first lines, with the number of others."""
    more = [f"and {len(lines) - 4} more"] if len(lines) > 5 else []
    return between.join([*lines[: 4 if more else 5], *more])
