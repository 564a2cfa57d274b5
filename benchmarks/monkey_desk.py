"""The window that benchmarks/monkey.py plays with: what is in it, where, what it ought to hold.

Acts are generators. What they yield is waited for, with the event loop running: a number of
milliseconds, or a condition, whose last value comes back.
"""

import json
import os
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from monkey_hand import Point, QtHand, XHand
from monkey_shadow import Brush, ImageShadow, Shadow
from monkey_watch import Heart, resident_gb
from PIL import Image

HANG_S = 5.0
SAVED_S = 2.0
MEMORY_GB = 2.0
PATIENCE_S = 20.0
"""Longest wait for what a click or a key should do, on a busy machine."""

FAILED = 9
"""Exit status of a round in which something was wrong."""

Act = Iterator[float | Callable[[], object]]


class Desk:
    """A viewer with the plugin's docks, two folders, a hand, and the shadow of all strokes."""

    def __init__(self, place: Path, seed: int, events: str) -> None:
        import napari
        from napari.utils.notifications import notification_manager

        from napari_matssl.widgets.session import session_of

        self.place, self.random = place, random.Random(seed)
        self.folders = [place / "steel", place / "coating"]
        self.shadow = Shadow(place / "expected")
        self.viewer = napari.Viewer()
        self.window = self.viewer.window._qt_window
        self.window.setGeometry(40, 60, 1500, 920)
        self.session = session_of(self.viewer)
        self.session.notices.failed.connect(lambda error: self.say("told", error))
        self.session.runner.started.connect(lambda job: job.failed.connect(self._on_job_failed))
        notification_manager.notification_ready.connect(self._on_notification)
        self.hand = XHand() if events == "x" else QtHand()
        self.docks: dict[str, tuple] = {}
        self.heart = Heart(HANG_S, self.fail)
        self.changed_at = 0.0
        self.latest_save = 0.0
        self.counts = {"strokes": 0, "painted": 0, "undone": 0, "steps": 0}
        self.start_gb = self.most_gb = resident_gb()

    # --- what is told

    def say(self, *words: object) -> None:
        """Leave a line for the parent."""
        print(json.dumps([round(time.monotonic(), 2), *map(str, words)]), flush=True)

    def fail(self, words: str) -> None:
        """Tell what is wrong, and end the round as it stands."""
        print(f"FAILED {words} (during {self.heart.what})", flush=True)
        os._exit(FAILED)

    def _on_job_failed(self, error: Exception) -> None:
        self.say("job failed", error)
        job = self.session.runner.job
        if job and "Traceback" in job.details and "unexpected" in str(error).lower():
            self.fail(f"a job failed: {job.details}")

    def _on_notification(self, note: object) -> None:
        error = getattr(note, "exception", None)
        if error is not None:
            traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
            self.fail(f"an error in the window: {error!r}")

    # --- what is there

    @property
    def shown(self):
        """The image in the viewer, or None."""
        return self.session.current.shown

    @property
    def folder(self) -> str:
        """Name of the open folder."""
        return self.session.folder.project.folder.name

    @property
    def canvas(self):
        """The widget that is painted on."""
        return self.viewer.window._qt_viewer.canvas.native

    def image(self) -> ImageShadow:
        """Give the strokes on the shown image as they ought to be."""
        return self.shadow.of(self.folder, self.shown.name, self.shown.painted.data.shape)

    def panel(self, title: str):
        """Give a panel of an open dock."""
        from qtpy.compat import isalive

        for name in (title, "All panels"):
            dock, widget = self.docks.get(name, (None, None))
            if dock is None or not isalive(dock) or not dock.isVisible():
                continue
            return widget.panel if name == title else widget.panels[title]
        return None

    def keys_count(self) -> bool:
        """Whether a key goes to the canvas, as far as Qt tells."""
        from qtpy.QtWidgets import QApplication

        focus = QApplication.focusWidget()
        return QApplication.activeWindow() is self.window and focus is self.canvas

    # --- places

    def to_image(self, point: Point) -> tuple[float, float]:
        """Row and column of the shown image below a point on the screen."""
        from qtpy.QtCore import QPoint

        here = self.canvas.mapFromGlobal(QPoint(*point))
        view = self.viewer.window._qt_viewer.canvas.view
        x, y = (view.transform * view.scene.transform).imap([here.x(), here.y()])[:2]
        return tuple(self.shown.painted.world_to_data((y, x))[-2:])

    def to_screen(self, row: float, column: float) -> Point:
        """Point on the screen above a pixel of the shown image."""
        from qtpy.QtCore import QPoint

        view = self.viewer.window._qt_viewer.canvas.view
        world = self.shown.painted.data_to_world((row, column))[-2:]
        x, y = (view.transform * view.scene.transform).map([world[1], world[0]])[:2]
        there = self.canvas.mapToGlobal(QPoint(round(float(x)), round(float(y))))
        return there.x(), there.y()

    def free_place(self) -> Point | None:
        """Choose a point of the canvas that no other window covers; None if none was found."""
        from qtpy.QtCore import QPoint
        from qtpy.QtWidgets import QApplication

        for _try in range(20):
            if self.shown is not None and self.random.random() < 0.8:
                height, width = self.shown.painted.data.shape
                point = self.to_screen(
                    self.random.uniform(0, height), self.random.uniform(0, width)
                )
            else:
                corner = self.canvas.mapToGlobal(QPoint(0, 0))
                point = (
                    corner.x() + self.random.randrange(max(1, self.canvas.width())),
                    corner.y() + self.random.randrange(max(1, self.canvas.height())),
                )
            if QApplication.widgetAt(*point) is self.canvas:
                return point
        return None

    def press(self, widget) -> Act:
        """Click a widget with the mouse, if it can be reached; yields, and returns whether."""
        from qtpy.compat import isalive
        from qtpy.QtWidgets import QApplication, QScrollArea

        if widget is None or not isalive(widget) or not widget.isVisible():
            return False
        above = widget.parentWidget()
        while above is not None and not isinstance(above, QScrollArea):
            above = above.parentWidget()
        if above is not None:
            above.ensureWidgetVisible(widget)
        yield 60
        if not isalive(widget) or not widget.isVisible() or not widget.isEnabled():
            return False
        middle = widget.mapToGlobal(widget.rect().center())
        top = QApplication.widgetAt(middle)
        if top is None or (top is not widget and not widget.isAncestorOf(top)):
            return False
        self.hand.drag([(middle.x(), middle.y())], "left")
        yield from self.settle()
        return True

    def settle(self) -> Act:
        """Wait until the events that were sent have been handled."""
        done = yield lambda: self.hand.done
        if not done:
            self.fail("the X server takes no events")
        yield 40
        yield 40

    # --- what ought to be

    def brush(self) -> Brush | None:
        """Say what a stroke would be made with now; None if it would paint nothing."""
        shown = self.shown
        if shown is None or self.viewer.layers.selection.active is not shown.painted:
            return None
        layer = shown.painted
        if layer.mode not in ("paint", "erase", "fill") or not (layer.visible and layer.editable):
            return None
        label = 0 if layer.mode == "erase" else int(layer.selected_label)
        return Brush(label, int(layer.brush_size), layer.preserve_labels, int(layer.selected_label))

    def expect(self, words: str) -> None:
        """Compare the shown strokes with those that ought to be there."""
        if self.shown is None:
            return
        wanted, found = self.image().ids, self.shown.painted.data
        if not np.array_equal(wanted, found):
            np.save(self.place / "found.npy", found)
            count = np.count_nonzero(wanted != found)
            self.fail(f"{words}: {count} px of {self.shown.name} aren't as they were painted")

    def changed(self) -> None:
        """Note that the shown image was painted on."""
        self.changed_at = time.monotonic()
        self.shadow.note(self.folder, self.shown.name)

    def on_disk(self, folder: str, name: str) -> np.ndarray | None:
        """Read the strokes on an image from its file."""
        path = self.place / folder / "matssl" / "labels" / f"{Path(name).stem}.png"
        if not path.is_file():
            return None
        with Image.open(path) as opened:
            return np.asarray(opened)

    def check_disk(self, folder: str, but: str | None = None) -> None:
        """Compare the files of all images of a folder, but the one shown, with what ought to be."""
        for name in self.shadow.names(folder):
            if name == but:
                continue
            wanted, found = self.shadow.of(folder, name).ids, self.on_disk(folder, name)
            lost = np.count_nonzero(wanted != (0 if found is None else found))
            if lost:
                self.fail(f"{lost} px of {folder}/{name} aren't on disk as they were painted")

    def check_saved(self) -> None:
        """Compare the file of the shown image, once its strokes are old enough."""
        shown, age = self.shown, time.monotonic() - self.changed_at
        if shown is None or not self.changed_at:
            return
        found = self.on_disk(self.folder, shown.name)
        wanted = self.image().ids
        if np.array_equal(wanted, np.zeros_like(wanted) if found is None else found):
            self.changed_at = 0.0
            return
        self.latest_save = max(self.latest_save, age)
        if age > HANG_S:
            self.fail(f"strokes on {shown.name} aren't on disk after {age:.1f} s")

    def check_memory(self) -> None:
        """Compare the memory with that at the start."""
        self.most_gb = max(self.most_gb, resident_gb())
        if self.most_gb - self.start_gb > MEMORY_GB:
            self.fail(f"{self.most_gb - self.start_gb:.2f} GB more than at the start")
