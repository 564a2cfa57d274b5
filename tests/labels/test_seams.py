"""Values that smoothing made, distinguished from thin classes."""

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import ndimage

from napari_matssl.labels.seams import look_smoothed


def regions(low=0, high=200):
    field = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(160, 160)), 6)
    return np.where(field > np.percentile(field, 75), high, low).astype(np.uint8)


def smoothed(mask):
    return np.asarray(Image.fromarray(mask).filter(ImageFilter.SMOOTH))


def resized(mask):
    return np.asarray(Image.fromarray(mask).resize((250, 250), Image.Resampling.BILINEAR))


def compressed(mask, tmp_path):
    Image.fromarray(mask).save(tmp_path / "a.jpg", quality=95)
    return np.asarray(Image.open(tmp_path / "a.jpg"))


@pytest.mark.parametrize("spoil", [smoothed, resized])
def test_edges_between_two_values_are_seen(spoil):
    mask = spoil(regions())
    found = look_smoothed([mask])
    assert len(found) > 5
    assert set(np.unique(mask)) - set(found) >= {0, 200}


def test_what_compression_scatters_round_edges_is_seen(tmp_path):
    assert look_smoothed([compressed(regions(), tmp_path)])


def test_one_clean_image_does_not_excuse_another():
    assert look_smoothed([regions(), smoothed(regions())])


def test_strokes_of_one_pixel_are_classes():
    strokes = np.zeros((160, 160), np.uint8)
    for value, row in enumerate(range(10, 90, 8), start=1):
        strokes[row, 10:150] = value
        strokes[10:80, 12 * value] = value
    assert look_smoothed([strokes]) == ()


def test_a_thin_stratum_between_two_others_is_a_class():
    strata = np.repeat(np.array([1, 2, 3, 4], np.uint8), [70, 2, 60, 28])
    assert look_smoothed([np.tile(strata[:, None], (1, 160))]) == ()


def test_noise_is_no_smoothed_mask():
    assert look_smoothed([np.random.default_rng(0).integers(0, 5, (90, 90))]) == ()
