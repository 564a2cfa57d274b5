"""COCO: one JSON file for many images, with polygons and run lengths."""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_matssl.labels.exchange.fields import (
    LARGEST_WHOLE,
    as_count,
    as_list,
    as_object,
    as_points,
    as_size,
    as_text,
)
from napari_matssl.labels.exchange.rle import from_counts, from_text, to_counts
from napari_matssl.labels.exchange.shapes import (
    AnnotatedImage,
    Annotation,
    AnnotationFile,
    Bitmap,
    BrokenAnnotationError,
    Outline,
    Shape,
    SourceClass,
)
from napari_matssl.progress import Skipped

PROGRAM = "COCO"


def is_coco(data: Mapping[str, Any]) -> bool:
    """Whether a JSON object has the fields of COCO."""
    return {"images", "annotations"} <= data.keys()


def read_coco(path: Path, data: Mapping[str, Any]) -> AnnotationFile:
    """Read what a file of COCO holds; an image is left out if one of its annotations is broken.

    Raises
    ------
    BrokenAnnotationError
        If the lists of images and categories can't be used.
    """
    categories = _categories(as_list(data.get("categories"), "categories"))
    images = _images(as_list(data["images"], "images"))
    found: dict[int, list[Annotation]] = {number: [] for number in images}
    broken: dict[int, str] = {}
    without_area = 0
    for position, value in enumerate(as_list(data["annotations"], "annotations"), 1):
        entry = as_object(value, f"annotation {position}")
        number = _id(entry.get("image_id"), f"image_id of annotation {position}")
        if number not in images:
            raise BrokenAnnotationError(f"annotation {position} is of image {number}, not listed")
        try:
            category = _id(entry.get("category_id"), "category_id")
            if category not in categories:
                raise BrokenAnnotationError(f"category {category} is not listed")
            shapes = _shapes(entry.get("segmentation"), images[number][1])
        except BrokenAnnotationError as error:
            broken.setdefault(number, f"annotation {position}: {error}")
            continue
        without_area += not shapes
        found[number] += [Annotation(categories[category], shape) for shape in shapes]
    remarks = [f"{path.name}: {without_area} annotations have a box or points alone, and no area."]
    return AnnotationFile(
        path,
        PROGRAM,
        tuple(AnnotatedImage(*images[n], tuple(found[n])) for n in images if n not in broken),
        tuple(SourceClass(name, number) for number, name in categories.items()),
        tuple(Skipped(images[n][0], f"{path}: {reason}.") for n, reason in broken.items()),
        tuple(remarks * bool(without_area)),
    )


def _id(value: object, what: str) -> int:
    return as_count(value, what, LARGEST_WHOLE)


def _categories(entries: Iterable[object]) -> dict[int, str]:
    found: dict[int, str] = {}
    for value in entries:
        entry = as_object(value, "a category")
        number, name = _id(entry.get("id"), "id"), as_text(entry.get("name"), "name")
        if number in found:
            raise BrokenAnnotationError(f"category {number} stands there twice")
        found[number] = name
    return dict(sorted(found.items()))


def _images(entries: Iterable[object]) -> dict[int, tuple[str, tuple[int, int] | None]]:
    found: dict[int, tuple[str, tuple[int, int] | None]] = {}
    for value in entries:
        entry = as_object(value, "an image")
        number = _id(entry.get("id"), "the id of an image")
        if number in found:
            raise BrokenAnnotationError(f"image {number} stands there twice")
        name = as_text(entry.get("file_name"), "file_name")
        found[number] = name, as_size(entry.get("width"), entry.get("height"))
    return found


def _shapes(given: object, size: tuple[int, int] | None) -> list[Shape]:
    """Make the shapes of a segmentation: one per polygon, or a bitmap; none without an area."""
    if given is None or given == []:
        return []
    if isinstance(given, list):
        return [Outline((_ring(one),)) for one in given]
    entry = as_object(given, "segmentation")
    height, width = (as_count(side, "size") for side in _pair(entry.get("size")))
    if as_size(width, height) != (size or (width, height)):
        raise BrokenAnnotationError(f"its run lengths are of {width} x {height} pixels")
    return [Bitmap(0, 0, width, height, partial(_unpacked, entry.get("counts"), width, height))]


def _ring(value: object) -> NDArray[np.float64]:
    flat = as_list(value, "a polygon")
    if len(flat) % 2:
        raise BrokenAnnotationError("a polygon has an odd number of coordinates")
    return as_points(list(zip(flat[::2], flat[1::2], strict=True)), 3)


def _pair(value: object) -> list[Any]:
    sides = as_list(value, "size")
    if len(sides) != 2:
        raise BrokenAnnotationError("size has not two numbers")
    return sides


def _unpacked(counts: object, width: int, height: int) -> NDArray[np.bool_]:
    if isinstance(counts, str):
        return from_counts(from_text(counts), width, height, by_columns=True)
    lengths = as_list(counts, "counts")
    if len(lengths) > 2 * width * height + 2:
        raise BrokenAnnotationError("there are more run lengths than pixels")
    whole = [as_count(one, "a run length", LARGEST_WHOLE) for one in lengths]
    return from_counts(whole, width, height, by_columns=True)


def image_entry(number: int, name: str, width: int, height: int) -> dict[str, object]:
    """Make the entry of an image."""
    return {"id": number, "file_name": name, "width": width, "height": height}


def mask_entry(
    number: int, image: int, category: int, inside: NDArray[np.bool_]
) -> dict[str, object]:
    """Make the entry of all pixels of a class in an image: a crowd, as COCO calls it.

    Parameters
    ----------
    number, image, category
        Ids of the annotation, of its image and of its class.
    inside
        ``(H, W)``, with one pixel at least.
    """
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "segmentation": {"size": list(inside.shape), "counts": to_counts(inside)},
        "area": int(np.count_nonzero(inside)),
        "bbox": [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
        "iscrowd": 1,
    }


def coco_file(
    images: list[dict[str, object]],
    annotations: list[dict[str, object]],
    names: Mapping[int, str],
) -> dict[str, object]:
    """Make the content of a file; `names` are those of the classes by id."""
    return {
        "info": {"description": "label images"},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": number, "name": name, "supercategory": ""} for number, name in names.items()
        ],
    }
