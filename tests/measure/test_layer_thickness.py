"""Thickness of layers whose truth is known: straight, tilted, bent, with holes, gaps and edges."""

import numpy as np
import pytest
from scipy.spatial import KDTree

from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.measure.field import field_of_mask
from napari_matssl.measure.layer_columns import ColumnKind
from napari_matssl.measure.layers import measure_layer
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.settings.layers import LayerSettings

MATRIX, LAYER, CRACK, RESIN = 1, 2, 3, 4
TABLE = ClassTable(
    classes=tuple(
        LabelClass(id=i, name=name, colour="#000000", exclude=name == "resin")
        for i, name in enumerate(("matrix", "oxide", "crack", "resin"), 1)
    )
)


def measure(mask, pixel=None, **settings):
    """Measure the class oxide; `pixel` is height and width in um."""
    size = None if pixel is None else PixelSize(pixel[1], pixel[0], "test")
    field = field_of_mask("a.png", mask.astype(np.uint8), TABLE, size)
    return measure_layer(field, "oxide", LayerSettings(**settings))


def stripe(angle, thickness, pixel=(1.0, 1.0), shape=(500, 640)):
    """A stripe through the middle that rises to the right by an angle."""
    row, column = np.indices(shape)
    y, x = (row - shape[0] / 2 + 0.3) * pixel[0], (column - shape[1] / 2 + 0.3) * pixel[1]
    turn = np.radians(angle)
    across = x * np.sin(turn) + y * np.cos(turn)
    return np.where(abs(across) <= thickness / 2, LAYER, MATRIX)


def flat(rows=(100, 140), shape=(300, 400)):
    mask = np.full(shape, MATRIX)
    mask[rows[0] : rows[1]] = LAYER
    return mask


def ring(inner, outer, side=1000):
    row, column = np.indices((side, side))
    distance = np.hypot(row - side / 2, column - side / 2)
    return np.where((distance > inner) & (distance <= outer), LAYER, MATRIX)


@pytest.mark.parametrize("lies", [True, False])
def test_a_straight_layer_is_exact_and_its_columns_are_those_of_the_image(lies):
    found = measure(flat() if lies else flat().T)
    assert found.method == "columns"
    assert (found.px.mean, found.thickness.statistics.s, found.thickness.statistics.ci95) == (
        40,
        0,
        0,
    )
    assert found.thickness.statistics.n == found.thickness.statistics.effective_n == 400
    assert found.columns.line.tilt_deg == pytest.approx(0 if lies else 90)
    assert (found.upper.ra, found.lower.rq) == (0, 0)
    ends = found.columns.ends if lies else found.columns.ends[::-1, :, ::-1]
    # From the upper edge of row 100 to the lower edge of row 139; whole numbers are middles.
    assert ends[:, 0, 0] == pytest.approx(np.full(400, 99.5), abs=0.51)
    assert (ends[:, 1] - ends[:, 0]) == pytest.approx(np.tile([40.0, 0.0], (400, 1)))
    assert ends[:, 0, 1] == pytest.approx(np.arange(400))


@pytest.mark.parametrize("angle", [3, 10, -20, 30, 45, 60, 85])
def test_a_tilted_layer_is_measured_across_itself(angle):
    found = measure(stripe(angle, 60))
    assert found.columns.line.tilt_deg == pytest.approx(angle, abs=0.02)
    # At 45 degrees the stripe's own pixels are 0.1 px off 60.
    assert found.thickness.mean == pytest.approx(60, abs=0.15)


@pytest.mark.parametrize("pixel", [(0.5, 1.0), (0.5, 1.5), (1.0, 0.5)])
@pytest.mark.parametrize("angle", [0, 90])
def test_pixels_that_are_not_square_make_no_layer_too_large(angle, pixel):
    found = measure(stripe(angle, 30, pixel), pixel)
    assert found.thickness.mean == pytest.approx(30)
    assert found.remarks == ()


def test_columns_of_the_image_would_read_a_tilted_layer_too_thick():
    mask = stripe(10, 60)
    uncorrected = (mask == LAYER).sum(axis=0).mean()
    assert uncorrected / measure(mask).thickness.mean == pytest.approx(1.01543, abs=5e-4)


@pytest.mark.parametrize("angle", [0, 25, 60, 90])
def test_pixels_that_are_not_square(angle):
    pixel = (0.2, 0.25)
    found = measure(stripe(angle, 15, pixel), pixel)
    assert found.thickness.mean == pytest.approx(15, abs=0.04)
    assert found.columns.line.tilt_deg == pytest.approx(angle, abs=0.05)
    along_column = np.hypot(np.cos(np.radians(angle)) / 0.2, np.sin(np.radians(angle)) / 0.25)
    assert found.px.mean == pytest.approx(15 * along_column, rel=0.005)


def test_a_ring_is_measured_along_its_radii():
    found = measure(ring(400, 460))
    assert found.method == "centreline"
    assert found.columns.line.tilt_deg is None
    assert found.thickness.mean == pytest.approx(60.0, abs=0.05)
    assert found.thickness.smallest > 58
    assert found.thickness.largest < 62
    # The upper interface is the outer one.
    from_middle = np.hypot(*(found.columns.ends[:, 0] - 500).T)
    assert from_middle == pytest.approx(np.full(len(from_middle), 460), abs=1)


@pytest.mark.parametrize("part", [np.s_[:400], np.s_[:, :450]])
def test_an_arc_that_leaves_the_image_is_measured_up_to_its_ends(part):
    found = measure(ring(400, 460)[part])
    assert found.method == "centreline"
    assert found.thickness.mean == pytest.approx(60, abs=0.15)
    assert found.length > 1050


def test_a_wedge_is_as_thick_as_in_its_middle():
    row, column = np.indices((400, 800))
    mask = np.where(abs(row - 175.3) <= 25 + 0.05 * column, LAYER, MATRIX)
    found = measure(mask)
    assert found.thickness.mean == pytest.approx(90, abs=0.2)
    assert found.thickness.smallest == pytest.approx(50, abs=1)
    assert found.thickness.largest == pytest.approx(130, abs=1)


def test_holes_count_and_detached_pieces_do_not():
    mask = flat()
    mask[110:115, 50:70] = MATRIX
    mask[20:30, 100:120] = mask[145:150, 200:210] = LAYER
    found = measure(mask)
    assert found.thickness.mean == 40
    assert any("lies apart" in remark for remark in found.remarks)


def test_halves_of_a_split_layer_belong_together():
    mask = flat()
    mask[118:122] = MATRIX
    assert measure(mask).thickness.mean == 40


def test_two_layers_far_apart_are_not_one():
    mask = flat((60, 100))
    mask[220:260] = LAYER
    found = measure(mask)
    assert found.thickness.mean == 40
    assert any("50 % of it lies apart" in remark for remark in found.remarks)


def test_a_gap_is_no_thickness_of_zero_unless_it_is_set():
    mask = flat()
    mask[:, 300:340] = MATRIX
    found = measure(mask)
    assert found.thickness.mean == pytest.approx(40)
    assert found.thickness.statistics.n == 360
    assert found.remarks == ("a.png, oxide: 40 columns without layer aren't counted.",)
    zeros = measure(mask, gaps="zero")
    assert zeros.thickness.mean == pytest.approx(36)
    assert (zeros.thickness.smallest, zeros.thickness.statistics.n) == (0, 400)


def arc(gap_degrees, half_degrees=65):
    """A part of a ring with ten through-cracks and a gap at its top."""
    row, column = np.indices((700, 700))
    distance = np.hypot(row - 620, column - 350)
    angle = np.degrees(np.arctan2(column - 350, 620 - row))
    layer = (distance >= 300) & (distance < 340) & (abs(angle) < half_degrees)
    mask = np.where(layer, LAYER, MATRIX)
    for crack in (4, 10, 25, 40, 55):
        mask[layer & (abs(abs(angle) - crack) * np.pi / 180 * 320 < 1.6)] = CRACK
    mask[abs(angle) < gap_degrees / 2] = MATRIX
    return mask


@pytest.mark.parametrize("gap", [0, 2, 4])
def test_a_bent_layer_with_a_gap_counts_each_place_once(gap):
    mask = arc(gap)
    found, zeros = measure(mask), measure(mask, gaps="zero")
    assert found.method == "centreline"
    assert found.area == pytest.approx(np.isin(mask, (LAYER, CRACK)).sum(), rel=0.003)
    assert len(found.cracks.through) == 10
    length = 320 * np.radians(130 - gap)
    assert found.length == pytest.approx(length, rel=0.02)
    assert (found.columns.kinds == ColumnKind.GAP).sum() == pytest.approx(
        320 * np.radians(gap), abs=2
    )
    assert zeros.thickness.mean / found.thickness.mean == pytest.approx(1 - gap / 130, abs=0.003)
    # Parts of it, each by itself, have the cracks of the whole.
    right, left = mask.copy(), mask.copy()
    right[:, :350] = left[:, 350:] = MATRIX
    halves = measure(right).cracks.length + measure(left).cracks.length
    assert found.cracks.length == pytest.approx(halves, rel=0.02)


def test_gaps_of_a_ring_are_gaps_and_nothing_is_counted_twice():
    row, column = np.indices((600, 600))
    angle = np.degrees(np.arctan2(300 - row, column - 300))
    mask = ring(200, 240, side=600)
    mask[(abs(angle - 90) < 3) | (abs(angle + 40) < 4)] = MATRIX
    mask[abs(abs(angle) - 180) < 15] = MATRIX
    found = measure(mask)
    assert found.area == pytest.approx((mask == LAYER).sum(), rel=0.005)
    gaps = (found.columns.kinds == ColumnKind.GAP).sum()
    assert gaps == pytest.approx(220 * np.radians(6 + 8 + 30), abs=4)


def test_what_was_not_analysed_interrupts_a_bent_layer_as_a_straight_one():
    mask = ring(200, 240, side=600)
    mask[:, 260:290] = RESIN
    found = measure(mask)
    assert found.area == pytest.approx((mask == LAYER).sum(), rel=0.015)
    assert (found.columns.kinds == ColumnKind.CUT).sum() == pytest.approx(75, abs=10)


def test_halves_of_a_split_ring_are_one_layer():
    mask = ring(200, 240, side=600)
    row, column = np.indices(mask.shape)
    distance = np.hypot(row - 300, column - 300)
    mask[(distance > 218) & (distance <= 222)] = MATRIX
    found = measure(mask)
    assert found.thickness.mean == pytest.approx(40, abs=0.1)
    assert found.length == pytest.approx(2 * np.pi * 220, rel=0.01)
    assert len(found.remarks) == 1


def test_what_lies_between_two_layers_close_together_is_told():
    mask = flat((100, 140))
    mask[150:190] = LAYER
    found = measure(mask)
    assert found.thickness.mean == pytest.approx(90)
    assert found.remarks == (
        "a.png, oxide: 11.1 % of its area is neither layer nor crack, and counts as thickness.",
    )
    assert found.porosity is None


def test_pieces_of_a_bent_layer_that_no_column_crosses_are_told():
    row, column = np.indices((600, 900))
    distance = np.hypot(row - 900, column - 450)
    along = 620 * np.arctan2(column - 450, 900 - row)
    layer = (distance >= 600) & (distance < 640)
    whole = measure(np.where(layer, LAYER, MATRIX))
    assert whole.remarks == ()
    long = measure(np.where(layer & (along % 220 < 200), LAYER, MATRIX))
    assert not any("isn't measured" in remark for remark in long.remarks)
    layer &= (along < -100) | (along % 120 < 100)  # pieces of 100 px are too short to have a line
    found = measure(np.where(layer, LAYER, MATRIX))
    pixels = np.argwhere(layer)
    at = KDTree(found.columns.line.points).query(pixels)[1]
    away, across = pixels - found.columns.line.points[at], found.columns.line.normals[at]
    aside = abs(away[:, 0] * across[:, 1] - away[:, 1] * across[:, 0])
    missing = 100 * (aside > 1).mean()
    told = [remark for remark in found.remarks if "isn't measured, as no column" in remark]
    share = int(told[0].removeprefix("a.png, oxide: ").split(" %")[0])
    assert share == pytest.approx(missing, abs=1)
    assert share > 25


def test_ends_that_do_not_face_each_other_are_no_gap():
    """One arm lies, the other stands; the line of the first goes on into the second."""
    mask = np.full((500, 500), MATRIX)
    mask[50:90, 50:300] = mask[50:400, 310:350] = LAYER
    found = measure(mask, method="centreline")
    assert not (found.columns.kinds == ColumnKind.GAP).any()
    ends = found.columns.ends.mean(axis=1).round()
    assert len(np.unique(ends, axis=0)) == len(ends)


def test_a_layer_that_leaves_the_image_has_no_thickness():
    found = measure(flat((0, 140)))
    assert found.thickness.mean is None
    assert found.px.mean is None
    assert "leaves the image" in found.remarks[0]


def test_what_cracks_join_is_no_layer():
    mask = cracked()
    mask[:100], mask[140:] = np.where(mask[:100] == CRACK, CRACK, LAYER), LAYER
    mask[100:140] = np.where(mask[100:140] == CRACK, CRACK, MATRIX)
    assert measure(mask).thickness.mean is None


def test_columns_that_leave_the_image_are_not_counted():
    mask = flat()
    mask[140:, 250:] = LAYER
    found = measure(mask, method="columns")
    assert found.thickness.statistics.n == 250
    assert found.thickness.mean == 40
    assert (found.columns.kinds == ColumnKind.CUT).sum() == 150
    assert any("leaves the image" in remark for remark in found.remarks)


def test_columns_beside_what_was_not_analysed_are_not_counted():
    mask = flat()
    mask[90:105, 100:150] = RESIN  # over the upper interface
    mask[120:125, 200:220] = RESIN  # inside
    mask[20:30, 300:390] = RESIN  # far away
    found = measure(mask)
    assert found.thickness.statistics.n == 400 - 50 - 20
    assert found.thickness.mean == 40


def test_no_pixel_of_the_class():
    found = measure(np.full((50, 50), MATRIX))
    assert found.columns is None
    assert found.remarks == ("a.png, oxide: no pixel of this class.",)


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (2, 40), (40, 2)])
def test_tiny_images(shape):
    mask = np.full(shape, LAYER)
    assert measure(mask).thickness.mean is None
    mask[0, 0] = MATRIX
    measure(mask)


def test_a_single_pixel_and_a_film_one_pixel_thick():
    mask = np.full((60, 60), MATRIX)
    mask[30, 30] = LAYER
    measure(mask)
    mask[30] = LAYER
    assert measure(mask).thickness.mean == pytest.approx(1)


def test_roughness_is_that_of_the_interface_without_tilt():
    column = np.arange(800)
    wave = 10 * np.sin(column / 800 * 2 * np.pi * 8)
    row = np.arange(400)[:, None]
    tilt = 0.1 * column
    mask = np.where((row >= 150 + wave - tilt) & (row <= 220 - tilt), LAYER, MATRIX)
    found = measure(mask, method="columns")
    assert found.upper.rq == pytest.approx(10 / 2**0.5, rel=0.03)
    assert found.upper.ra == pytest.approx(20 / np.pi, rel=0.03)
    assert found.lower.rq < 0.5


def cracked():
    """A through-crack that goes on above; one too short; one nearly through; two that join."""
    mask = flat()
    mask[80:140, 50:53] = CRACK
    mask[100:125, 120:123] = CRACK
    mask[102:139, 200:203] = CRACK
    mask[100:140, 300:303] = mask[100:140, 350:353] = mask[134:137, 300:353] = CRACK
    return mask


def test_through_cracks_are_counted_and_belong_to_the_layer():
    found = measure(cracked())
    assert found.thickness.mean == 40
    assert found.thickness.statistics.n == 400
    assert found.cracks.through[:, 1] == pytest.approx([51, 201, 301, 351], abs=1)
    assert found.cracks.spacing == pytest.approx(100, abs=1)
    # What is left below the joint is a spur; two ends are 20 px above the layer.
    assert found.cracks.length == pytest.approx(40 + 25 + 37 + 2 * 35.5 + 50, rel=0.02)


@pytest.mark.parametrize("width", [1, 2, 3, 6, 12])
@pytest.mark.parametrize(("top", "bottom"), [(100, 180), (80, 200), (120, 160)])
def test_cracks_are_as_long_as_they_are_within_the_layer(width, top, bottom):
    mask = flat((100, 180))
    for left in (60, 160, 260, 340):
        mask[top:bottom, left : left + width] = CRACK
    length = min(bottom, 180) - max(top, 100)
    assert measure(mask).cracks.length == pytest.approx(4 * length, rel=0.01)


def test_a_crack_that_is_interrupted_by_more_than_the_tolerance_is_not_through():
    mask = flat((100, 200))
    mask[100:200, 50:53] = mask[100:200, 150:153] = CRACK
    mask[140:144, 50:53] = LAYER
    mask[140:160, 150:153] = LAYER
    assert measure(mask).cracks.through[:, 1] == pytest.approx([51], abs=1)
    assert len(measure(mask, crack_tolerance_percent=25.0).cracks.through) == 2


def test_cracks_close_together_in_a_thick_layer_are_told_apart():
    mask = flat((20, 420), (440, 300))
    for left in range(20, 300, 16):  # nearer than the tolerance of 20 px
        mask[20:420, left : left + 3] = CRACK
    assert len(measure(mask).cracks.through) == 18


def test_cracks_of_a_calibrated_layer_with_tall_pixels():
    found = measure(cracked(), (2.0, 0.5))
    assert found.thickness.mean == 80
    assert found.length == 200
    assert found.cracks.spacing == pytest.approx(50, abs=0.5)


def test_a_class_beside_cracks_is_told_from_them():
    assert measure(cracked(), cracks="").cracks is None


@pytest.mark.parametrize("method", ["columns", "centreline"])
def test_methods_can_be_chosen(method):
    found = measure(stripe(10, 60), method=method)
    assert found.method == method
    assert found.thickness.mean == pytest.approx(60, abs=0.1)


def test_long_layers_get_fewer_columns(monkeypatch):
    for module in ("layer_columns", "layer_fitting"):
        monkeypatch.setattr(f"napari_matssl.measure.{module}.LARGEST_BAND", 20_000)
    monkeypatch.setattr("napari_matssl.measure.layer_fitting._FITTING_BAND", 10_000)
    found = measure(flat())
    assert found.thickness.mean == 40
    assert 20 < found.thickness.statistics.n <= 200
    assert found.length == pytest.approx(400, abs=30)


def test_reduced_images_give_the_same(monkeypatch):
    whole = measure(stripe(10, 60))
    monkeypatch.setattr("napari_matssl.measure.reduced_layer.SIDE", 100)
    reduced = measure(stripe(10, 60))
    assert reduced.thickness.mean == pytest.approx(whole.thickness.mean, abs=0.03)
    bent = measure(ring(400, 460))
    assert bent.thickness.mean == pytest.approx(60, abs=0.05)
