"""LabelMe: a JSON file for each image, with shapes of several types."""

import base64
import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_matssl.labels.exchange.fields import (
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
    Disc,
    Outline,
    Shape,
    Stroke,
)

PROGRAM = "LabelMe"
_VERSION = "5.5.0"  # of the format that is written


def is_labelme(data: Mapping[str, Any]) -> bool:
    """Whether a JSON object has the fields of LabelMe."""
    return "shapes" in data and "imagePath" in data


def read_labelme(path: Path, data: Mapping[str, Any]) -> AnnotationFile:
    """Read what a file of LabelMe holds.

    Raises
    ------
    BrokenAnnotationError
        If a shape isn't as it should be.
    """
    found, strange = list[Annotation](), list[str]()
    for number, value in enumerate(as_list(data["shapes"], "shapes"), 1):
        entry = as_object(value, f"shape {number}")
        try:
            name, shapes = as_text(entry.get("label"), "the label"), _shapes(entry)
        except BrokenAnnotationError as error:
            raise BrokenAnnotationError(f"shape {number}: {error}") from error
        if shapes is None:
            strange.append(str(entry.get("shape_type"))[:20])
            continue
        found += [Annotation(name, shape) for shape in shapes]
    image = AnnotatedImage(
        as_text(data["imagePath"], "imagePath"),
        as_size(data.get("imageWidth"), data.get("imageHeight")),
        tuple(found),
    )
    remarks = [f"{path.name}: shapes that are no areas are passed over: {', '.join(strange)}."]
    classes = named_classes([one.name for one in found], {})
    return AnnotationFile(path, PROGRAM, (image,), classes, (), tuple(remarks * bool(strange)))


def _shapes(entry: Mapping[str, Any]) -> list[Shape] | None:
    """Make the shapes of an entry; None for a type that isn't known."""
    kind, given = entry.get("shape_type", "polygon"), entry.get("points")
    if kind == "polygon" or kind is None:
        return [Outline((as_points(given, 3),))]
    if kind == "rectangle":
        left, top = as_points(given, 2).min(axis=0)
        right, bottom = as_points(given, 2).max(axis=0)
        return [box(left, top, right, bottom)]
    if kind == "circle":
        (x, y), rim = as_points(given, 2)[:2]
        return [Disc(x, y, float(np.hypot(rim[0] - x, rim[1] - y)))]
    if kind in ("line", "linestrip"):
        return [Stroke(as_points(given, 2))]
    if kind in ("point", "points"):
        return [Stroke(point[None]) for point in as_points(given, 1)]
    return [_bitmap(entry)] if kind == "mask" else None


def _bitmap(entry: Mapping[str, Any]) -> Bitmap:
    """Make a mask, whose two points are its first and its last pixel."""
    corners = as_points(entry.get("points"), 2)
    left, top = (int(v) for v in np.floor(corners.min(axis=0)))
    right, bottom = (int(v) for v in np.floor(corners.max(axis=0)))
    raw, width, height = from_base64(entry.get("mask"), "mask"), right - left + 1, bottom - top + 1
    return Bitmap(left, top, width, height, partial(decode_png, raw, width, height))


def mask_entry(name: str, left: int, top: int, inside: NDArray[np.bool_]) -> dict[str, object]:
    """Make the entry of a mask.

    Parameters
    ----------
    name
        Of the class.
    left, top
        Place of its first pixel in the image.
    inside
        ``(H, W)``.
    """
    packed = io.BytesIO()
    Image.fromarray(inside.astype(np.uint8)).save(packed, format="PNG")
    height, width = inside.shape
    return {
        "label": name,
        "points": [[left, top], [left + width - 1, top + height - 1]],
        "group_id": None,
        "description": "",
        "shape_type": "mask",
        "flags": {},
        "mask": base64.b64encode(packed.getvalue()).decode("ascii"),
    }


def labelme_file(
    image: str, width: int, height: int, shapes: list[dict[str, object]]
) -> dict[str, object]:
    """Make the content of a file; `image` is the path of the image, from the file's folder."""
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": image,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
