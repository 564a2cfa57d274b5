"""Planes of images that other programs opened: images of a project, kept below its own folder."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from napari_matssl.errors import InputError
from napari_matssl.export.micrographs import as_written, write_micrograph
from napari_matssl.files import OvertakenError
from napari_matssl.labels.pairing import stem_of
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.reading import find_micrographs, images_in, read_micrograph

PLANES: Final = "planes"
"""Name of the folder of planes, in the folder that holds all that belongs to a project."""

_MOST_ALIKE: Final = 10_000


def plane_files(place: Path) -> list[Path]:
    """List the planes of a folder in natural order; it need not exist.

    Raises
    ------
    InputError
        If it can't be listed.
    """
    files = images_in(place) if place.is_dir() else []
    return find_micrographs(files) if files else []


def keep_plane(
    place: Path, images: Sequence[Path], title: str, micrograph: Micrograph
) -> tuple[Path, bool]:
    """Write a plane, unless an image of its name has just these pixels.

    Parameters
    ----------
    place
        The folder of planes; it is made.
    images
        The user's own images; a plane takes no name of theirs, as labels go by names.
    title
        What the plane shall be called. Where another image is, a number follows. If it isn't the
        micrograph's name, it is one of several planes, and the name is kept as their origin.
    micrograph
        What is in it.

    Returns
    -------
    The file, and whether it is new.

    Raises
    ------
    InputError
        If there are thousands of that name.
    OutputError
        If it can't be written.
    """
    stem = stem_of(re.sub(r"[^\w.-]+", "_", title)).strip("._") or "layer"
    origin = "" if title == micrograph.name else re.sub(r"[\\/]", "_", micrograph.name)
    while True:
        taken = {stem_of(path).casefold(): path for path in (*images, *plane_files(place))}
        names = [stem, *(f"{stem}-{again}" for again in range(2, _MOST_ALIKE))]
        for name in names:
            there = taken.get(name.casefold())
            if there is not None and _has(there, micrograph):
                return there, False
        free = next((name for name in names if name.casefold() not in taken), None)
        if free is None:
            raise InputError(f"{place} is full of files called {stem}.", "Rename the layer.")
        path = place / f"{free}.tif"
        try:
            write_micrograph(path, micrograph, None, origin)
        except OvertakenError:
            continue  # another window has taken this name
        return path, True


def _has(path: Path, micrograph: Micrograph) -> bool:
    """Whether a file has the pixels of a micrograph; one that can't be read has others."""
    try:
        there = read_micrograph(path).pixels
    except InputError:
        return False
    pixels = as_written(micrograph.pixels)
    if there.shape != pixels.shape:
        return False
    return np.array_equal(there, pixels, equal_nan=np.issubdtype(pixels.dtype, np.floating))
