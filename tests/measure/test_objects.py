"""Objects: counts, sizes, forms and distances against computed truth."""

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage import measure as reference

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.measure.components import find_components
from napari_matssl.measure.field import field_of_mask
from napari_matssl.measure.items import items_of_objects
from napari_matssl.measure.object_tables import (
    OBJECT_COLUMNS,
    OBJECT_SUMMARY_COLUMNS,
    object_summary_frame,
    objects_frame,
)
from napari_matssl.measure.objects import crofton_perimeters, measure_objects
from napari_matssl.micrograph.image import PixelSize

SQUARE = PixelSize(1, 1, "test")
TABLE = ClassTable(
    classes=(
        LabelClass(id=1, name="matrix", colour="#0072b2"),
        LabelClass(id=2, name="pore", colour="#e69f00"),
        LabelClass(id=3, name="scratch", colour="#d55e00", exclude=True),
    )
)


def field(pores, size=SQUARE, scratch=None):
    mask = np.where(pores, 2, 1).astype(np.uint8)
    if scratch is not None:
        mask[scratch] = 3
    return field_of_mask("f.tif", mask, TABLE, size)


def measured(pores, size=SQUARE, scratch=None, directions=(0,)):
    return measure_objects(field(pores, size, scratch), "pore", directions)


def disc(radius, size=(1.0, 1.0), around=4, off=0.0):
    """Draw a disc of a radius in um, in pixels of some height and width, its centre `off` one."""
    half = [math.ceil(radius / side) + around for side in size]
    y, x = np.mgrid[-half[0] : half[0] + 1, -half[1] : half[1] + 1] + off
    return (y * size[0]) ** 2 + (x * size[1]) ** 2 <= radius**2


def blobs(seed=0, sigma=4, share=0.15):
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(400, 500)), sigma)
    return noise > np.quantile(noise, 1 - share)


def rectangles():
    pores = np.zeros((800, 1000), bool)
    for row in range(6):
        for column in range(10):
            pores[20 + row * 120 :, 20 + column * 95 :][:10, :16] = True
    return pores


@pytest.mark.parametrize(
    ("direction", "per_mm", "free_path", "chord"), [(0, 1.5, 658.67, 8.0), (90, 2.4, 411.67, 5.0)]
)
def test_sixty_rectangles_known_answer(direction, per_mm, free_path, chord):
    found = measured(rectangles(), PixelSize(0.5, 0.5, "test"), directions=(direction,))
    (row,) = object_summary_frame([found]).to_dict("records")
    assert (row["objects"], row["line_direction_deg"]) == (60, direction)
    assert row["objects_per_mm2"] == pytest.approx(300)
    assert row["mean_area_um2"] == pytest.approx(40)
    assert row["intercepts_per_mm"] == pytest.approx(per_mm)
    assert row["mean_free_path_um"] == pytest.approx(free_path, abs=0.005)
    assert row["mean_chord_um"] == pytest.approx(chord)
    table = objects_frame([found])
    assert list(table["area_px"]) == [160] * 60
    assert table["feret_max_um"][0] == pytest.approx(math.hypot(8, 5))
    assert table["feret_min_um"][0] == pytest.approx(5)
    assert table["aspect_ratio"][0] == pytest.approx(1.6)
    assert table["orientation_deg"][0] == 0
    assert (table["centroid_x_px"][0], table["centroid_y_px"][0]) == (27.5, 24.5)


def test_each_object_as_scikit_image_has_it():
    pores = blobs()
    found, known = measured(pores), reference.regionprops(reference.label(pores, connectivity=2))
    assert list(found.area_px) == [one.area for one in known]
    assert np.allclose(found.centroid, [one.centroid for one in known])
    chords = find_components(pores).chords
    perimeters = [reference.perimeter_crofton(np.pad(one.image, 1), 4) for one in known]
    assert np.allclose(crofton_perimeters(chords, (1, 1)), perimeters)
    large = [n for n, one in enumerate(known) if one.area > 200]
    ratios = [known[n].axis_major_length / known[n].axis_minor_length for n in large]
    assert np.allclose(found.aspect_ratio[large], ratios, rtol=0.02)  # a pixel is no point here
    angles = np.degrees([known[n].orientation for n in large]) + 90  # from the columns there
    apart = (found.orientation[large] - angles + 90) % 180 - 90
    assert np.abs(apart).max() < 0.5


@pytest.mark.parametrize("radius", [5, 10, 20, 50, 100])
def test_the_perimeter_of_a_disc_is_right_within_two_percent(radius):
    chords = find_components(disc(radius, off=0.3)).chords
    assert crofton_perimeters(chords, (1, 1))[0] == pytest.approx(math.tau * radius, rel=0.02)
    assert measured(disc(radius, off=0.3)).circularity[0] > 0.97


def test_pixels_that_are_not_square_leave_the_form():
    size = PixelSize(0.25, 0.5, "test")
    found = measured(disc(20, (0.5, 0.25)), size)
    assert found.diameter[0] == pytest.approx(40, rel=0.01)
    assert found.feret_max[0] == pytest.approx(40, abs=0.8)
    assert found.feret_min[0] == pytest.approx(40, abs=0.8)
    assert found.aspect_ratio[0] == pytest.approx(1, abs=0.01)
    assert found.circularity[0] > 0.97
    chords = find_components(disc(20, (0.5, 0.25))).chords
    assert crofton_perimeters(chords, (0.5, 0.25))[0] == pytest.approx(math.tau * 20, rel=0.02)


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 120, 179])
def test_orientation_runs_counter_clockwise_from_the_rows(angle):
    y, x = np.mgrid[-60:61, -60:61]
    turn = math.radians(angle)
    along, across = x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)
    found = measured((abs(along) < 49.9) & (abs(across) < 7.9))
    assert (found.orientation[0] - angle + 90) % 180 - 90 == pytest.approx(0, abs=0.5)


def test_feret_diameters_are_exact():
    pores = np.zeros((40, 60), bool)
    pores[5:12, 10:40] = True
    pores[20, 3] = True
    found = measured(pores, PixelSize(2, 3, "test"))
    assert found.feret_max.tolist() == pytest.approx([math.hypot(60, 21), math.hypot(2, 3)])
    assert found.feret_min.tolist() == pytest.approx([21, 2])


def test_feret_diameters_are_those_of_all_angles():
    pores = blobs(1)
    found, labels = measured(pores), reference.label(pores, connectivity=2)
    angles = np.linspace(0, np.pi, 1441)
    for n, one in enumerate(reference.regionprops(labels)):
        corners = np.concatenate([np.add(one.coords, (a, b)) for a in (0, 1) for b in (0, 1)])
        along = corners @ np.stack([np.sin(angles), np.cos(angles)])
        widths = along.max(axis=0) - along.min(axis=0)
        assert found.feret_max[n] == pytest.approx(widths.max(), rel=1e-5)
        assert found.feret_min[n] <= widths.min() + 1e-9
        assert found.feret_min[n] == pytest.approx(widths.min(), rel=0.003)


def test_corners_join_and_one_pixel_is_an_object():
    pores = np.zeros((9, 9), bool)
    pores[[2, 3, 4], [2, 3, 4]] = True
    pores[6, 7] = True
    found = measured(pores)
    assert list(found.area_px) == [3, 1]
    assert (found.aspect_ratio[1], found.circularity[1]) == (1, 1)
    assert math.isnan(found.orientation[1])


def test_an_empty_mask_has_no_object_and_figures_that_are_0_or_blank():
    found = measured(np.zeros((20, 30), bool))
    assert len(objects_frame([found])) == 0
    (row,) = object_summary_frame([found]).to_dict("records")
    assert (row["objects"], row["objects_per_mm2"], row["intercepts_per_mm"]) == (0, 0, 0)
    for figure in ("mean_area_um2", "d50_um", "mean_chord_um", "mean_free_path_um"):
        assert row[figure] is None or math.isnan(row[figure])


def test_a_class_that_is_everywhere_is_one_object_that_is_cut():
    found = measured(np.ones((20, 30), bool))
    assert (list(found.area_px), list(found.counted)) == ([600], [False])
    assert found.lines[0].intercepts == 0


def test_uncalibrated_pixels_are_filled_and_micrometres_blank():
    found = measured(rectangles(), None)
    table, summary = objects_frame([found]), object_summary_frame([found])
    assert table.filter(like="_um").isna().all(axis=None)
    assert summary.filter(regex="_um|_mm").isna().all(axis=None)
    filled = ["area_px", "aspect_ratio", "orientation_deg", "circularity", "centroid_x_px"]
    assert table[filled].notna().all(axis=None)
    assert summary["objects"][0] == 60


def test_an_unknown_class_is_refused():
    with pytest.raises(InputError, match="no class oxide"):
        measure_objects(field(rectangles()), "oxide")


# ---- edges ----


def plane(random, side, radius, count):
    """Draw discs that don't touch, on a plane; also their number."""
    pores = np.zeros((side, side), bool)
    stamp, room = disc(radius, around=0), disc(radius + 1, around=1)
    taken = np.zeros_like(pores)
    half, more, placed = stamp.shape[0] // 2, room.shape[0] // 2, 0
    while placed < count:
        y, x = random.integers(more, side - more, 2)
        around = (slice(y - more, y + more + 1), slice(x - more, x + more + 1))
        if (taken[around] & room).any():
            continue
        placed += 1
        here = (slice(y - half, y + half + 1), slice(x - half, x + half + 1))
        pores[here] |= stamp
        taken[here] |= stamp
    return pores


def test_fields_that_tile_a_plane_count_each_object_once():
    """Half of the discs are cut; counting all that is seen finds half as many more."""
    pores = plane(np.random.default_rng(0), 1000, 10, 600)
    seen = counted = 0
    for top in range(0, 1000, 100):
        for left in range(0, 1000, 100):
            found = measured(pores[top : top + 100, left : left + 100])
            counted += int(found.counted.sum())
            seen += len(found.counted)
    assert counted == pytest.approx(600, rel=0.02)  # those at the plane's own edge don't count
    assert seen > 800


def test_fields_that_share_a_row_and_a_column_of_pixels_count_each_object_once():
    """Where they don't, objects that begin right at a forbidden edge are lost: 1/H + 1/W of all."""
    random, side, pores = np.random.default_rng(1), 50, np.zeros((502, 502), bool)
    begin_there = placed = 0
    for row in range(1, 480, 20):
        for column in range(1, 480, 20):
            (top, left), (height, width) = random.integers(0, 8, 2), random.integers(1, 11, 2)
            top, left = top + row, left + column
            pores[top : top + height, left : left + width] = True
            begin_there += (left - 1) % side == 0 or (top + height - 1) % side == 0
            placed += 1
    counted = {side: 0, side + 1: 0}
    for top in range(1, 501, side):
        for right in range(side + 1, 502, side):
            for size in counted:
                seen = pores[top : top + size, right - size : right]
                counted[size] += int(find_components(seen).counted.sum())
    assert counted == {side + 1: placed, side: placed - begin_there}
    assert begin_there / placed == pytest.approx(2 / side, abs=0.015)


@pytest.mark.parametrize("shape", [np.ones((1, 1), bool), np.ones((4, 9), bool)])
def test_an_object_anywhere_counts_in_a_frame_one_pixel_smaller_than_the_field(shape):
    """Over all places of an object, N_A is low by 1/H + 1/W."""
    height, width = 20, 24
    counted = 0
    for row in range(height + shape.shape[0] - 1):
        for column in range(width + shape.shape[1] - 1):
            plane = np.zeros((height + 2 * shape.shape[0], width + 2 * shape.shape[1]), bool)
            plane[row : row + shape.shape[0], column : column + shape.shape[1]] = shape
            top, left = shape.shape[0] - 1, shape.shape[1] - 1
            seen = plane[top : top + height, left : left + width]
            counted += int(find_components(seen).counted.sum())
    assert counted == (height - 1) * (width - 1)


def test_an_object_that_a_scratch_divides_counts_once():
    pores = np.zeros((60, 80), bool)
    pores[20:40, 30:50] = True
    scratch = np.zeros_like(pores)
    scratch[:, 38:42] = True
    found = measured(pores, scratch=scratch)
    assert len(found.counted) == 2
    assert found.counted.sum() == 1
    assert len(found.sized.sizes) == 0
    assert found.analysed_pixels == 60 * 76


def test_an_edge_of_the_analysed_area_is_no_end_of_a_chord():
    """Three chords of ten rows; that at the image's edge and that at the scratch count half."""
    pores = np.zeros((30, 100), bool)
    pores[10:20, :10] = pores[10:20, 30:40] = pores[10:20, 50:60] = True
    scratch = np.zeros_like(pores)
    scratch[:, 60:70] = True
    (line,) = measured(pores, scratch=scratch).lines
    assert line.intercepts == 10 * (0.5 + 1 + 0.5)
    assert line.length_px == 30 * 90


def test_crescents_leave_the_size_distribution():
    """Discs of one radius, a tenth of which a straight line cuts."""
    pores = np.zeros((500, 1000), bool)
    stamp = disc(20, around=0)
    for row in range(10):
        for column in range(20):
            y, x = 5 + row * 49, 5 + column * 49
            pores[y : y + 41, x : x + 41] = stamp
    scratch = np.zeros_like(pores)
    scratch[5 + 4 * 49 + 20 : 5 + 4 * 49 + 23] = True
    found = measured(pores, scratch=scratch)
    (row,) = object_summary_frame([found]).to_dict("records")
    assert len(found.sized.sizes) == 180
    assert found.counted.sum() == 200  # of each cut disc, the part above the line is left out
    assert row["d50_um"] == pytest.approx(40, abs=1)
    assert row["d10_um"] == pytest.approx(40, abs=1)


def test_the_info_bar_is_an_edge():
    pores = np.zeros((60, 50), bool)
    pores[30:40, 10:20] = pores[5:10, 5:10] = True
    mask = np.where(pores, 2, 1).astype(np.uint8)
    mask[40:] = 0
    found = measure_objects(field_of_mask("f", mask, TABLE, None), "pore")
    assert found.counted.tolist() == [True, False]


def test_the_columns_are_those_that_scripts_rely_on():
    assert ",".join(OBJECT_COLUMNS) == (
        "image,group,class,object,area_px,area_um2,equivalent_diameter_um,feret_max_um,"
        "feret_min_um,aspect_ratio,orientation_deg,circularity,centroid_x_px,centroid_y_px,counted"
    )
    assert ",".join(OBJECT_SUMMARY_COLUMNS) == (
        "image,group,class,objects,objects_per_mm2,mean_area_um2,mean_diameter_um,d10_um,d50_um,"
        "d90_um,line_direction_deg,intercepts_per_mm,mean_chord_um,mean_free_path_um"
    )
    for frame, columns in (
        (objects_frame([]), OBJECT_COLUMNS),
        (object_summary_frame([]), OBJECT_SUMMARY_COLUMNS),
    ):
        assert tuple(frame.columns) == columns


# ---- spots that weren't analysed ----


def sixty_discs():
    """Discs with a radius of 15 px, and the places of their middles."""
    pores = np.zeros((800, 1000), bool)
    middles = [(60 + row * 120, 40 + column * 95) for row in range(6) for column in range(10)]
    for y, x in middles:
        pores[y - 15 : y + 16, x - 15 : x + 16] |= disc(15, around=0)
    return pores, np.array(middles)


@pytest.mark.parametrize("specks", [0, 30, 60])
@pytest.mark.parametrize("down", [0, 15, 16])  # in the middle, at the rim, beside it
def test_a_speck_in_or_beside_an_object_cuts_nothing(specks, down):
    pores, middles = sixty_discs()
    scratch = np.zeros_like(pores)
    scratch[middles[:specks, 0] - down, middles[:specks, 1]] = True
    found = measured(pores, PixelSize(0.5, 0.5, "test"), scratch)
    (row,) = object_summary_frame([found]).to_dict("records")
    assert (row["objects"], len(found.sized.sizes), found.remarks) == (60, 60, ())
    assert row["objects_per_mm2"] == pytest.approx(300)
    assert row["d50_um"] == pytest.approx(15, abs=0.1)


def test_an_object_around_a_larger_core_that_was_excluded_is_whole():
    pores, core = disc(15, around=20), disc(13, around=22)
    found = measured(pores & ~core, scratch=core)
    assert (found.counted.sum(), len(found.sized.sizes)) == (1, 1)


def test_a_spot_that_is_larger_than_the_object_beside_it_cuts_it():
    pores, spot = np.zeros((2, 60, 60), bool)
    pores[20:30, 20:30] = True
    spot[10:40, 30:42] = True
    found = measured(pores, scratch=spot)
    assert (found.counted.tolist(), len(found.sized.sizes)) == ([True], 0)
    assert found.remarks == (
        "f.tif, pore: 1 of 1 objects is cut by nothing but spots that weren't analysed; 0 of these"
        " not counted, and none has a size.",
    )


def test_a_spot_that_touches_several_objects_cuts_them_all():
    """A scratch within the image divides a disc; its lower part counts, and the upper doesn't."""
    pores, middles = sixty_discs()
    scratch = np.zeros_like(pores)
    y, x = middles[25]
    scratch[y - 1 : y + 2, x - 20 : x + 21] = True
    found = measured(pores, scratch=scratch)
    assert (len(found.counted), found.counted.sum(), len(found.sized.sizes)) == (61, 60, 59)
    assert found.remarks == (
        "f.tif, pore: 2 of 61 objects are cut by nothing but spots that weren't analysed; 1 of"
        " these not counted, and none has a size.",
    )


def test_an_object_that_a_spot_cuts_is_not_said_to_lie_at_the_edge():
    pores, spot = np.zeros((2, 60, 60), bool)
    pores[20:30, 20:30] = True
    spot[10:40, 8:20] = True
    items = items_of_objects(field(pores, scratch=spot), "pore", (0,))
    (kind,) = items.kinds_of_rows
    assert items.words[kind] == "not counted: cut at the left or below"


def test_a_spot_does_not_hide_the_edge_of_the_image():
    pores, spot = np.zeros((2, 60, 60), bool)
    pores[20:30, :10] = True
    spot[25, 5] = True
    found = measured(pores, scratch=spot)
    assert (found.counted.sum(), len(found.sized.sizes), found.remarks) == (0, 0, ())


def test_spots_leave_the_number_of_objects_per_area():
    """Lattices of discs at every third place over a field with four spots."""
    spots = np.zeros((70, 70), bool)
    spots[10:14, 10:14] = spots[10:14, 50:54] = spots[50:54, 10:14] = spots[48:54, 48:54] = True
    y, x = np.ogrid[:70, :70]
    counted = {True: 0.0, False: 0.0}
    for down in range(0, 24, 3):
        for right in range(0, 24, 3):
            pores = ((y + down) % 24 - 12) ** 2 + ((x + right) % 24 - 12) ** 2 <= 64
            for spotted in counted:
                one = measured(pores, PixelSize(1, 1, "test"), spots if spotted else None)
                counted[spotted] += one.per_mm2
    assert counted[True] == pytest.approx(counted[False], rel=0.01)


@pytest.mark.timeout(120)
def test_a_large_mask_of_many_objects_takes_one_pass():
    """9 megapixels with 40,000 objects: a pass over the image for each would take hours."""
    pores = np.zeros((3000, 3000), bool)
    pores[5::15, 5::15] = pores[6::15, 5::15] = True
    assert len(measured(pores).area_px) == 200**2
