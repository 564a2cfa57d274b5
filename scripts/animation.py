"""Make the animated picture of the start page: from strokes to a table, with a real mouse.

    xvfb-run -a -s "-screen 0 1280x800x24" .venv/bin/python scripts/animation.py

It takes xdotool. The mouse paints on a sample micrograph, trains the instant model, segments the
folder, and measures; waits are cut out. Look at the frames in --frames one by one.
"""

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZE = (1280, 800)
"""Of the window, px."""

WIDTH = 960
"""Of the picture, px."""

BRUSH = 7
"""Diameter of the brush, and what a stroke keeps from boundaries at least, px."""

LONGEST_S = 300
"""A wait that takes longer has gone wrong."""


class Film:
    """A user with a mouse, and the frames that are taken of what happens."""

    def __init__(self, folder: Path, keep: Path) -> None:
        from napari_matssl.samples.to_paint import write_samples_to_paint
        from napari_matssl.widgets.launch import open_viewer
        from napari_matssl.widgets.reader import SHELL_NAME

        self.frames: list[tuple[Image.Image, int]] = []
        self.keep = keep
        self.viewer = open_viewer(write_samples_to_paint(folder))
        self.window = self.viewer.window._qt_window
        self.shell = self.viewer.window.dock_widgets[SHELL_NAME]
        self.panels, self.session = self.shell.panels, self.shell.session
        self.window.setGeometry(0, 0, *SIZE)
        self.window.activateWindow()
        self.pause(3)
        self.viewer.reset_view()
        self.pause(1)

    def act(self) -> None:
        """Paint, train, segment, measure."""
        self.take(900)
        self.paint()
        self.until(lambda: "preview" in self.viewer.layers)
        self.pause(2)
        self.take(1100)
        fine_tune = self.open_panel("Fine-tune")
        fine_tune.form.set_value("preset", "instant")
        fine_tune.validation.setValue(0)
        self.press(fine_tune.start)
        segment = self.open_panel("Segment")
        segment.target.setCurrentText("All images of the folder")
        self.press(segment.start)
        self.take(900)
        measure = self.open_panel("Measure")
        self.until(lambda: measure.view is not None and measure.view._pages.currentIndex() == 1)
        self.pause(2)
        self.reveal(measure.view)
        self.take(2600)

    def paint(self) -> None:
        """Paint strokes of both classes where they belong, as the samples have them."""
        from napari_matssl.samples import make_sample
        from napari_matssl.samples.to_paint import MATERIAL, SEEDS

        labels = make_sample(MATERIAL, SEEDS[0]).labels
        self.viewer.layers.selection.active.brush_size = BRUSH
        for class_id, lines in ((1, 3), (2, 4)):
            self.key(str(class_id))
            for line in straight_lines(labels, class_id, lines):
                self.stroke(line)
        self.pause(1)

    # --- hands

    def stroke(self, line: list[tuple[float, float]]) -> None:
        """Drag the mouse along a line of the image, with a frame for each of its parts."""
        points = [self.on_screen(at) for at in line]
        self.mouse("mousemove", *points[0])
        self.pause(0.15)
        self.mouse("mousedown", 1)
        for number, point in enumerate(points[1:]):
            self.mouse("mousemove", *point)
            self.pause(0.1)
            if number % 3 == 2:
                self.take(70, cursor=point)
        self.mouse("mouseup", 1)
        self.pause(0.2)
        self.take(110, cursor=points[-1])

    def press(self, button) -> None:
        """Move to a button, click it, and wait for its job."""
        self.reveal(button)
        self.pause(0.5)
        if not button.isEnabled():
            raise RuntimeError(f"{button.text()} is off: {button.toolTip()}")
        point = self.centre(button)
        self.mouse("mousemove", *point)
        self.pause(0.3)
        self.take(600, cursor=point)
        self.mouse("click", 1)
        self.until(lambda: self.session.runner.busy)
        self.take(300, cursor=point)
        self.until(lambda: not self.session.runner.busy)
        self.pause(1)

    def open_panel(self, title: str):
        """Click on the title of a panel, and close the one of images."""
        if self.shell.sections["Micrographs"].isExpanded():
            self.shell.sections["Micrographs"].collapse(animate=False)
        self.reveal(self.shell.sections[title].toggleButton())
        point = self.centre(self.shell.sections[title].toggleButton())
        self.mouse("mousemove", *point)
        self.mouse("click", 1)
        self.until(self.shell.sections[title].isExpanded)
        self.pause(1)
        self.take(350, cursor=point)
        return self.panels[title]

    def reveal(self, widget) -> None:
        """Scroll until a widget is in sight."""
        from qtpy.QtWidgets import QScrollArea

        self.pause(0.3)
        self.shell.findChild(QScrollArea).ensureWidgetVisible(widget, 0, 4)
        self.pause(0.3)

    def key(self, name: str) -> None:
        """Press a key over the image."""
        self.mouse("mousemove", *self.on_screen((256, 256)))
        self.pause(0.2)
        self.mouse("key", name)
        self.pause(0.3)

    def mouse(self, *command: object) -> None:
        """Have xdotool do something, while the window goes on."""
        subprocess.run(["xdotool", *map(str, command)], check=True)
        self.pause(0.02)

    def centre(self, widget) -> tuple[int, int]:
        """Where a widget is on the screen."""
        at = widget.mapToGlobal(widget.rect().center())
        return at.x(), at.y()

    def on_screen(self, pixel: tuple[float, float]) -> tuple[int, int]:
        """Where a pixel of the image is on the screen."""
        layer = self.session.current.shown.painted
        row, column = layer.data_to_world(pixel)[-2:]
        canvas = self.viewer.window._qt_viewer.canvas
        transform = canvas.view.scene.node_transform(canvas.view.canvas.scene)
        x, y = transform.map((column, row))[:2]
        at = canvas.native.mapToGlobal(canvas.native.rect().topLeft())
        return round(at.x() + x), round(at.y() + y)

    # --- eyes

    def until(self, condition: Callable[[], bool]) -> None:
        """Let the application live until something is so."""
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + LONGEST_S
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError("The application does not get there.")
            QApplication.processEvents()
            time.sleep(0.01)

    def pause(self, seconds: float) -> None:
        """Let the application live for a while."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end)

    def take(self, milliseconds: int, cursor: tuple[int, int] | None = None) -> None:
        """Take a frame, with the mouse's arrow, which screens in memory don't show."""
        from napari._qt.dialogs.qt_notification import NapariQtNotification

        for toast in self.window.findChildren(NapariQtNotification):
            toast.close()
        pixels = self.viewer.window.screenshot(canvas_only=False, flash=False)[:, :, :3]
        frame = Image.fromarray(np.ascontiguousarray(pixels))
        if cursor is not None:
            corner = self.window.geometry()
            draw_arrow(frame, (cursor[0] - corner.x(), cursor[1] - corner.y()))
        height = round(WIDTH * frame.height / frame.width)
        small = frame.resize((WIDTH, height), Image.Resampling.LANCZOS)
        small.save(self.keep / f"{len(self.frames):03}.png")
        self.frames.append((small, milliseconds))


def straight_lines(
    labels: np.ndarray, class_id: int, count: int
) -> list[list[tuple[float, float]]]:
    """Find lines within a class, as long as there are some and apart from one another.

    Parameters
    ----------
    labels
        ``(H, W)`` class ids.
    """
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(labels == class_id)
    random = np.random.default_rng(1)
    found: list[list[tuple[float, float]]] = []
    for length in (60, 50, 40, 30, 20):
        for line in (a_line(random, labels.shape, length) for _ in range(4000)):
            middle = np.array(line[len(line) // 2])
            apart = all(np.hypot(*(middle - other[len(other) // 2])) > 90 for other in found)
            if apart and along(depth, line).min() >= BRUSH:
                found.append(line)
            if len(found) == count:
                return found
    return found


def a_line(
    random: np.random.Generator, shape: tuple[int, ...], length: float
) -> list[tuple[float, float]]:
    """Draw a line somewhere in an image, away from its edges."""
    row, column = (random.uniform(60, side - 60) for side in shape[:2])
    angle = random.uniform(0, np.pi)
    steps = np.linspace(-length / 2, length / 2, 10)
    return [(row + np.sin(angle) * one, column + np.cos(angle) * one) for one in steps]


def along(depth: np.ndarray, line: list[tuple[float, float]]) -> np.ndarray:
    """Read the values at the points of a line."""
    rows, columns = np.round(np.array(line)).astype(int).T
    return depth[rows.clip(0, depth.shape[0] - 1), columns.clip(0, depth.shape[1] - 1)]


def draw_arrow(frame: Image.Image, at: tuple[int, int]) -> None:
    """Draw the arrow of a mouse."""
    shape = [(0, 0), (0, 24), (6, 19), (10, 28), (14, 26), (10, 17), (18, 17)]
    corners = [(at[0] + x, at[1] + y) for x, y in shape]
    ImageDraw.Draw(frame).polygon(corners, fill="white", outline="black")


def main() -> None:
    """Read the options, and make the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images/stroke-to-table.webp"))
    parser.add_argument("--frames", type=Path, default=Path("frames"), help="folder for these")
    parser.add_argument("--quality", type=int, default=55)
    options = parser.parse_args()
    options.frames.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="steel-") as folder:
        # napari's own settings, not the user's; read when napari is imported.
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "settings.yaml")
        film = Film(Path(folder), options.frames)
        film.act()
        film.viewer.close()
    pictures, times = zip(*film.frames, strict=True)
    pictures[0].save(
        options.out,
        save_all=True,
        append_images=pictures[1:],
        duration=times,
        loop=0,
        quality=options.quality,
        method=6,
    )
    size = options.out.stat().st_size / 1e6
    print(f"{options.out}: {len(times)} frames, {sum(times) / 1000:.1f} s, {size:.2f} MB")


if __name__ == "__main__":
    main()
