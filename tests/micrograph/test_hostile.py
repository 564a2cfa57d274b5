"""Files that ask for more than anybody has: refused in one line, soon and with little memory."""

import os
import struct
import sys

import numpy as np
import psutil
import pytest
import tifffile
from forged import GREY, png_bytes
from PIL import Image

from napari_matssl.errors import InputError
from napari_matssl.micrograph.bounds import LARGEST_UNCHECKED
from napari_matssl.micrograph.calibration import read_pixel_size
from napari_matssl.micrograph.reading import read_micrograph, read_pixels

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def little_memory():
    """Let this process take half a gigabyte more than it has; who asks for more gets an error."""
    if sys.platform != "linux":  # others don't keep to such a limit
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (taken + (500 << 20), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def directory(entries, after, order="<"):
    """Write a directory of a classic TIFF: code, type, count, value; where the next is."""
    body = b"".join(struct.pack(order + "HHII", *entry) for entry in entries)
    return struct.pack(order + "H", len(entries)) + body + struct.pack(order + "I", after)


def page(width=64, height=64, **other):
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height}
    tags |= {279: width * height} | {int(code[1:]): value for code, value in other.items()}
    return [(code, 4, 1, value) for code, value in sorted(tags.items())]


def in_a_circle(path):
    tifffile.imwrite(path, GREY)
    raw = bytearray(path.read_bytes())
    first = int.from_bytes(raw[4:8], "little")
    count = int.from_bytes(raw[first : first + 2], "little")
    raw[first + 2 + 12 * count : first + 6 + 12 * count] = raw[4:8]
    path.write_bytes(raw)


def in_a_circle_of_two(path):
    size = len(directory(page(), 0))
    start, pixels = 8, 64 * 64
    first = start + pixels
    raw = b"II*\0" + struct.pack("<I", first) + bytes(pixels)
    path.write_bytes(raw + directory(page(), first + size) + directory(page(), first))


def of_150_000_pages(path):
    size = 2 + 12 + 4
    pages = [
        directory([(256, 4, 1, 64)], 8 + (n + 1) * size if n < 149_999 else 0)
        for n in range(150_000)
    ]
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + b"".join(pages))


def tiff_of_tiny_tiles(path):
    entries = page(60_000, 60_000, t322=1, t323=1)
    entries = [e for e in entries if e[0] not in (273, 278, 279)]
    entries += [(324, 4, 4000, 400), (325, 4, 4000, 400)]
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + directory(entries, 0) + bytes(17_000))


def tiff_of_one_vast_tile(path):
    entries = page(64, 64, t322=60_000, t323=60_000)
    entries = [e for e in entries if e[0] not in (273, 278, 279)]
    entries += [(324, 4, 1, 8), (325, 4, 1, 4000)]
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + directory(entries, 0) + bytes(17_000))


def tiff_of_many_values(path):
    entries = page()
    entries = [e for e in entries if e[0] != 273] + [(273, 4, 0xFFFFFFF0, 8)]
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + directory(sorted(entries), 0) + bytes(9000))


def tiff_of_a_vast_jpeg(path):
    vast = bytearray(jpeg(np.zeros((16, 16), np.uint8)))
    place = vast.index(b"\xff\xc0")
    vast[place + 5 : place + 9] = struct.pack(">HH", 65_000, 65_000)
    entries = [e for e in page() if e[0] not in (259, 273, 279)]
    entries += [(259, 4, 1, 7), (273, 4, 1, 500), (279, 4, 1, len(vast))]
    head = b"II*\0" + struct.pack("<I", 8) + directory(sorted(entries), 0)
    path.write_bytes(head.ljust(500, b"\0") + vast)


def jpeg(image):
    import imagecodecs

    return imagecodecs.jpeg8_encode(image)


def png_of_two_rows(path):
    path.write_bytes(png_bytes([bytes(50_000)] * 2, 50_000, 50_000))


def gif_of_a_vast_screen(path):
    Image.fromarray(GREY).save(path, "GIF")
    raw = bytearray(path.read_bytes())
    raw[6:10] = struct.pack("<HH", 65_535, 65_535)
    path.write_bytes(raw)


def jpeg_of_a_vast_size(path):
    raw = bytearray(jpeg(GREY))
    place = raw.index(b"\xff\xc0")
    raw[place + 5 : place + 9] = struct.pack(">HH", 65_500, 65_500)
    path.write_bytes(raw)


def jpeg_of_many_scans(path):
    from forged import picture

    raw = bytes(picture("JPEG", progressive=True))
    scan = raw[raw.index(b"\xff\xda") : -2]
    path.write_bytes(raw[:-2] + scan * 100 + raw[-2:])


def bmp_of_a_vast_size(path):
    Image.fromarray(GREY).save(path, "BMP")
    raw = bytearray(path.read_bytes())
    raw[18:26] = struct.pack("<ii", 60_000, 60_000)
    path.write_bytes(raw)


HOSTILE = {
    in_a_circle: "runs in a circle",
    in_a_circle_of_two: "runs in a circle",
    of_150_000_pages: "more than 20,000 pages",
    tiff_of_tiny_tiles: "claims 60000 x 60000",
    tiff_of_one_vast_tile: "tiles are 60000 x 60000",
    tiff_of_many_values: "",
    tiff_of_a_vast_jpeg: "holds 65000 x 65000",
    png_of_two_rows: "claims 50000 x 50000",
    gif_of_a_vast_screen: "claims 65535 x 65535",
    jpeg_of_many_scans: "scans",
    jpeg_of_a_vast_size: "claims 65500 x 65500",
    bmp_of_a_vast_size: "claims 60000 x 60000",
}


@pytest.mark.parametrize("read", [read_micrograph, read_pixels])
@pytest.mark.parametrize(
    ("write", "told"), HOSTILE.items(), ids=lambda v: getattr(v, "__name__", "")
)
def test_a_file_that_claims_too_much_is_refused_in_one_line(tmp_path, write, told, read):
    write(tmp_path / "x.img")
    with pytest.raises(InputError, match=rf"x\.img.*{told}") as caught:
        read(tmp_path / "x.img")
    assert "\n" not in str(caught.value)
    assert read_pixel_size(tmp_path / "x.img", 64, 64) is None


def test_an_image_that_does_not_fit_into_the_memory_is_refused_before_it_is_decoded(
    tmp_path, monkeypatch
):
    path = tmp_path / "wide.tif"
    with path.open("wb") as file:
        entries = page(20_000, 20_000)
        file.write(b"II*\0" + struct.pack("<I", 8 + 20_000 * 20_000))
        file.seek(8 + 20_000 * 20_000)
        file.write(directory(entries, 0))
    memory = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory._replace(available=10**9))
    with pytest.raises(InputError, match=r"needs 1,200 MB of memory, of which 1,000 MB are free"):
        read_micrograph(path)


def test_strokes_on_a_panorama_are_no_bomb(tmp_path):
    labels = np.zeros((LARGEST_UNCHECKED // 16_000 + 1, 16_000), np.uint8)
    labels[500:510, 200:900] = 1
    path = tmp_path / "strokes.png"
    Image.fromarray(labels).save(path)
    assert path.stat().st_size < labels.size / 100
    read = read_pixels(path)
    assert (read.shape, np.count_nonzero(read)) == (labels.shape, 10 * 700)
    assert read[500:510, 200:900].all()
    with pytest.raises(InputError, match="claims 16000 x 8389"):
        read_micrograph(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are known to POSIX only")
def test_a_pipe_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.tif")
    for read in (read_micrograph, read_pixels):
        with pytest.raises(InputError, match=r"x\.tif is a pipe or a device"):
            read(tmp_path / "x.tif")
    assert read_pixel_size(tmp_path / "x.tif", 64, 64) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are known to POSIX only")
def test_a_pipe_beside_an_image_is_not_taken_for_its_text_file(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    os.mkfifo(tmp_path / "a.txt")
    os.mkfifo(tmp_path / "a-png.hdr")
    assert read_micrograph(tmp_path / "a.png").pixel_size is None


LONG = 1 << 20


@pytest.mark.parametrize(
    "text",
    [
        "$CM_FULL_SIZE " + "x" * LONG,
        "$CM_FULL_SIZE" + " " * LONG,
        "$" * LONG,
        "$$SM_MICRON_BAR 40\n$$SM_MICRON_MARKER " + "1" * LONG + " 2 3",
        "[SemImageFile]" + "\n" * LONG,
        "[SemImageFile]\n" * (LONG // 15),
        "PixelSizeX" + " " * LONG,
    ],
    ids=lambda text: text[:14],
)
def test_texts_beside_an_image_take_no_time(tmp_path, text):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text(text)
    (tmp_path / "a-png.hdr").write_text(text)
    assert read_pixel_size(tmp_path / "a.png", 160, 160) is None


@pytest.mark.parametrize(
    "text",
    [
        "MachineNo=1" + "\n" * LONG,
        "<TemReporter>" + "<ModeString>" * (LONG // 12),
        '{"shape": [' + "9" * LONG + "]}",
        "{" * LONG,
        "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaa'>]><OME>&a;</OME>",
        "<OME><Image><Pixels SizeX='160' SizeY='128' SizeZ='999999999'/></Image></OME>",
    ],
    ids=lambda text: text[:14],
)
def test_descriptions_of_an_image_take_no_time(tmp_path, text):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, description=text, metadata=None)
    assert read_micrograph(path).pixel_size is None


def test_a_stack_has_no_more_planes_than_its_file_can_hold(tmp_path):
    path = tmp_path / "a.tif"
    text = "ImageJ=1\nimages=99999999\nslices=99999999\n"
    tifffile.imwrite(path, GREY, description=text + "x" * 50_000, metadata=None)
    with pytest.raises(InputError, match="stack of 3 planes"):
        read_micrograph(path)


@pytest.mark.parametrize("tag", [51023, 50431, 34118, 34682, 37706, 33560])
@pytest.mark.parametrize(
    "text", ["<Ux " * (LONG // 4), "=" * LONG, "\n" * LONG, "[Scan]\n" * 99999]
)
def test_tags_of_microscopes_take_no_time(tmp_path, tag, text):
    path, raw = tmp_path / "a.tif", text.encode()
    tifffile.imwrite(path, GREY, extratags=[(tag, 1, len(raw), raw, True)], metadata=None)
    assert read_micrograph(path).pixel_size is None
