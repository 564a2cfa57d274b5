"""The area on which a segmenter can't decide."""

import numpy as np
import pytest
import torch

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.learn.uncertain_area import UncertainArea, UncertainPixels

SURE, CLOSE = (0.9, 0.08, 0.02), (0.1, 0.5, 0.4)


def band(*columns, height=8):
    """Give columns of pixels these probabilities, each four columns wide."""
    values = np.repeat(np.array(columns, dtype=np.float32).T[:, None], height, axis=1)
    return torch.from_numpy(np.repeat(values, 4, axis=2))


def area(*bands, classes=3, temperature=1.0, analysable=None):
    pixels, row = UncertainPixels(classes, temperature), 0
    for one in bands:
        rows = slice(row, row + one.shape[1])
        pixels.add(one, None if analysable is None else analysable[rows])
        row += one.shape[1]
    return pixels.area()


def test_pixels_are_uncertain_where_two_classes_are_close():
    found = area(band(SURE, SURE, SURE, CLOSE))
    assert found.share == pytest.approx(0.25)
    assert found.contested == pytest.approx((0, 0.25, 0.25))


def test_a_class_may_lose_or_gain_but_not_both_at_once():
    # The second class leads in a quarter of the pixels and follows in a half.
    found = area(band(CLOSE, (0.5, 0.4, 0.1), (0.5, 0.4, 0.1), SURE))
    assert found.share == pytest.approx(0.75)
    assert found.contested == pytest.approx((0.5, 0.5, 0.25))


def test_bands_of_odd_heights_count_like_the_whole():
    values = torch.rand(3, 21, 33, generator=torch.Generator().manual_seed(0)).softmax(dim=0)
    bands = [values[:, :5], values[:, 5:6], values[:, 6:13], values[:, 13:]]
    assert area(*bands) == area(values)
    assert 0 < area(values).share <= 1


def test_a_higher_temperature_makes_more_of_it_uncertain():
    nearly = band((0.85, 0.15, 0.0))
    assert area(nearly).share == 0
    assert area(nearly, temperature=3).share == 1


def test_pixels_that_are_not_analysed_count_nowhere():
    values = band(CLOSE, SURE)
    analysable = np.ones((8, 8), dtype=bool)
    analysable[:, :4] = False
    assert area(values, analysable=analysable).share == 0
    assert area(values, analysable=np.zeros((8, 8), dtype=bool)) == UncertainArea(0, (0, 0, 0))


@pytest.mark.parametrize(
    ("share", "contested", "words"),
    [
        (0.03, (0.02, 0.02), ""),
        (
            0.2,
            (0.11, 0.09),
            "20 % of the area, so that the fraction of class 1 may be off by about",
        ),
        (0.2, (0.05, 0.12), "the fraction of class 2 may be off by about 12 points"),
        (0.04, (0.012, 0.001), "class 1 may be off by about 1 point"),
    ],
)
def test_the_fraction_that_is_most_in_doubt_is_named(share, contested, words):
    told = UncertainArea(share, contested).in_words(numbered_table([1, 2]))
    assert words in told
    assert bool(told) == bool(words)
