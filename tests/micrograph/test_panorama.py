"""Panoramas are read by rows as the same file is read whole."""

import numpy as np
import pytest
import tifffile

from napari_matssl.errors import InputError
from napari_matssl.micrograph import info_bar, looking_over, reading_panorama, tiff_rows
from napari_matssl.micrograph.image import InfoBar, Micrograph
from napari_matssl.micrograph.intensity_scaling import fit_intensity_scaling
from napari_matssl.micrograph.panorama import Panorama
from napari_matssl.micrograph.reading import read_micrograph
from napari_matssl.micrograph.reading_panorama import panorama_of, read_any
from napari_matssl.settings import IntensityScalingSettings

RANDOM = np.random.default_rng(0)
GREY = RANDOM.normal(120, 30, (300, 220)).clip(0, 255).astype(np.uint8)
RGB = RANDOM.integers(0, 255, (300, 220, 3)).astype(np.uint8)
PLANES = np.moveaxis(RGB, -1, 0)
HOLED = GREY.astype(np.float32)
HOLED[100:110, 50:60] = np.nan
COLOURS = RANDOM.integers(0, 65535, (3, 256)).astype(np.uint16)
TILES = {"tile": (64, 96), "compression": "zlib"}

FILES = {
    "one strip": (GREY, {}),
    "tiles": (GREY, TILES),
    "strips": (GREY, {"rowsperstrip": 37, "compression": "lzw", "predictor": True}),
    "one compressed strip": (GREY, {"rowsperstrip": 300, "compression": "zlib"}),
    "16 bits": (GREY.astype(np.uint16) * 200, {**TILES, "compression": "zstd"}),
    "bits": (GREY > 120, {"rowsperstrip": 99, "compression": "packbits"}),
    "no numbers": (HOLED, {"rowsperstrip": 64, "compression": "zlib"}),
    "colours": (RGB, {"photometric": "rgb"}),
    "JPEG": (RGB, {"photometric": "rgb", "tile": (64, 64), "compression": "jpeg"}),
    "planes": (PLANES, {"photometric": "rgb", "planarconfig": "separate"}),
    "tiled planes": (PLANES, {"photometric": "rgb", "planarconfig": "separate", **TILES}),
    "without colour": (np.repeat(GREY[..., None], 3, 2), {"photometric": "rgb"}),
    "0 is white": (GREY, {"photometric": "miniswhite"}),
    "palette": (GREY, {"photometric": "palette", "colormap": COLOURS}),
    "turned by 180": (GREY, {"extratags": [(274, "H", 1, 3, True)]}),
    "upside down": (GREY, {**TILES, "extratags": [(274, "H", 1, 4, True)]}),
    "turned by 90": (GREY, {"extratags": [(274, "H", 1, 6, True)]}),
}


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(reading_panorama, "PANORAMA_PX", 20_000)
    monkeypatch.setattr(looking_over, "_BAND", 7000)


def in_bands(panorama, rows=23):
    bands = [
        panorama.read(row, min(row + rows, panorama.height))
        for row in range(0, panorama.height, rows)
    ]
    return np.concatenate(bands)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("how", [{}, {"bigtiff": True}, {"byteorder": ">"}], ids=str)
def test_bands_are_those_of_the_whole_image(tmp_path, kind, how):
    pixels, options = FILES[kind]
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, **how) as file:
        file.write(pixels, **{"photometric": "minisblack", **options})
    whole, panorama = read_micrograph(path), read_any(path)
    assert isinstance(panorama, Panorama)
    found = in_bands(panorama)
    assert found.dtype == whole.pixels.dtype
    np.testing.assert_array_equal(found, whole.pixels)
    assert panorama.shape == whole.pixels.shape
    assert panorama.remarks == whole.remarks
    assert panorama.info_bar == whole.info_bar
    settings, channels = IntensityScalingSettings(), "rgb" if whole.is_rgb else "grey"
    one, other = (fit_intensity_scaling(image, settings, channels) for image in (whole, panorama))
    assert (one.low, one.high) == (other.low, other.high)
    np.testing.assert_array_equal(one.mean, other.mean)
    np.testing.assert_array_equal(one.std, other.std)


def test_statistics_of_a_sampled_panorama_are_those_of_the_whole_image():
    pixels = np.random.default_rng(1).integers(0, 60_000, (4000, 3001)).astype(np.uint16)
    whole = Micrograph("a.tif", pixels)
    panorama = panorama_of(whole)
    assert panorama.sample.pixels.size < pixels.size / 3
    one, other = (
        fit_intensity_scaling(image, IntensityScalingSettings(), "grey")
        for image in (whole, panorama)
    )
    assert (one.low, one.high, one.mean, one.std) == (other.low, other.high, other.mean, other.std)


def with_bar(height=400, width=330, rows=60):
    """A specimen with noise, and below it a black bar with lines of white text."""
    pixels = RANDOM.normal(120, 30, (height, width)).clip(0, 255).astype(np.uint8)
    pixels[-rows:] = 0
    for top in range(height - rows + 10, height - 12, 20):
        text = np.kron(RANDOM.integers(0, 2, (8, width // 4)), np.ones((1, 2)))[:, : width // 2]
        pixels[top : top + 8, 20 : 20 + text.shape[1]] = text * 255
    return pixels


def test_the_bar_of_a_high_image_is_found_by_few_columns(tmp_path, monkeypatch):
    path = tmp_path / "one.tif"
    tifffile.imwrite(path, with_bar(height=900, width=1100, rows=80), rowsperstrip=16)
    monkeypatch.setattr(info_bar, "_PIXELS", 1)  # as few as of an image of 65,536 rows
    assert info_bar.thinned(np.zeros((1, 1100)), 900).shape == (1, 2 * 123)
    assert read_micrograph(path).info_bar is not None
    assert read_any(path).info_bar == read_micrograph(path).info_bar


@pytest.mark.parametrize("width", [330, 5000])
def test_the_info_bar_is_found_and_left_out(tmp_path, width):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, with_bar(width=width), tile=(64, 64), compression="zlib")
    whole, panorama = read_micrograph(path), read_any(path)
    assert whole.info_bar is not None
    assert panorama.info_bar == whole.info_bar
    assert panorama.specimen_shape == whole.specimen.shape
    assert panorama.sample.specimen.max() == whole.specimen.max()
    assert panorama.sample.info_bar.row == whole.info_bar.row
    without = panorama.with_info_bar(None)
    assert without.specimen_shape == without.sample.specimen.shape == whole.pixels.shape
    other = panorama.with_info_bar(InfoBar(100, "by hand"))
    assert other.specimen_rows(90, 200).shape == (10, width)


def test_pixel_size_page_and_name_are_those_of_the_file(tmp_path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        sides = {"PhysicalSizeX": 0.4, "PhysicalSizeXUnit": "µm"}
        sides |= {"PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm"}
        file.write(GREY, metadata={"axes": "YX", **sides}, tile=(64, 64), subifds=1)
        file.write(GREY[::2, ::2], subfiletype=1, tile=(64, 64))
    whole, panorama = read_micrograph(path), read_any(path)
    assert isinstance(panorama, Panorama)
    assert (panorama.pixel_size.x_um, panorama.pixel_size.y_um) == (0.4, 0.5)
    assert panorama.pixel_size == whole.pixel_size
    assert (panorama.name, panorama.page, panorama.pages) == ("a.ome.tif", 1, 1)


@pytest.mark.parametrize("kind", FILES)
def test_rectangles_are_those_of_the_whole_image(tmp_path, kind):
    pixels, options = FILES[kind]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, **{"photometric": "minisblack", **options})
    whole, panorama = read_micrograph(path), read_any(path)
    for rows, columns in (
        (slice(0, 300), slice(0, 220)),
        (slice(10, 190), slice(60, 130)),
        (slice(63, 65), slice(95, 97)),
        (slice(250, 300), slice(200, 220)),
    ):
        np.testing.assert_array_equal(panorama.part(rows, columns), whole.pixels[rows, columns])


def test_strips_and_tiles_are_decoded_once_and_not_kept(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, rowsperstrip=10, compression="zlib")
    panorama = read_any(path)
    decoded, decode = [], tiff_rows.PagePieces.decode_row
    monkeypatch.setattr(
        tiff_rows.PagePieces,
        "decode_row",
        lambda pieces, path, row: decoded.append(row) or decode(pieces, path, row),
    )
    in_bands(panorama, 7)
    assert decoded == list(range(30))


def test_small_images_and_other_formats_are_whole(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY[:100, :200])
    assert isinstance(read_any(path), Micrograph)


def test_a_large_picture_is_decoded_whole_and_then_a_panorama(tmp_path):
    from PIL import Image

    path = tmp_path / "a.png"
    Image.fromarray(GREY).save(path)
    panorama = read_any(path)
    assert isinstance(panorama, Panorama)
    np.testing.assert_array_equal(in_bands(panorama), GREY)


def test_a_damaged_tile_is_named(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, **TILES)
    with tifffile.TiffFile(path) as file:
        place = file.pages[0].dataoffsets[7]
    raw = bytearray(path.read_bytes())
    raw[place : place + 40] = bytes(40)
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"a\.tif is damaged.*piece 8 of 15"):
        read_any(path)


def test_a_file_that_ends_early_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY)
    path.write_bytes(path.read_bytes()[: GREY.size // 2])
    with pytest.raises(InputError, match=r"a\.tif is damaged.*of 300 rows"):
        read_any(path)


def test_a_file_that_changes_meanwhile_is_no_image_of_two(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY)
    panorama = read_any(path)
    tifffile.imwrite(path, 255 - GREY[::-1], tile=(64, 64))
    with pytest.raises(InputError, match="has changed since it was opened"):
        panorama.read(0, 10)


def test_a_panorama_that_claims_more_than_the_file_can_hold_is_not_decoded(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, np.zeros((20_000, 20_000), np.uint8), compression="zlib", tile=(512, 512)
    )
    with pytest.raises(InputError, match="it isn't decoded"):
        read_any(path)
