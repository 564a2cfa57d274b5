"""Smaller copies of panoramas, and what a first look finds."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_matssl.micrograph import looking_over, reading_panorama
from napari_matssl.micrograph.looking_over import glance, look_over
from napari_matssl.micrograph.overview import Overview
from napari_matssl.micrograph.reading_panorama import source_of

RANDOM = np.random.default_rng(3)
GREY = RANDOM.normal(120, 30, (333, 221)).clip(0, 255).astype(np.uint8)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(reading_panorama, "PANORAMA_PX", 20_000)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_bands_make_the_copies_of_the_whole_image(dtype, channels):
    info = np.finfo(dtype) if np.dtype(dtype).kind == "f" else np.iinfo(dtype)
    pixels = RANDOM.uniform(info.min / 4, info.max, (333, 221, *channels)).astype(dtype)
    whole, banded = (Overview(pixels.shape, pixels.dtype) for _ in range(2))
    whole.take(0, pixels)
    for start in range(0, 333, 48):
        banded.take(start, pixels[start : start + 48])
    for one, other, step in zip(whole.levels, banded.levels, (4, 16), strict=True):
        assert one.shape[:2] == (-(-333 // step), -(-221 // step))
        np.testing.assert_array_equal(one, other)
    corners = pixels[[0, 2]][:, [0, 2]].astype(np.float64)
    np.testing.assert_allclose(whole.levels[0][0, 0], corners.mean(axis=(0, 1)), rtol=1e-5, atol=2)


@pytest.mark.parametrize("tile", [(32, 64), (96, 32)])
def test_a_glance_reads_little_of_a_file_in_large_pieces(tmp_path, monkeypatch, tile):
    path, read = tmp_path / "a.tif", []
    tifffile.imwrite(path, GREY, tile=tile, compression="zlib")
    monkeypatch.setattr(looking_over, "_GLANCED_PX", 1600)
    source = source_of(path)

    def counted(*sides):
        found = source.read_part(*sides)
        read.append(found.size)
        return found

    overview = Overview(source.size, GREY.dtype)
    found = glance(replace(source, read_part=counted), overview)
    assert sum(read) <= 10 * 1600
    assert np.abs(np.percentile(found.sample, [1, 99]) - np.percentile(GREY, [1, 99])).max() < 10
    expected = Overview(GREY.shape, GREY.dtype)
    expected.take(0, GREY)
    for level, whole in zip(overview.levels, expected.levels, strict=True):
        assert np.array_equal(level[level > 0], whole[level > 0])
        across = (level > 0).any(axis=0)
        assert across.mean() > 0.6, "pieces lie across the width"


def test_a_glance_finds_black_and_white_before_all_is_looked_through(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, tile=(32, 64), compression="zlib")
    source = source_of(path)
    overview = Overview(source.size, GREY.dtype)
    found = glance(source, overview)
    assert np.abs(np.percentile(found.sample, [1, 99]) - np.percentile(GREY, [1, 99])).max() < 10
    seen = (overview.levels[0] > 0).any(axis=1).mean()
    assert 0.5 < seen <= 1
    look_over(source, overview)
    expected = Overview(GREY.shape, GREY.dtype)
    expected.take(0, GREY)
    np.testing.assert_array_equal(overview.levels[1], expected.levels[1])
