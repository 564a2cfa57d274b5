"""Images that are to be looked at another way than they are stored."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from napari_matssl.micrograph.calibration import read_pixel_size
from napari_matssl.micrograph.orientation import of_exif, upright
from napari_matssl.micrograph.reading import read_micrograph, read_pixels

GREY = np.random.default_rng(0).integers(0, 256, (40, 56), dtype=np.uint8)
SMOOTH = np.add.outer(np.arange(40) * 4, np.arange(56)).astype(np.uint8)


def as_viewers_see(image):
    return np.asarray(ImageOps.exif_transpose(image))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_turned_as_pillow_turns_them(orientation):
    image = Image.fromarray(GREY)
    image.getexif()[274] = orientation
    np.testing.assert_array_equal(upright(GREY, orientation), as_viewers_see(image))
    rgb = np.dstack([GREY, GREY[::-1], GREY])
    np.testing.assert_array_equal(upright(rgb, orientation)[..., 0], upright(GREY, orientation))


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_tag_is_obeyed_for_micrographs_and_labels_and_reported(tmp_path, kind, orientation):
    path = tmp_path / "a.img"
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(SMOOTH).save(path, kind, exif=exif)
    seen = upright(SMOOTH, orientation)
    if kind == "JPEG":  # its values change a little
        with Image.open(path) as image:
            seen = as_viewers_see(image)
    micrograph = read_micrograph(path)
    np.testing.assert_array_equal(micrograph.pixels, seen)
    np.testing.assert_array_equal(read_pixels(path), seen)
    assert any("orientation" in remark for remark in micrograph.remarks)


def test_an_upright_image_needs_no_remark(tmp_path):
    exif = Image.Exif()
    exif[274] = 1
    Image.fromarray(SMOOTH).save(tmp_path / "a.jpg", exif=exif)
    assert read_micrograph(tmp_path / "a.jpg").remarks == ()


def test_the_sides_of_a_pixel_turn_with_the_image(tmp_path):
    path = tmp_path / "a.tif"
    turned = [(274, 3, 1, 6, True)]
    unit = {"unit": "um"}
    tifffile.imwrite(path, GREY, imagej=True, resolution=(4, 2), metadata=unit, extratags=turned)
    micrograph = read_micrograph(path)
    assert micrograph.pixels.shape == (56, 40)
    assert (micrograph.pixel_size.x_um, micrograph.pixel_size.y_um) == (0.5, 0.25)
    stored = read_pixel_size(path, 40, 56)
    assert (stored.x_um, stored.y_um) == (0.5, 0.25)


def test_xmp_counts_where_exif_is_silent(tmp_path):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="3"></x:xmpmeta>'
    Image.fromarray(SMOOTH).save(tmp_path / "a.jpg", xmp=xmp)
    with Image.open(tmp_path / "a.jpg") as image:
        np.testing.assert_array_equal(
            read_micrograph(tmp_path / "a.jpg").pixels, np.asarray(image)[::-1, ::-1]
        )
    assert of_exif(b"", xmp) == 3


@pytest.mark.parametrize(
    "exif", [b"", b"II*\0", b"MM\0*\xff\xff\xff\xff\0\0", b"II*\0\x08\0\0\0\xff\xff" + b"\x12" * 40]
)
def test_odd_exif_turns_nothing(exif):
    assert of_exif(exif) == 1


def test_a_bar_is_looked_for_in_the_turned_image(tmp_path):
    from test_info_bar import HEIGHT, specimen, with_bar

    stored = Image.fromarray(with_bar(specimen())[::-1, ::-1].copy())
    exif = Image.Exif()
    exif[274] = 3
    file = io.BytesIO()
    stored.save(file, "PNG", exif=exif)
    (tmp_path / "a.png").write_bytes(file.getvalue())
    assert read_micrograph(tmp_path / "a.png").info_bar.row == HEIGHT
