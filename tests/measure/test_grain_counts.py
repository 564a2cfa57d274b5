"""Grains per area: the edge rule, what is left out, and areas that are known."""

import numpy as np
import pytest
from tessellations import BOUNDARY, GRAIN, PORE, SCRATCH, boundary_mask, field, hexagon_nuclei

from napari_matssl.measure import numbered_strips
from napari_matssl.measure.boundaries import boundary_network
from napari_matssl.measure.grain_counts import CORNER, CUT, INSIDE, count_grains
from napari_matssl.measure.grain_items import grain_items
from napari_matssl.settings import GrainSettings

SIDE = 14.0
AREA = 2.5981 * SIDE**2


def counted(mask, measured=BOUNDARY, pixel_um=None, **settings):
    network = boundary_network(field(mask, pixel_um), measured, GrainSettings(**settings))
    return count_grains(network)


@pytest.fixture(scope="module")
def hexagons():
    return boundary_mask(hexagon_nuclei(SIDE, (420, 500)), (420, 500))


def grid(rows, columns, side=10, line=1):
    """Return square grains with boundaries between, none at the image's edge."""
    mask = np.full((rows * side - line, columns * side - line), GRAIN.id, np.uint8)
    for start in range(side - line, max(mask.shape), side):
        mask[start : start + line] = mask[:, start : start + line] = BOUNDARY.id
    return mask


def test_grains_count_once_half_and_a_quarter():
    found = counted(grid(5, 7))
    assert (found.inside, found.cut) == (3 * 5, 2 * 7 + 2 * 3)
    assert found.grains == 15 + (20 - 4) / 2 + 4 / 4
    layer = found.layer()
    assert layer[0, 0] == CORNER
    assert layer[0, 25] == CUT
    assert layer[25, 25] == INSIDE
    assert layer[9, 9] == 0  # boundary


@pytest.mark.parametrize("frame", [1, 3, 10])
def test_grains_near_corners_that_the_edge_does_not_cut_count_whole(frame):
    found = counted(np.pad(grid(6, 6), frame, constant_values=BOUNDARY.id))
    assert (found.inside, found.cut, found.grains) == (36, 0, 36.0)


@pytest.mark.parametrize(("down", "right"), [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_a_grain_in_a_corner_is_a_quarter_though_the_corner_is_boundary(down, right):
    mask = grid(6, 6)
    view = mask[::down, ::right]
    view[:4, :4] = BOUNDARY.id
    found = counted(mask)
    assert found.grains == 16 + 16 / 2 + 4 / 4
    view[:9, :2] = view[:2, :9] = BOUNDARY.id  # now it is off the edge
    assert counted(mask).grains == 17 + 16 / 2 + 3 / 4


def test_a_grain_near_a_corner_that_a_spot_cuts_is_a_half():
    mask = np.pad(grid(6, 6), 1, constant_values=BOUNDARY.id)
    mask[5:25, 5:25] = SCRATCH.id
    found = counted(mask)
    assert found.layer()[2, 2] == CUT
    assert found.grains == 36 - 1 - 8 / 2


def test_the_traced_grains_add_up(hexagons):
    found = counted(hexagons)
    numbers = np.unique(found.numbers.whole())
    assert len(numbers) == found.numbers.count + 1 == len(found.counted)
    assert found.counted[numbers].sum() == found.grains


def test_hexagons_known_answer(hexagons):
    assert counted(hexagons).mean_area_px == pytest.approx(AREA, rel=0.015)


@pytest.mark.parametrize("pixel", [(0.5, 0.5), (1.0, 0.25)])
def test_areas_take_both_sides_of_a_pixel(hexagons, pixel):
    found = counted(hexagons, pixel_um=pixel)
    assert found.mean_area_um2 == pytest.approx(found.mean_area_px * pixel[0] * pixel[1])
    assert found.per_mm2 * found.mean_area_um2 == pytest.approx(1e6)


def test_an_info_bar_and_a_scratch_leave_the_mean_area(hexagons):
    mask = hexagons.copy()
    mask[380:] = 0  # no class
    mask[150:190, :] = SCRATCH.id
    found = counted(mask)
    assert found.area_px == 340 * 500
    assert found.mean_area_px == pytest.approx(AREA, rel=0.03)


def test_spots_smaller_than_grains_leave_the_mean_area(hexagons):
    rng = np.random.default_rng(3)
    mask = hexagons.copy()
    for row, column in rng.integers(10, 400, (60, 2)):
        mask[row : row + 7, column : column + 7] = SCRATCH.id
    assert counted(mask).mean_area_px == pytest.approx(AREA, rel=0.025)


def test_pores_are_neither_grains_nor_edges(hexagons):
    mask = hexagons.copy()
    mask[100:160, 100:160] = PORE.id
    mask[300:350, 300:380] = PORE.id
    found = counted(mask, GRAIN)
    assert found.area_px == mask.size - np.count_nonzero(mask == PORE.id)
    # Grains are whole where a pore ends them, so a pore's edge makes some of them smaller.
    plain = counted(hexagons, GRAIN)
    assert found.cut == plain.cut
    assert found.mean_area_px < AREA


def test_a_class_of_grains_gives_what_a_class_of_boundaries_gives(hexagons):
    assert counted(hexagons, GRAIN).grains == counted(hexagons, BOUNDARY).grains


def test_a_gap_makes_one_grain_of_two_until_it_is_closed(hexagons):
    whole, at = counted(hexagons), np.argwhere(hexagons == BOUNDARY.id)
    row, column = at[np.abs(at - (210, 250)).sum(axis=1).argmin()]
    mask = hexagons.copy()
    mask[row - 2 : row + 3, column - 2 : column + 3] = GRAIN.id
    assert counted(mask).inside < whole.inside
    assert counted(mask, largest_gap=10).inside == whole.inside


def test_specks_between_boundaries_are_no_grains(hexagons):
    at = np.argwhere(hexagons == BOUNDARY.id)
    mask = hexagons.copy()
    mask[tuple(at[:: len(at) // 20].T)] = GRAIN.id  # holes of one pixel
    assert counted(mask).grains == pytest.approx(counted(hexagons).grains, abs=0.5)


@pytest.mark.parametrize("value", [GRAIN.id, BOUNDARY.id])
def test_without_a_grain_inside_there_is_no_figure(value):
    found = counted(np.full((50, 60), value, np.uint8), pixel_um=1.0)
    assert found.inside == 0
    assert (found.per_mm2, found.mean_area_px, found.mean_area_um2) == (None, None, None)


def test_one_grain_that_fills_the_image_counts_by_its_four_corners():
    found = counted(np.full((50, 60), GRAIN.id, np.uint8))
    assert (found.inside, found.cut, found.grains) == (0, 1, 1.0)


def test_grains_inside_alone_have_the_mean_area_of_equal_ones(hexagons):
    assert counted(hexagons).inside_mean_area_px == pytest.approx(AREA, rel=0.015)


def test_grains_inside_alone_share_boundaries_by_area():
    found = counted(grid(5, 7))  # of 9 x 9 px with lines of 1 px, also along the cut ones
    whole = 49 * 69
    assert found.inside_mean_area_px == pytest.approx(81 * whole / (35 * 81))


def test_grains_inside_alone_read_too_small_where_sizes_differ():
    """Large grains are cut more often than small ones: why this is no G to report."""
    mask = grid(12, 12, side=12)
    mask[:, 60:] = GRAIN.id
    mask[:, 59] = mask[24::48, 60:] = mask[:, 100] = BOUNDARY.id
    found = counted(mask)
    assert found.inside_mean_area_px < 0.9 * found.mean_area_px


def test_without_a_grain_inside_there_is_no_area_of_these():
    assert counted(grid(2, 2)).inside_mean_area_px is None


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_grains_are_the_same_strip_by_strip(rows, monkeypatch):
    mask = boundary_mask(hexagon_nuclei(9.0, (160, 140)), (160, 140))
    mask[30:52, 40:61] = mask[100:103, 0:30] = mask[150:] = SCRATCH.id
    mask[120:123, 100:103] = SCRATCH.id
    whole = counted(mask)
    listed = grain_items(whole)
    monkeypatch.setattr(numbered_strips, "_STRIP", rows * mask.shape[1])
    found = counted(mask)
    assert np.array_equal(found.layer(), whole.layer())
    assert np.array_equal(found.counted, whole.counted)
    assert found.area_px == whole.area_px < (mask != SCRATCH.id).sum() + 10
    items = grain_items(found)
    assert np.array_equal(items.boxes, listed.boxes)
    assert np.array_equal(items.area_px, listed.area_px)
    assert np.allclose(items.centroid, listed.centroid)
    assert len(items.boxes) > 50
