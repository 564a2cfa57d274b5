"""The tables of layers and nodules: their columns, their units, and what is blank."""

import numpy as np
import pytest

from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.measure.field import field_of_mask
from napari_matssl.measure.layer_tables import layers_frame, layers_summary_frame
from napari_matssl.measure.layers import measure_layer
from napari_matssl.measure.nodule_tables import nodules_frame, nodules_summary_frame
from napari_matssl.measure.nodules import measure_nodules
from napari_matssl.micrograph.image import PixelSize

TABLE = ClassTable(
    classes=tuple(
        LabelClass(id=i, name=name, colour="#000000")
        for i, name in enumerate(("matrix", "oxide", "Crack", "graphite"), 1)
    )
)
PUBLISHED_LAYERS = (
    "image,group,class,method,columns,tilt_deg,mean_px,mean_um,s_um,min_um,max_um,ci95_um,"
    "roughness_upper_um,roughness_lower_um,cracks_per_mm,crack_spacing_um,crack_length_um_per_mm2"
)
PUBLISHED_NODULES = (
    "image,group,class,nodules,nodules_per_mm2,nodularity_by_number_percent,"
    "nodularity_by_area_percent,mean_diameter_um,size_class,left_out"
)


def layer(name, thickness, pixel_um=None, specimen=""):
    """A layer with two through-cracks, 200 px long."""
    mask = np.ones((100, 200), dtype=np.uint8)
    mask[30 : 30 + thickness] = 2
    mask[30 : 30 + thickness, 50:53] = mask[30 : 30 + thickness, 150:153] = 3
    size = None if pixel_um is None else PixelSize(pixel_um, pixel_um, "test")
    field = field_of_mask(name, mask, TABLE, size, "all", specimen)
    return measure_layer(field, "oxide")


def iron(name, pixel_um=None):
    mask = np.ones((200, 200), dtype=np.uint8)
    row, column = np.indices(mask.shape)
    for y in range(30, 180, 35):
        mask[np.hypot(row - y, column - y) <= 12] = 4
    size = None if pixel_um is None else PixelSize(pixel_um, pixel_um, "test")
    return measure_nodules(field_of_mask(name, mask, TABLE, size), "graphite")


def test_layers():
    frame = layers_frame([layer("a", 20, 0.5)])
    assert ",".join(frame.columns).startswith(PUBLISHED_LAYERS + ",")
    row = frame.iloc[0]
    assert (row["method"], row["columns"], str(row["tilt_deg"])) == ("columns", 200, "0.0")
    assert (row["mean_px"], row["mean_um"], row["s_um"], row["ci95_um"]) == (20, 10, 0, 0)
    assert (row["min_um"], row["max_um"]) == (10, 10)
    assert row["cracks_per_mm"] == 20  # two on 100 um
    assert row["crack_spacing_um"] == pytest.approx(50)
    # Two of 10 um on 1,000 um2.
    assert row["crack_length_um_per_mm2"] == pytest.approx(20_000, rel=0.01)


def test_layers_of_uncalibrated_images_are_blank_in_um():
    row = layers_frame([layer("a", 20)]).iloc[0]
    assert (row["mean_px"], row["s_px"], row["max_px"], row["columns"]) == (20, 0, 20, 200)
    in_um = [name for name in row.index if "um" in name.split("_") or name.endswith("_mm")]
    assert row[in_um].isna().all()


def test_layers_are_summarised_over_images_or_specimens():
    images = [layer("a", 18, 1.0), layer("b", 22, 1.0), layer("c", 26, 1.0)]
    summary = layers_summary_frame(images).set_index("figure")
    thickness = summary.loc["mean_um"]
    assert (thickness["n"], thickness["mean"], thickness["s"]) == (3, 22, 4)
    assert thickness["ci95"] == pytest.approx(4.30265 * 4 / 3**0.5, rel=1e-5)
    specimens = [layer("a", 18, 1.0, "A"), layer("b", 22, 1.0, "A"), layer("c", 26, 1.0, "B")]
    thickness = layers_summary_frame(specimens).set_index("figure").loc["mean_um"]
    assert (thickness["n"], thickness["mean"], thickness["over"]) == (2, 23, "specimens")


def test_nodules():
    frame = nodules_frame([iron("a", 1.0)])
    assert ",".join(frame.columns).startswith(PUBLISHED_NODULES + ",")
    row = frame.iloc[0]
    assert (row["nodules"], row["left_out"], row["graphite"], row["size_class"]) == (5, 0, 5, 7)
    assert row["mean_diameter_um"] == pytest.approx(24, abs=0.4)
    # Each of 25 px can lie in 174 x 174 px.
    assert row["nodules_per_mm2"] == pytest.approx(5 / 174**2 * 1e6)
    assert row["size_7"] == 5


def test_nodules_of_uncalibrated_images_are_blank_in_um():
    row = nodules_frame([iron("a")]).iloc[0]
    assert row["nodularity_by_number_percent"] == 100
    assert row["mean_diameter_px"] == pytest.approx(24, abs=0.4)
    blank = ["nodules_per_mm2", "mean_diameter_um", "size_class", "size_1", "size_8"]
    assert row[blank].isna().all()


def test_no_image():
    assert len(layers_frame([])) == len(nodules_frame([])) == 0
    assert len(layers_summary_frame([])) == len(nodules_summary_frame([])) == 0
