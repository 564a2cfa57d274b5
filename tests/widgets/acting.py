"""What a user does with the docks: opens a folder, paints, presses keys and buttons, waits."""

from pathlib import Path

import numpy as np
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QComboBox, QFileDialog, QLineEdit
from scipy import ndimage

from napari_matssl.export.masks import write_mask
from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass, numbered_table
from napari_matssl.labels.class_table_files import CLASSES_FILE
from napari_matssl.widgets.controls.job_bar import JobBar
from napari_matssl.widgets.jobs.torch_start import start_torch
from napari_matssl.widgets.shell import MatSSLWidget

TINY = "test_efficientnet"
LONG_MS = 300_000
"""A machine may be busy."""


def write_folder(folder: Path, micrographs, table=None) -> Path:
    """Write micrographs as TIFFs, and the class table beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    for micrograph in micrographs:
        write_micrograph(folder / f"{Path(micrograph.name).stem}.tif", micrograph)
    (table or numbered_table([1, 2])).write(folder / CLASSES_FILE)
    return folder


def write_strokes(folder: Path, name: str, labels, table=None) -> Path:
    """Write painted labels where an earlier session would have left them."""
    path = folder / "matssl" / "labels" / f"{Path(name).stem}.png"
    write_mask(path, labels, table or numbered_table([1, 2]))
    return path


def strokes_inside(labels, class_id: int, count: int, margin: int = 3, length: int = 24):
    """Find horizontal strokes ``((row, from), (row, to))`` well inside a class, far apart."""
    inside = ndimage.binary_erosion(labels == class_id, iterations=margin)
    found = []
    while len(found) < count and inside.any():
        depth = ndimage.distance_transform_cdt(inside, "chessboard")
        row, column = np.unravel_index(np.argmax(depth), depth.shape)
        first = last = int(column)
        while first > 0 and inside[row, first - 1] and last - first < length:
            first -= 1
        while last + 1 < inside.shape[1] and inside[row, last + 1] and last - first < length:
            last += 1
        found.append(((int(row), first), (int(row), last)))
        inside[max(0, row - 12) : row + 13, max(0, first - 8) : last + 9] = False
    return found


class User:
    """Somebody in front of a viewer with the whole dock, who uses its controls alone."""

    def __init__(self, make_napari_viewer, qtbot, monkeypatch, show: bool = False) -> None:
        self.qtbot, self._monkeypatch = qtbot, monkeypatch
        self.viewer = make_napari_viewer(show=show)
        self.shell = MatSSLWidget(self.viewer)
        self.dock = self.viewer.window.add_dock_widget(self.shell, name="MatSSL")
        self.session = self.shell.session
        self.folder, self.current = self.session.folder, self.session.current
        self.notices, self.runner = self.session.notices, self.session.runner
        panels = self.shell.panels
        self.micrographs, self.pretrain = panels["Micrographs"], panels["Pretrain"]
        self.finetune, self.segment = panels["Fine-tune"], panels["Segment"]
        self.measure = panels["Measure"]
        self.job_bar = self.shell.findChild(JobBar)
        self.heard: list[str] = []
        self.notices.failed.connect(lambda error: self.heard.append(str(error)))
        self.notices.remarked.connect(self.heard.append)

    @property
    def project(self):
        return self.folder.project

    @property
    def shown(self):
        return self.current.shown

    @property
    def names(self) -> list[str]:
        """The layers, lowest first."""
        return [layer.name for layer in self.viewer.layers]

    # --- controls

    def answer_dialogs(self, path: Path) -> None:
        """Answer all dialogs for folders and files from now on."""
        stand_ins = {
            "getExistingDirectory": str(path),
            "getOpenFileName": (str(path), ""),
            "selectedFiles": [str(path)],
            "exec": 1,
        }
        for name, answer in stand_ins.items():
            self._monkeypatch.setattr(QFileDialog, name, lambda *_, a=answer, **__: a)

    def open(self, folder: Path) -> None:
        self.answer_dialogs(folder)
        self.click(self.micrographs.opening.open_folder)
        assert self.project is not None, self.heard
        assert self.project.folder == folder

    def look_at(self, title: str) -> None:
        """Unfold a panel, and fold the others."""
        for name, section in self.shell.sections.items():
            section.expand(animate=False) if name == title else section.collapse(animate=False)
        self.qtbot.wait(50)  # until it is laid out

    def click(self, widget) -> None:
        assert widget.isEnabled(), widget.toolTip()
        widget.click()

    def cancel(self) -> None:
        """Cancel the job, also where it has worked so long that the bar asks."""
        self.click(self.job_bar._cancel)
        box = self.job_bar._question
        if box is not None:
            next(one for one in box.buttons() if one.text() == "Cancel the job").click()

    def press_key(self, key: Qt.Key, modifier=Qt.KeyboardModifier.NoModifier) -> None:
        self.qtbot.keyClick(self.viewer.window._qt_viewer, key, modifier)

    def choose(self, combo: QComboBox, text: str) -> None:
        """Choose the first entry that begins with a text."""
        texts = [combo.itemText(row) for row in range(combo.count())]
        row = next(row for row, entry in enumerate(texts) if entry.startswith(text))
        combo.setCurrentIndex(row)
        combo.activated.emit(row)

    def enter(self, form, **values) -> None:
        """Type values into a form."""
        if hasattr(form, "more"):
            form.more.expand(animate=False)
        for name, value in values.items():
            editor = form._editors[(name,)]
            if editor.tick is not None and not editor.tick.isChecked():
                editor.tick.click()
            control = editor.control
            if isinstance(control, QComboBox) and not control.isEditable():
                self.choose(control, value)
                continue
            if isinstance(value, bool):
                if control.isChecked() != value:
                    control.click()
                continue
            line = control if isinstance(control, QLineEdit) else control.findChild(QLineEdit)
            line.selectAll()
            self.qtbot.keyClicks(line, str(value))
            self.qtbot.keyClick(line, Qt.Key.Key_Return)

    def until(self, condition) -> None:
        self.qtbot.waitUntil(condition, timeout=LONG_MS)

    def run(self, start) -> None:
        """Press a button that starts a job, and wait for its end."""
        self.begin(start)
        self.wait()

    def begin(self, start) -> None:
        """Press a button that starts a job."""
        self.click(start)
        assert self.runner.busy, self.heard

    def wait(self) -> None:
        self.until(lambda: not self.runner.busy)

    @property
    def error(self) -> str:
        """The error that the bar of jobs shows."""
        return "" if self.job_bar._error_row.isHidden() else self.job_bar._error.text()

    # --- painting

    def drag(self, *points) -> None:
        """Drag the mouse over the canvas; points are rows and columns of the shown image."""
        canvas = self.viewer.window._qt_viewer.canvas.native
        places = [self._on_canvas(point) for point in points]
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        self._mouse(canvas, QEvent.Type.MouseMove, places[0], none, none)
        self._mouse(canvas, QEvent.Type.MouseButtonPress, places[0], left, left)
        for place in places[1:]:
            self._mouse(canvas, QEvent.Type.MouseMove, place, none, left)
        self._mouse(canvas, QEvent.Type.MouseButtonRelease, places[-1], left, none)

    def paint(self, key: Qt.Key, *strokes) -> None:
        """Pick a class by its key and paint some strokes."""
        self.press_key(key)
        for stroke in strokes:
            self.drag(*stroke)

    def _on_canvas(self, point) -> QPointF:
        view = self.viewer.window._qt_viewer.canvas.view
        world = self.shown.image.data_to_world(point)[-2:]
        x, y = (view.transform * view.scene.transform).map([world[1], world[0]])[:2]
        return QPointF(float(x), float(y))

    def _mouse(self, widget, kind, place, button, buttons) -> None:
        self.qtbot.wait(12)  # vispy overhears moves in quicker succession
        where = QPointF(widget.mapToGlobal(place.toPoint()))
        event = QMouseEvent(kind, place, where, button, buttons, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(widget, event)


def painted_folder(
    folder: Path, two_phases, count: int = 3, painted: int | None = None, side: int = 96
) -> Path:
    """Write two-phase micrographs, all or the first few of them painted."""
    made = [two_phases(seed, (side, side)) for seed in range(count)]
    write_folder(folder, [one.micrograph for one in made])
    for one in made[:painted]:
        write_strokes(folder, one.micrograph.name, one.labels)
    return folder


def tiny(user: User, **values) -> None:
    """Set the panel Fine-tune to a network that learns a step in an instant."""
    user.choose(user.finetune.start_from.list, "Random")
    given = {"epochs": 1, "encoder": TINY, "crop_size": 32, "batch_size": 2, "device": "cpu"}
    for name, value in {**given, **values}.items():
        user.finetune.form.set_value(name, value)


def write_model(path: Path, names=("class 1", "class 2"), **facts) -> Path:
    """Write a model that has learnt nothing; its masks are some masks."""
    start_torch()
    from napari_matssl.learn.card import ModelCard
    from napari_matssl.learn.networks import build_network
    from napari_matssl.learn.segmenter import Segmenter, write_segmenter
    from napari_matssl.settings import IntensityScalingSettings

    classes = tuple(
        LabelClass(id=place + 1, name=name, colour=COLOURS[place])
        for place, name in enumerate(names)
    )
    card = ModelCard(
        kind="segmenter",
        encoder=TINY,
        channels="grey",
        unlabelled=0,
        classes=ClassTable(classes=classes),
        intensity_scaling=IntensityScalingSettings(),
        **facts,
    )
    write_segmenter(path, Segmenter(build_network(TINY, len(names), 3), card))
    return path
