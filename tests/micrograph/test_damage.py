"""Files that are damaged, and files that only look odd."""

import struct

import numpy as np
import pytest
import tifffile
from forged import (
    GREY,
    bmp_that_claims,
    gif_that_claims,
    jpeg_that_claims,
    picture,
    png_bytes,
)
from PIL import Image, PngImagePlugin

from napari_matssl.errors import InputError
from napari_matssl.micrograph.reading import read_micrograph, read_pixels


@pytest.mark.parametrize("rows", [100, 64, 2])
def test_an_error_of_a_png_cut_off_names_the_rows_that_are_there(tmp_path, rows):
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes([row.tobytes() for row in GREY[:rows]], 128, 160))
    for read in (read_micrograph, read_pixels):
        with pytest.raises(InputError, match=rf"a\.png is damaged.* holds {rows} of 128 rows"):
            read(path)


def test_a_png_whose_rows_are_all_there_is_read(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes([row.tobytes() for row in GREY], 128, 160))
    np.testing.assert_array_equal(read_micrograph(path).pixels, GREY)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (jpeg_that_claims(128, 64), "64 of 128 rows"),
        (jpeg_that_claims(128, 64, restart_marker_rows=1), "64 of 128 rows"),
        (jpeg_that_claims(128, 96, progressive=True), "96 of 128 rows"),
        (gif_that_claims(128, 64, interlace=0), "64 of 128 rows"),
        (gif_that_claims(128, 64, interlace=1), "50 % of its pixels"),
        (bmp_that_claims(128, 64), "64 of 128 rows"),
    ],
    ids=["JPEG", "JPEG with restart marks", "progressive JPEG", "GIF", "interlaced GIF", "BMP"],
)
def test_pictures_of_fewer_rows_are_damaged(tmp_path, raw, told):
    (tmp_path / "a.img").write_bytes(raw)
    with pytest.raises(InputError, match=rf"a\.img is {told}|a\.img is damaged.*{told}"):
        read_pixels(tmp_path / "a.img")


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 2}])
@pytest.mark.parametrize("colour", [False, True])
def test_a_jpeg_with_a_plain_lower_edge_is_whole(tmp_path, options, colour):
    image = np.repeat(GREY[..., None], 3, axis=2) if colour else GREY.copy()
    image[100:] = 7
    (tmp_path / "a.jpg").write_bytes(picture("JPEG", image, quality=80, **options))
    assert read_pixels(tmp_path / "a.jpg").shape == image.shape


def test_a_gif_with_a_plain_lower_edge_is_whole(tmp_path):
    image = GREY.copy()
    image[100:] = 7
    (tmp_path / "a.gif").write_bytes(picture("GIF", image))
    np.testing.assert_array_equal(read_micrograph(tmp_path / "a.gif").pixels, image)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
def test_an_error_of_a_damaged_tiff_names_the_rows_of_its_sound_strips(tmp_path, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, compression=compression, rowsperstrip=16)
    with tifffile.TiffFile(path) as tiff:
        place = tiff.pages.first.tags["StripOffsets"].valueoffset
        third = tiff.pages.first.dataoffsets[3]
    raw = bytearray(path.read_bytes())
    if compression is None:
        raw = raw[: third + 5]
    else:
        raw[place + 12 : place + 16] = struct.pack("<I", len(raw) + 10)
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"a\.tif is damaged.* holds 48 of 128 rows"):
        read_micrograph(path)


def test_a_tiff_whose_strip_was_never_written_is_damaged(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, compression="zlib", rowsperstrip=32)
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages.first.tags["StripByteCounts"]
    raw, each = bytearray(path.read_bytes()), 2 if tag.dtype == 3 else 4
    raw[tag.valueoffset + each : tag.valueoffset + 2 * each] = bytes(each)
    path.write_bytes(raw)
    with pytest.raises(InputError, match="holds 32 of 128 rows"):
        read_micrograph(path)


def with_large_comment(path):
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "x" * 3_000_000, zip=True)
    Image.fromarray(GREY).save(path, "PNG", pnginfo=notes)


def with_broken_note(path):
    broken = struct.pack(">I", 4) + b"tIME" + b"abcd" + bytes(4)
    path.write_bytes(png_bytes([row.tobytes() for row in GREY], 128, 160, extra=broken))


def with_odd_exif(path):
    Image.fromarray(GREY).save(path, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")


def with_odd_tag(path):
    tifffile.imwrite(path, GREY, extratags=[(40000, 2, 0, "abcdefgh", True)])
    with tifffile.TiffFile(path) as tiff:
        place = tiff.pages.first.tags[40000].offset
    raw = bytearray(path.read_bytes())
    raw[place + 4 : place + 12] = struct.pack("<II", 1 << 30, len(raw) - 2)
    path.write_bytes(raw)


@pytest.mark.parametrize(
    "write", [with_large_comment, with_broken_note, with_odd_exif, with_odd_tag]
)
def test_an_oddity_beside_the_picture_is_no_damage(tmp_path, write):
    write(tmp_path / "a.img")
    micrograph = read_micrograph(tmp_path / "a.img")
    np.testing.assert_array_equal(micrograph.pixels, GREY)


def test_a_jpeg_with_odd_notes_is_read(tmp_path):
    raw = picture("JPEG")
    note = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(20)
    icc = b"ICC_PROFILE\0\x05\x02garbage"
    odd = b"".join(
        b"\xff" + bytes([mark]) + struct.pack(">H", len(body) + 2) + body
        for mark, body in ((0xE1, note), (0xE2, icc), (0xE2, b"MPF\0II*\0\xff\xff\xff\xff"))
    )
    (tmp_path / "a.jpg").write_bytes(raw[:2] + odd + raw[2:])
    assert read_micrograph(tmp_path / "a.jpg").pixels.shape == GREY.shape
