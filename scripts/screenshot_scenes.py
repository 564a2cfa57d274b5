"""Pictures for screenshots.py that need neither the tutorial's folder nor its model."""

import json
from typing import TYPE_CHECKING

import numpy as np
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
    tour.session.folder.open([folder])
    tour.until(lambda: "steel-1.tif" in tour.viewer.layers)
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


SCENES = {"import-labels": import_labels}
"""The scenes by the name of their picture."""
