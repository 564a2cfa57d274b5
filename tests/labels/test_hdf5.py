"""Segmentations in HDF5, written as ilastik writes them."""

import builtins
import json

import numpy as np
import pytest

from napari_matssl.errors import InputError
from napari_matssl.labels.hdf5 import read_hdf5
from napari_matssl.labels.pairing import pair_by_stem
from napari_matssl.labels.reading_labels import read_labels, read_values

h5py = pytest.importorskip("h5py")

LABELS = np.ones((40, 56), np.uint8)
LABELS[:10, 3:20] = 2
LABELS[30:] = 3


def write(path, values, axes=None, dataset="exported_data", **options):
    """Write a dataset with axis tags as vigra makes them."""
    with h5py.File(path, "w") as file:
        made = file.create_dataset(dataset, data=values, **options)
        if axes is not None:
            tags = [
                {"key": key, "typeFlags": 1 if key == "c" else 2, "resolution": 0,
                 "description": ""}
                for key in axes
            ]  # fmt: skip
            made.attrs["axistags"] = json.dumps({"axes": tags})
        made.attrs["display_mode"] = "default"
    return path


@pytest.mark.parametrize(
    ("axes", "values"),
    [
        ("yxc", LABELS[..., None]),
        ("tyxc", LABELS[None, ..., None]),
        ("tzyxc", LABELS[None, None, ..., None]),
        ("xyc", LABELS.T[..., None]),
        ("yx", LABELS),
        (None, LABELS[None, ..., None]),
    ],
)
def test_axes_are_told_by_their_tags(tmp_path, axes, values):
    path = write(tmp_path / "a.h5", values, axes)
    assert np.array_equal(read_hdf5(path), LABELS)
    assert np.array_equal(read_labels(path), LABELS)
    assert np.array_equal(read_values(path, None).values, LABELS)


def test_a_layer_of_one_row_keeps_it_where_tags_tell_which_axes_are_which(tmp_path):
    path = write(tmp_path / "a.h5", LABELS[:1, :, None], "yxc")
    assert read_hdf5(path).shape == (1, 56)


def test_chunks_and_compression(tmp_path):
    options = {"chunks": (1, 16, 16, 1), "compression": "gzip"}
    path = write(tmp_path / "a.hdf5", LABELS[None, ..., None], "tyxc", **options)
    assert np.array_equal(read_hdf5(path), LABELS)


@pytest.mark.parametrize("kind", [np.uint32, np.int64, np.bool_])
def test_kinds_of_numbers(tmp_path, kind):
    path = write(tmp_path / "a.h5", LABELS.astype(kind), "yx")
    assert np.array_equal(read_hdf5(path), LABELS.astype(kind))


def test_the_only_dataset_is_taken_whatever_it_is_called(tmp_path):
    path = write(tmp_path / "a.h5", LABELS, "yx", "volume/data")
    assert np.array_equal(read_hdf5(path), LABELS)


@pytest.mark.parametrize(
    ("values", "axes", "words"),
    [
        (np.zeros((40, 56, 3), np.float32), "yxc", "3 channels: probabilities?"),
        (np.zeros((40, 56, 1), np.float32), "yxc", "float32"),
        (np.zeros((5, 40, 56, 1), np.uint8), "tyxc", "5 images"),
        (np.zeros((5, 40, 56, 1), np.uint8), "zyxc", "5 slices"),
        (np.zeros((5, 40, 56), np.uint8), None, "5 x 40 x 56"),
    ],
)
def test_what_is_no_segmentation_of_one_image_is_refused(tmp_path, values, axes, words):
    path = write(tmp_path / "a.h5", values, axes)
    with pytest.raises(InputError, match="Simple Segmentation") as error:
        read_hdf5(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)


def test_several_datasets_are_named(tmp_path):
    path = write(tmp_path / "a.h5", LABELS, "yx", "first")
    with h5py.File(path, "a") as file:
        file["second"] = LABELS
        file["group/again"] = file["/"]  # a circle of links
    with pytest.raises(InputError, match="first, second"):
        read_hdf5(path)


def test_a_truncated_file_is_damaged(tmp_path):
    path = write(tmp_path / "a.h5", LABELS, "yx")
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(InputError, match="damaged or incomplete"):
        read_hdf5(path)


def test_without_h5py_one_line_tells_how_to_get_it(tmp_path, monkeypatch):
    path = write(tmp_path / "a.h5", LABELS, "yx")
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "h5py":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError) as error:
        read_values(path, None)
    assert len(str(error.value).splitlines()) == 1
    assert 'pip install "napari-matssl[hdf5]"' in str(error.value)


def test_labels_in_hdf5_are_paired_with_images(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    (tmp_path / "images" / "a.tif").write_bytes(b"")
    label = write(tmp_path / "labels" / "a.h5", LABELS, "yx")
    (pair,) = pair_by_stem(tmp_path / "images", tmp_path / "labels").pairs
    assert pair.label == label
