"""What a user does with the docks: opens a folder, paints, presses keys and buttons, waits."""

from pathlib import Path

import numpy as np
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QFileDialog, QLabel

from napari_matssl.labels.classes import numbered_table
from napari_matssl.labels.painted import CLASSES_FILE
from napari_matssl.micrograph.writing import write_micrograph
from napari_matssl.widgets.job_bar import JobBar
from napari_matssl.widgets.shell import MatSSLWidget

TINY = "test_efficientnet"
LONG_MS = 120_000
"""A machine may be busy."""

NEXT_CLASS_AT = 2
"""Place of the second class, which key 2 picks."""


def write_folder(folder: Path, micrographs, table=None) -> Path:
    """Write micrographs, and the class table beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    for micrograph in micrographs:
        write_micrograph(folder / f"{Path(micrograph.name).stem}.tif", micrograph)
    (table or numbered_table([1, 2])).write(folder / CLASSES_FILE)
    return folder


class User:
    """Somebody in front of a viewer with the whole dock, who knows its controls alone."""

    def __init__(self, make_napari_viewer, qtbot, monkeypatch, show: bool = False) -> None:
        self.qtbot, self._monkeypatch = qtbot, monkeypatch
        self.viewer = make_napari_viewer(show=show)
        self.shell = MatSSLWidget(self.viewer)
        self.viewer.window.add_dock_widget(self.shell, name="MatSSL")
        self.panels = self.shell.panels
        self.session = self.shell.session
        self.workspace = self.session.workspace
        self.runner = self.session.runner
        self.job_bar = self.shell.findChild(JobBar)
        self.problems: list[str] = []
        self.said: list[str] = []
        self.workspace.failed.connect(lambda error: self.problems.append(str(error)))
        self.workspace.said.connect(self.said.append)

    # --- the folder

    def answer_dialogs(self, path: Path) -> None:
        """Answer the next dialogs for folders and files with a path."""
        for name in ("getOpenFileName", "getExistingDirectory"):
            answer = str(path) if name == "getExistingDirectory" else (str(path), "")
            self._monkeypatch.setattr(QFileDialog, name, lambda *_, answer=answer: answer)

    def open(self, folder: Path) -> None:
        self.answer_dialogs(folder)
        self.click(self.panels["Micrographs"].open_folder)
        assert self.workspace.project is not None, self.problems

    @property
    def project(self):
        return self.workspace.project

    @property
    def shown(self):
        return self.workspace.shown

    # --- pressing

    def click(self, widget) -> None:
        assert widget.isEnabled(), widget.toolTip()
        self.qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)

    def press_key(self, key: Qt.Key) -> None:
        self.qtbot.keyClick(self.viewer.window._qt_viewer, key)

    def until(self, condition) -> None:
        self.qtbot.waitUntil(condition, timeout=LONG_MS)

    def run(self, start) -> None:
        """Press a start button and wait for the end of its job."""
        self.click(start)
        self.until(lambda: not self.runner.busy)

    @property
    def error(self) -> str:
        """What the bar of jobs says went wrong."""
        row = self.job_bar._error_row
        return "" if row.isHidden() else row.findChild(QLabel).text()

    # --- painting

    def drag(self, *points) -> None:
        """Drag the mouse over the canvas; points are rows and columns of the shown image."""
        canvas = self.viewer.window._qt_viewer.canvas
        places = [self._on_canvas(point) for point in points]
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        self._mouse(canvas.native, QEvent.Type.MouseMove, places[0], none, none)
        self._mouse(canvas.native, QEvent.Type.MouseButtonPress, places[0], left, left)
        for place in places[1:]:
            self._mouse(canvas.native, QEvent.Type.MouseMove, place, none, left)
        self._mouse(canvas.native, QEvent.Type.MouseButtonRelease, places[-1], left, none)

    def _on_canvas(self, point) -> QPointF:
        view = self.viewer.window._qt_viewer.canvas.view
        world = self.shown.image.data_to_world(point)[-2:]
        x, y = (view.transform * view.scene.transform).map([world[1], world[0]])[:2]
        return QPointF(float(x), float(y))

    def _mouse(self, widget, kind, place, button, buttons) -> None:
        where = QPointF(widget.mapToGlobal(place.toPoint()))
        event = QMouseEvent(kind, place, where, button, buttons, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(widget, event)
