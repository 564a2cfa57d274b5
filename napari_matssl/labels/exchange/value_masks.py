"""Masks in which a grey value is a class, as ilastik and Labkit export them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table_files import LARGEST_VALUE
from napari_matssl.labels.counting import count_values, listed
from napari_matssl.labels.exchange.named_codes import named_codes
from napari_matssl.labels.exchange.pictures import areas_in, read_once
from napari_matssl.labels.exchange.shapes import AnnotationFile, SourceClass
from napari_matssl.labels.reading_labels import read_labels
from napari_matssl.labels.seams import MOST_VALUES, look_smoothed

PROGRAM = "grey values"
_UNPAINTED = 0


def values_of(given: Sequence[str]) -> dict[str, int]:
    """Read what a user gives: ``"ferrite=1"`` for each class.

    Raises
    ------
    SettingsError
        If one is in another form, or a name or a value stands twice.
    """
    form = f"Write the name and the value, from 0 to {LARGEST_VALUE}: ferrite=1."
    return named_codes(given, _value, "grey value", form)


def _value(text: str) -> int | None:
    is_value = re.fullmatch(r"[0-9]{1,5}", text) and int(text) <= LARGEST_VALUE
    return int(text) if is_value else None


def values_in(path: Path) -> dict[int, int]:
    """Count the pixels of each value of a mask.

    Raises
    ------
    InputError
        If the file can't be read, its edges are smoothed, or it is no mask.
    """
    values = read_once(path, read_labels)
    counts = count_values(values)
    if len(counts) > MOST_VALUES or look_smoothed([values]):
        raise InputError(
            f"{path} holds {len(counts)} grey values, most of them only where areas meet: its "
            "edges are smoothed, or it is a photograph.",
            "Save it without smoothed edges, at its original size, as PNG or TIFF.",
        )
    return counts


def read_value_mask(path: Path, values: Mapping[str, int]) -> AnnotationFile:
    """Read a mask; 0 is unpainted unless it is a class.

    Raises
    ------
    InputError
        If the file can't be read, or has values that are no class's.
    """
    counts = values_in(path)
    strange = {v: n for v, n in counts.items() if v not in {_UNPAINTED, *values.values()}}
    if strange:
        raise InputError(
            f"{path} holds values that are no class's: {listed(strange)}.",
            "Name the class of each; 0 is unpainted.",
            settings="value",
        )
    image = areas_in(path, values, counts, read_labels)
    return AnnotationFile(path, PROGRAM, (image,), tuple(SourceClass(name) for name in values))
