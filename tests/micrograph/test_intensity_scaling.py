"""From stored values to what a network sees."""

import numpy as np
import pytest
import tifffile

from napari_matssl.errors import InputError
from napari_matssl.learn.magnification import rescale
from napari_matssl.micrograph.image import InfoBar, Micrograph
from napari_matssl.micrograph.intensity_scaling import fit_intensity_scaling, specimen_values
from napari_matssl.micrograph.reading import read_micrograph
from napari_matssl.settings import IntensityScalingSettings

LEVELS = np.random.default_rng(0).integers(40, 220, (64, 64)).astype(np.float64)
SETTINGS = IntensityScalingSettings()


@pytest.mark.parametrize(
    ("values", "offset"),
    [
        (LEVELS / 1000 + 1e7, 1e7),  # heights, of which float32 would keep nothing
        (LEVELS.astype(np.int64) + 2**40, 2**40),
        (LEVELS.astype(np.uint32) + np.uint32(4_000_000_000), 4e9),
    ],
    ids=["float64", "int64", "uint32"],
)
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_small_differences_of_large_values_are_not_lost(values, offset, scale):
    plain = Micrograph("plain", (values - values.dtype.type(offset)).astype(np.float32))
    large = Micrograph("large", values)
    seen = [
        fit_intensity_scaling(one, SETTINGS, "grey").unit(
            rescale(specimen_values(one, "grey"), scale)
        )
        for one in (plain, large)
    ]
    assert seen[1].dtype == np.float32
    np.testing.assert_allclose(seen[1], seen[0], atol=1e-4)


def with_nan_rows(dtype=np.float32):
    pixels = LEVELS.astype(dtype)
    pixels[20:28] = np.nan
    pixels[40, 40] = np.inf
    return pixels


def test_pixels_that_are_no_numbers_are_left_out_and_reported(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", with_nan_rows())
    micrograph = read_micrograph(tmp_path / "a.tif")
    assert micrograph.analysable.sum() == 64 * 64 - 8 * 64 - 1
    assert micrograph.remarks == (
        "a.tif: 13 % of its pixels are no numbers (NaN or infinite) and not analysed.",
    )
    grey = fit_intensity_scaling(micrograph, SETTINGS, "grey")
    known = Micrograph("known", LEVELS[micrograph.analysable][None])
    expected = fit_intensity_scaling(known, SETTINGS, "grey")
    assert (grey.low, grey.high) == pytest.approx((expected.low, expected.high))
    assert grey.mean == pytest.approx(expected.mean)
    assert np.isfinite(grey.unit(micrograph.pixels)).all()
    assert np.isfinite(rescale(specimen_values(micrograph, "grey"), 0.7)).all()


def test_colours_that_are_no_numbers_are_left_out(tmp_path):
    pixels = np.stack([LEVELS, LEVELS.T, LEVELS], axis=2).astype(np.float32)
    pixels[3, 4, 1] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb")
    micrograph = read_micrograph(tmp_path / "a.tif")
    assert np.argwhere(~micrograph.analysable).tolist() == [[3, 4]]
    for channels in ("rgb", "grey"):
        assert np.isfinite(specimen_values(micrograph, channels)).all()


def test_an_image_of_hardly_any_numbers_is_refused(tmp_path):
    pixels = np.full((64, 64), np.nan, np.float32)
    pixels[0, :8] = 1
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    micrograph = read_micrograph(tmp_path / "a.tif")  # it can be looked at
    with pytest.raises(InputError, match=r"a\.tif holds hardly any numbers: 99\.8 %"):
        fit_intensity_scaling(micrograph, SETTINGS, "grey")


def test_numbers_in_the_bar_alone_are_none(tmp_path):
    pixels = with_nan_rows()
    pixels[:50] = np.nan
    micrograph = Micrograph(
        "a", pixels, info_bar=InfoBar(50, "test"), analysable=np.isfinite(pixels)
    )
    with pytest.raises(InputError, match="holds hardly any numbers: 100 %"):
        fit_intensity_scaling(micrograph, SETTINGS, "grey")


def test_a_bar_is_found_beside_pixels_that_are_no_numbers(tmp_path):
    from test_info_bar import HEIGHT, specimen, with_bar

    pixels = with_bar(specimen()).astype(np.float32)
    pixels[100:110] = np.nan
    pixels[HEIGHT + 3, 5] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    assert read_micrograph(tmp_path / "a.tif").info_bar.row == HEIGHT


def test_a_constant_image_is_reported_with_its_value():
    with pytest.raises(InputError, match=r"all its pixels are 10000000\.25"):
        fit_intensity_scaling(Micrograph("a", np.full((40, 40), 10000000.25)), SETTINGS, "grey")
