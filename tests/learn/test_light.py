"""Images that are like the painted ones, doubtful, or unlike."""

import pytest

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.provenance import DOUBTFUL, LIKE, UNLIKE
from napari_matssl.learn.grey_matching import Match
from napari_matssl.learn.grey_reference import GreyReference, GreyScale
from napari_matssl.learn.light import Light, judge

TABLE = numbered_table([1, 2])
SCALE = GreyScale(low=0, high=255, middle=100, spread=40)


def reference(usual_distance=0.1, usual_gap=0.02):
    return GreyReference(
        scale=SCALE,
        centre=(0, 0, 0),
        width=(1, 1, 1),
        words=((0, 0, 0), (1, 1, 1)),
        histograms=((0.9, 0.1), (0.1, 0.9), (0.5, 0.5)),
        reach=1,
        usual_distance=usual_distance,
        usual_gap=usual_gap,
    )


def match(distance=0.1, second=0.3, rival=None):
    other = None if rival is None else (1 - rival, rival)
    return Match(SCALE, distance, 0.0, 1.0, (1 - second, second), other)


def pixels(second):
    return {1: round(100 * (1 - second)), 2: round(100 * second)}


def test_a_usual_image_leaves_no_doubt():
    assert judge(match(), reference(), pixels(0.33), TABLE) == Light(LIKE)


def test_grey_values_unlike_the_painted_ones_are_doubtful():
    (doubt,) = judge(match(distance=0.9), reference(), pixels(0.3), TABLE).reasons
    assert "unlike those of the painted images (distance 0.9, painted ones up to 0.1)" in doubt


def test_what_is_usual_among_the_painted_images_is_not():
    assert judge(match(distance=0.9), reference(usual_distance=0.6), pixels(0.3), TABLE) == Light(
        LIKE
    )


def test_a_mask_that_its_grey_values_contradict_is_doubtful():
    (doubt,) = judge(match(second=0.8), reference(), pixels(0.02), TABLE).reasons
    assert doubt == "its grey values suggest about 20 % class 1, but the mask has 98 %"


@pytest.mark.parametrize(("usual", "count"), [(0.02, 1), (0.2, 0)])
def test_how_far_a_mask_may_differ_depends_on_the_painted_images(usual, count):
    light = judge(match(second=0.6), reference(usual_gap=usual), pixels(0.3), TABLE)
    assert len(light.reasons) == count
    assert light.level == (DOUBTFUL if count else LIKE)


def test_another_exposure_that_explains_the_image_as_well_is_named():
    (doubt,) = judge(match(second=0.0, rival=1.0), reference(), pixels(0.0), TABLE).reasons
    assert doubt.endswith("would mean 0 % class 1 instead of 100 %")


def test_pixels_that_are_not_analysed_are_no_share():
    ids = {**pixels(0.3), TABLE.no_class: 500}
    assert judge(match(), reference(), ids, TABLE) == Light(LIKE)


def test_far_from_all_painted_images_it_is_unlike_them():
    assert judge(match(distance=1.2), reference(), pixels(0.3), TABLE).level == UNLIKE
    assert judge(match(distance=0.6), reference(), pixels(0.3), TABLE).level == DOUBTFUL


def test_a_line_names_the_image_and_the_remedy():
    line = Light(DOUBTFUL, ("one reason", "another")).in_words("a.tif")
    assert line == "a.tif is doubtful: one reason; another. Check the mask, or paint on the image."
    assert Light(LIKE).in_words("a.tif") == ""
