"""Porosity of layers whose truth is known: enclosed pores, pores at an interface, bends, tilts."""

import numpy as np
import pytest

from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.measure.field import field_of_mask
from napari_matssl.measure.layer_tables import layers_frame, layers_summary_frame
from napari_matssl.measure.layers import measure_layer
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.settings.layers import LayerSettings

RESIN, LAYER, PORE, CRACK, STEEL = 1, 2, 3, 4, 5
TABLE = ClassTable(
    classes=tuple(
        LabelClass(id=i, name=name, colour="#000000")
        for i, name in enumerate(("resin", "oxide", "pore", "crack", "steel"), 1)
    )
)
WIDTH, UPPER, LOWER = 400, 100, 160


def measure(mask, pixel=None, name="a.png", **settings):
    """Measure the class oxide; `pixel` is height and width in um."""
    size = None if pixel is None else PixelSize(pixel[1], pixel[0], "test")
    field = field_of_mask(name, mask.astype(np.uint8), TABLE, size)
    return measure_layer(field, "oxide", LayerSettings(**settings))


def row_of(found):
    return layers_frame([found]).iloc[0]


@pytest.fixture
def oxide():
    """Resin, 60 px of oxide, steel."""
    mask = np.full((300, WIDTH), RESIN)
    mask[UPPER:LOWER] = LAYER
    mask[LOWER:] = STEEL
    return mask


def test_enclosed_pores_belong_to_the_layer_they_are_a_share_of(oxide):
    oxide[110:120, 50:80] = PORE
    oxide[130:135, 200:206] = PORE
    found = measure(oxide, (0.5, 0.5))
    row = row_of(found)
    assert (row["pores_px"], row["layer_px"]) == pytest.approx((330, 60 * WIDTH))
    assert (row["pores_um2"], row["layer_um2"]) == pytest.approx((82.5, 15 * WIDTH))
    assert row["porosity_percent"] == pytest.approx(100 * 330 / (60 * WIDTH))
    assert found.thickness.mean == pytest.approx(30)
    assert found.remarks == ()


def test_pores_elsewhere_are_no_pores_of_the_layer(oxide):
    oxide[20:60, 50:300] = oxide[200:240, 100:150] = PORE
    assert row_of(measure(oxide))["porosity_percent"] == 0


def test_a_hole_of_another_class_is_area_and_counts_as_a_pore_once_that_is_named(oxide):
    oxide[120:140, 50:100] = RESIN
    found = measure(oxide)
    row = row_of(found)
    assert (row["porosity_percent"], row["layer_px"]) == pytest.approx((0, 60 * WIDTH))
    assert found.remarks == (
        "a.png, oxide: 4.2 % of its area is neither layer nor crack nor pore; name the classes "
        "that are pores.",
    )
    named = measure(oxide, pores="pore, Resin")
    assert row_of(named)["pores_px"] == pytest.approx(1000)  # not the resin above the oxide
    assert named.remarks == ()


def test_a_pore_that_opens_at_an_interface_is_roughness(oxide):
    oxide[UPPER : UPPER + 10, 50:70] = oxide[LOWER - 10 : LOWER, 100:120] = PORE
    row = row_of(measure(oxide))
    assert (row["porosity_percent"], row["layer_px"]) == pytest.approx((0, 60 * WIDTH - 400))


def test_what_an_open_pore_reaches_below_the_layer_counts(oxide):
    oxide[UPPER : UPPER + 10, 60:64] = PORE  # the neck, open all the way
    oxide[UPPER + 10 : UPPER + 30, 50:74] = PORE
    row = row_of(measure(oxide))
    # The neck's four columns begin below the pore.
    assert row["pores_px"] == pytest.approx(20 * 20)
    assert row["layer_px"] == pytest.approx(60 * WIDTH - 30 * 4)


def test_cracks_are_no_pores_unless_they_are_named_and_then_are_both(oxide):
    oxide[UPPER:LOWER, 200:204] = CRACK
    oxide[120:130, 50:60] = PORE
    apart, both = measure(oxide), measure(oxide, pores="pore,crack")
    assert row_of(apart)["pores_px"] == pytest.approx(100)
    assert row_of(both)["pores_px"] == pytest.approx(100 + 240)
    assert len(apart.cracks.through) == len(both.cracks.through) == 1
    assert row_of(apart)["layer_px"] == pytest.approx(60 * WIDTH)


def discs(y, x, places, radius):
    return np.any([np.hypot(y - b, x - a) <= radius for a, b in places], axis=0)


@pytest.mark.parametrize(("angle", "pixel"), [(10, (1.0, 1.0)), (25, (0.5, 0.4)), (75, (1.0, 1.0))])
def test_tilted_layers(angle, pixel):
    row, column = np.indices((500, 600))
    y, x = (row - 250) * pixel[0], (column - 300) * pixel[1]
    turn = np.radians(angle)
    across, along = x * np.sin(turn) + y * np.cos(turn), x * np.cos(turn) - y * np.sin(turn)
    mask = np.where(abs(across) <= 30, LAYER, RESIN)
    mask[discs(across, along, [(-50, 10), (0, -18), (40, 0)], 9)] = PORE
    row = row_of(measure(mask, pixel))
    assert row["pores_um2"] == pytest.approx(3 * np.pi * 81, rel=0.02)
    assert row["porosity_percent"] == pytest.approx(
        100 * row["pores_um2"] / row["layer_um2"], rel=1e-9
    )


@pytest.mark.parametrize("radius", [420, 450])
def test_columns_of_a_bent_layer_fan_out_without_a_bias(radius):
    """Pores on the inner, or on the outer side of a ring of 400 and 470 px alone."""
    row, column = np.indices((1000, 1000))
    distance = np.hypot(row - 500, column - 500)
    mask = np.where((distance > 400) & (distance <= 470), LAYER, RESIN)
    turns = np.radians(np.arange(0, 360, 20))
    places = [(500 + radius * np.cos(t), 500 + radius * np.sin(t)) for t in turns]
    pores = discs(row, column, places, 9)
    mask[pores] = PORE
    found = measure(mask)
    assert found.method == "centreline"
    truth = 100 * pores.sum() / (np.pi * (470**2 - 400**2))
    assert row_of(found)["porosity_percent"] == pytest.approx(truth, rel=0.01)


def test_porosity_has_an_interval_over_images(oxide):
    images = []
    for number, rows in enumerate((6, 12, 18)):
        mask = oxide.copy()
        mask[110 : 110 + rows, 100:200] = PORE  # 2.5, 5 and 7.5 % of the layer
        images.append(measure(mask, name=f"{number}.png"))
    summary = layers_summary_frame(images).set_index("figure").loc["porosity_percent"]
    assert (summary["n"], summary["mean"], summary["s"]) == pytest.approx((3, 5, 2.5))
    assert summary["ci95"] == pytest.approx(4.30265 * 2.5 / 3**0.5, rel=1e-5)


def test_without_a_class_of_pores_porosity_is_blank(oxide):
    row = row_of(measure(oxide, pores="void"))
    assert row[["porosity_percent", "pores_px", "layer_px", "pores_um2"]].isna().all()
