"""Painted micrographs, and what the network is trained on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.painted import (
    IGNORE_INDEX,
    PaintedMicrograph,
    check_paintable,
    check_taught,
    painted_pixels,
    painted_share,
    to_targets,
)
from napari_matssl.micrograph.image import InfoBar, Micrograph

TABLE = numbered_table([1, 2, 5])


def painted(labels, bar_row=None):
    labels = np.asarray(labels)
    bar = None if bar_row is None else InfoBar(bar_row, "test")
    image = Micrograph("steel.tif", np.zeros(labels.shape, np.uint8), info_bar=bar)
    return PaintedMicrograph(image, labels)


IDS = np.array([[0, 1, 2], [5, 5, 0]], np.uint8)


def test_labels_of_another_size_name_image_both_sizes_and_remedy():
    image = Micrograph("steel.tif", np.zeros((30, 40, 3), np.uint8))
    with pytest.raises(InputError, match="Paint on the image") as caught:
        PaintedMicrograph(image, np.zeros((30, 41), np.uint8))
    assert "steel.tif has 40 x 30 pixels, its labels have 41 x 30" in caught.value.what


def test_targets_are_channels_and_unpainted_pixels_do_not_train():
    targets = to_targets(painted([[0, 1, 2], [5, 5, 0]]), TABLE, unlabelled=0)
    assert targets.dtype == np.uint8
    np.testing.assert_array_equal(targets, [[IGNORE_INDEX, 0, 1], [2, 2, IGNORE_INDEX]])


def test_strokes_across_the_info_bar_do_not_train_whatever_their_value():
    one = painted([[1, 2], [1, 99]], bar_row=1)
    np.testing.assert_array_equal(to_targets(one, TABLE, 0), [[0, 1], [IGNORE_INDEX, IGNORE_INDEX]])


def test_with_unlabelled_none_every_value_is_a_class():
    targets = to_targets(painted([[0, 1]]), numbered_table([0, 1]), unlabelled=None)
    np.testing.assert_array_equal(targets, [[0, 1]])


def test_the_unlabelled_value_can_be_another_one():
    targets = to_targets(painted([[255, 0, 1]]), numbered_table([0, 1]), unlabelled=255)
    np.testing.assert_array_equal(targets, [[IGNORE_INDEX, 0, 1]])


def test_a_value_outside_the_table_is_named_with_image_pixels_and_remedy():
    with pytest.raises(InputError, match="outside the class table") as caught:
        to_targets(painted([[1, 7, 7, 300, 0]]), TABLE, unlabelled=0)
    assert "steel.tif" in caught.value.what
    assert "7 (2 pixels), 300 (1 pixel)" in caught.value.what
    assert caught.value.settings == "classes unlabelled"


def test_many_values_outside_the_table_fit_one_line():
    with pytest.raises(InputError, match="and 245 more"):
        to_targets(painted(np.arange(6, 256)[None]), TABLE, unlabelled=0)


@given(
    hnp.arrays(
        np.uint8,
        hnp.array_shapes(min_dims=2, max_dims=2),
        elements=st.sampled_from([0, 1, 2, 5]),
    )
)
def test_targets_lead_back_to_the_painted_ids(labels):
    targets = to_targets(painted(labels), TABLE, unlabelled=0)
    back = np.full(256, 0)
    back[: len(TABLE)] = TABLE.ids
    np.testing.assert_array_equal(back[targets], labels)
    counts = painted_pixels([painted(labels)], TABLE, 0)
    assert sum(counts.values()) == np.count_nonzero(labels)
    assert counts[5] == np.count_nonzero(labels == 5)


def test_painted_pixels_add_up_over_images_and_list_classes_without_any():
    images = [painted([[1, 1, 0]]), painted([[1, 2, 0], [5, 5, 5]], bar_row=1)]
    assert painted_pixels(images, TABLE, 0) == {1: 3, 2: 1, 5: 0}
    assert painted_pixels(images[:1], numbered_table([0, 1]), None) == {0: 1, 1: 2}


def test_the_painted_share_is_pooled_and_leaves_info_bars_out():
    images = [painted([[1, 0, 5, 0]]), painted([[2, 2], [2, 2], [0, 0]], bar_row=2)]
    assert painted_share(images, 0) == 6 / 8
    assert painted_share(images, 2) == 4 / 8
    assert painted_share(images, None) == 1


def test_nothing_painted_is_refused():
    with pytest.raises(InputError, match="Nothing is painted"):
        check_paintable({1: 0, 2: 0, 5: 0}, TABLE)


def test_a_single_painted_class_is_refused_by_name():
    with pytest.raises(InputError, match='"class 2"'):
        check_paintable({1: 0, 2: 40, 5: 0}, TABLE)


def test_two_painted_classes_are_enough():
    check_paintable({1: 1, 2: 40, 5: 0}, TABLE)


def test_a_class_that_is_painted_in_the_info_bar_alone_is_named_with_the_bar():
    one = painted([[1, 1], [1, 5]], bar_row=1)
    with pytest.raises(InputError, match='Only one class is painted: "class 1"') as caught:
        check_taught([one], TABLE, 0)
    assert '"class 5" is painted only from row 1 of steel.tif on' in caught.value.what
    assert "(test)" in caught.value.what


def test_classes_that_one_image_shows_above_its_bar_are_enough():
    check_taught([painted([[1, 1], [1, 5]], bar_row=1), painted([[5, 0]])], TABLE, 0)


def test_the_automatic_unpainted_value_is_0_unless_that_is_a_class():
    with_zero, without = numbered_table([0, 1]), numbered_table([1])
    np.testing.assert_array_equal(to_targets(painted([[0, 1]]), with_zero, "auto"), [[0, 1]])
    np.testing.assert_array_equal(
        to_targets(painted([[0, 1]]), without, "auto"), [[IGNORE_INDEX, 0]]
    )
