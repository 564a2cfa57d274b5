"""What a report needs beside the tables: checksums, pictures, versions."""

import io
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from napari_matssl import __version__
from napari_matssl.errors import printable
from napari_matssl.export.overlay import overlay
from napari_matssl.files import check_regular
from napari_matssl.labels.provenance import Provenance
from napari_matssl.micrograph.checksum import checksum_of
from napari_matssl.micrograph.reading import is_zarr
from napari_matssl.report.contents import Overlay, SourceFile
from napari_matssl.tasks.batch import memory_errors
from napari_matssl.tasks.reporting.report_plan import ReportField

MOST_PICTURES: Final = 12
"""Overlays that a report shows; they fill three pages."""

_MOST_PX: Final = 1000
_LETTERS: Final = 1.5
_QUALITY: Final = 88
_VERSIONS_OF: Final = ("numpy", "scipy", "scikit-image", "pandas", "pillow")


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, or of an OME-Zarr's folder: 64 hexadecimal digits.

    Raises
    ------
    InputError
        If it can't be read.
    """
    if not (is_zarr(path) and path.is_dir()):
        check_regular(path)
    return checksum_of(path)


def source_file(role: str, path: Path, out: Path) -> SourceFile:
    """Describe a file with its checksum and its place, seen from the folder of the report.

    Raises
    ------
    InputError
        If it can't be read.
    """
    absolute = path.absolute()
    try:
        place = Path(os.path.relpath(absolute, out.absolute())).as_posix()
    except ValueError:  # another drive
        place = absolute.as_posix()
    return SourceFile(role, printable(path.name), printable(place), checksum(path))


def chosen_for_pictures(fields: Sequence[ReportField]) -> tuple[ReportField, ...]:
    """Choose fields that have an image, spread evenly over all."""
    some = [one for one in fields if one.image is not None]
    count = min(len(some), MOST_PICTURES)
    places = np.linspace(0, len(some) - 1, count).round().astype(int).tolist()
    return tuple(some[n] for n in places[:count])


def draw_overlay(one: ReportField, fractions: dict[int, float | None] | None) -> Overlay:
    """Draw a mask over its image, small enough to stand beside another on a page.

    Raises
    ------
    InputError
        If image or mask can't be read, or they differ in size.
    OutOfMemoryError
        If they don't fit into the memory.
    """
    with memory_errors(one.name):
        micrograph = replace(one.read_image(), pixel_size=one.pixel_size)
        picture = overlay(
            micrograph, one.read_mask(), one.classes, fractions, most=_MOST_PX, letters=_LETTERS
        )
        packed = io.BytesIO()
        Image.fromarray(picture).save(packed, "JPEG", quality=_QUALITY, subsampling=0)
    return Overlay(one.name, packed.getvalue(), picture.shape[1], picture.shape[0])


def versions() -> tuple[tuple[str, str], ...]:
    """Return the versions of the programs that the figures depend on."""
    found = [("napari-matssl", __version__), ("Python", platform.python_version())]
    for name in _VERSIONS_OF:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:  # installed in a way that keeps no record
            continue
    return (*found, ("operating system", f"{platform.system()} {platform.machine()}"))


def segmenting(origins: Iterable[Provenance | None]) -> tuple[tuple[str, str], ...]:
    """List the settings with which masks were made; several values where masks differ."""
    known = [one for one in origins if one is not None]
    values: dict[str, dict[str, None]] = {}
    for one in known:
        about = {"program": f"napari-matssl {one.version}" if one.version else ""}
        about |= {"made": one.written[:10], "cleaning": one.cleaning}
        about |= {"painted pixels": "count as painted" if one.painted else ""}
        for name, value in {**about, **one.settings}.items():
            if (text := _in_words(value)) and text != "None":
                values.setdefault(name.replace("_", " "), {})[text] = None
    return tuple((name, "; ".join(texts)) for name, texts in values.items())


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_in_words(one)}" for key, one in value.items())
    return str(value)


def trained_on(files: Iterable[SourceFile], known: Iterable[str]) -> Iterator[str]:
    """Yield the names of images that a model has learnt from, by their checksums."""
    checksums = set(known)
    return (one.name for one in files if one.role == "image" and one.sha256 in checksums)
