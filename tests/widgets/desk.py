"""What the tests of the panels have in common: folders, strokes, keys, answers to questions."""

import subprocess
import sys

import numpy as np
import tifffile
from PIL import Image
from qtpy.QtCore import QMimeData, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_matssl.widgets.panels.image_menu import image_menu
from napari_matssl.widgets.panels.micrographs_panel import MicrographsPanel

NAMES = ("a1.tif", "a2.tif", "a10.tif")
SIZE = (96, 128)
UM = 0.25


def write_folder(place, names=NAMES, um=UM, bar=()):
    """Write micrographs of noise; those in `bar` have a bright info bar from row 84."""
    place.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    for name in names:
        grey = random.integers(20, 200, SIZE, dtype=np.uint8)
        resolution = {"resolution": (1 / um, 1 / um), "metadata": {"unit": "micron"}} if um else {}
        tifffile.imwrite(place / name, grey, imagej=True, **resolution)
    return place


def docked(viewer):
    """The panel Micrographs in a dock."""
    panel = MicrographsPanel(viewer)
    viewer.window.add_dock_widget(panel, name="Micrographs")
    return panel


def stroke(panel, row=20, column=30, class_id=None):
    """Paint one dab as the brush does."""
    layer = panel.session.current.shown.painted
    layer.paint((row, column), layer.selected_label if class_id is None else class_id)
    return layer


def labels_on_disk(folder, name):
    path = folder / "matssl" / "labels" / f"{name.rsplit('.', 1)[0]}.png"
    return np.asarray(Image.open(path)) if path.is_file() else None


def is_saved(panel, name=None):
    """Whether the file holds just what the layer shows."""
    session = panel.session
    found = labels_on_disk(session.folder.project.folder, name or session.current.shown.name)
    return found is not None and np.array_equal(found, session.current.shown.painted.data)


def rows(panel):
    """State by name, as the table shows it."""
    model = panel.table.model()
    return {
        panel.table.keys[row]: model.index(row, 1).data(Qt.ItemDataRole.DisplayRole)
        for row in range(model.rowCount())
    }


def menu_of(panel, names):
    """The menu of images of the list."""
    return image_menu(panel.session, names, panel.opening.ask_folder, panel)


def key(qtbot, viewer, which):
    """Press a key while the mouse is on the canvas."""
    qtbot.keyClick(viewer.window._qt_viewer.canvas.native, which)
    QApplication.processEvents()


def said(of):
    """Collect the errors that a panel, or session, shows to its user."""
    problems = []
    getattr(of, "session", of).notices.failed.connect(lambda error: problems.append(str(error)))
    return problems


def drop(widget, *paths):
    """Drop files on a widget, by a real event."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        mime,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    widget.dropEvent(event)


def answer(button_text, questions):
    """Click a button of the next message box once it is up."""

    def click():
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(50, click)
            return
        questions.append(box.text())
        next(b for b in box.buttons() if b.text().replace("&", "") == button_text).click()

    QTimer.singleShot(50, click)


def in_own_process(code, *arguments, timeout=120):
    """Run a script with a viewer of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)
