"""Length of lines, and the longest way through a skeleton."""

import numpy as np
import pytest

from napari_matssl.measure.skeleton import line_length, thin, trunk, with_tips, without_spurs


def bar(angle, length, width, scale=(1.0, 1.0), shape=(500, 500)):
    """A bar about the middle of an image, turned counter-clockwise."""
    row, column = np.indices(shape)
    y, x = (row - shape[0] / 2) * scale[0], (column - shape[1] / 2) * scale[1]
    turn = np.radians(angle)
    along, across = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    return (abs(along) <= length / 2) & (abs(across) <= width / 2)


@pytest.mark.parametrize("angle", [0, 5, 10, 22.5, 30, 45, 67, 90])
def test_a_line_is_as_long_in_any_direction(angle):
    # Steps and diagonals add up to 8 % more at 22.5 degrees. Thinning eats half a width per end.
    found = line_length(without_spurs(thin(bar(angle, 300, 5))))
    assert found == pytest.approx(297.5, rel=0.012)


@pytest.mark.parametrize("angle", [0, 22.5, 45, 90])
def test_pixels_that_are_not_square_give_the_same_length(angle):
    shape, scale = (400, 500), (1.25, 1.0)
    found = line_length(without_spurs(thin(bar(angle, 300, 6, scale, shape), scale)))
    assert found == pytest.approx(297, rel=0.02)


@pytest.mark.parametrize("width", [3, 6, 12])
@pytest.mark.parametrize("scale", [(1.0, 1.0), (1.25, 1.0)])
@pytest.mark.parametrize("angle", [0, 22.5, 45, 90])
def test_tips_give_a_line_what_thinning_took(angle, scale, width):
    region = bar(angle, 300, width, scale)
    found = line_length(with_tips(without_spurs(thin(region, scale)), region))
    assert found == pytest.approx(300.5, abs=2)


def test_a_tip_goes_no_farther_than_the_line_is_wide():
    region = bar(0, 300, 5)
    end = thin(bar(0, 100, 5))
    assert 0 < line_length(with_tips(end, region)) - line_length(end) <= 2 * (2 * 3 + 0.2)


def test_what_lies_in_no_column_at_all_has_no_length_and_brings_no_warning():
    found = without_spurs(thin(bar(0, 300, 5)))
    with np.errstate(invalid="raise"):
        assert line_length(found, np.full(len(found.points), -np.inf)) == 0


def test_lines_count_as_far_as_they_are_inside():
    lines = thin(bar(0, 300, 1))
    inside = 250.25 - lines.points[:, 1]
    assert line_length(lines, inside) == pytest.approx(250.25 - lines.points[:, 1].min())


def test_two_pixels_at_a_corner_are_a_diagonal_apart():
    assert line_length(thin(np.eye(2, dtype=bool))) == pytest.approx(2**0.5)


def test_lines_across_a_seam_of_tiles_are_one(monkeypatch):
    monkeypatch.setattr("napari_matssl.measure.skeleton.TILE", 130)
    region = bar(10, 300, 5)
    tiled = line_length(without_spurs(thin(region)))
    monkeypatch.undo()
    assert tiled == pytest.approx(line_length(without_spurs(thin(region))), rel=0.01)


def test_spurs_go_and_branches_stay():
    region = bar(0, 300, 5)
    region[247:256, 240:243] = True  # juts out by less than the bar is wide
    region[250:350, 300:304] = True
    found = line_length(without_spurs(thin(region)))
    assert found == pytest.approx(297 + 98, rel=0.02)


def test_an_empty_region_has_no_line():
    assert line_length(without_spurs(thin(np.zeros((5, 5), dtype=bool)))) == 0


def test_the_trunk_is_the_longest_way_or_a_ring():
    fork = bar(0, 300, 5)
    fork[250:300, 300:304] = True
    way, closed = trunk(thin(fork))
    assert not closed
    assert len(way) == pytest.approx(297, abs=5)
    row, column = np.indices((300, 300))
    distance = np.hypot(row - 150, column - 150)
    way, closed = trunk(thin((distance > 90) & (distance < 110)))
    assert closed
    assert len(way) > 550
