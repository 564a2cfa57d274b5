"""A folder of segmented micrographs that has something for each measure."""

import numpy as np

from napari_matssl.export.micrographs import write_micrograph
from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.project.folder import Project
from napari_matssl.settings.measuring import MEASURES, MeasureSettings
from napari_matssl.tasks.measuring.measure_plan import MeasurePlan

NAMES = ("a1.tif", "a2.tif", "a10.tif", "b.tif")
SIZE = PixelSize(2.0, 2.0, "set by hand")
CLASSES = ClassTable(
    classes=tuple(
        LabelClass(id=number, name=name, colour=colour)
        for number, name, colour in (
            (1, "steel", "#808080"), (2, "graphite", "#202020"),
            (3, "oxide", "#3060c0"), (4, "grain boundary", "#c03030"),
        )
    )
)  # fmt: skip
OF_CLASS = {
    "objects": ("graphite",),
    "grains": ("grain boundary",),
    "layers": ("oxide",),
    "nodules": ("graphite",),
}
ALL = MeasurePlan(MeasureSettings(measures=",".join(MEASURES), line_direction="both"), OF_CLASS)


def mask_of(seed):
    """Steel with round graphite, a layer of oxide above, and a net of boundaries below."""
    random = np.random.default_rng(seed)
    mask = np.ones((160, 200), np.uint8)
    mask[20 : 32 + seed] = 3
    rows, columns = np.indices(mask.shape)
    for column in range(15, 200, 24):
        radius = random.integers(4, 8)
        mask[(rows - 60) ** 2 + (columns - column) ** 2 < radius**2] = 2
    mask[84::20, :] = 4
    mask[84:, ::20] = 4
    return mask


def write_image(folder, name, seed, size=SIZE):
    """Write one of the micrographs."""
    pixels = (mask_of(seed) * 50).astype(np.uint8)
    write_micrograph(folder / name, Micrograph(name, pixels, size))


def write_iron(folder):
    """Write four micrographs of 2 um per pixel; the last isn't segmented."""
    folder.mkdir()
    for seed, name in enumerate(NAMES):
        write_image(folder, name, seed)
    CLASSES.write(folder / "classes.json")
    project = Project(folder)
    for seed, name in enumerate(NAMES[:3]):
        project.masks.write(name, mask_of(seed))
    return project


def command_of(measure, masks, out):
    """Return the words that have the command measure do what ``ALL`` does."""
    words = ["measure", str(masks), "--out", str(out), "--measures", measure]
    words += ["--line-direction", "both"]
    return words + [word for name in OF_CLASS.get(measure, ()) for word in ("--class", name)]
