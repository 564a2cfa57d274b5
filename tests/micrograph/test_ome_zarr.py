"""OME-Zarr images are read by rows."""

import sys

import numpy as np
import pytest
import zarr

from napari_matssl.errors import InputError, StackError
from napari_matssl.micrograph.panorama import Panorama
from napari_matssl.micrograph.reading import SUFFIXES, ZARR, find_micrographs
from napari_matssl.micrograph.reading_panorama import read_any

GREY = np.random.default_rng(0).integers(0, 60_000, (150, 130)).astype(np.uint16)
COLOUR = np.random.default_rng(1).integers(0, 255, (3, 150, 130)).astype(np.uint8)
PRIMARY = [{"color": "FF0000"}, {"color": "00FF00"}, {"color": "0000FF"}]


def write(path, pixels, version="0.5", axes="yx", unit="micrometer", channels=None, **options):
    """Write an image with one smaller copy."""
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    options = {"chunks": (1,) * (pixels.ndim - 2) + (32, 48), **options}
    for level, step in enumerate((1, 2)):
        level_pixels = pixels[..., ::step, ::step]
        array = group.create_array(
            str(level), shape=level_pixels.shape, dtype=pixels.dtype, **options
        )
        array[:] = level_pixels
    kinds = {"y": "space", "x": "space", "z": "space", "c": "channel", "t": "time"}
    named = [
        {"name": name, "type": kinds[name], **({"unit": unit} if name in "yx" and unit else {})}
        for name in axes
    ]
    scale = [1.0] * (len(axes) - 2) + [0.5, 0.25]
    datasets = [
        {"path": str(n), "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        for n in range(2)
    ]
    notes = {"multiscales": [{"axes": named, "datasets": datasets, "version": version}]}
    if channels:
        notes["omero"] = {"channels": channels}
    group.attrs.update(notes if version == "0.4" else {"ome": {"version": version, **notes}})
    return path


def in_bands(panorama, rows=19):
    return np.concatenate(
        [
            panorama.read(row, min(row + rows, panorama.height))
            for row in range(0, panorama.height, rows)
        ]
    )


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_rows_and_pixel_size_of_the_largest_copy(tmp_path, version):
    panorama = read_any(write(tmp_path / "a.ome.zarr", GREY, version))
    assert isinstance(panorama, Panorama)
    np.testing.assert_array_equal(in_bands(panorama), GREY)
    assert (panorama.pixel_size.x_um, panorama.pixel_size.y_um) == (0.25, 0.5)
    assert panorama.remarks == ()
    np.testing.assert_array_equal(panorama.sample.pixels, GREY)


def test_shards_are_read(tmp_path):
    panorama = read_any(write(tmp_path / "a.zarr", GREY, chunks=(16, 16), shards=(64, 64)))
    np.testing.assert_array_equal(in_bands(panorama), GREY)


@pytest.mark.parametrize("unit", [None, "inch", "pixel"])
def test_without_a_unit_of_length_it_is_not_calibrated(tmp_path, unit):
    assert read_any(write(tmp_path / "a.zarr", GREY, unit=unit)).pixel_size is None


def test_nanometres_are_nanometres(tmp_path):
    size = read_any(write(tmp_path / "a.zarr", GREY, unit="nanometer")).pixel_size
    assert (size.x_um, size.y_um) == pytest.approx((0.00025, 0.0005))


def test_red_green_and_blue_are_one_image(tmp_path):
    path = write(tmp_path / "a.zarr", COLOUR[None], axes="tcyx", channels=PRIMARY)
    panorama = read_any(path)
    np.testing.assert_array_equal(in_bands(panorama), np.moveaxis(COLOUR, 0, -1))


def test_the_first_of_several_channels_is_read_with_a_remark(tmp_path):
    path = write(tmp_path / "a.zarr", COLOUR, axes="cyx")
    panorama = read_any(path)
    np.testing.assert_array_equal(in_bands(panorama), COLOUR[0])
    assert panorama.remarks == ("a.zarr: channel 1 of 3 is read.",)
    second = read_any(path, page=2)
    np.testing.assert_array_equal(in_bands(second), COLOUR[1])
    assert (second.page, second.pages) == (2, 3)


def test_of_a_stack_a_plane_has_to_be_chosen(tmp_path):
    path = write(tmp_path / "a.zarr", COLOUR, axes="zyx")
    with pytest.raises(StackError, match="a stack of 3 planes"):
        read_any(path)
    np.testing.assert_array_equal(in_bands(read_any(path, page=3)), COLOUR[2])
    with pytest.raises(InputError, match="no page 4"):
        read_any(path, page=4)


def test_chunks_that_are_not_there_are_remarked(tmp_path):
    path = write(tmp_path / "a.zarr", GREY)
    (path / "0" / "c" / "0" / "0").unlink()
    panorama = read_any(path)
    assert panorama.remarks == (
        "a.zarr: 1 of its 15 chunks aren't there: their pixels count as 0.",
    )
    assert (panorama.read(0, 32)[:, :48] == 0).all()


def test_a_damaged_chunk_is_told_with_its_rows(tmp_path):
    path = write(tmp_path / "a.zarr", GREY)
    (path / "0" / "c" / "1" / "0").write_bytes(b"no chunk")
    with pytest.raises(InputError, match=r"a\.zarr is damaged.*rows 32 to 64"):
        read_any(path)


def test_other_folders_are_refused_in_one_line(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(InputError, match=r"a\.zarr is no OME-Zarr"):
        read_any(tmp_path / "a.zarr")
    zarr.open_group(tmp_path / "b.zarr", mode="w")
    with pytest.raises(InputError, match=r"b\.zarr is no OME-Zarr image"):
        read_any(tmp_path / "b.zarr")


def test_without_the_package_the_line_tells_how_to_get_it(tmp_path, monkeypatch):
    path = write(tmp_path / "a.zarr", GREY)
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(InputError, match=r"napari-matssl\[panorama\]"):
        read_any(path)


def test_folders_of_images_may_hold_some(tmp_path):
    path = write(tmp_path / "a.zarr", GREY)
    assert find_micrographs([tmp_path], (*SUFFIXES, ZARR)) == [path]
    assert find_micrographs([path], (*SUFFIXES, ZARR)) == [path]
    with pytest.raises(InputError, match="holds no images"):
        find_micrographs([path])
