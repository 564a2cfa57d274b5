"""Pictures for screenshots.py that need neither the tutorial's folder nor its model."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage

if TYPE_CHECKING:
    from screenshots import Tour


def import_labels(tour: "Tour") -> None:
    """Look at what an import of COCO would do, with an image painted and a class unknown."""
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication

    from napari_matssl.samples import make_sample
    from napari_matssl.samples.to_paint import MATERIAL, SEEDS, write_samples_to_paint
    from napari_matssl.widgets.panels.importing_labels import ask_and_import

    folder = write_samples_to_paint(tour.folder / "import")
    source = tour.folder / "import" / "annotations.json"
    truths = [make_sample(MATERIAL, seed).labels for seed in SEEDS[:3]]
    source.write_text(json.dumps(_coco(truths)))
    tour.open_folder(folder, "steel-1.tif")
    tour.paint("steel-1.tif")

    def look() -> None:
        dialog = QApplication.activeModalWidget()
        dialog.choose([source])
        tour.until(lambda: dialog.classes.rowCount() == 2)
        tour.pause(0.5)
        tour.grab(dialog, "import-labels.png")
        dialog.reject()

    QTimer.singleShot(500, look)
    ask_and_import(tour.session, tour.window)


def _coco(truths: list[np.ndarray]) -> dict[str, object]:
    """Annotate the cores of some islands and grains, on images of which one isn't there."""
    from napari_matssl.labels.exchange import coco

    height, width = truths[0].shape
    names = ("steel-1.tif", "steel-2.tif", "steel-9.tif")
    images = [coco.image_entry(n, name, width, height) for n, name in enumerate(names, 1)]
    annotations = []
    for number, truth in enumerate(truths, 1):
        for class_id in (1, 2):
            cores, _ = ndimage.label(ndimage.binary_erosion(truth == class_id, iterations=4))
            for core in range(1, 9):
                mask = coco.mask_entry(len(annotations) + 1, number, class_id, cores == core)
                annotations.append(mask)
    return coco.coco_file(images, annotations, {1: "Ferrite", 2: "MA islands"})


def doubtful(tour: "Tour") -> None:
    """Learn from a field with a fifth of pores, and segment fields of any composition."""
    from napari_matssl.samples import scribble

    folder = tour.folder / "doubtful"
    folder.mkdir()
    sweeps = _benchmark("sweeps")
    for percent in (10, 20, 50, 80, 100):
        field = sweeps.make("pores", percent / 100, 1000 if percent == 20 else 2000)
        pixels = field.micrograph.pixels
        if percent == 80:
            pixels = (0.7 * pixels + 60).round().astype(np.uint8)  # under another exposure
        Image.fromarray(pixels).save(folder / f"field-{percent:03d}.png")
        if percent == 20:
            strokes = scribble(field.labels.astype(np.uint8), seed=1, strokes_per_class=8)
    tour.open_folder(folder, "field-020.png")
    layer = tour.session.current.shown.painted
    for class_id in (1, 2):
        layer.data_setitem(np.nonzero(strokes == class_id), class_id)
    tour.pause(2)
    _learn_in_an_instant(tour)
    panel = tour.use("Segment")
    panel.target.setCurrentText("All images of the folder")
    tour.click(panel.start)
    tour.wait_for_job()
    tour.show("field-080.png")
    tour.pause(2)
    tour.reveal(panel.models)
    tour.picture("doubtful")


def model_error(tour: "Tour") -> None:
    """Show made-up figures with their correction: the summary beside the model's error."""
    from qtpy.QtWidgets import QDialog, QHBoxLayout

    from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass
    from napari_matssl.labels.held_out import HeldOut, HeldOutImage
    from napari_matssl.measure.corrected import correct_fractions
    from napari_matssl.measure.phases import phase_fractions
    from napari_matssl.micrograph.image import PixelSize
    from napari_matssl.widgets.controls.phases_view import PhasesView

    names = ("ferrite", "carbides")
    classes = tuple(
        LabelClass(id=n, name=name, colour=COLOURS[n - 1]) for n, name in enumerate(names, 1)
    )
    table, um = ClassTable(classes=classes), PixelSize(1.0, 1.0, "made up")
    rows = []
    for number, carbides in enumerate((210, 220, 230), 1):
        mask = np.repeat([1, 2], [1000 - carbides, carbides]).reshape(1, -1).astype(np.uint8)
        rows += phase_fractions(f"steel-{number}.tif", mask, table, um)
    counts = (((920, 80), (70, 930)), ((910, 90), (80, 920)), ((900, 100), (81, 919)))
    images = tuple(HeldOutImage(name=f"{n}.tif", counts=one) for n, one in enumerate(counts))
    held_out = HeldOut(source="left-out", classes=names, images=images)
    dialog = QDialog(tour.window)
    layout = QHBoxLayout(dialog)
    layout.setContentsMargins(0, 0, 0, 0)
    for tab in ("Summary", "Model's error"):
        view = PhasesView()
        view.show_phases(rows, classes, correct_fractions(rows, held_out))
        titles = [view.tabs.tabText(place) for place in range(view.tabs.count())]
        view.tabs.setCurrentIndex(titles.index(tab))
        layout.addWidget(view, 1)
    dialog.resize(840, 520)
    dialog.show()
    tour.pause(1.5)
    tour.grab(dialog, "tutorial-model-error.png")
    dialog.close()


def run_recipe(tour: "Tour") -> None:
    """Run the recipe of painted steels on a heat of which a field is damaged, and look at one."""
    import napari

    from napari_matssl.export.micrographs import write_micrograph
    from napari_matssl.samples import make_sample
    from napari_matssl.samples.to_paint import MATERIAL, write_samples_to_paint
    from napari_matssl.widgets.panels.run_recipe_panel import RunRecipePanel

    lab = tour.folder / "lab"
    folder = write_samples_to_paint(lab)
    tour.open_folder(folder, "steel-1.tif")
    for name in ("steel-1.tif", "steel-2.tif", "steel-4.tif"):
        tour.paint(name)
    _learn_in_an_instant(tour)
    recipe = lab / "steel.recipe"
    command = [sys.executable, "-m", "napari_matssl", "recipe", str(folder), "--out", str(recipe)]
    given = ["--measures", "phases,objects", "--class", "martensite"]
    subprocess.run([*command, *given], check=True)
    today = lab / "today"
    today.mkdir()
    for seed in (10, 11, 12):
        write_micrograph(today / f"heat-{seed - 9}.tif", make_sample(MATERIAL, seed).micrograph)
    (today / "heat-4.tif").write_bytes(b"II*\0")
    usual = tour.viewer, tour.window
    tour.viewer = napari.Viewer()
    tour.window = tour.viewer.window._qt_window
    dock, _widget = tour.viewer.window.add_plugin_dock_widget("napari-matssl", "Run recipe")
    panel = dock.findChild(RunRecipePanel)
    tour.window.setGeometry(usual[1].geometry())
    panel.open_recipe(recipe)
    tour.until(lambda: bool(panel.about.text()))
    panel.images.set_folder(today)
    panel.specimen.setText("Heat 4711")
    panel.name.setText("B. Night")
    tour.click(panel.run)
    tour.until(lambda: not panel.after.isHidden())
    tour.pause(1)
    table = panel.list.table
    table.setCurrentItem(table.item(1, 0))
    tour.until(lambda: len(tour.viewer.layers) > 0)
    tour.pause(1)
    tour.photograph("run-recipe.png")
    tour.viewer.close()
    tour.viewer, tour.window = usual


def _learn_in_an_instant(tour: "Tour") -> None:
    panel = tour.use("Fine-tune")
    panel.form.set_value("preset", "instant")
    tour.click(panel.start)
    tour.wait_for_job()


def _benchmark(name: str) -> ModuleType:
    """Import a module of the folder of benchmarks."""
    folder = str(Path(__file__).parents[1] / "benchmarks")
    if folder not in sys.path:
        sys.path.append(folder)
    return import_module(name)


SCENES = {
    "import-labels": import_labels,
    "tutorial-model-error": model_error,
    "tutorial-doubtful": doubtful,
    "run-recipe": run_recipe,
}
"""The scenes by the name of their picture."""
