"""Supervisely: a JSON file for each image, called like it with ``.json`` at the end."""

import zlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.files import read_json, stamp_of
from napari_matssl.labels.exchange.fields import (
    as_count,
    as_list,
    as_object,
    as_points,
    as_size,
    as_text,
    box,
    decode_png,
    from_base64,
    named_classes,
)
from napari_matssl.labels.exchange.shapes import (
    AnnotatedImage,
    Annotation,
    AnnotationFile,
    Bitmap,
    BrokenAnnotationError,
    Outline,
    Points,
    Shape,
    Stroke,
)

PROGRAM = "Supervisely"
META = "meta.json"
"""File with the classes of a project, in the folder of its data sets."""

_HEADER = 64  # bytes of a PNG's signature and header
_MOST_PER_PIXEL = 8  # bytes of a PNG


def is_supervisely(data: Mapping[str, Any]) -> bool:
    """Whether a JSON object has the fields of an image's annotations in Supervisely."""
    return {"objects", "size"} <= data.keys()


def read_supervisely(path: Path, data: Mapping[str, Any]) -> AnnotationFile:
    """Read what a file of Supervisely holds.

    Whole coordinates are places of pixels, as its exports have them, and others places in the
    image.

    Raises
    ------
    BrokenAnnotationError
        If an object isn't as it should be.
    """
    size = as_object(data["size"], "size")
    found, strange = list[Annotation](), list[str]()
    for number, value in enumerate(as_list(data["objects"], "objects"), 1):
        entry = as_object(value, f"object {number}")
        try:
            name, shape = as_text(entry.get("classTitle"), "classTitle"), _shape(entry)
        except BrokenAnnotationError as error:
            raise BrokenAnnotationError(f"object {number}: {error}") from error
        if shape is None:
            strange.append(str(entry.get("geometryType"))[:20])
        else:
            found.append(Annotation(name, shape))
    remarks = [f"{path.name}: objects that are no areas are passed over: {', '.join(strange)}."]
    image = AnnotatedImage(path.stem, as_size(size.get("width"), size.get("height")), tuple(found))
    colours = _project_colours(path)
    used = {one.name for one in found}
    names = [name for name in colours if name in used] + [one.name for one in found]
    classes = named_classes(names, colours)
    return AnnotationFile(path, PROGRAM, (image,), classes, (), tuple(remarks * bool(strange)))


def _shape(entry: Mapping[str, Any]) -> Shape | None:
    """Make the shape of an object; None for a type that isn't known."""
    kind = entry.get("geometryType")
    if kind == "bitmap":
        return _bitmap(as_object(entry.get("bitmap"), "bitmap"))
    if kind not in ("polygon", "rectangle", "line", "point"):
        return None
    points = as_object(entry.get("points"), "points")
    outer = points.get("exterior")
    if kind == "rectangle":
        corners = as_points(outer, 2)
        more = 1 if _whole(corners) else 0
        return box(*corners.min(axis=0), *(corners.max(axis=0) + more))
    if kind == "polygon":
        inner = [_placed(as_points(one, 3)) for one in as_list(points.get("interior", []), "holes")]
        return Outline((_placed(as_points(outer, 3)), *inner))
    return Stroke(_placed(as_points(outer, 1)))


def _placed(points: Points) -> Points:
    return points + 0.5 if _whole(points) else points


def _whole(points: Points) -> bool:
    return bool(np.all(points == np.floor(points)))


def _bitmap(entry: Mapping[str, Any]) -> Bitmap:
    origin = as_list(entry.get("origin"), "origin")
    if len(origin) != 2:
        raise BrokenAnnotationError("origin has not two numbers")
    left, top = (as_count(one, "origin") for one in origin)
    packed = from_base64(entry.get("data"), "data")
    start = _inflated(packed, _HEADER)
    if start[:8] != b"\x89PNG\r\n\x1a\n" or start[12:16] != b"IHDR":
        raise BrokenAnnotationError("a bitmap is no PNG")
    width, height = int.from_bytes(start[16:20]), int.from_bytes(start[20:24])
    return Bitmap(left, top, width, height, partial(_unpacked, packed, width, height))


def _unpacked(packed: bytes, width: int, height: int) -> NDArray[np.bool_]:
    most = _MOST_PER_PIXEL * width * height + 65_536
    return decode_png(_inflated(packed, most), width, height)


def _inflated(packed: bytes, most: int) -> bytes:
    """Inflate so many bytes at most."""
    try:
        return zlib.decompressobj().decompress(packed, most)
    except zlib.error as error:
        raise BrokenAnnotationError("a bitmap is not packed as it should be") from error


def _project_colours(path: Path) -> dict[str, str]:
    """Return colours by class, in the order of the project's file; empty without one."""
    for folder in path.absolute().parents[:3]:
        try:
            if stamp_of(folder / META) is None:
                continue
            entries = as_list(read_json(folder / META, "").get("classes"), "classes")
            return {str(one["title"]): str(one.get("color")) for one in entries}
        except (InputError, BrokenAnnotationError, AttributeError, KeyError, TypeError):
            return {}  # colours and order alone would come from it
    return {}
