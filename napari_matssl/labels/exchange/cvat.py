"""CVAT for images 1.1: one XML file for many images."""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from napari_matssl.labels.exchange.fields import (
    LARGEST_WHOLE,
    MOST_POINTS,
    as_colour,
    as_count,
    as_number,
    as_points,
    as_size,
    as_text,
)
from napari_matssl.labels.exchange.rle import from_counts
from napari_matssl.labels.exchange.shapes import (
    AnnotatedImage,
    Annotation,
    AnnotationFile,
    Bitmap,
    BrokenAnnotationError,
    Outline,
    Points,
    Shape,
    SourceClass,
    Stroke,
)
from napari_matssl.progress import Skipped

PROGRAM = "CVAT"

_SHAPES = {"polygon", "box", "mask", "polyline", "points", "ellipse"}
_NO_SHAPES = {"cuboid", "skeleton"}
_DEEPEST = 30
_CORNERS = 180  # of the polygon that an ellipse becomes
_LONGEST_NAME = 1000


def read_cvat(path: Path, raw: bytes) -> AnnotationFile:
    """Read what a file of CVAT holds; an image is left out if one of its shapes is broken.

    Raises
    ------
    BrokenAnnotationError
        If it is no XML of CVAT for images, or has a document type.
    """
    reader = _Reader(path)
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise BrokenAnnotationError(f"it is no sound XML ({error})") from error
    except (LookupError, ValueError) as error:  # of encodings
        raise BrokenAnnotationError(f"its encoding can't be read ({error})") from error
    return reader.result()


def _refuse(*_: object) -> None:
    raise BrokenAnnotationError("it has a document type, by which XML grows without bounds")


class _Reader:
    """Collects images and classes while a file is parsed; nothing else is kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: list[str] = []
        self._words: list[str] = []
        self._classes: dict[str, str | None] = {}
        self._images: list[AnnotatedImage] = []
        self._skipped: list[Skipped] = []
        self._strange = 0
        self._image: dict[str, str] | None = None
        self._shapes: list[tuple[int, Annotation]] = []
        self._broken = ""

    def start(self, tag: str, fields: Mapping[str, str]) -> None:
        if not self._open and tag != "annotations":
            raise BrokenAnnotationError("it is no file of CVAT")
        if len(self._open) >= _DEEPEST:
            raise BrokenAnnotationError("it is nested too deeply to be meant")
        if tag == "track":
            raise BrokenAnnotationError("it is a file of CVAT for video: export it for images")
        self._open.append(tag)
        self._words.clear()
        if tag == "image":
            self._image, self._broken = dict(fields), ""
            self._shapes.clear()
        elif self._image is not None and self._open[-2:-1] == ["image"]:
            self._strange += tag in _NO_SHAPES
            if tag in _SHAPES and not self._broken:
                self._add(tag, fields)

    def text(self, words: str) -> None:
        if self._open[-2:] in (["label", "name"], ["label", "color"]):
            if sum(map(len, self._words)) > _LONGEST_NAME:
                raise BrokenAnnotationError("the name of a class is too long")
            self._words.append(words)

    def end(self, tag: str) -> None:
        words = "".join(self._words).strip()
        if self._open[-2:] == ["label", "name"] and words:
            self._classes.setdefault(words, None)
        elif self._open[-2:] == ["label", "color"] and self._classes:
            last = list(self._classes)[-1]
            self._classes[last] = self._classes[last] or as_colour(words)
        elif tag == "image" and self._image is not None:
            self._close(self._image)
            self._image = None
        self._words.clear()
        self._open.pop()

    def _add(self, tag: str, fields: Mapping[str, str]) -> None:
        try:
            name = as_text(fields.get("label"), "the label")
            order = as_count(fields.get("z_order", "0"), "z_order")
            self._shapes += [(order, Annotation(name, one)) for one in _shapes(tag, fields)]
        except BrokenAnnotationError as error:
            self._broken = f"a {tag}: {error}"

    def _close(self, fields: Mapping[str, str]) -> None:
        name = as_text(fields.get("name"), "the name of an image")
        if self._broken:
            self._skipped.append(Skipped(name, f"{self._path}: {name}: {self._broken}."))
            return
        size = as_size(fields.get("width"), fields.get("height"))
        drawn = [one for _, one in sorted(self._shapes, key=lambda pair: pair[0])]
        self._images.append(AnnotatedImage(name, size, tuple(drawn)))

    def result(self) -> AnnotationFile:
        used = dict.fromkeys(one.name for image in self._images for one in image.annotations)
        names = {**self._classes, **{name: None for name in used if name not in self._classes}}
        kinds = " or ".join(sorted(_NO_SHAPES))
        remark = f"{self._path.name}: {self._strange} shapes of the kind {kinds} are passed over."
        return AnnotationFile(
            self._path,
            PROGRAM,
            tuple(self._images),
            tuple(SourceClass(name, colour=names[name]) for name in names),
            tuple(self._skipped),
            (remark,) if self._strange else (),
        )


def _shapes(tag: str, fields: Mapping[str, str]) -> list[Shape]:
    if tag == "polygon":
        return [Outline((_points(fields.get("points"), 3),))]
    if tag == "polyline":
        return [Stroke(_points(fields.get("points"), 2))]
    if tag == "points":
        return [Stroke(point[None]) for point in _points(fields.get("points"), 1)]
    if tag == "box":
        left, top, right, bottom = (
            as_number(fields.get(name), name) for name in ("xtl", "ytl", "xbr", "ybr")
        )
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        return [Outline((_turned(corners, fields),))]
    if tag == "ellipse":
        x, y, rx, ry = (as_number(fields.get(name), name) for name in ("cx", "cy", "rx", "ry"))
        angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
        rim = np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], axis=1)
        return [Outline((_turned(rim, fields),))]
    left, top, width, height = (
        as_count(fields.get(name), name) for name in ("left", "top", "width", "height")
    )
    runs = as_text(fields.get("rle"), "rle")
    return [Bitmap(left, top, width, height, partial(_unpacked, runs, width, height))]


def _turned(points: Points, fields: Mapping[str, str]) -> Points:
    """Turn points clockwise about their middle, by the rotation of a shape in degrees."""
    angle = math.radians(as_number(fields.get("rotation", "0"), "rotation"))
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    cos, sin = math.cos(angle), math.sin(angle)
    turned: Points = (points - middle) @ np.array([[cos, sin], [-sin, cos]]) + middle
    return turned


def _points(text: str | None, fewest: int) -> Points:
    """Read ``x,y;x,y``."""
    given = as_text(text, "points")
    if given.count(";") >= MOST_POINTS:
        raise BrokenAnnotationError("a shape has too many points")
    return as_points([pair.split(",") for pair in given.split(";")], fewest)


def _unpacked(runs: str, width: int, height: int) -> NDArray[np.bool_]:
    if runs.count(",") > 2 * width * height + 2:
        raise BrokenAnnotationError("there are more run lengths than pixels")
    lengths = [as_count(one, "a run length", LARGEST_WHOLE) for one in runs.split(",")]
    return from_counts(lengths, width, height, by_columns=False)
