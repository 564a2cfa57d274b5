"""What a mask's file holds beside its pixels, and how it is read back."""

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from napari_matssl.export.masks import write_mask, write_mask_tiff
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.provenance import KEY, MaskFacts, Provenance, read_mask_facts
from napari_matssl.micrograph.calibration import read_pixel_size
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.reading import read_micrograph

SIZE = PixelSize(0.25, 0.2, "ImageJ metadata (unit micron)")
ORIGIN = Provenance(
    image="Gefüge 試料.tif",
    model="model.safetensors",
    model_sha256="ab" * 32,
    version="0.1.0",
    run="a1b2c3",
    settings={"tile": 1024, "detached_components": "auto"},
    cleaning="ferrite >= 2 um2",
    remarks=("no info bar found",),
)
MASK = np.ones((40, 40), np.uint8)
TABLE = numbered_table([1, 2])


def test_a_png_mask_gives_back_its_pixel_size_and_where_it_comes_from(tmp_path):
    path = tmp_path / "m.png"
    write_mask(path, MASK, TABLE, facts=MaskFacts(SIZE, ORIGIN))
    assert read_mask_facts(path) == MaskFacts(SIZE, ORIGIN)
    assert read_pixel_size(path, 40, 40) == SIZE
    assert read_micrograph(path).pixel_size == SIZE
    with Image.open(path) as image:
        assert "dpi" not in image.info, "a pixel of a micrograph is no dot of a printer"


def test_a_tiff_mask_keeps_imagejs_calibration_and_its_provenance(tmp_path):
    path = tmp_path / "m.tif"
    write_mask_tiff(path, MASK, SIZE, ORIGIN)
    assert read_mask_facts(path).provenance == ORIGIN
    with tifffile.TiffFile(path) as tiff:
        assert tiff.imagej_metadata["unit"] == "micron"
    size = read_pixel_size(path, 40, 40)
    assert (size.x_um, size.y_um) == pytest.approx((0.25, 0.2))
    np.testing.assert_array_equal(tifffile.imread(path), MASK)


def test_a_mask_without_provenance_has_no_text(tmp_path):
    write_mask(tmp_path / "m.png", MASK, TABLE)
    write_mask_tiff(tmp_path / "m.tif", MASK, None)
    with Image.open(tmp_path / "m.png") as image:
        assert image.text == {}
    for name in ("m.png", "m.tif", "missing.png"):
        assert read_mask_facts(tmp_path / name) == MaskFacts()


def png_with(path, text, compressed=False):
    info = PngImagePlugin.PngInfo()
    info.add_itxt(KEY, text, zip=compressed)
    Image.fromarray(MASK).save(path, pnginfo=info)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        "{",
        '{"pixel_size_um": [0, -1]}',
        '{"pixel_size_um": "x"}',
        '{"provenance": 3}',
        "[" * 100_000,
    ],
)
def test_a_text_that_is_not_understood_counts_as_none(tmp_path, text):
    path = png_with(tmp_path / "m.png", text)
    assert read_mask_facts(path) == MaskFacts()
    assert read_micrograph(path).pixel_size is None


def test_a_compressed_text_is_not_unpacked(tmp_path):
    path = png_with(tmp_path / "m.png", '{"pixel_size_um": [1, 1]}', compressed=True)
    assert read_mask_facts(path) == MaskFacts()


def test_a_chunk_that_claims_to_be_endless_ends_the_search(tmp_path):
    path = tmp_path / "m.png"
    head = struct.pack(">I", 0xFFFFFFF0) + b"iTXt"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + zlib.compress(b"x"))
    assert read_mask_facts(path) == MaskFacts()
