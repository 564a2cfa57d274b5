"""Masks that other programs read."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_matssl.errors import OutputError
from napari_matssl.export.masks import write_mask, write_mask_tiff
from napari_matssl.export.overlay import write_overlay
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.micrograph.reading import read_micrograph

TABLE = numbered_table([1, 2, 3])
BLUE, _ORANGE, RED = (c.rgb for c in TABLE.classes)
MASK = np.kron(np.array([[1, 2], [2, 1]], np.uint8), np.ones((20, 30), np.uint8))


def test_a_mask_file_holds_the_class_ids_and_their_colours(tmp_path):
    mask = np.array([[0, 1, 2], [3, 3, 0]], np.uint8)
    write_mask(tmp_path / "m.png", mask, TABLE)
    with Image.open(tmp_path / "m.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), mask)
        colours = np.asarray(image.convert("RGB"))
    assert tuple(colours[0, 1]) == BLUE
    assert tuple(colours[1, 0]) == RED
    assert tuple(colours[0, 0]) == (0, 0, 0)


def test_every_id_survives_also_with_few_classes(tmp_path):
    mask = np.array([[0, 254, 17, 254]], np.uint8)
    write_mask(tmp_path / "m.png", mask, numbered_table([17, 254]))
    with Image.open(tmp_path / "m.png") as image:
        np.testing.assert_array_equal(np.asarray(image), mask)


def test_where_zero_is_a_class_it_has_its_colour_and_255_is_black(tmp_path):
    write_mask(tmp_path / "m.png", np.array([[0, 255]], np.uint8), numbered_table([0, 1]))
    with Image.open(tmp_path / "m.png") as image:
        colours = np.asarray(image.convert("RGB"))
    assert tuple(colours[0, 0]) == BLUE
    assert tuple(colours[0, 1]) == (0, 0, 0)


@pytest.mark.parametrize("size", [(0.16867, 0.16867), (3.3724, 1.25), (0.0021, 0.0021)])
def test_a_tiff_mask_is_calibrated_for_whoever_reads_it(tmp_path, size):
    write_mask_tiff(tmp_path / "m.tif", MASK, PixelSize(*size, "test"))
    found = read_micrograph(tmp_path / "m.tif").pixel_size
    assert (found.x_um, found.y_um) == pytest.approx(size, rel=1e-5)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "m.tif"), MASK)


def test_a_tiff_mask_of_an_uncalibrated_image_claims_no_calibration(tmp_path):
    write_mask_tiff(tmp_path / "m.tif", MASK, None)
    assert read_micrograph(tmp_path / "m.tif").pixel_size is None
    with tifffile.TiffFile(tmp_path / "m.tif") as tiff:
        assert tiff.pages[0].dtype == np.uint8


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_mask(path, MASK, TABLE),
        lambda path: write_mask_tiff(path, MASK, None),
        lambda path: write_overlay(path, Micrograph("f.tif", MASK), MASK, TABLE),
    ],
    ids=["mask", "tiff", "overlay"],
)
def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path, write):
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    with pytest.raises(OutputError, match="Choose another place"):
        write(blocker / "picture")
