"""PNGs of which only the changed bands are packed anew."""

import io

import numpy as np
import pytest
from PIL import Image

from napari_matssl.export import banded_png
from napari_matssl.export.banded_png import BandedPng
from napari_matssl.labels.counting import count_values

PALETTE = bytes(range(256)) * 3


def decoded(content):
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == "P"
        return np.asarray(image)


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (400, 3), (3, 4000), (257, 300)])
def test_what_is_written_is_read_whatever_the_bands(shape, monkeypatch):
    monkeypatch.setattr(banded_png, "BAND_PX", 1000)
    random = np.random.default_rng(0)
    ids = random.integers(0, 255, shape, dtype=np.uint8)
    packer = BandedPng()
    for _ in range(4):
        np.testing.assert_array_equal(decoded(packer.encode(ids, PALETTE)), ids)
        row, column = random.integers(shape[0]), random.integers(shape[1])
        ids[row : row + 9, column : column + 9] += np.uint8(1)
    for other in (ids[: shape[0] // 2 + 1], ids.reshape(shape[1], shape[0]), ids):
        np.testing.assert_array_equal(decoded(packer.encode(other, PALETTE)), other)


def test_only_bands_that_changed_are_packed(monkeypatch):
    monkeypatch.setattr(banded_png, "BAND_PX", 1000)
    packed = []
    real = banded_png.zlib.compressobj
    monkeypatch.setattr(banded_png.zlib, "compressobj", lambda **k: packed.append(1) or real(**k))
    ids = np.zeros((500, 100), np.uint8)
    packer = BandedPng()
    packer.encode(ids, PALETTE)
    assert len(packed) == 50
    ids[205, 7] = 1
    packer.encode(ids, PALETTE)
    assert len(packed) == 51


def test_pixels_are_counted_the_same_in_any_type():
    ids = np.random.default_rng(0).integers(0, 4, (40, 50)).astype(np.uint8)
    assert count_values(ids) == count_values(ids.astype(np.int64))
    assert count_values(ids[::2, ::3]) == count_values(ids[::2, ::3].astype(np.uint16))
