"""The panel that measures the segmented images, shows the figures, and exports them."""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from napari.viewer import Viewer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_matssl.errors import InputError, MatSSLError
from napari_matssl.project.folder import Project
from napari_matssl.tasks.measuring.measure_plan import MeasurePlan
from napari_matssl.tasks.measuring.measure_project import Measured, PhaseMeter, segmented_names
from napari_matssl.tasks.measuring.project_meter import ProjectMeter
from napari_matssl.tasks.provenance import mask_doubts, newest_model
from napari_matssl.widgets.controls.error_text import explain
from napari_matssl.widgets.controls.forms import WrappedLabel, heading, note, say
from napari_matssl.widgets.controls.mask_origin import doubts_in_words
from napari_matssl.widgets.controls.measure_choice import MeasureChoice
from napari_matssl.widgets.jobs.background import Background
from napari_matssl.widgets.jobs.later import later
from napari_matssl.widgets.panels.export_box import ExportBox, few_of
from napari_matssl.widgets.panels.measuring import Measuring
from napari_matssl.widgets.panels.specimens import Specimens
from napari_matssl.widgets.session import session_of

if TYPE_CHECKING:  # pyqtgraph is slow to import
    from napari_matssl.widgets.controls.measure_tabs import MeasureTabs
    from napari_matssl.widgets.controls.phases_view import PhasesView

DELAY_MS = 300
"""Time to gather changes before masks are measured again."""

_COVERED = (
    "Figures stay out of sight until the point count of this image is finished or discarded: "
    "whoever knows them doesn't count blindly."
)


class MeasurePanel(QWidget):
    """Phase fractions of the open folder, other measures on demand, and handing in the results."""

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session_of(napari_viewer)
        self.tabs: MeasureTabs | None = None
        self._folder, self._notices = self.session.folder, self.session.notices
        self._meter: PhaseMeter | None = None
        self._stale, self._has_figures = True, False
        self._timer = later(self, self._measure, DELAY_MS)
        self._background = Background(self)
        self._build()
        self._connect()
        self._on_folder()

    @property
    def view(self) -> "PhasesView | None":
        """The view of phase fractions; None until the panel was looked at."""
        return None if self.tabs is None else self.tabs.phases

    def _build(self) -> None:
        self.count = heading("")
        self.count.setToolTip("Number of segmented images in the folder.")
        self.state = note("", "Progress of the measurement.")
        self.doubts = WrappedLabel("Masks that may be out of date.")
        self.problems = note("", "Images without figures, and why.")
        self.covered = note("", "Why no figures are shown.")
        self.painted = QCheckBox("Paint overrules the mask")
        self.painted.setToolTip(
            "Where you have painted, by hand or by copying and correcting, your class is measured "
            "and exported, not the model's."
        )
        self.choice = MeasureChoice()
        self.measuring = Measuring(self.session, self.choice, self)
        self.specimens = Specimens(self.session, self.painted)
        self.exporting = ExportBox(self.session, self._chosen, lambda: self.choice.missing)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.count)
        layout.addWidget(self.choice)
        layout.addWidget(self.measuring.row)
        layout.addWidget(self.measuring.state)
        layout.addWidget(self.state)
        layout.addWidget(self.doubts)
        layout.addWidget(self.problems)
        layout.addWidget(self.covered)
        layout.addWidget(self.specimens)
        layout.addWidget(self.exporting)

    def _connect(self) -> None:
        session = self.session
        session.folder.changed.connect(self._on_folder)
        session.current.changed.connect(self._refresh)  # its pixel size may have changed
        session.results.mask_changed.connect(self._refresh)
        session.models_changed.connect(self._refresh)
        session.results.cleaning_changed.connect(self._refresh)
        session.results.cleaning_changed.connect(self._show_painted)
        session.palette.classes_changed.connect(self._on_classes)
        session.folder.painted_changed.connect(self._refresh)
        session.folder.images_changed.connect(self._refresh)
        session.counting.changed.connect(self._cover)
        session.current.changed.connect(self._cover)
        self.painted.toggled.connect(self._set_painted)
        self.specimens.changed.connect(self._refresh)
        self.measuring.arrived.connect(self._refresh)
        self.choice.changed.connect(self.exporting.update_export)

    # --- measuring phase fractions

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Measure what has changed while the panel was hidden."""
        super().showEvent(event)
        if self.tabs is None:
            self._build_tabs()
        if self._stale:
            self._measure()

    def _build_tabs(self) -> None:
        from napari_matssl.widgets.controls.measure_tabs import MeasureTabs

        tabs = self.tabs = MeasureTabs()
        policy = tabs.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        tabs.setSizePolicy(policy)
        self.layout().insertWidget(self.layout().indexOf(self.problems) + 1, tabs, 1)
        tabs.image_chosen.connect(self.session.current.show)
        self._clear_view()
        self.measuring.serve(tabs)

    def _clear_view(self) -> None:
        """Show no figures, and no reason while masks are measured for the first time."""
        self._has_figures = self._meter is None
        if self.tabs is not None:
            self.tabs.clear()
        self._cover()

    def _cover(self) -> None:
        """Hide figures while points are counted by eye, and until there are any."""
        blind = self.session.counting.blind
        say(self.covered, _COVERED if blind else "")
        if self.tabs is not None:
            self.tabs.setVisible(self._has_figures and not blind)

    def _on_folder(self) -> None:
        """Clear the figures of another folder."""
        project = self._folder.project
        states = self.session.figures.states
        self._meter = None if project is None else PhaseMeter(project, states)
        self._background.drop_waiting()
        self.measuring.on_folder()
        self._clear_view()
        self.painted.setEnabled(project is not None)
        self._show_painted()
        self.count.setText("No folder is open." if project is None else "")
        for line in (self.state, self.doubts, self.problems):
            say(line, "")
        self.exporting.on_folder()
        self._on_classes()

    def _on_classes(self) -> None:
        self.choice.set_classes(self.session.palette.classes)
        self._refresh()

    def _chosen(self) -> tuple[ProjectMeter, MeasurePlan]:
        """Return what is measured, for the export."""
        if self.measuring.meter is None:
            raise InputError("No folder is open.", "Open a folder of micrographs first.")
        return self.measuring.meter, self.choice.plan()

    def _set_painted(self, counts: bool) -> None:
        try:
            self._folder.require_project().masks.set_painted_counts(counts)
        except MatSSLError as error:
            self._notices.failed.emit(error)
        self.session.results.cleaning_changed.emit()

    def _show_painted(self) -> None:
        """Show what counts: what was kept, also where another panel has set it."""
        project = self._folder.project
        with signals_blocked(self.painted):
            self.painted.setChecked(project is None or project.masks.painted_counts)

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
            if not self._has_figures:
                say(self.state, f"Measuring: {next(measured)} of {len(names)} images...")

        def run(work: Callable[[], Any], then: Callable[[Any], object]) -> None:
            self._background.run(work, of_this_folder(then), of_this_folder(self._complain))

        run(partial(segmented_names, meter.project), partial(self._show_count, meter.project))
        run(partial(_doubts_of, meter.project), partial(say, self.doubts))
        for name in names:
            run(partial(meter.measure, [name]), report)
        run(meter.measure, partial(self._show, meter.project))
        if (check := self.measuring.outdated_check()) is not None:
            run(check, self.measuring.show_changed)

    def _show_count(self, project: Project, segmented: tuple[str, ...]) -> None:
        total = len(project.micrographs.analysed)
        excluded = len(project.images.names) - total
        text = f"{len(segmented)} of {total} image{'s' * (total != 1)} "
        text += "is segmented" if len(segmented) == 1 else "are segmented"
        self.count.setText(f"{text}, {excluded} excluded." if excluded else f"{text}.")
        self.measuring.set_segmented(len(segmented))
        self.exporting.set_segmented(len(segmented))

    def _show(self, project: Project, measured: Measured) -> None:
        if self.tabs is not None:
            phases = self.tabs.phases
            phases.show_phases(measured.rows, project.classes.in_order, measured.corrected)
            self._has_figures = True
            self._cover()
        say(self.state, "")
        say(self.problems, few_of([*measured.problems, *filter(None, [measured.remark])]))

    def _complain(self, error: MatSSLError) -> None:
        say(self.state, "")
        say(self.problems, explain(error))


def _doubts_of(project: Project) -> str:
    newest = newest_model(project)
    doubts = mask_doubts(project, project.micrographs.analysed)
    return doubts_in_words(doubts, "" if newest is None else newest.stem)
