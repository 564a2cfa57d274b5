import logging
import struct
import warnings
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import held_to_rights
from PIL import Image, ImageFile

from napari_matssl.errors import InputError
from napari_matssl.micrograph.reading import (
    SUFFIXES,
    find_micrographs,
    read_micrograph,
    read_pixels,
)

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (40, 50), dtype=np.uint8)
RGB = RANDOM.integers(0, 256, (40, 50, 3), dtype=np.uint8)
GREY16 = RANDOM.integers(0, 65536, (40, 50), dtype=np.uint16)
IDS = RANDOM.integers(0, 4, (40, 50), dtype=np.uint8)
quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def same(pixels, expected):
    np.testing.assert_array_equal(pixels, expected)
    assert pixels.dtype == expected.dtype
    return True


@pytest.mark.parametrize("suffix", [".tif", ".png", ".bmp", ".gif"])
def test_grey_values_stay(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(GREY).save(path)
    micrograph = read_micrograph(path)
    assert same(micrograph.pixels, GREY)
    assert (micrograph.name, micrograph.path) == (path.name, path)
    assert micrograph.pixel_size is None
    assert micrograph.info_bar is None


def test_jpeg(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.jpg", quality=95)
    pixels = read_micrograph(tmp_path / "a.jpg").pixels
    assert pixels.shape == GREY.shape
    assert np.abs(pixels.astype(int) - GREY).mean() < 10


@pytest.mark.parametrize(
    "dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8", ">u2", ">f4"]
)
def test_tiff_types_come_in_native_byte_order(tmp_path, dtype):
    image = (GREY / 2).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", image, byteorder=">" if dtype[0] == ">" else "<")
    pixels = read_micrograph(tmp_path / "a.tif").pixels
    assert pixels.dtype.isnative
    assert same(pixels, image.astype(image.dtype.newbyteorder("=")))


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits", "jpeg"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiff_rgb(tmp_path, compression, planar):
    image = np.moveaxis(RGB, -1, 0) if planar == "separate" else RGB
    options = {"photometric": "rgb", "planarconfig": planar, "compression": compression}
    tifffile.imwrite(tmp_path / "a.tif", image, **options)
    pixels = read_micrograph(tmp_path / "a.tif").pixels
    assert pixels.shape == RGB.shape
    lost = np.abs(pixels.astype(float) - RGB).mean()
    assert (0 < lost < 60) if compression == "jpeg" else same(pixels, RGB)  # of noise: 85


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("deep", [False, True])
def test_png_alpha_goes_and_16_bits_stay(tmp_path, channels, deep):
    dtype = np.uint16 if deep else np.uint8
    image = RANDOM.integers(0, np.iinfo(dtype).max, (40, 50, channels), dtype=dtype)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(image))
    expected = image[..., 0] if channels == 2 else image[..., :3]
    assert same(read_micrograph(tmp_path / "a.png").pixels, expected)


def test_16_bit_grey_png(tmp_path):
    Image.fromarray(GREY16).save(tmp_path / "a.png")
    assert same(read_micrograph(tmp_path / "a.png").pixels, GREY16)
    assert same(read_pixels(tmp_path / "a.png"), GREY16)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_tiff_alpha_goes(tmp_path, mode):
    image = Image.fromarray(RGB).convert(mode)
    image.save(tmp_path / "a.tif")
    colours = np.asarray(image)[..., :-1]
    expected = colours[..., 0] if mode == "LA" else colours
    assert same(read_micrograph(tmp_path / "a.tif").pixels, expected)


def test_colourless_rgb_becomes_grey_and_one_coloured_pixel_prevents_it(tmp_path):
    image = np.dstack([GREY] * 3)
    Image.fromarray(image).save(tmp_path / "grey.png")
    assert same(read_micrograph(tmp_path / "grey.png").pixels, GREY)
    image[7, 7, 2] ^= 1
    Image.fromarray(image).save(tmp_path / "colour.png")
    assert same(read_micrograph(tmp_path / "colour.png").pixels, image)


def palette_image(colours):
    image = Image.fromarray(IDS)
    image.putpalette(np.asarray(colours, np.uint8).tobytes())
    return image


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".gif"])
def test_palette_gives_colours_to_a_micrograph_and_ids_to_labels(tmp_path, suffix):
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 200, 0], [9, 9, 250]], np.uint8)
    palette_image(colours).save(tmp_path / f"a{suffix}")
    assert same(read_micrograph(tmp_path / f"a{suffix}").pixels, colours[IDS])
    if suffix != ".gif":  # Pillow may sort the colours of a GIF when it writes one
        assert same(read_pixels(tmp_path / f"a{suffix}"), IDS)


def test_grey_palette_becomes_grey(tmp_path):
    greys = np.array([10, 80, 160, 240], np.uint8)
    palette_image(np.repeat(greys, 3)).save(tmp_path / "a.png")
    assert same(read_micrograph(tmp_path / "a.png").pixels, greys[IDS])


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_png_of_few_bits_gives_ids_as_stored(tmp_path, bits):
    ids = RANDOM.integers(0, 2**bits, (40, 48), dtype=np.uint8)
    image = Image.new("L", (48, 40))
    image.putdata((ids * (255 // (2**bits - 1))).ravel().tolist())
    write_grey_png(tmp_path / "a.png", ids, bits)
    assert same(read_pixels(tmp_path / "a.png"), ids)
    assert same(read_micrograph(tmp_path / "a.png").pixels, np.asarray(image))


def write_grey_png(path, ids, bits):
    height, width = ids.shape
    spread = np.unpackbits(ids[..., None], axis=2)[..., 8 - bits :].reshape(height, -1)
    rows = np.pad(np.packbits(spread, axis=1), ((0, 0), (1, 0)))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows.tobytes())),
        (b"IEND", b""),
    ]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d))
            for k, d in chunks
        )
    )


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_bits(tmp_path, suffix):
    bits = GREY > 128
    Image.fromarray(bits).save(tmp_path / f"a{suffix}")
    assert same(read_micrograph(tmp_path / f"a{suffix}").pixels, bits * np.uint8(255))
    assert same(read_pixels(tmp_path / f"a{suffix}"), bits.astype(np.uint8))


@pytest.mark.parametrize("image", [GREY, GREY16], ids=["8 bits", "16 bits"])
def test_white_is_zero_is_inverted_for_looking_not_for_ids(tmp_path, image):
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="miniswhite")
    assert same(read_micrograph(tmp_path / "a.tif").pixels, np.iinfo(image.dtype).max - image)
    assert same(read_pixels(tmp_path / "a.tif"), image)


def test_rgb_labels_come_as_they_are(tmp_path):
    Image.fromarray(np.dstack([IDS] * 3)).save(tmp_path / "a.png")
    assert same(read_pixels(tmp_path / "a.png"), np.dstack([IDS] * 3))


@pytest.mark.parametrize("flagged", [True, False])
@pytest.mark.parametrize("thumbnail_first", [True, False])
def test_thumbnail_page_is_passed_over(tmp_path, flagged, thumbnail_first):
    thumbnail = (GREY[::4, ::4].copy(), {"subfiletype": int(flagged)})
    pages = [(GREY, {}), thumbnail]
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for page, options in reversed(pages) if thumbnail_first else pages:
            tiff.write(page, metadata=None, **options)
    assert same(read_micrograph(tmp_path / "a.tif").pixels, GREY)


def test_transparency_mask_of_full_size_is_no_plane(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(GREY, metadata=None)
        tiff.write(GREY > 9, metadata=None, subfiletype=4)
    assert same(read_micrograph(tmp_path / "a.tif").pixels, GREY)


STACKS = {
    "pages": {"photometric": "minisblack", "metadata": None},
    "shaped": {"photometric": "minisblack"},
    "planes without pages": {"photometric": "minisblack", "truncate": True},
    "ImageJ": {"imagej": True},
    "large ImageJ": {"imagej": True, "truncate": True},
    "OME": {"ome": True, "metadata": {"axes": "ZYX"}},
    "volume": {"volumetric": True, "tile": (16, 16, 16), "photometric": "minisblack"},
}


@pytest.mark.parametrize("options", STACKS.values(), ids=STACKS)
def test_stack_is_refused_with_a_remedy(tmp_path, options):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([GREY, GREY + 1]), **options)
    with pytest.raises(InputError, match=r"a\.tif is a stack of 2 planes\. .*, 1 to 2"):
        read_micrograph(tmp_path / "a.tif")


def test_animation_is_refused(tmp_path):
    images = [Image.fromarray(GREY), Image.fromarray(GREY[::-1].copy())]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:])
    with pytest.raises(InputError, match="animation"):
        read_micrograph(tmp_path / "a.gif")


def broken(tmp_path, kind):
    path = tmp_path / "broken.tif"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("Image size 1024 x 768")
    elif kind == "magic only":
        path.write_bytes(b"II*\0")
    elif kind == "small":
        tifffile.imwrite(path, GREY[:31])
    elif kind == "complex":
        tifffile.imwrite(path, GREY.astype(np.complex64))
    elif kind == "channels":
        tifffile.imwrite(
            path, np.dstack([RGB, RGB]), photometric="minisblack", planarconfig="contig"
        )
    elif kind == "cmyk":
        Image.fromarray(RGB).convert("CMYK").save(path)
    return path


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("missing", "There is no"),
        ("empty", "is empty"),
        ("folder", "is a folder"),
        ("text", "is not an image"),
        ("magic only", "is damaged"),
        ("small", "too small: 50 x 31"),
        ("complex", "complex64"),
        ("channels", "6 channels"),
        ("cmyk", "SEPARATED"),
    ],
)
def test_unusable_file_gives_one_line_with_name_and_remedy(tmp_path, kind, told):
    with pytest.raises(InputError) as caught:
        read_micrograph(broken(tmp_path, kind))
    assert told in str(caught.value)
    assert "broken.tif" in caught.value.what
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_file_without_permission(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY)
    path.chmod(0)
    with pytest.raises(InputError, match="Permission denied"):
        held_to_rights(lambda: read_micrograph(path))


def encoded(tmp_path, kind):
    path = tmp_path / f"whole.{kind.split()[0]}"
    if path.suffix == ".tif":
        compression = kind.split()[1]
        tifffile.imwrite(
            path, GREY, rowsperstrip=8, compression=None if compression == "raw" else compression
        )
    elif kind == "png deep":
        path.write_bytes(imagecodecs.png_encode(RGB.astype(np.uint16) * 257))
    else:
        Image.fromarray(GREY).save(path)
    return path


KINDS = ["tif raw", "tif zlib", "tif lzw", "tif jpeg", "png", "png deep", "jpg", "bmp", "gif"]


@pytest.mark.parametrize("kind", KINDS)
@quick
@given(share=st.floats(0, 1, exclude_max=True))
def test_truncated_file_never_gives_wrong_pixels(tmp_path, kind, share):
    whole = encoded(tmp_path, kind)
    expected = read_pixels(whole)
    raw = whole.read_bytes()
    cut = tmp_path / f"cut{whole.suffix}"
    cut.write_bytes(raw[: int(len(raw) * share)])
    try:
        pixels = read_pixels(cut)
    except InputError:
        return
    assert share > 0.9  # only what comes after the pixels was cut off
    assert same(pixels, expected)


def test_truncated_file_is_refused_whatever_other_plugins_allow(tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    path = encoded(tmp_path, "jpg")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="incomplete"):
        read_micrograph(path)
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_pictures_of_panoramas_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.fromarray(GREY).save(tmp_path / "a.png")
    assert same(read_micrograph(tmp_path / "a.png").pixels, GREY)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_broken_file_makes_no_noise(tmp_path, caplog):
    path = encoded(tmp_path, "tif zlib")
    path.write_bytes(path.read_bytes()[:200])
    caplog.set_level(logging.WARNING)
    with pytest.raises(ValueError, match=r"."):
        tifffile.imread(path)
    assert caplog.records  # else this test proves nothing
    caplog.clear()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(InputError, match="damaged"):
            read_micrograph(path)
    assert warned == []
    assert caplog.records == []


def test_content_counts_not_the_suffix(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.tif", format="PNG")
    assert same(read_micrograph(tmp_path / "a.tif").pixels, GREY)


def test_pixels_can_be_written_to(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    assert read_micrograph(tmp_path / "a.png").pixels.flags.writeable


def folder_of(tmp_path, *names):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_folder_gives_its_images_in_natural_order(tmp_path):
    wanted = ["3-as-cast.tif", "A1.TIF", "a2.png", "a10.tif", "b.jpeg"]
    others = ["a2.txt", "a2-tif.hdr", ".hidden.tif", "._a2.tif", "classes.json", "inside/c.tif"]
    folder = folder_of(tmp_path, *wanted, *others)
    (folder / "folder.tif").mkdir()
    assert [p.name for p in find_micrographs([folder])] == wanted


def test_files_and_their_folder_give_each_file_once(tmp_path):
    folder = folder_of(tmp_path, "a1.tif", "a2.tif", "inside/b.tif")
    inputs = [folder / "a2.tif", folder, folder / "a2.tif", folder / "inside" / ".." / "a1.tif"]
    assert [p.name for p in find_micrographs(inputs)] == ["a1.tif", "a2.tif"]


def test_text_files_of_microscopes_among_the_files_are_passed_over(tmp_path):
    folder = folder_of(tmp_path, "a.tif", "a.txt", "a-tif.hdr")
    assert find_micrographs(list(folder.iterdir())) == [folder / "a.tif"]


@pytest.mark.parametrize(
    ("given_name", "told"),
    [
        ("missing.tif", "There is no"),
        ("empty", "holds no images"),
        ("a.czi", "not an image by its suffix"),
        ("a.txt", "no image to read"),
    ],
)
def test_inputs_without_images(tmp_path, given_name, told):
    folder_of(tmp_path, "a.czi", "a.txt", "empty/note.txt")
    with pytest.raises(InputError, match=told) as caught:
        find_micrographs([tmp_path / given_name])
    named = [suffix for suffix in SUFFIXES if suffix in str(caught.value)]
    assert named == [".tif"] if given_name == "missing.tif" else named == list(SUFFIXES)


def test_nothing_given():
    with pytest.raises(InputError, match="no image to read"):
        find_micrographs([])


@quick
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=20, unique=True))
def test_numbers_order_by_value(tmp_path_factory, numbers):
    folder = folder_of(tmp_path_factory.mktemp("n"), *(f"x{n}.tif" for n in numbers))
    assert [int(p.stem[1:]) for p in find_micrographs([folder])] == sorted(numbers)


@pytest.mark.real
def test_real_label_images(real_data):
    for path in find_micrographs([real_data / "ebc/labels", real_data / "ebc/scribbles"]):
        labels = read_pixels(path)
        assert labels.shape == (1024, 1024)
        assert set(np.unique(labels)) <= {0, 1, 2, 3}


@pytest.mark.real
def test_real_folder(real_data):
    files = find_micrographs([real_data / "am-slices"])
    assert len(files) == 67
    assert read_micrograph(files[0]).pixels.shape == (512, 512)


def two_colours(pixels, bits=8, upwards=True, colours=((0, 0, 0), (255, 255, 255))):
    """A BMP of which the palette has so few colours that Pillow takes it for bits."""
    height, width = pixels.shape
    rows = np.pad(pixels, ((0, 0), (0, -width % 4)))[:: -1 if upwards else 1]
    begin, down = 54 + 4 * len(colours), height if upwards else -height
    head = struct.pack("<2sIIIIiiHH", b"BM", 0, 0, begin, 40, width, down, 1, bits)
    head += struct.pack("<IIiiII", 0, 0, 0, 0, len(colours), 0)
    return head + b"".join(bytes((*c, 0)) for c in colours) + rows.tobytes()


@pytest.mark.parametrize("upwards", [True, False])
@pytest.mark.parametrize("width", [64, 61])
def test_bmp_of_8_bits_with_black_and_white_alone(tmp_path, upwards, width):
    pixels = (np.arange(64)[:, None] + np.arange(width) > 70).astype(np.uint8)
    (tmp_path / "a.bmp").write_bytes(two_colours(pixels, upwards=upwards))
    assert same(read_pixels(tmp_path / "a.bmp"), pixels)
    assert same(read_micrograph(tmp_path / "a.bmp").pixels, pixels * np.uint8(255))


def test_bmp_of_4_bits_with_a_grey_palette_is_refused(tmp_path):
    raw = two_colours(np.full((64, 64), 0x10, np.uint8), 4)
    (tmp_path / "a.bmp").write_bytes(raw)
    with pytest.raises(InputError, match=r"a BMP of 4 bits per pixel.*Save it as PNG or TIFF"):
        read_micrograph(tmp_path / "a.bmp")
