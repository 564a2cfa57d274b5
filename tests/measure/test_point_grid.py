"""Points at which classes are counted: as many as wanted, and every pixel alike."""

import numpy as np
import pytest

from napari_matssl.errors import InputError
from napari_matssl.measure.point_grid import draw_points


@pytest.mark.parametrize("count", [10, 97, 100, 101, 400])
@pytest.mark.parametrize("shape", [(96, 128), (300, 40), (768, 1024)])
def test_there_are_as_many_points_as_wanted_within_the_image(count, shape):
    points = draw_points(shape, count, np.random.default_rng(count))
    assert points.shape == (count, 2)
    assert (points >= 0).all()
    assert (points < shape).all()


def test_each_cell_of_the_grid_holds_one_point():
    points = draw_points((1000, 1000), 100, np.random.default_rng(3))
    cells = points // 100
    assert len({(int(y), int(x)) for y, x in cells}) == 100


def test_cells_are_square_on_the_specimen_where_pixels_are_not():
    # 500 rows of 2 um and 1000 columns of 1 um are a square: 10 x 10 cells.
    points = draw_points((500, 1000), 100, np.random.default_rng(0), (2.0, 1.0))
    assert len({(int(y) // 50, int(x) // 100) for y, x in points}) == 100


def test_fractions_are_unbiased_and_spread_less_than_independent_points():
    rows, columns = np.mgrid[:90, :120]
    phase = (rows + columns) % 30 < 9  # lamellae, also in step with a regular grid
    true, count = phase.mean(), 100
    found = []
    for seed in range(1000):
        points = draw_points(phase.shape, count, np.random.default_rng(seed))
        found.append(phase[points[:, 0], points[:, 1]].mean())
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - true) < 4 * error
    assert np.std(found) <= 1.05 * np.sqrt(true * (1 - true) / count)


def test_pixels_of_the_edge_have_the_same_chance_as_others():
    hits = np.zeros((40, 50))
    for seed in range(3000):
        points = draw_points(hits.shape, 47, np.random.default_rng(seed))
        np.add.at(hits, (points[:, 0], points[:, 1]), 1)
    expected = 3000 * 47 / hits.size  # 70.5 a pixel
    for edge in (hits[0], hits[-1], hits[:, 0], hits[:, -1]):
        assert abs(edge.mean() - expected) < 4 * np.sqrt(expected / edge.size)


def test_the_first_half_is_a_sample_of_the_whole_image():
    early = [draw_points((100, 100), 50, np.random.default_rng(n))[:25, 0] for n in range(200)]
    assert abs(np.mean(early) - 49.5) < 2


def test_pixels_that_are_no_numbers_get_no_points():
    analysable = np.ones((100, 100), np.bool_)
    analysable[:50] = False
    points = draw_points((100, 100), 100, np.random.default_rng(0), analysable=analysable)
    assert len(points) == 50
    assert points[:, 0].min() >= 50


@pytest.mark.parametrize("count", [0, 9, 5001])
def test_numbers_that_make_no_sense_are_refused_with_what_to_do(count):
    with pytest.raises(InputError, match="Choose 10 to 5000"):
        draw_points((1000, 1000), count, np.random.default_rng(0))
    with pytest.raises(InputError, match="Choose 10 to 102"):
        draw_points((32, 32), 103, np.random.default_rng(0))
