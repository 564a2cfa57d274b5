"""Overlay pictures that people look at."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from napari_matssl.errors import InputError
from napari_matssl.export.legend import scale_bar
from napari_matssl.export.overlay import MOST_PIXELS, overlay, write_overlay
from napari_matssl.labels.class_table import ClassTable, LabelClass, numbered_table
from napari_matssl.micrograph.image import InfoBar, Micrograph, PixelSize

TABLE = numbered_table([1, 2, 3])
BLUE, ORANGE, RED = (c.rgb for c in TABLE.classes)


def micrograph(height=400, width=600, **known):
    values = np.random.default_rng(0).integers(60, 200, (height, width), dtype=np.uint8)
    return Micrograph("f.tif", values, **known)


def one_region(height=400, width=600):
    """A matrix (1) with a block of class 2 in it."""
    mask = np.ones((height, width), np.uint8)
    mask[100:200, 100:300] = 2
    return mask


def test_the_overlay_file_is_the_picture(tmp_path):
    write_overlay(tmp_path / "o.png", micrograph(), one_region(), TABLE, {1: 90.0, 2: 10.0})
    with Image.open(tmp_path / "o.png") as image:
        expected = overlay(micrograph(), one_region(), TABLE, {1: 90.0, 2: 10.0})
        np.testing.assert_array_equal(np.asarray(image), expected)


def test_the_legend_stands_below_and_covers_nothing():
    picture = overlay(micrograph(), one_region(), TABLE)
    assert picture.dtype == np.uint8
    assert picture.shape[1:] == (600, 3)
    legend = picture[400:]
    assert len(legend) >= 30
    for colour in (BLUE, ORANGE, RED):
        assert (legend == colour).all(axis=2).sum() >= 100, "a swatch is missing"


def test_a_region_is_tinted_and_outlined_in_its_colour():
    picture = overlay(micrograph(), one_region(), TABLE)
    for corner in ((100, 100), (100, 299), (199, 100), (199, 299)):
        assert tuple(picture[corner]) == ORANGE
    assert tuple(picture[100, 200]) == ORANGE
    inner, outer = picture[120:180, 120:280], picture[220:380, 20:580]
    red_over_blue = [float(p[..., 0].mean() - p[..., 2].mean()) for p in (inner, outer)]
    assert red_over_blue[0] > 40
    assert red_over_blue[1] < -40
    assert inner[..., 0].std() > 10, "the texture of the specimen must stay visible"


def test_what_was_not_analysed_is_grey_darker_and_in_the_legend():
    mask = one_region()
    mask[350:] = 0
    image = micrograph(info_bar=InfoBar(350, "test"))
    with_bar, without = overlay(image, mask, TABLE), overlay(image, one_region(), TABLE)
    bar = with_bar[350:400].astype(int)
    assert (bar[..., 0] == bar[..., 2]).all()
    assert np.median(bar[..., 0]) < 0.7 * np.median(with_bar[220:340, :, 1])
    # A hatched swatch is the only grey of this kind in the legend.
    grey = (110, 110, 110)
    assert (with_bar[400:] == grey).all(axis=2).any()
    assert not (without[400:] == grey).all(axis=2).any()


def bar_length(picture, height):
    """Length of the longest dark run below a picture that is `height` px high."""
    dark = (picture[height:] < 60).all(axis=2)
    return max(len(run) for row in dark for run in bytes(row).split(b"\0"))


def test_only_a_calibrated_image_gets_a_scale_bar():
    known = PixelSize(0.5, 0.5, "test")
    # 600 px are 300 um: the longest round length within a quarter is 50 um, 100 px.
    assert bar_length(overlay(micrograph(pixel_size=known), one_region(), TABLE), 400) == 100
    assert bar_length(overlay(micrograph(), one_region(), TABLE), 400) < 30


def test_the_scale_bar_is_true_in_pictures_that_were_made_smaller_or_larger():
    known = PixelSize(0.5, 0.5, "test")
    wide = micrograph(200, MOST_PIXELS + 1000, pixel_size=known)
    mask = np.ones((200, MOST_PIXELS + 1000), np.uint8)
    # Half the size, so 2500 px of 1 um: within a quarter 500 um.
    assert bar_length(overlay(wide, mask, TABLE), 100) == 500
    # Eight times the size, so 320 px of 0.0625 um: a quarter is 5 um.
    tiny = micrograph(40, 40, pixel_size=known)
    assert bar_length(overlay(tiny, mask[:40, :40], TABLE), 320) == 80


def test_the_scale_bar_copes_with_a_quarter_just_short_of_a_round_length():
    assert scale_bar(float(np.nextafter(1000.0, 0)), 4).text == "500 µm"


@given(st.floats(min_value=1e-5, max_value=1e3), st.integers(min_value=320, max_value=4000))
def test_scale_bars_have_a_round_length_that_is_true(um_per_px, width):
    bar = scale_bar(um_per_px, width)
    figure, unit = bar.text.split()
    um = float(figure) * {"nm": 1e-3, "µm": 1, "mm": 1e3}[unit]
    assert f"{um:e}"[0] in "125"
    assert f"{um:.6e}"[1:8] == ".000000"
    assert bar.length_px == pytest.approx(um / um_per_px, abs=0.51)
    assert width / 10 - 1 <= bar.length_px <= width / 4 + 1


def test_the_figures_of_the_legend_are_drawn():
    plain = overlay(micrograph(), one_region(), TABLE)
    figures = overlay(micrograph(), one_region(), TABLE, {1: 91.7, 2: 8.3, 3: None})
    dark = [int((p[400:] < 100).all(axis=2).sum()) for p in (plain, figures)]
    assert dark[1] > 1.3 * dark[0]


def test_greek_phase_names_are_drawn_not_boxes():
    def legend(name):
        table = ClassTable(classes=(LabelClass(id=1, name=name, colour="#0072b2"),))
        return overlay(micrograph(), np.ones((400, 600), np.uint8), table)[400:]

    assert not np.array_equal(legend("α"), legend("γ"))


@pytest.mark.parametrize(
    "pixels",
    [
        np.linspace(1000, 1100, 64 * 80).reshape(64, 80).astype(np.uint16),
        np.linspace(0, 1e-3, 64 * 80).reshape(64, 80),
        np.repeat(np.linspace(0, 255, 64 * 80).reshape(64, 80, 1), 3, axis=2).astype(np.uint8),
    ],
    ids=["dark 16-bit", "float", "rgb"],
)
def test_the_contrast_is_stretched_whatever_the_type(pixels):
    mask = np.zeros((64, 80), np.uint8)
    mask[0, 0] = 1
    picture = overlay(Micrograph("f.tif", pixels), mask, TABLE)
    top, bottom = picture[8:40, 8:300, 1], picture[216:250, 8:300, 1]
    assert bottom.mean() - top.mean() > 60


@pytest.mark.parametrize("value", [7.0, np.nan])
def test_a_constant_or_empty_image_still_gives_a_picture(value):
    image = Micrograph("f.tif", np.full((40, 50), value, np.float32))
    assert overlay(image, np.ones((40, 50), np.uint8), TABLE).shape[1] >= 50


def test_the_info_bar_does_not_set_the_contrast():
    pixels = np.random.default_rng(0).integers(100, 120, (400, 600), dtype=np.uint8)
    pixels[350:] = 255
    mask = one_region()
    mask[350:] = 0
    image = Micrograph("f.tif", pixels, info_bar=InfoBar(350, "test"))
    assert overlay(image, mask, TABLE)[220:340, :, 1].std() > 30


def test_panoramas_are_made_smaller_and_keep_their_scale():
    mask = np.ones((2 * MOST_PIXELS + 1, 40), np.uint8)
    mask[: MOST_PIXELS + 1] = 2
    image = Micrograph("f.tif", np.zeros(mask.shape, np.uint8))
    picture = overlay(image, mask, TABLE)
    shrunk = (2 * MOST_PIXELS + 1) // 3
    legend = len(picture) - shrunk
    assert 20 < legend < 600
    boundary = (MOST_PIXELS + 1) // 3
    assert picture[boundary - 20, 5, 0] > picture[boundary - 20, 5, 2]
    assert picture[boundary + 20, 5, 0] < picture[boundary + 20, 5, 2]


def test_tiny_images_are_enlarged_so_that_classes_can_be_seen():
    mask = np.ones((32, 32), np.uint8)
    mask[:16] = 2
    picture = overlay(micrograph(32, 32), mask, TABLE)
    assert picture.shape[0] > 320
    assert picture.shape[1] == 320


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(InputError, match=r"f\.tif is 600 x 399 .* 600 x 400"):
        overlay(micrograph(), one_region()[:399], TABLE)
