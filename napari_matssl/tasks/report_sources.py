"""What a report needs beside the tables: details of a project, models, checksums, pictures."""

import hashlib
import io
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from napari_matssl import __version__
from napari_matssl.errors import InputError, OutputError, printable
from napari_matssl.export.overlay import overlay
from napari_matssl.files import check_regular, unreadable_file
from napari_matssl.labels.provenance import Provenance
from napari_matssl.project.own_folder import FOLDER, Place
from napari_matssl.project.pixel_sizes import read_calibrated
from napari_matssl.project.record import KeptRecord
from napari_matssl.report.contents import Overlay, SourceFile
from napari_matssl.settings.report_details import ReportDetails
from napari_matssl.tasks.batch import memory_errors
from napari_matssl.tasks.mask_sizes import page_of, project_folders
from napari_matssl.tasks.measure_files import MeasuredMask

MOST_PICTURES: Final = 12
"""Overlays that a report shows; they fill three pages."""

_MOST_PX: Final = 1000
_LETTERS: Final = 1.5
_QUALITY: Final = 88
_VERSIONS_OF: Final = ("numpy", "scipy", "scikit-image", "pandas", "pillow")


@dataclass(frozen=True)
class DetailsFound:
    """Details of a report, and where they are kept.

    Parameters
    ----------
    details
        As they count.
    own
        The own folder of the project of the masks; None if there is none, or several.
    remark
        Why they aren't kept; empty if they are, or none were given.
    """

    details: ReportDetails
    own: Path | None = None
    remark: str = ""


def find_details(masks: Iterable[MeasuredMask], given: ReportDetails) -> DetailsFound:
    """Join details that were given with those of the project of the masks, which keeps them.

    Raises
    ------
    InputError
        If the project's record is damaged.
    """
    folders = dict.fromkeys(filter(None, map(_project_of, masks)))
    if len(folders) != 1:
        return DetailsFound(given)
    (folder,) = folders
    own = folder / FOLDER
    record = KeptRecord(Place(own))
    details = given.over(record.value.details)
    if details == record.value.details:
        return DetailsFound(details, own)
    try:
        keep_details(record, details)
    except OutputError as error:
        return DetailsFound(details, own, f"Specimen, etchant and operator aren't kept: {error}")
    return DetailsFound(details, own)


def keep_details(record: KeptRecord, details: ReportDetails) -> None:
    """Keep details in the record of a project, for its next report.

    Raises
    ------
    OutputError
        If they can't be written.
    """
    record.change(lambda kept: kept.model_copy(update={"details": details}))


def _project_of(mask: MeasuredMask) -> Path | None:
    """Return the folder of images whose project a mask or its image belongs to."""
    for folder in project_folders(mask.file.path):
        return folder
    if mask.image is not None and (mask.image.absolute().parent / FOLDER).is_dir():
        return mask.image.absolute().parent
    return None


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits.

    Raises
    ------
    InputError
        If it can't be read.
    """
    check_regular(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable_file(path, error) from error


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


def chosen_for_pictures(masks: Sequence[MeasuredMask]) -> tuple[MeasuredMask, ...]:
    """Choose fields that have an image, spread evenly over all."""
    some = [one for one in masks if one.image is not None]
    count = min(len(some), MOST_PICTURES)
    places = np.linspace(0, len(some) - 1, count).round().astype(int).tolist()
    return tuple(some[n] for n in places[:count])


def draw_overlay(one: MeasuredMask, fractions: dict[int, float | None] | None) -> Overlay:
    """Draw a mask over its image, small enough to stand beside another on a page.

    Raises
    ------
    InputError
        If image or mask can't be read, or they differ in size.
    OutOfMemoryError
        If they don't fit into the memory.
    """
    if one.image is None:
        raise InputError(f"{one.name} has no image.", "Give the folder of the images.")
    with memory_errors(one.name):
        micrograph = read_calibrated(one.image, page_of(one.file.path))
        picture = overlay(
            replace(micrograph, pixel_size=one.size), one.file.read(), one.file.table, fractions,
            most=_MOST_PX, letters=_LETTERS,
        )  # fmt: skip
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
