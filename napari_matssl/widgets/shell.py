"""The dock that stacks the panels in the order of work, and the panels as docks of their own."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QDockWidget, QFrame, QScrollArea, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_matssl.widgets.controls.device_badge import DeviceBadge
from napari_matssl.widgets.controls.job_bar import JobBar
from napari_matssl.widgets.controls.tooltip_wrapping import WrappedTooltips
from napari_matssl.widgets.jobs.later import later
from napari_matssl.widgets.napari_private import main_window
from napari_matssl.widgets.panels.finetune_panel import FinetunePanel
from napari_matssl.widgets.panels.measure_panel import MeasurePanel
from napari_matssl.widgets.panels.micrographs_panel import MicrographsPanel
from napari_matssl.widgets.panels.point_count_panel import PointCountPanel
from napari_matssl.widgets.panels.pretrain_panel import PretrainPanel
from napari_matssl.widgets.panels.run_recipe_panel import RunRecipePanel
from napari_matssl.widgets.panels.segment_panel import SegmentPanel
from napari_matssl.widgets.session import session_of

PANELS = {
    "Micrographs": (MicrographsPanel, "Open a folder, browse its images, paint strokes."),
    "Pretrain": (PretrainPanel, "Pretrain an encoder on the images alone (optional)."),
    "Fine-tune": (FinetunePanel, "Train a model on the strokes."),
    "Segment": (SegmentPanel, "Run the model, clean and correct the result."),
    "Measure": (
        MeasurePanel,
        "Phase fractions, objects, grains, layers, nodules, with error bars; export.",
    ),
    "Point count": (PointCountPanel, "Count classes by eye, and compare with the masks."),
    "Run recipe": (RunRecipePanel, "Segment, measure and report a folder as a recipe has it."),
}
WIDTH = 350
"""Narrowest width at which nothing in a panel is cut off, px."""

_COMPUTE = ("Pretrain", "Fine-tune", "Segment", "Run recipe")


class _Docked(QWidget):
    """What a dock holds. It is destroyed when napari closes the dock and lets go of it."""

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session_of(napari_viewer)
        self._placed = False

    def event(self, event: QEvent) -> bool:
        """Notice that the dock is closed."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            # Deferred, as it may be put into another dock.
            QTimer.singleShot(0, partial(_destroy, self))
        return super().event(event)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Wide enough for the forms: a scrolled panel's own hint would cover half a screen."""
        return QSize(400, 760)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Share the place of another of our docks: below each other, both would be squashed."""
        super().showEvent(event)
        self._on_sight(True)
        if not self._placed:
            self._placed = True
            WrappedTooltips(self)
            dock = _dock_of(self)
            if dock is not None:  # Qt sends no show event for a tab that is chosen again
                dock.visibilityChanged.connect(self._on_sight)
            QTimer.singleShot(0, partial(_tabify, self))

    def _on_sight(self, visible: bool) -> None:
        """Take over the messages that were shown over the image meanwhile."""
        if visible:
            self.session.over_canvas.call(False)


def _tabify(docked: _Docked) -> None:
    if not isalive(docked):
        return
    window, mine = main_window(docked.session.viewer), _dock_of(docked)
    for other in window.findChildren(_Docked):
        dock = _dock_of(other)
        if dock is None or mine is None or dock is mine or dock.isFloating() or mine.isFloating():
            continue
        if dock.isVisible() and window.dockWidgetArea(dock) == window.dockWidgetArea(mine):
            window.tabifyDockWidget(dock, mine)
            mine.raise_()
            return


def _dock_of(widget: QWidget | None) -> QDockWidget | None:
    while widget is not None and not isinstance(widget, QDockWidget):
        widget = widget.parentWidget()
    return widget


def _destroy(docked: _Docked) -> None:
    """Have Qt destroy docks without an owner.

    Python's garbage collector would do it, too, in the midst of a collection: slots, which are then
    cleared already, would be called by the widgets that die, and the process would end.
    """
    if isalive(docked) and docked.parent() is None:
        docked.setParent(main_window(docked.session.viewer))  # the window owns it until then
        docked.deleteLater()


class MatSSLWidget(_Docked):
    """All panels in one dock: open, pretrain, fine-tune, segment, measure."""

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(napari_viewer, parent)
        self.panels: dict[str, QWidget] = {}
        self.sections: dict[str, _Section] = {}
        inside = QWidget()
        stack = QVBoxLayout(inside)
        stack.setContentsMargins(2, 2, 2, 2)
        stack.setSpacing(2)
        for title, (make, tip) in PANELS.items():
            panel = make(napari_viewer)
            section = _Section(title, tip, panel)
            section.toggled.connect(lambda opened, title=title: self._on_toggled(title, opened))
            stack.addWidget(section)
            self.panels[title], self.sections[title] = panel, section
        stack.addStretch(1)
        self.device = DeviceBadge()
        self.device.hide()  # shown once a panel that computes is opened
        self._scroll = _scrolling(inside)
        self._opened: _Section | None = None
        # After the layout has placed the opened panel.
        self._scroll_later = later(self, self._scroll_to_opened)
        self.sections["Micrographs"].expand(animate=False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.addWidget(self._scroll, 1)
        layout.addWidget(self.device)
        layout.addWidget(JobBar(self.session.runner, messages=self.session.messages))

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Open a folder, or some files of one."""
        self.session.folder.open(list(paths))

    def _on_toggled(self, title: str, opened: bool) -> None:
        if not opened:
            return
        if title in _COMPUTE:
            self.device.show()
            self.device.check()
        for other, section in self.sections.items():
            # The class table stays visible, other parts shrink.
            if other not in (title, "Micrographs") and section.isExpanded():
                section.collapse(animate=False)
        self._opened = self.sections[title]
        self._scroll_later.start()

    def _scroll_to_opened(self) -> None:
        """Bring an opened panel to the top: it may have opened below the lower edge."""
        inside = self._scroll.widget()
        inside.layout().activate()
        inside.resize(inside.width(), max(inside.sizeHint().height(), self._scroll.height()))
        if self._opened is not None:
            self._scroll.verticalScrollBar().setValue(self._opened.y())


class _Section(QCollapsible):
    """A panel below its title, to be folded away."""

    def __init__(self, title: str, tip: str, panel: QWidget) -> None:
        super().__init__(f"▸ {title}")
        # The arrows are text: superqt's icons are black in any theme, and it takes no empty ones.
        self.toggleButton().setIconSize(QSize(0, 0))
        self.setDuration(0)
        self.toggleButton().setToolTip(tip)
        self.addWidget(panel)
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.toggled.connect(lambda opened: self.setText(f"{'▾' if opened else '▸'} {title}"))


class JobDock(_Docked):
    """A panel as a dock of its own, with the bar of its jobs."""

    def __init__(self, napari_viewer: Viewer, title: str) -> None:
        super().__init__(napari_viewer)
        self.panel = PANELS[title][0](napari_viewer)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.panel)
        column.addStretch()  # else controls would spread over a high dock
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.addWidget(_scrolling(inside), 1)
        if title in _COMPUTE:
            self.device = DeviceBadge()
            layout.addWidget(self.device)
            self.device.check()
        layout.addWidget(JobBar(self.session.runner, messages=self.session.messages))


def _scrolling(inside: QWidget) -> QScrollArea:
    """Make a widget scrollable up and down, wide enough for its content."""
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setMinimumWidth(WIDTH)
    scroll.setWidget(inside)
    return scroll


def _docked(title: str) -> QWidget:
    from napari import current_viewer

    return JobDock(current_viewer(), title)


def micrographs_widget() -> QWidget:
    """Make the dock Micrographs for the viewer at hand."""
    return _docked("Micrographs")


def pretrain_widget() -> QWidget:
    """Make the dock Pretrain for the viewer at hand."""
    return _docked("Pretrain")


def finetune_widget() -> QWidget:
    """Make the dock Fine-tune for the viewer at hand."""
    return _docked("Fine-tune")


def segment_widget() -> QWidget:
    """Make the dock Segment for the viewer at hand."""
    return _docked("Segment")


def measure_widget() -> QWidget:
    """Make the dock Measure for the viewer at hand."""
    return _docked("Measure")


def point_count_widget() -> QWidget:
    """Make the dock Point count for the viewer at hand."""
    return _docked("Point count")


def run_recipe_widget() -> QWidget:
    """Make the dock Run recipe for the viewer at hand."""
    return _docked("Run recipe")
