"""What the views of measures tell beside their figures."""

import pytest
from iron import CLASSES, MeasurePlan, mask_of, write_iron

from napari_matssl.micrograph.place import Place
from napari_matssl.progress import drain
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.tasks.measuring.project_meter import ProjectMeter
from napari_matssl.widgets.controls.measure_view import MeasureView

PLAN = MeasurePlan(MeasureSettings(measures="nodules"), {"nodules": ("graphite",)})
COLOURS = {one.name: one.colour for one in CLASSES.classes}


@pytest.mark.parametrize(
    ("specimens", "words"),
    [
        (("S1", "S1", "S2"), "One specimen with a value: no interval."),
        (("", "", ""), "95 % CI: ±"),
    ],
)
def test_nodularity_tells_why_it_has_no_interval(qtbot, tmp_path, specimens, words):
    """The third image has no graphite, so no nodularity."""
    project = write_iron(tmp_path / "iron")
    names = ("a1.tif", "a2.tif", "a10.tif")
    project.micrographs.set_places(dict(zip(names, map(Place, specimens), strict=True)))
    mask = mask_of(2)
    mask[mask == 2] = 1
    project.masks.write("a10.tif", mask)
    view = MeasureView("nodules")
    qtbot.addWidget(view)
    view.show_measured(drain(ProjectMeter(project).measure(PLAN)), COLOURS)
    assert words in view.plot.legend.text()
