"""Small pictures of micrographs."""

import numpy as np
import pytest

from napari_matssl.micrograph.image import InfoBar, Micrograph
from napari_matssl.micrograph.thumbnail import thumbnail


def halves(height, width, dark, bright, dtype=np.uint8):
    """Left half dark, right half bright."""
    pixels = np.full((height, width), dark, dtype=dtype)
    pixels[:, width // 2 :] = bright
    return pixels


@pytest.mark.parametrize(
    ("size", "shape"),
    [((48, 64), (48, 64)), ((768, 1024), (48, 64)), ((1000, 32), (64, 2)), ((40, 6000), (1, 64))],
)
def test_the_longer_side_has_the_size_asked_for(size, shape):
    picture = thumbnail(Micrograph("a", halves(*size, 10, 200)))
    assert picture.shape == (*shape, 3)
    assert picture.dtype == np.uint8
    assert thumbnail(Micrograph("a", halves(*size, 10, 200)), side=32).shape[:2] == tuple(
        max(1, round(n / 2)) for n in shape
    )


@pytest.mark.parametrize(
    ("dark", "bright", "dtype"),
    [(90, 110, np.uint8), (3000, 3500, np.uint16), (-0.5, 0.5, np.float32)],
)
def test_contrast_is_stretched_whatever_the_type(dark, bright, dtype):
    picture = thumbnail(Micrograph("a", halves(480, 640, dark, bright, dtype)))
    assert (picture[:, :31] == 0).all()
    assert (picture[:, 33:] == 255).all()


def test_the_info_bar_is_left_out_of_picture_and_contrast():
    pixels = halves(480, 640, 90, 110)
    pixels[400:] = 255
    picture = thumbnail(Micrograph("a", pixels, info_bar=InfoBar(400, "test")))
    assert picture.shape == (40, 64, 3)
    assert (picture[:, :31] == 0).all()


def test_colours_stay_colours():
    pixels = np.zeros((480, 640, 3), dtype=np.uint8)
    pixels[:, 320:, 0] = 200
    picture = thumbnail(Micrograph("a", pixels))
    assert picture[20, 60].tolist() == [255, 0, 0]


def test_fine_patterns_are_averaged_not_picked():
    pixels = np.indices((512, 512)).sum(axis=0) // 8 % 2 * np.uint8(200)
    inner = thumbnail(Micrograph("a", pixels.astype(np.uint8)), side=16)[2:-2, 2:-2]
    assert 100 < inner.min() <= inner.max() < 155


@pytest.mark.parametrize("value", [7, np.nan])
def test_what_has_no_contrast_is_mid_grey(value):
    picture = thumbnail(Micrograph("a", np.full((40, 50), value, dtype=np.float32)))
    assert (picture == 128).all()


def test_of_a_panorama_some_pixels_are_averaged():
    pixels = np.zeros((8000, 12000), dtype=np.uint8)
    pixels[:, 6000:] = 200
    picture = thumbnail(Micrograph("a", pixels))
    assert max(picture.shape[:2]) == 64
    assert picture[:, 0].max() < picture[:, -1].min()
