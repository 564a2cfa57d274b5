"""Intercepts: what each place counts, the length of lines, and intercepts that are known."""

import math

import numpy as np
import pytest
from scipy.spatial import cKDTree
from tessellations import (
    BOUNDARY,
    GRAIN,
    PORE,
    SCRATCH,
    boundary_mask,
    cells,
    field,
    hexagon_nuclei,
    random_nuclei,
)

from napari_matssl.measure.boundaries import boundary_network, network_of_labels
from napari_matssl.measure.figures import Circle, Line, circle_pattern, line_grid
from napari_matssl.measure.intercepts import count_intercepts
from napari_matssl.settings import GrainSettings

SETTINGS = GrainSettings()
ACROSS = Line((30.0, 0.0), (30.0, 80.0))
"""A line along the rows of the images drawn here, between two rows."""


def network(mask, measured=BOUNDARY, pixel_um=None):
    return boundary_network(field(mask, pixel_um), measured, SETTINGS)


def drawn(*strokes):
    mask = np.full((60, 80), GRAIN.id, np.uint8)
    for stroke in strokes:
        mask[stroke] = BOUNDARY.id
    return mask


def counts(mask, *curves, measured=BOUNDARY):
    return count_intercepts(network(mask, measured), curves or (ACROSS,)).counted.tolist()


@pytest.mark.parametrize("width", [1, 2, 5, 9])
def test_a_boundary_crossed_once_counts_once_whatever_its_width(width):
    assert counts(drawn(np.s_[:, 40 : 40 + width])) == [1.0]


def test_a_boundary_that_the_line_runs_along_counts_once():
    runs = drawn(np.s_[:30, 20], np.s_[29:32, 20:60], np.s_[30:, 59])
    assert counts(runs) == [1.0]


def test_a_boundary_that_steps_from_row_to_row_counts_once():
    mask = drawn(np.s_[:30, 10], np.s_[30:, 70])
    for column in range(10, 71):
        mask[29 + column // 5 % 2, column] = BOUNDARY.id
    assert counts(mask) == [1.0]


def test_a_boundary_that_the_line_touches_counts_half():
    touches = drawn(np.s_[10:30, 20], np.s_[29, 20:50], np.s_[10:30, 49])
    assert counts(touches) == [0.5]


def test_a_triple_point_on_the_line_counts_one_and_a_half():
    mask = drawn(np.s_[:31, 40])
    for step in range(1, 29):
        mask[30 + step, [40 - step, 40 + step]] = BOUNDARY.id
    assert counts(mask) == [1.5]


@pytest.mark.parametrize(("shift", "crossed"), [(-12, 1.0), (12, 2.0)])
def test_beside_a_triple_point_one_or_two_boundaries_are_crossed(shift, crossed):
    mask = drawn(np.s_[:31, 40])
    for step in range(1, 29):
        mask[30 + step, [40 - step, 40 + step]] = BOUNDARY.id
    line = Line((30.0 + shift, 0.0), (30.0 + shift, 80.0))
    assert sum(counts(mask, line)) == crossed


def test_a_line_that_ends_on_a_boundary_counts_half_and_inside_a_grain_nothing():
    mask = drawn(np.s_[:, 40])
    assert counts(mask, Line((30.0, 0.0), (30.0, 40.5))) == [0.5]
    assert counts(mask, Line((30.0, 0.0), (30.0, 38.0))) == []


def test_k_boundaries_make_k_intercepts_as_the_ends_count_half_a_grain_each():
    mask = drawn(*(np.s_[:, column] for column in (10, 30, 50, 70)))
    found = count_intercepts(network(mask), [ACROSS])
    assert found.mean_px == 80 / 4


def test_a_circle_counts_each_crossing_once():
    mask = drawn(np.s_[:, 38:41])
    assert counts(mask, Circle((30.0, 39.5), 20.0)) == [1.0, 1.0]
    assert counts(mask, Circle((30.0, 10.0), 8.0)) == []


def test_diagonal_lines_slip_through_no_boundary():
    mask = drawn()
    step = np.arange(60)
    mask[step, 70 - step] = BOUNDARY.id  # touches at corners only
    for start in np.arange(0, 10, 0.17):
        assert counts(mask, Line((0.0, start), (60.0, start + 60))) == [1.0]


def test_lines_have_no_length_in_what_was_left_out_and_end_there():
    mask = drawn(np.s_[:, 10], np.s_[:, 70])
    mask[:, 30:50] = SCRATCH.id
    found = count_intercepts(network(mask, pixel_um=0.5), [ACROSS])
    assert found.count == 2
    assert (found.length_px, found.length_um) == (pytest.approx(60), pytest.approx(30))


def test_a_grain_that_ends_at_a_pore_counts_half():
    mask = drawn(np.s_[:, 10], np.s_[:, 70])
    mask[:, 30:50] = PORE.id
    found = count_intercepts(network(mask, GRAIN), [ACROSS])
    assert sorted(found.counted) == [0.5, 0.5, 1.0, 1.0]
    assert found.length_px == pytest.approx(60)


def test_lengths_of_pixels_that_are_not_square():
    mask = drawn(np.s_[:, 40])
    net = network(mask, pixel_um=(2.0, 1.0))
    down, slanted = Line((0.0, 20.0), (120.0, 20.0)), Line((0.0, 0.0), (80.0, 80.0))
    found = count_intercepts(net, [down, slanted])
    assert found.length_um == pytest.approx(120 + 80 * math.sqrt(2))
    assert found.length_px == pytest.approx(60 + math.hypot(40, 80))
    assert found.places.tolist() == [[pytest.approx(20, abs=1), pytest.approx(40, abs=1)]]


def test_places_and_lines_are_those_of_the_mask_without_an_info_bar():
    mask = np.zeros((90, 100), np.uint8)
    mask[10:70, 5:85] = drawn(np.s_[:, 40])
    found = count_intercepts(network(mask), [ACROSS])
    assert found.places[0] == pytest.approx([40, 45], abs=1)
    assert found.lines[0].tolist() == [[39.5, 4.5], [39.5, 84.5]]
    assert found.line.tolist() == [0]


def test_the_line_grid_runs_in_four_directions_at_the_pitch():
    lines = line_grid((600.0, 800.0), 60.0)
    angles = [
        round(math.degrees(math.atan2(a.start[0] - a.end[0], a.end[1] - a.start[1]))) % 180
        for a in lines
    ]
    assert sorted(set(angles)) == [0, 45, 90, 135]
    assert (angles.count(0), angles.count(90)) == (10, 13)
    assert sum(a.length for a in lines) == pytest.approx(4 * 600 * 800 / 60, rel=0.03)


def test_the_circle_pattern_has_the_customary_lengths():
    curves = circle_pattern((500.0, 500.0))
    assert sum(c.length for c in curves[:3]) == pytest.approx(5 * 500, rel=1e-3)
    assert [round(c.length) for c in curves[3:]] == [500, 500, 707, 707]
    assert len(circle_pattern((200.0, 650.0))) == 3 * 7


@pytest.mark.parametrize(("side", "tolerance"), [(14.0, 0.01), (30.0, 0.01)])
def test_hexagons_known_answer(side, tolerance):
    shape = (500, 600)
    means = [
        count_intercepts(
            network(boundary_mask(hexagon_nuclei(side, shape, turn), shape)), line_grid(shape, 12)
        ).mean_px
        for turn in (0.1, 0.4)
    ]
    assert np.mean(means) == pytest.approx(1.3603 * side, rel=tolerance)


@pytest.mark.parametrize("pixel", [(1.0, 1.0), (2.0, 1.0)])
def test_voronoi_cells_are_crossed_as_often_as_their_nuclei_tell(pixel):
    rng = np.random.default_rng(5)
    shape, extent = (500 // int(pixel[0]), 600), (500.0, 600.0)
    nuclei = random_nuclei(rng, 40.0, extent)
    labels, _ = cells(nuclei, shape, pixel)
    net, nearest = network_of_labels(labels, pixel), cKDTree(nuclei)
    circles = [Circle((250.0, 300.0), radius) for radius in range(20, 245, 8)]
    for curves in (lines := line_grid(extent, 12, pixel[0])), circles:
        changes = [np.diff(nearest.query(curve.points(0.2))[1]) != 0 for curve in curves]
        truth = sum(map(np.count_nonzero, changes))
        assert count_intercepts(net, curves).count == pytest.approx(truth, rel=0.03)
    found = count_intercepts(net, lines)
    # The mean intercept of Poisson-Voronoi cells is pi / 4 of the root of their mean area.
    assert found.mean_um == pytest.approx(math.pi / 4 * 40, rel=0.06)


def test_one_grain_has_no_intercepts_and_no_mean():
    found = count_intercepts(network(drawn(), pixel_um=1.0), [ACROSS])
    assert (found.count, found.mean_px, found.mean_um) == (0, None, None)
    assert found.places.shape == (0, 2)
