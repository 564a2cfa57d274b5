"""What the label files of published sets hold, in one form: class ids from 1, 0 is unlabelled."""

import ast
import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table_files import NamedValues
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.labels.reading_labels import read_values
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.reading import read_micrograph, read_pixels_and_palette

Ids = NDArray[np.uint8]
Polygons = list[list[tuple[float, float]]]

UNLABELLED = 0


@dataclass(frozen=True)
class Coding:
    """How a set was published.

    Parameters
    ----------
    classes
        Their names; the values from 0 in grey label images.
    colours
        The value of each colour in label images of colours.
    merged
        Whether every value above 0 is the second class.
    """

    classes: tuple[str, ...]
    colours: Mapping[tuple[int, int, int], int]
    merged: bool = False


CODINGS = {
    "uhcs": Coding(
        (
            "ferritic matrix",
            "proeutectoid carbide network",
            "spheroidite",
            "widmanstatten lath",
        ),
        {},
    ),
    "metaldam": Coding(
        ("matrix", "austenite", "martensite-austenite", "precipitate", "defect"), {}
    ),
    "aachen": Coding(("background", "foreground"), {}, merged=True),
    "ebc": Coding(("background", "oxide", "crack"), {(0, 0, 0): 0, (255, 0, 0): 1, (0, 0, 255): 2}),
}
"""UHCS has -1 where nothing is labelled, too."""


def read_pair(
    image: Path, label: Path, coding: Coding, named: NamedValues | None
) -> PaintedMicrograph:
    """Read an image with its label image.

    Parameters
    ----------
    image, label
        Their files. Labels may end where the information bar begins: the image is cut off there.
    coding
        What the values of a label image mean where there is no class table.
    named
        The class table beside the labels, whose values are ids already; None: as published.

    Raises
    ------
    InputError
        If one can't be read, they don't fit together, or a value or colour means nothing.
    """
    ids = _ids(label, coding) if named is None else read_values(label, named).values
    return PaintedMicrograph(_cut_off(read_micrograph(image), len(ids)), ids)


def read_polygons(path: Path) -> dict[str, Polygons]:
    """Read the outlines of the Aachen-Heerlen set, by the name of the image.

    Parameters
    ----------
    path
        CSV with semicolons: ``image_url`` and ``polygon``, a list of (x, y) in px.

    Raises
    ------
    InputError
        If it isn't such a table.
    """
    found: dict[str, Polygons] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file, delimiter=";"):
                polygon = [(float(x), float(y)) for x, y in ast.literal_eval(row["polygon"])]
                found.setdefault(row["image_url"], []).append(polygon)
    except (KeyError, SyntaxError, TypeError, ValueError, OSError) as error:
        raise InputError(
            f"{path} is not the table of outlines of the Aachen-Heerlen set "
            f"({type(error).__name__}).",
            "It has columns image_url and polygon, with semicolons between them.",
        ) from error
    if not found:
        raise InputError(f"{path} holds no outline.", "Give the published table.")
    return found


def read_outlined(image: Path, polygons: Polygons) -> PaintedMicrograph:
    """Read an image with outlines of the second class; all else is of the first."""
    micrograph = read_micrograph(image)
    drawn = Image.new("L", (micrograph.width, micrograph.height), 1)
    pen = ImageDraw.Draw(drawn)
    for polygon in polygons:
        if len(polygon) >= 3:
            pen.polygon(polygon, fill=2, outline=2)
    return PaintedMicrograph(micrograph, np.asarray(drawn))


def _cut_off(micrograph: Micrograph, rows: int) -> Micrograph:
    if rows >= micrograph.height:
        return micrograph
    bar = micrograph.info_bar
    known = micrograph.analysable
    return replace(
        micrograph,
        pixels=micrograph.pixels[:rows],
        info_bar=bar if bar is not None and bar.row < rows else None,
        analysable=None if known is None else known[:rows],
    )


def _ids(path: Path, coding: Coding) -> Ids:
    stored, _palette = read_pixels_and_palette(path)
    values = stored
    if stored.ndim == 3:
        grey = bool((stored == stored[..., :1]).all())
        values = stored[..., 0] if grey else _values_of_colours(path, stored, coding)
    values = values.astype(np.int64)
    if coding.merged:
        values = np.where(values > 0, 1, values)
    strange = [int(v) for v in np.unique(values) if not -1 <= v < len(coding.classes)]
    if strange:
        raise InputError(
            f"The label image {path} holds {', '.join(map(str, strange[:5]))}; its classes are "
            f"0 to {len(coding.classes) - 1}.",
            "Give the published labels, or a classes.json beside them.",
        )
    return (values + 1).astype(np.uint8)


def _values_of_colours(
    path: Path, colours: NDArray[np.generic], coding: Coding
) -> NDArray[np.int64]:
    values = np.full(colours.shape[:2], -2, dtype=np.int64)
    for colour, value in coding.colours.items():
        values[(colours[..., :3] == colour).all(axis=2)] = value
    if (values == -2).any():
        strange = tuple(int(v) for v in colours[values == -2][0][:3])
        known = ", ".join(map(str, coding.colours)) or "none"
        raise InputError(
            f"The label image {path} holds the colour {strange}; colours that are known: {known}.",
            "Put a classes.json with the colours of the classes beside the labels.",
        )
    return values
