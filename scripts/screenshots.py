"""Take the pictures of the documentation: the real application, driven through its own controls.

    QT_API=pyqt6 xvfb-run -a -s "-screen 0 1920x1080x24" \
        .venv/bin/python scripts/screenshots.py --size 1280x800 --out docs/images

It paints sample micrographs, fine-tunes for two minutes, segments, corrects, measures and exports,
in a folder that is removed afterwards. A busy machine needs more --minutes. --only takes single
pictures of screenshot_scenes.py, without the tutorial. Nothing is taken while a page names a
control that the window doesn't have (control_names.py).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from screenshot_scenes import SCENES

LONGEST_S = 900
"""A wait that takes longer has gone wrong."""

COLOURS, GREYS, FREQUENT = 160, 48, 48
"""Of a picture, 256 in all: as many as look the same as all, for small files."""


class Tour:
    """A user who goes through the tutorial, and takes a picture at every stop."""

    def __init__(self, folder: Path, out: Path, size: tuple[int, int], minutes: float) -> None:
        from napari_matssl.samples.to_paint import write_samples_to_paint
        from napari_matssl.widgets.launch import open_viewer
        from napari_matssl.widgets.shell import MatSSLWidget

        self.folder, self.out, self.minutes = folder, out, minutes
        self.viewer = open_viewer(write_samples_to_paint(folder))
        self.window = self.viewer.window._qt_window
        self.shell = next(
            widget
            for widget in self.viewer.window.dock_widgets.values()
            if isinstance(widget, MatSSLWidget)
        )
        self.panels, self.session = self.shell.panels, self.shell.session
        self.window.setGeometry(0, 0, *size)
        self.pause(2)
        self.viewer.reset_view()

    def go(self) -> None:
        """Take all pictures."""
        self.open()
        self.calibrate()
        self.paint("steel-1.tif")
        self.paint("steel-2.tif")
        self.picture("paint")
        self.live()
        self.fine_tune()
        self.segment()
        self.correct()
        self.guide()
        self.phases()
        self.specimens()
        self.objects()
        self.export()
        self.count()
        self.explorer()
        self.payoff()
        self.intercepts()

    def open(self) -> None:
        """Wait for the thumbnails of the folder that is open."""
        self.use("Micrographs")
        self.pause(3)
        self.picture("open")

    def calibrate(self) -> None:
        """Give an image a wrong pixel size, and draw the line along its scale bar."""
        from napari_matssl.micrograph.image import PixelSize

        facts = self.use("Micrographs").facts
        self.show("steel-3.tif")
        self.session.current.set_pixel_size(PixelSize(0.178, 0.178, "set by hand"))
        self.click(facts.by_bar.start)
        facts.by_bar.length.setText("20")
        self.pause(2)
        self.reveal(facts)
        self.picture("calibrate")
        self.click(facts.by_bar.cancel)
        self.session.current.set_pixel_size(None)
        self.show("steel-1.tif")
        self.pause(1)

    def paint(self, name: str) -> None:
        """Paint a few strokes of each class, where they belong."""
        from napari_matssl.samples import make_sample, scribble
        from napari_matssl.samples.to_paint import MATERIAL, SEEDS

        self.show(name)
        seed = SEEDS[int(Path(name).stem[-1]) - 1]
        strokes = scribble(make_sample(MATERIAL, seed).labels, seed=seed)
        layer = self.session.current.shown.painted
        for class_id in (1, 2):
            layer.data_setitem(np.nonzero(strokes == class_id), class_id)
        self.pause(2)

    def live(self) -> None:
        """Wait for what the live preview makes of the strokes."""
        panel = self.use("Micrographs")
        self.until(lambda: "preview" in self.viewer.layers)
        self.pause(0.5)
        self.reveal(panel.live_note)
        self.picture("live-preview")

    def fine_tune(self) -> None:
        """Train on the strokes; take the picture once curves and preview tell something."""
        panel = self.use("Fine-tune")
        progress = [0.0]

        def look(news) -> None:
            progress[0] = news.step / max(news.total, 1e-9) if news.metrics else 0.0

        usual = panel.form.settings().minutes
        panel.form.set_value("minutes", self.minutes)
        self.click(panel.start)
        panel.form.set_value("minutes", usual)
        self.session.runner.job.progressed.connect(look)
        self.until(lambda: progress[0] > 0.6 or not self.session.runner.busy)
        self.pause(0.5)
        self.reveal(panel.curves)
        self.picture("fine-tune")
        self.wait_for_job()

    def segment(self) -> None:
        """Segment all images, look at one that has no strokes, and clean it."""
        panel = self.use("Segment")
        panel.target.setCurrentText("All images of the folder")
        self.click(panel.start)
        self.wait_for_job()
        self.show("steel-4.tif")
        panel.editor.sizes.region.slider.setValue(60)
        panel.editor.sizes.hole.slider.setValue(60)
        self.pause(1)
        self.reveal(panel.editor)
        self.picture("segment")

    def correct(self) -> None:
        """Draw a rectangle to copy the result in, and leave it be."""
        editor = self.panels["Segment"].editor
        self.click(editor.copy_area)
        area = self.viewer.layers["correction area"]
        size = self.session.current.shown.micrograph.pixel_size.mean_um
        corners = np.array([[150, 120], [150, 390], [360, 390], [360, 120]]) * size
        area.add_rectangles([area.world_to_data(corner) for corner in corners])
        self.pause(0.5)
        self.picture("correct")
        self.click(editor.cancel_area)
        self.pause(0.5)

    def guide(self) -> None:
        """Go to the place where the model is least sure."""
        panel = self.use("Micrographs")
        self.click(panel.next_place)
        self.wait_for_job()
        self.pause(1)
        self.reveal(panel.guide_note)
        self.picture("guide")
        self.viewer.reset_view()

    def phases(self) -> None:
        """Wait for the phase fractions."""
        panel = self.use("Measure")
        self.until(lambda: panel.view is not None and panel.view._pages.currentIndex() == 1)
        self.pause(1.5)
        self.reveal(panel.view)
        self.picture("phases")

    def specimens(self) -> None:
        """Tell of two images each that they are of one specimen, and look at the intervals."""
        from qtpy.QtCore import QTimer
        from qtpy.QtWidgets import QApplication

        panel = self.panels["Measure"]

        def fill() -> None:
            dialog = QApplication.activeModalWidget()
            for row in range(dialog.table.rowCount()):
                dialog.table.item(row, 1).setText(f"sheet {'ABC'[row // 2]}")
            self.pause(0.5)
            self.grab(dialog, "tutorial-specimens.png")
            dialog.accept()

        QTimer.singleShot(500, fill)
        self.click(panel.specimens.button)
        self.pause(1.5)

    def objects(self) -> None:
        """Measure the islands of a phase, and mark the largest that counts."""
        panel = self.panels["Measure"]
        panel.choice.ticks["objects"].setChecked(True)
        panel.choice.classes["objects"].tick("martensite")
        self.click(panel.measuring.start)
        self.wait_for_job()
        view = panel.tabs.views["objects"]
        self.pause(1.5)
        self.reveal(view)
        self.picture("objects")
        view.tabs.setCurrentWidget(view.items)
        self.until(lambda: view.items.listed is not None)
        table = view.items.listed.table
        row = int(table.area_px.where(table.counted == 1, 0).argmax())
        view.items.table.select(row)
        view.items.table.chosen.emit(row)
        self.pause(1)
        self.reveal(view)
        self.picture("one-object")
        view.items.tick.setChecked(False)
        panel.choice.ticks["objects"].setChecked(False)
        self.viewer.reset_view()

    def export(self) -> None:
        """Export to the folder that is proposed."""
        panel = self.panels["Measure"]
        self.click(panel.exporting.export)
        self.wait_for_job()
        self.pause(0.5)
        self.reveal(panel.exporting.show_exported)
        self.picture("export")

    def count(self) -> None:
        """Count at 100 points of an image as its truth has them, some of them on boundaries."""
        from napari_matssl.samples import make_sample
        from napari_matssl.samples.to_paint import MATERIAL, SEEDS

        panel, counting = self.use("Point count"), self.session.counting
        self.show("steel-4.tif")
        truth = make_sample(MATERIAL, SEEDS[3]).labels
        self.click(panel.start)
        taken = False
        for number, (y, x) in enumerate(counting.kept.points):
            inside = all(
                150 < at < side - 150 for at, side in zip((y, x), truth.shape, strict=True)
            )
            if number > 11 and inside and not taken:
                taken = True
                self.picture("point-count")
            if not taken:
                self.pause(1.5)  # as a person would, for the time that is left
            around = np.unique(truth[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2])
            if len(around) > 1:
                counting.on_boundary()
            else:
                counting.answer(int(truth[y, x]))
        counting.finish()
        self.until(lambda: not panel.view.isHidden())
        self.pause(1)
        self.reveal(panel.view.words)
        self.picture("point-count-result")

    def explorer(self) -> None:
        """Go to a stroke by the label explorer."""
        panel = self.use("Micrographs")
        self.show("steel-1.tif")
        panel.explorer.expand(animate=False)
        tree = panel.strokes.tree
        self.until(lambda: tree.topLevelItem(0).childCount() > 0)
        self.pause(0.5)
        self.reveal(panel.explorer)
        item = tree.topLevelItem(0).child(1)
        tree.setCurrentItem(item)
        tree.itemClicked.emit(item, 0)
        self.picture("explorer")
        panel.explorer.collapse(animate=False)
        self.viewer.reset_view()

    def payoff(self) -> None:
        """Paint on more images, and see what the last of them gained."""
        for name in ("steel-4.tif", "steel-5.tif", "steel-6.tif"):
            self.paint(name)
        panel = self.use("Fine-tune")
        panel.validation.setValue(0)
        panel.form.set_value("preset", "instant")
        self.click(panel.start)
        self.wait_for_job()
        self.pause(1)
        self.reveal(panel.payoff)
        self.picture("payoff")

    def intercepts(self) -> None:
        """Open a sample of grains with its true mask, and look at the intercepts of circles."""
        from napari_matssl.export.micrographs import write_micrograph
        from napari_matssl.project.folder import Project
        from napari_matssl.samples import class_table, make_sample

        folder = self.folder / "grains"
        folder.mkdir()
        sample = make_sample("grains", 1)
        write_micrograph(folder / "steel.tif", sample.micrograph)
        class_table("grains").write(folder / "classes.json")
        Project(folder).masks.write("steel.tif", sample.labels)
        self.session.folder.open([folder])
        self.until(lambda: "steel.tif" in self.viewer.layers)
        panel = self.use("Measure")
        panel.choice.ticks["grains"].setChecked(True)
        panel.choice.classes["grains"].tick("boundary")
        view = panel.tabs.views["grains"]
        panel.tabs.setCurrentWidget(view)
        view._pages.setCurrentIndex(1)  # figures aren't needed for the items of an image
        view.tabs.setCurrentWidget(view.items)
        view.items.of_figure.setCurrentIndex(view.items.of_figure.findData("circles"))
        view.items.tick.setChecked(True)
        self.until(lambda: self.session.measured.on and len(view.items.listed.table) > 0)
        self.viewer.reset_view()
        self.pause(1)
        self.reveal(view)
        self.picture("intercepts")

    # --- hands and eyes

    def show(self, name: str) -> None:
        """Open an image from the table."""
        self.panels["Micrographs"].table.opened.emit(name)
        self.pause(0.5)

    def open_folder(self, folder: Path, name: str) -> None:
        """Open another folder, and show an image of it."""
        self.session.folder.open([folder])
        self.until(lambda: self.session.current.shown is not None)
        self.show(name)

    def use(self, title: str):
        """Expand one panel and collapse the others."""
        for other, section in self.shell.sections.items():
            if other != title:
                section.collapse(animate=False)
        self.shell.sections[title].expand(animate=False)
        self.pause(0.5)
        return self.panels[title]

    def reveal(self, widget) -> None:
        """Scroll until a widget is in sight, its beginning if it is large."""
        from qtpy.QtWidgets import QScrollArea

        self.pause(0.3)
        self.shell.findChild(QScrollArea).ensureWidgetVisible(widget, 0, 4)

    def click(self, button) -> None:
        """Press a button that is offered."""
        if not button.isEnabled():
            raise RuntimeError(f"{button.text()} is off: {button.toolTip()}")
        button.click()

    def wait_for_job(self) -> None:
        """Wait for the end of the running job."""
        self.until(lambda: not self.session.runner.busy)

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

    def picture(self, name: str) -> None:
        """Take a picture of the window for the tutorial."""
        self.photograph(f"tutorial-{name}.png")

    def photograph(self, file: str) -> None:
        """Take a picture of the window, without passing messages."""
        from napari._qt.dialogs.qt_notification import NapariQtNotification

        from napari_matssl.widgets.controls.job_bar import JobBar

        def toasts() -> list[NapariQtNotification]:
            found = self.window.findChildren(NapariQtNotification)
            return [one for one in found if one.isVisible()]

        for toast in toasts():
            toast.close()
        self.until(lambda: not toasts())
        for bar in self.window.findChildren(JobBar):
            bar._message.hide()  # of a machine that is busy, perhaps
        self.pause(0.5)
        pixels = self.viewer.window.screenshot(canvas_only=False, flash=False)
        self.save(pixels[:, :, :3], file)

    def grab(self, widget, file: str) -> None:
        """Take a picture of one widget."""
        widget.grab().save(str(self.out / file))
        self.save(np.asarray(Image.open(self.out / file).convert("RGB")), file)

    def save(self, pixels: np.ndarray, file: str) -> None:
        """Save a picture with few colours."""
        picture = few_colours(np.ascontiguousarray(pixels))
        path = self.out / file
        picture.save(path, optimize=True)
        print(f"{path}  {picture.width}x{picture.height}  {path.stat().st_size / 1000:.0f} kB")


def few_colours(pixels: np.ndarray) -> Image.Image:
    """Make a picture with a palette, in which the noise of micrographs doesn't oust the colours.

    Parameters
    ----------
    pixels
        ``(H, W, 3)`` uint8.
    """
    coloured = pixels[np.ptp(pixels, axis=2) > 4]
    colours = Image.fromarray(coloured[None]).quantize(COLOURS).getpalette()[: 3 * COLOURS]
    greys = np.linspace(0, 255, GREYS).astype(int).repeat(3).tolist()
    exact, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    frequent = exact[np.argsort(counts)[-FREQUENT:]].ravel().tolist()  # of buttons and legends
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours + greys + frequent)
    return Image.fromarray(pixels).quantize(palette=palette, dither=Image.Dither.NONE)


def main() -> None:
    """Read the options, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--size", default="1280x800", help="of the window in px")
    parser.add_argument("--only", nargs="+", choices=SCENES, help="take just these pictures")
    parser.add_argument("--minutes", type=float, default=2, help="of training, on an idle machine")
    options = parser.parse_args()
    checked = [sys.executable, str(Path(__file__).with_name("control_names.py"))]
    if subprocess.run(checked, check=False).returncode:
        sys.exit("error: the pages name controls that aren't there, see above.")
    width, height = map(int, options.size.split("x"))
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="steel-") as folder:
        # napari's own settings, not the user's; read when napari is imported.
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "settings.yaml")
        tour = Tour(Path(folder), options.out, (width, height), options.minutes)
        if not options.only:
            tour.go()
        for name in options.only or SCENES:
            SCENES[name](tour)
        tour.viewer.close()


if __name__ == "__main__":
    main()
