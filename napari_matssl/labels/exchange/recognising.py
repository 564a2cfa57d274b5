"""Tell by its content what program an annotation file is of, and read it."""

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_matssl.errors import InputError
from napari_matssl.files import LONGEST_TEXT, check_regular, read_json, unreadable_file
from napari_matssl.labels.exchange.cellpose import is_cellpose, read_cellpose, read_cellpose_numpy
from napari_matssl.labels.exchange.coco import is_coco, read_coco
from napari_matssl.labels.exchange.colour_masks import read_colour_mask
from napari_matssl.labels.exchange.cvat import read_cvat
from napari_matssl.labels.exchange.fiji import ROI_START, RoiClasses, read_fiji
from napari_matssl.labels.exchange.labelme import is_labelme, read_labelme
from napari_matssl.labels.exchange.numpy_pickle import LARGEST_FILE
from napari_matssl.labels.exchange.pictures import is_picture
from napari_matssl.labels.exchange.shapes import AnnotationFile, BrokenAnnotationError
from napari_matssl.labels.exchange.supervisely import is_supervisely, read_supervisely
from napari_matssl.labels.exchange.value_masks import read_value_mask
from napari_matssl.labels.names import class_name

SUFFIXES = (".json", ".xml", ".zip", ".roi", ".npy")
"""Suffixes of the files that are looked for in folders, in lower case."""

KNOWN = (
    "Annotations of COCO, LabelMe, CVAT for images 1.1, Supervisely, Fiji (ROIs), cellpose "
    "(masks), and masks of colours or grey values can be read."
)
_ZIP, _NUMPY = b"PK\x03\x04", b"\x93NUMPY"


@dataclass(frozen=True)
class Reading:
    """How to read what the files don't tell themselves.

    Parameters
    ----------
    name
        The class of all shapes of files that have no names of classes.
    roi_classes
        Else what tells the classes of ROIs.
    colours
        Name and colour of each class in masks of colours.
    values
        Name and grey value of each class in masks of one channel.
    """

    name: str | None = None
    roi_classes: RoiClasses | None = None
    colours: tuple[tuple[str, str], ...] = ()
    values: tuple[tuple[str, int], ...] = ()


def is_annotation_file(path: Path, reading: Reading) -> bool:
    """Whether a file in a folder may hold annotations; images may if classes are given."""
    if path.suffix.lower() in SUFFIXES or is_cellpose(path):
        return True
    return bool(reading.colours or reading.values) and is_picture(path)


def read_annotation_file(path: Path, reading: Reading) -> AnnotationFile:
    """Read a file of annotations, whatever its program.

    Raises
    ------
    InputError
        If it can't be read, is of no program that is known, or broken.
    """
    is_large = path.suffix.lower() == ".npy" or is_picture(path)
    start = _read(path, 16, LARGEST_FILE if is_large else LONGEST_TEXT)
    try:
        return _with_valid_names(_read_any(path, start, reading))
    except BrokenAnnotationError as error:
        raise InputError(f"{path} can't be used: {error}.", "Export it again.") from error


def _read_any(path: Path, start: bytes, reading: Reading) -> AnnotationFile:
    if is_cellpose(path):
        return read_cellpose(path, reading.name)
    if is_picture(path) and reading.values:
        return read_value_mask(path, dict(reading.values))
    if is_picture(path):
        return read_colour_mask(path, dict(reading.colours))
    if start.startswith(_NUMPY):
        return read_cellpose_numpy(path, reading.name)
    if start.startswith(ROI_START):
        return read_fiji(path, _read(path, LONGEST_TEXT), reading.name, reading.roi_classes)
    if start.startswith(_ZIP):
        return _read_zip(path, reading)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return read_cvat(path, _read(path, LONGEST_TEXT))
    return _read_object(path)


def _with_valid_names(file: AnnotationFile) -> AnnotationFile:
    """Give names of classes in the one form in which they are compared."""
    named = {one.name for one in file.classes}
    try:
        valid = {name: class_name(name) for name in named}
    except ValueError as error:
        raise BrokenAnnotationError(str(error)) from error
    classes = {valid[one.name]: replace(one, name=valid[one.name]) for one in file.classes}
    images = (
        replace(
            image,
            annotations=tuple(replace(one, name=valid[one.name]) for one in image.annotations),
        )
        for image in file.images
    )
    return replace(file, classes=tuple(classes.values()), images=tuple(images))


def _read_object(path: Path) -> AnnotationFile:
    data = read_json(path, KNOWN)
    if isinstance(data, Mapping):
        for is_of, read in _OBJECTS:
            if is_of(data):
                return read(path, data)
    raise InputError(f"{path} has no annotations of a program that is known.", KNOWN)


_Object = Mapping[str, Any]
_OBJECTS: tuple[
    tuple[Callable[[_Object], bool], Callable[[Path, _Object], AnnotationFile]], ...
] = (
    (is_labelme, read_labelme),
    (is_coco, read_coco),
    (is_supervisely, read_supervisely),
)


def _read_zip(path: Path, reading: Reading) -> AnnotationFile:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [one.lower() for one in archive.namelist()]
        if any(name.endswith(".roi") for name in names):
            return read_fiji(path, b"", reading.name, reading.roi_classes)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise InputError(f"{path} is a damaged archive.", "Export it again.") from error
    raise InputError(
        f"{path} is an archive without ROIs.", "Unpack it, and name the files of annotations in it."
    )


def _read(path: Path, most: int, largest: int = LONGEST_TEXT) -> bytes:
    """Read so many bytes; a file that is larger than any of its kind is refused."""
    size = check_regular(path)
    if size > largest:
        raise InputError(
            f"{path} is larger than {largest >> 20} MB, too large for what it is.",
            "Export the images in parts.",
        )
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise unreadable_file(path, error) from error
