"""Boundaries of one pixel's width: where they lie, and where they end."""

import numpy as np
import pytest

from napari_matssl.measure.thinning import close_gaps, prune, thin


@pytest.mark.parametrize("width", [1, 3, 5, 8])
def test_a_boundary_reaches_the_edge_of_the_image_whatever_its_width(width):
    boundary = np.zeros((60, 80), bool)
    boundary[:, 40 : 40 + width] = True
    thinned = thin(boundary)
    assert (thinned.sum(axis=1) == 1).all()
    assert np.abs(np.nonzero(thinned)[1] - (40 + (width - 1) / 2)).max() <= 1


def test_a_boundary_reaches_what_was_left_out():
    boundary = np.zeros((60, 80), bool)
    boundary[28:33] = True
    analysed = np.ones_like(boundary)
    analysed[10:50, 30:45] = False
    thinned = thin(boundary & analysed, analysed)
    assert not thinned[~analysed].any()
    assert thinned[:, 29].any()
    assert thinned[:, 45].any()


def test_spurs_go_and_long_branches_stay():
    lines = np.zeros((40, 60), bool)
    lines[20] = True
    lines[17:20, 15] = True  # 3 px
    lines[5:20, 40] = True  # 15 px
    pruned = prune(lines, 5)
    assert pruned[20].all()
    assert not pruned[17:19, 15].any()
    assert pruned[5:20, 40].all()


def test_pruning_leaves_a_line_with_two_loose_ends_alone():
    line = np.eye(30, dtype=bool)
    assert (prune(line, 6) == line).all()


def test_pruning_removes_a_speck():
    speck = np.zeros((20, 20), bool)
    speck[8:11, 9] = True
    assert not prune(speck, 4).any()


@pytest.mark.parametrize(("largest", "closes"), [(5, False), (8, True), (20, True)])
def test_gaps_are_closed_up_to_the_given_length(largest, closes):
    line = np.zeros((40, 60), bool)
    line[20] = True
    line[20, 26:34] = False  # 8 px
    new = close_gaps(line, largest)
    assert new[20, 26:34].all() == closes
    assert new.sum() == (8 if closes else 0)


def test_a_loose_end_is_joined_to_the_boundary_ahead_and_not_to_one_beside():
    lines = np.zeros((60, 60), bool)
    lines[30, :40] = True
    lines[:, 46] = True  # ahead
    lines[35, :38] = True  # beside, nearer
    new = close_gaps(lines, 10)
    assert new[30, 40:46].all()
    assert not new[31:35, 39:41].any()


def test_no_gap_is_closed_across_what_was_left_out():
    line = np.zeros((40, 60), bool)
    line[20] = True
    line[20, 26:34] = False
    analysed = np.ones_like(line)
    analysed[:, 28:30] = False
    assert not close_gaps(line, 20, analysed).any()
