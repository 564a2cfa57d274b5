"""Segmentations in HDF5, as ilastik exports them: one dataset of class values, with axis tags."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.files import check_regular, damaged_file
from napari_matssl.labels.names import few
from napari_matssl.micrograph.bounds import check_extent
from napari_matssl.micrograph.reading import HDF5_SUFFIXES

_DATASET = "exported_data"
_EXPORT = (
    'In ilastik, choose the source "Simple Segmentation" and export each image as HDF5, PNG or TIFF'
)


def is_hdf5(path: Path) -> bool:
    """Whether a file is HDF5, by its suffix."""
    return path.suffix.lower() in HDF5_SUFFIXES


def read_hdf5(path: Path) -> NDArray[np.integer]:
    """Read the segmentation in an HDF5 file.

    It is the dataset ``exported_data``, as ilastik calls it, or the only one that there is. Its
    attribute ``axistags`` tells which axis is which; without one, axes of one place go.

    Returns
    -------
    ``(H, W)``, the values as they are stored.

    Raises
    ------
    InputError
        If h5py isn't installed, the file is damaged or too large, holds several datasets, several
        images or channels, or values that are no whole numbers.
    """
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            f"{path} is an HDF5 file, which takes the package h5py to read.",
            'Install it: pip install "napari-matssl[hdf5]". Or export the segmentation as PNG or '
            "TIFF.",
        ) from error
    check_regular(path)
    try:
        with h5py.File(path, "r") as file:
            dataset = _dataset_in(path, file, h5py.Dataset)
            place = _plane(path, dataset.shape, _axes_of(dataset))
            if dataset.dtype.kind not in "uib":
                raise InputError(
                    f"{path} holds values of the kind {dataset.dtype}, not class ids; "
                    "probabilities?",
                    f"{_EXPORT}.",
                )
            rows, columns = place.index("y"), place.index("x")
            width, height = dataset.shape[columns], dataset.shape[rows]
            check_extent(path, width, height, dataset.dtype.itemsize, path.stat().st_size, True)
            values = np.asarray(dataset[tuple(slice(None) if one else 0 for one in place)])
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise damaged_file(path, str(error), "Export the segmentation again.") from error
    values = values.astype(np.uint8) if values.dtype == np.bool_ else values
    return values.T if rows > columns else values


def _dataset_in(path: Path, file: Any, kind: type) -> Any:
    """Return the dataset of the segmentation."""
    found: dict[str, Any] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, kind):
            found[name] = item

    file.visititems(collect)  # each object once, however they are linked
    if _DATASET in found:
        return found[_DATASET]
    if len(found) == 1:
        return next(iter(found.values()))
    what = f"holds the datasets {few(list(found), 6)}" if found else "holds no dataset"
    raise InputError(
        f"{path} {what}, and none is called {_DATASET}.", f"{_EXPORT}, into the dataset {_DATASET}."
    )


def _axes_of(dataset: Any) -> str:
    """Return the keys of the axes, such as ``"tyxc"``; "" where they aren't told."""
    tags = dataset.attrs.get("axistags")
    if tags is None:
        return ""
    try:
        keys = [str(axis["key"]) for axis in json.loads(tags)["axes"]]
    except (ValueError, TypeError, KeyError):
        return ""
    return "".join(keys) if len(keys) == len(dataset.shape) else ""


def _plane(path: Path, shape: tuple[int, ...], axes: str) -> list[str]:
    """Tell which axes are rows (``"y"``) and columns (``"x"``); ``""`` for those of one place."""
    if "y" in axes and "x" in axes:
        place = [one if one in "yx" else "" for one in axes]
    else:
        long = [n for n, size in enumerate(shape) if size > 1]
        if len(long) != 2:
            sizes = " x ".join(map(str, shape))
            raise InputError(
                f"{path} holds {sizes} values without axis tags: which are rows and columns?",
                f"{_EXPORT}.",
            )
        place = ["y" if n == long[0] else "x" if n == long[1] else "" for n in range(len(shape))]
    for key, size, one in zip(axes or "?" * len(shape), shape, place, strict=True):
        if one or size == 1:
            continue
        what = {"c": "channels: probabilities?", "t": "images", "z": "slices"}.get(key, "images")
        raise InputError(f"{path} holds {size} {what}, not one segmentation.", f"{_EXPORT}.")
    return place
