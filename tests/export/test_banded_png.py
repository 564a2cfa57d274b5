"""PNGs of which only the changed bands are packed anew."""

import io

import numpy as np
import pytest
from PIL import Image

from napari_matssl.export.banded_png import BAND_PX, BandedPng
from napari_matssl.labels.counting import count_values

PALETTE = bytes(range(256)) * 3


def decoded(content):
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == "P"
        return np.asarray(image)


SHAPES = [(1, 1), (7, 5), (3, 4000), (BAND_PX // 100, 301), (3, BAND_PX + 5)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_is_written_is_read_whatever_the_bands(shape):
    random = np.random.default_rng(0)
    ids = np.repeat(random.integers(0, 255, shape[0], dtype=np.uint8), shape[1]).reshape(shape)
    packer = BandedPng()
    for _ in range(3):
        np.testing.assert_array_equal(decoded(packer.encode(ids, PALETTE)), ids)
        row, column = random.integers(shape[0]), random.integers(shape[1])
        ids[row : row + 9, column : column + 9] += np.uint8(1)
    for other in (ids[: shape[0] // 2 + 1], ids.reshape(shape[1], shape[0]), ids):
        np.testing.assert_array_equal(decoded(packer.encode(other, PALETTE)), other)


def test_only_bands_that_changed_are_packed(packed_bands):
    ids = np.ones((5 * BAND_PX // 1024, 1024), np.uint8)
    packer = BandedPng()
    packer.encode(ids, PALETTE)
    assert len(packed_bands) == 5
    ids[BAND_PX // 500, 7] = 2
    packer.encode(ids, PALETTE)
    assert len(packed_bands) == 6


def test_bands_without_a_class_are_packed_once_for_all_images(packed_bands):
    ids = np.zeros((5 * BAND_PX // 512, 512), np.uint8)
    packed = BandedPng().encode(ids, PALETTE)
    count = len(packed_bands)
    assert BandedPng().encode(ids, PALETTE) == packed
    assert len(packed_bands) == count


def test_pixels_are_counted_the_same_in_any_type():
    ids = np.random.default_rng(0).integers(0, 4, (40, 50)).astype(np.uint8)
    assert count_values(ids) == count_values(ids.astype(np.int64))
    assert count_values(ids[::2, ::3]) == count_values(ids[::2, ::3].astype(np.uint16))
