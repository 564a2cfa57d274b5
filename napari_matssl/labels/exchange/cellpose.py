"""Masks of cellpose: images in which each object has a number of its own."""

from pathlib import Path

from napari_matssl.errors import InputError
from napari_matssl.labels.exchange.shapes import (
    AnnotatedImage,
    Annotation,
    AnnotationFile,
    Bitmap,
    SourceClass,
)
from napari_matssl.labels.reading_labels import read_labels

PROGRAM = "cellpose"
_ENDING = "_cp_masks"


def is_cellpose(path: Path) -> bool:
    """Whether a file is one of masks, by the name that cellpose gives it."""
    return path.stem.endswith(_ENDING) and path.suffix.lower() in (".png", ".tif", ".tiff")


def read_cellpose(path: Path, name: str | None) -> AnnotationFile:
    """Read masks; all objects are of the one class `name`.

    Raises
    ------
    InputError
        If no class is named, or the file is no image of numbers.
    """
    if name is None:
        raise InputError(
            f"The masks of {path} have no classes.",
            "Name the class that they are of.",
            settings="class",
        )
    numbers = read_labels(path)
    height, width = numbers.shape
    inside = Bitmap(0, 0, width, height, lambda: read_labels(path) > 0)
    annotations = (Annotation(name, inside),) if numbers.any() else ()
    image = AnnotatedImage(path.stem.removesuffix(_ENDING), (width, height), annotations)
    return AnnotationFile(path, PROGRAM, (image,), (SourceClass(name),))
