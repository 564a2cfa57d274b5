"""The panel that has classes counted by eye at points of the bare images."""

from functools import partial
from pathlib import Path

from napari.viewer import Viewer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QCheckBox, QLabel, QLineEdit, QSpinBox, QVBoxLayout, QWidget

from napari_matssl.errors import MatSSLError, one_line
from napari_matssl.measure.point_grid import FEWEST, MOST
from napari_matssl.project.folder import Project
from napari_matssl.project.kept_points import LONGEST_NAME, KeptCount
from napari_matssl.tasks.measuring.point_counts import (
    ALL_POINTS,
    COUNT,
    COUNT_SUMMARY,
    PointCounts,
    export_counts,
    project_counts,
)
from napari_matssl.widgets.canvas.counted_points import COUNTED, add_counted_points
from napari_matssl.widgets.controls.count_strip import CountStrip
from napari_matssl.widgets.controls.count_view import CountView
from napari_matssl.widgets.controls.error_text import explain
from napari_matssl.widgets.controls.field_editor import WheelGuard
from napari_matssl.widgets.controls.folder_field import FolderField
from napari_matssl.widgets.controls.forms import (
    agreed,
    bring_into_sight,
    button,
    heading,
    note,
    offer,
    say,
    side_by_side,
)
from napari_matssl.widgets.controls.recent import RecentFolders
from napari_matssl.widgets.jobs.background import Background
from napari_matssl.widgets.jobs.later import later
from napari_matssl.widgets.napari_private import canvas_widget
from napari_matssl.widgets.session import session_of

DELAY_MS = 300
"""Time to gather changes before counts are compared with masks again."""

_POINTS = 100
_INTRO = (
    "Judge the class at points of the bare image, by keys alone. What the model found stays out "
    "of sight until the count is finished."
)
_START_TIP = (
    "Hide everything but the image, and go from point to point: 1 to 9 for the class at the cross, "
    "B on a boundary, 0 where you can't tell, Backspace takes back. Esc pauses."
)
_PAUSE_TIP = "Keep what is judged, and go on later (Esc)."
_FINISH_TIP = (
    "End the count with the points that are judged: they are a random part of all. After that "
    "they can't be changed."
)
_DISCARD_TIP = "Delete the count of this image."
_EXPORT_TIP = (
    f"Write {COUNT} (a line per image and class), {COUNT_SUMMARY} (a line per class) and "
    f"{ALL_POINTS} (a line per point) into the folder above."
)
_PLACE_TIP = "Folder to export to; it is made if it isn't there. Type a new name, or pick one."


class PointCountPanel(QWidget):
    """Counting on the shown image, and what the counts of the folder come to."""

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session_of(napari_viewer)
        self._folder, self._current = self.session.folder, self.session.current
        self._notices, self._counting = self.session.notices, self.session.counting
        self._background = Background(self)
        self._stale, self._just_finished = True, False
        self._counts: PointCounts | None = None
        self._later = later(self, self._measure, DELAY_MS)
        self._build()
        self._connect()
        self._on_folder()

    def _build(self) -> None:
        self.images = heading("")
        self.images.setToolTip("Images whose count is finished.")
        self.points = QSpinBox()
        self.points.setRange(FEWEST, MOST)
        self.points.setValue(_POINTS)
        self.points.setToolTip(
            "Points per image. 100 take about 3 minutes; the interval narrows with their root."
        )
        WheelGuard(self.points)
        self.by = QLineEdit()
        self.by.setMaxLength(LONGEST_NAME)
        self.by.setPlaceholderText("name, for the report")
        self.by.setToolTip("Who counts. It stands beside the figures in tables and report.")
        self.start = button("", _START_TIP, self._start)
        self.pause = button("Pause", _PAUSE_TIP, self._counting.pause)
        self.finish = button("Finish now", _FINISH_TIP, self._counting.finish)
        self.discard = button("Discard", _DISCARD_TIP, self._discard)
        self.progress = note("", "How far the count of this image is.")
        self.view = CountView()
        self.problems = note("", "Counts without figures, and why.")
        self.show_points = QCheckBox("Show the points of this image")
        self.show_points.setToolTip(
            "Points in the colour of the class by hand; a cross with a red edge where the mask has "
            "another class."
        )
        self.show_points.setChecked(True)
        self.place = FolderField("Export to a folder", _PLACE_TIP, RecentFolders("exported"))
        self.export = button("Export", _EXPORT_TIP, self._export)
        self.outcome = note("", "Files of the last export.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(note(_INTRO))
        layout.addWidget(self.images)
        layout.addWidget(side_by_side(QLabel("Points per image"), self.points, self.start))
        layout.addWidget(side_by_side(QLabel("Counted by"), self.by, stretch=1))
        layout.addWidget(self.progress)
        layout.addWidget(side_by_side(self.pause, self.finish, self.discard))
        layout.addWidget(self.view)
        layout.addWidget(self.problems)
        layout.addWidget(self.show_points)
        layout.addWidget(heading("Export to"))
        layout.addWidget(side_by_side(self.place, self.export, stretch=0))
        layout.addWidget(self.outcome)
        self.strip = CountStrip(canvas_widget(self.session.viewer))

    def _connect(self) -> None:
        session = self.session
        session.folder.changed.connect(self._on_folder)
        session.current.changed.connect(self._refresh)
        session.results.mask_changed.connect(self._refresh)
        session.results.cleaning_changed.connect(self._refresh)
        session.palette.classes_changed.connect(self._refresh)
        session.folder.painted_changed.connect(self._refresh)
        session.folder.images_changed.connect(self._refresh)
        self._counting.changed.connect(self._update)
        self._counting.finished.connect(self._on_finished)
        self.show_points.toggled.connect(self._show_points)
        self.place.changed.connect(self._update)

    # --- counting

    def _start(self) -> None:
        """Begin, go on, or begin anew if that is wanted."""
        shown = self._current.shown
        kept = self._kept_of_shown()
        anew = kept is not None and kept.finished and self._counting.waiting is None
        if shown is None or (anew and not agreed(
            self,
            "Count anew",
            f"{shown.name} is counted. Draw other points, and replace that count?",
            "Replace",
        )):  # fmt: skip
            return
        self.session.area.cancel()  # their Esc would be another
        self.session.bar_line.cancel()
        self._remove_points()
        self._counting.begin(self.points.value(), anew, one_line(self.by.text().strip()))

    def _discard(self) -> None:
        shown = self._current.shown
        question = "Delete the points of this image, and what was judged?"
        if shown is None or not agreed(self, "Discard the count", question, "Delete"):
            return
        self._counting.discard()
        self._remove_points()
        self._refresh()

    def _kept_of_shown(self) -> KeptCount | None:
        shown = self._current.shown
        if shown is None:
            return None
        if (waiting := self._counting.waiting) is not None:
            return waiting
        try:
            return shown.project.points.read(shown.name, shown.page)
        except MatSSLError:  # among the problems below the figures
            return None

    def _on_finished(self, _name: str) -> None:
        self._just_finished = True
        self._refresh()

    # --- figures

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Compare what has changed while the panel was hidden."""
        super().showEvent(event)
        self._update()
        if self._stale:
            self._measure()

    def _on_folder(self) -> None:
        project = self._folder.project
        self._background.drop_waiting()
        self._counts = None
        self.view.hide()
        say(self.problems, "")
        say(self.outcome, "")
        self.place.setEnabled(project is not None)
        if project is not None:
            self.place.propose(project.folder.with_name(f"{project.folder.name}-results"))
            self.by.setText(project.record.value.details.operator[:LONGEST_NAME])
        self._refresh()

    def _refresh(self, _what: object = None) -> None:
        self._stale = True
        self._update()
        if not self._later.isActive():
            self._later.start()

    def _measure(self) -> None:
        """Compare counts and masks in the background, once the panel is looked at."""
        project = self._folder.project
        if project is None or not self.isVisible():
            return
        self._stale = False
        self._background.drop_waiting()
        self._background.run(
            partial(project_counts, project), partial(self._show, project), self._complain
        )

    def _show(self, project: Project, counts: PointCounts) -> None:
        if self._folder.project is not project:
            return
        self._counts = counts
        self.view.show_counts(counts.images, project.classes.in_order)
        say(self.problems, "\n".join(counts.problems))
        self._update()
        self._show_points()
        if self._just_finished:
            self._just_finished = False
            bring_into_sight(self.view.words)

    def _complain(self, error: MatSSLError) -> None:
        say(self.problems, explain(error))

    def _show_points(self, _on: bool = True) -> None:
        """Show the points of a finished count, or take them away."""
        self._remove_points()
        shown = self._current.shown
        counts = self._counts
        if shown is None or counts is None or self._counting.running:
            return
        found = next((one for one in counts.images if one.image == shown.name), None)
        if found is not None and self.show_points.isChecked():
            layer = add_counted_points(
                self.session.viewer, shown, found, shown.project.classes.in_order
            )
            self.session.results.add_layer(COUNTED, layer)

    def _remove_points(self) -> None:
        self.session.results.remove_layer(COUNTED)

    # --- exporting

    def _export(self) -> None:
        out = self.place.folder
        if out is None:  # can't happen while the button is off
            return
        try:
            project = self._folder.require_project()
            there = [one for one in (COUNT, COUNT_SUMMARY, ALL_POINTS) if (out / one).exists()]
            question = f"{out} holds {', '.join(there)} already. Replace?"
            if there and not agreed(self, "Replace files", question, "Replace"):
                return
            written = export_counts(project, Path(out))
        except MatSSLError as error:
            self._notices.failed.emit(error)
            return
        self.place.used()
        names = ", ".join(path.name for path in written)
        say(self.outcome, f"{names} exported to {out}.")

    # --- what can be done

    def _update(self, _what: object = None) -> None:
        counting, shown, project = self._counting, self._current.shown, self._folder.project
        kept = counting.kept or self._kept_of_shown()
        waits = counting.waiting is not None
        begun = kept is not None and (waits or not kept.finished)
        caption = "Count points"
        if kept is not None:
            caption = "Go on" if begun else "Count anew"
        self.start.setText(caption)
        offer(self.start, self._why_not(), _START_TIP)
        offer(self.points, "This count has its points." if begun else "", self.points.toolTip())
        running = "" if counting.running else "No count is running."
        judged = counting.running and bool(kept and kept.answers)
        offer(self.pause, running, _PAUSE_TIP)
        offer(self.finish, running or ("" if judged else "Judge some points first."), _FINISH_TIP)
        offer(self.discard, "" if kept else "This image has no count.", _DISCARD_TIP)
        # Fractions of other images would foretell those of this one.
        self.view.setVisible(not counting.blind and bool(self._counts and self._counts.images))
        if counting.running:
            self.strip.ask(counting.progress, counting.classes, counting.asks_for_boundary)
        else:
            self.strip.hide()
        text = counting.progress
        if not counting.running and kept is not None and shown is not None:
            text = f"{shown.name}: {len(kept.answers)} of {len(kept.points)} points are judged."
            if waits:
                text += " They aren't saved yet; Go on tries it again."
            if begun:
                text += " Its segmentation stays out of sight until the count is finished."
        say(self.progress, text)
        done = 0 if self._counts is None else len(self._counts.images)
        total = 0 if project is None else len(project.micrographs.analysed)
        self.images.setText(
            "No folder is open." if project is None else f"{done} of {total} images are counted."
        )
        offer(self.export, self._why_no_export(done), _EXPORT_TIP)

    def _why_not(self) -> str:
        if self._current.shown is None:
            return "Open a folder of micrographs first."
        return "The count is running." if self._counting.running else ""

    def _why_no_export(self, done: int) -> str:
        if not done:
            return "Finish the count of an image first."
        return "" if self.place.folder is not None else "Name a folder to export to first."
