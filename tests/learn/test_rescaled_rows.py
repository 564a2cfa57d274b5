"""An image is rescaled by rows to what it is when it is rescaled whole."""

import numpy as np
import pytest

from napari_matssl.learn import rescaled_rows
from napari_matssl.learn.magnification import rescale
from napari_matssl.learn.rescaled_rows import RescaledRows
from napari_matssl.micrograph.image import InfoBar, Micrograph
from napari_matssl.micrograph.intensity_scaling import SpecimenValues, specimen_values


def noise(shape, dtype):
    random = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        return random.normal(100, 50, shape).astype(dtype)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)


def in_windows(image, scale, height, step, channels="grey"):
    """Ask for windows as rows of tiles do: each overlaps the next one."""
    rows = RescaledRows(SpecimenValues(image, channels), scale)
    assert rows.size[0] == height
    for start in range(0, height, step):
        stop = min(start + 2 * step, height)
        yield start, stop, rows.rows(start, stop)


@pytest.mark.parametrize("scale", [0.1, 0.37, 0.5, 0.8, 1.0, 1.6])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((301, 97), np.uint8), ((301, 97, 3), np.uint8), ((301, 97), np.uint16)],
)
def test_rows_are_those_of_the_whole_image(shape, dtype, scale, monkeypatch):
    monkeypatch.setattr(rescaled_rows, "_PIECE", 5000)  # several pieces a window
    pixels = noise(shape, dtype)
    whole = rescale(pixels, scale)
    image = Micrograph("a", pixels)
    channels = "rgb" if len(shape) == 3 else "grey"
    for start, stop, band in in_windows(image, scale, len(whole), 23, channels):
        assert band.dtype == whole.dtype
        np.testing.assert_allclose(band, whole[start:stop], rtol=1e-6)
        if scale in (0.5, 0.8, 1.0, 1.6):
            assert np.mean(band == whole[start:stop]) > 0.95


def test_where_bands_begin_changes_no_digit(monkeypatch):
    image = Micrograph("a", noise((400, 50, 3), np.uint16))
    rows = RescaledRows(SpecimenValues(image, "grey"), 0.37)
    whole = rows.rows(0, rows.size[0])
    monkeypatch.setattr(rescaled_rows, "_PIECE", 1700)
    for start, stop, band in in_windows(image, 0.37, len(whole), 11):
        np.testing.assert_array_equal(band, whole[start:stop])


def test_doubles_keep_their_precision():
    pixels = noise((120, 80), np.float64) + 1e9
    whole = rescale(pixels, 0.6)
    for start, stop, band in in_windows(Micrograph("a", pixels), 0.6, len(whole), 30):
        np.testing.assert_allclose(band, whole[start:stop], rtol=1e-14)


def test_what_is_no_number_is_filled_as_in_the_whole_image():
    pixels = noise((90, 60), np.float32)
    pixels[40:50, 10:20] = np.nan
    image = Micrograph("a", pixels, info_bar=InfoBar(80, "test"), analysable=np.isfinite(pixels))
    whole = rescale(specimen_values(image, "grey"), 0.5)
    assert np.isfinite(whole).all()
    for start, stop, band in in_windows(image, 0.5, 40, 7):
        np.testing.assert_allclose(band, whole[start:stop], rtol=1e-6)
