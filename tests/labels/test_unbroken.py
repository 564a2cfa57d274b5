"""Classes in unbroken strata: found in full labels, detached components merged in masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.unbroken import UnbrokenClass, find_unbroken, merge_detached
from napari_matssl.samples import class_table, make_sample

COATING, SCALE, CRACK = 1, 2, 3
TABLE = numbered_table([COATING, SCALE, CRACK])
OF_COATING = UnbrokenClass(class_id=COATING, inside=2, outside=1, images=2)


def cross_section(top=40, bottom=60, height=100, width=120):
    """Coating above and (of the same class) substrate below a scale, which a crack crosses."""
    labels = np.full((height, width), COATING, dtype=np.uint8)
    labels[top:bottom] = SCALE
    labels[top:bottom, 50:52] = CRACK
    return labels


def found(*labels, strokes=None):
    return find_unbroken(labels, TABLE, strokes)


def test_a_class_is_unbroken_if_it_and_all_else_run_through_every_image():
    # Neither the scale, which the crack divides, nor the crack.
    assert found(cross_section(), cross_section(30, 70)) == (OF_COATING,)


def test_layers_that_stand_side_by_side_are_found_too():
    assert found(cross_section().T, cross_section(30, 70).T) == (OF_COATING,)
    assert found(cross_section(), cross_section(30, 70).T) == ()


def test_the_number_of_images_that_agree_is_given():
    assert [one.images for one in found(cross_section())] == [1]
    without_scale = np.full((100, 120), COATING, dtype=np.uint8)
    assert found(cross_section(), without_scale) == found(cross_section())
    assert found(without_scale) == found() == ()


def test_an_area_that_ends_in_one_image_is_no_stratum():
    ends = cross_section()
    ends[:, 90:] = COATING
    assert found(cross_section(), ends) == ()
    detached = cross_section()
    detached[10:20, 10:20] = SCALE
    assert found(cross_section(), detached) == ()


def test_slips_of_the_brush_are_overlooked_but_not_many_small_areas():
    slip = cross_section()
    slip[5, 5] = SCALE  # 1 px of 12,000
    assert found(cross_section(), slip) == (OF_COATING,)
    pores = cross_section()
    pores[5:35:10, 5:115:10] = CRACK  # each 1 px, together 33
    assert found(cross_section(), pores) == ()


def test_unpainted_pixels_between_strata_are_no_area_of_their_own():
    labels = cross_section()
    labels[38:40] = labels[60:62] = 0
    labels[5, 5:8] = 0
    assert found(labels, labels) == (OF_COATING,)


def strokes_on(labels, *places):
    strokes = np.zeros_like(labels)
    for row, column in places:
        strokes[row : row + 3, column : column + 3] = labels[row, column]
    return strokes


def test_of_a_models_mask_only_areas_with_strokes_in_them_are_believed():
    mask = cross_section()
    mask[5:15, 5:25] = SCALE  # the model is wrong
    strokes = strokes_on(mask, (30, 30), (80, 80), (50, 20), (50, 100))
    assert found(mask, mask, strokes=[strokes, strokes]) == (OF_COATING,)
    right = strokes_on(mask, (30, 30), (80, 80), (50, 20), (8, 10))
    assert found(mask, mask, strokes=[strokes, right]) == ()


def test_areas_that_run_through_count_without_strokes_too():
    mask = cross_section()
    strokes = strokes_on(mask, (30, 30), (50, 20))  # none below
    assert found(mask, mask, strokes=[strokes, strokes]) == (OF_COATING,)


@pytest.mark.parametrize("material", ["dual-phase", "inclusions", "grains"])
def test_microstructures_without_strata_have_no_unbroken_class(material):
    samples = [make_sample(material, seed) for seed in range(3)]
    assert find_unbroken([one.labels for one in samples], class_table(material)) == ()


def test_detached_components_and_holes_go_to_what_is_around_them():
    truth = cross_section()
    mask = truth.copy()
    mask[5:15, 5:25] = SCALE  # within the coating
    mask[20:30, 0:20] = SCALE  # touches one side
    mask[0:10, 110:] = CRACK  # in a corner
    mask[45:50, 80:85] = COATING  # a hole in the scale
    mask[75:80, 30:35], mask[76:79, 31:34] = SCALE, COATING  # a ring
    given_mask = mask.copy()
    np.testing.assert_array_equal(merge_detached(mask, [OF_COATING]), truth)
    np.testing.assert_array_equal(mask, given_mask)
    np.testing.assert_array_equal(merge_detached(mask, []), mask)


def test_a_hole_takes_the_class_that_lies_next_to_each_of_its_pixels():
    mask = cross_section()
    mask[45:49, 46:56] = COATING  # across the crack
    closed = merge_detached(mask, [OF_COATING])
    assert set(np.unique(closed[45:49, 46:49])) == {SCALE}
    assert (closed[45:49, 50:52] == CRACK).any()


def test_a_stratum_that_was_torn_stays():
    mask = cross_section()
    mask[40:60, 70:75] = COATING
    np.testing.assert_array_equal(merge_detached(mask, [OF_COATING]), mask)


def test_a_substrate_that_shows_in_a_corner_only_stays():
    mask = cross_section()
    rows, columns = np.indices(mask.shape)
    mask[rows > 60 - columns + 100] = COATING
    mask[(rows >= 60) & (rows <= 60 - columns + 100)] = SCALE
    np.testing.assert_array_equal(merge_detached(mask, [OF_COATING]), mask)


def test_nothing_is_closed_where_nothing_runs_through():
    mask = np.full((50, 50), COATING, dtype=np.uint8)
    mask[10:20, 10:20] = SCALE
    np.testing.assert_array_equal(merge_detached(mask, [OF_COATING]), mask)


@given(
    arrays.arrays(np.uint8, (9, 11), elements=st.integers(1, 3)),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_whatever_the_mask_no_class_appears_and_closing_again_changes_nothing(
    mask, inside, outside
):
    rules = [UnbrokenClass(class_id=COATING, inside=inside, outside=outside, images=2)]
    closed = merge_detached(mask, rules)
    assert closed.shape == mask.shape
    assert closed.dtype == np.uint8
    assert set(np.unique(closed)) <= set(np.unique(mask))
    for _ in range(3):  # a merged component may make an area large enough to be kept
        before, closed = closed, merge_detached(closed, rules)
    np.testing.assert_array_equal(closed, before)


def test_a_table_of_one_class_is_looked_at_without_fault():
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30] = 1
    assert find_unbroken([mask, mask], numbered_table([1])) == ()
