"""Masks of cellpose: images or NumPy files in which each object has a number of its own."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.labels.exchange.numpy_pickle import StoredArray, read_dict
from napari_matssl.labels.exchange.shapes import (
    AnnotatedImage,
    Annotation,
    AnnotationFile,
    Bitmap,
    SourceClass,
)
from napari_matssl.labels.reading_labels import read_labels
from napari_matssl.plain_pickle import RefusedError

PROGRAM = "cellpose"
_ENDING, _NUMPY_ENDING = "_cp_masks", "_seg"


def is_cellpose(path: Path) -> bool:
    """Whether a file is an image of masks, by the name that cellpose gives it."""
    return path.stem.endswith(_ENDING) and path.suffix.lower() in (".png", ".tif", ".tiff")


def read_cellpose(path: Path, name: str | None) -> AnnotationFile:
    """Read masks of an image file; all objects are of the one class `name`.

    Raises
    ------
    InputError
        If no class is named, or the file is no image of numbers.
    """
    inside = read_labels(path) > 0
    return _of_class(path, path.stem.removesuffix(_ENDING), inside, name)


def read_cellpose_numpy(path: Path, name: str | None) -> AnnotationFile:
    """Read masks of a ``_seg.npy``; all objects are of the one class `name`.

    Raises
    ------
    InputError
        If no class is named, or the file holds no masks of one image.
    """
    masks = read_dict(path).get("masks")
    if not isinstance(masks, StoredArray):
        raise InputError(f"{path} holds no masks of cellpose.", "Give a file that it has saved.")
    try:
        numbers = masks.numbers()
    except RefusedError as error:
        raise InputError(
            f"The masks in {path} can't be read: {error}.", "Save it again."
        ) from error
    if numbers.ndim == 3 and len(numbers) == 1:
        numbers = numbers[0]
    if numbers.ndim != 2:
        raise InputError(
            f"{path} holds the masks of a stack, {' x '.join(map(str, numbers.shape))}.",
            "Save each slice by itself.",
        )
    inside: NDArray[np.bool_] = np.asarray(numbers != 0)
    return _of_class(path, path.stem.removesuffix(_NUMPY_ENDING), inside, name)


def _of_class(
    path: Path, image: str, inside: NDArray[np.bool_], name: str | None
) -> AnnotationFile:
    """Make the annotations of an image; all that is inside is of the one class.

    Raises
    ------
    InputError
        If no class is named.
    """
    if name is None:
        raise InputError(
            f"The masks of {path} have no classes.",
            "Name the class that they are of.",
            settings="class",
        )
    height, width = inside.shape
    whole = Bitmap(0, 0, width, height, lambda: inside)
    annotations = (Annotation(name, whole),) if inside.any() else ()
    annotated = AnnotatedImage(image, (width, height), annotations)
    return AnnotationFile(path, PROGRAM, (annotated,), (SourceClass(name),))
