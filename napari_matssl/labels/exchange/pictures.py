"""Masks of other programs as images: which image they belong to, and their areas."""

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_matssl.files import Stamp, stamp_of
from napari_matssl.labels.exchange.shapes import AnnotatedImage, Annotation, Bitmap
from napari_matssl.micrograph.reading import LABEL_SUFFIXES

Codes = NDArray[np.integer]
"""``(H, W)``, what stands for a class in each pixel: its colour as one number, or its value."""

_ENDING = re.compile(r"_(masks?|labels?|Labels|Simple Segmentation)$")


def is_picture(path: Path) -> bool:
    """Whether a file is an image, or a segmentation of ilastik, by its suffix."""
    return path.suffix.lower() in LABEL_SUFFIXES


def areas_in(
    path: Path, code_of: Mapping[str, int], there: Collection[int], read: Callable[[Path], Codes]
) -> AnnotatedImage:
    """Make the areas of a mask.

    Pixels are read again when an area is drawn: those of many masks don't fit into the memory.

    Parameters
    ----------
    path
        The mask, which is called like its image, or so with an ending such as ``_mask``.
    code_of
        The code of each class by its name.
    there
        The codes that the mask holds.
    read
        Reads the codes of a file.
    """
    height, width = read_once(path, read).shape

    def area(code: int) -> Bitmap:
        def decode() -> NDArray[np.bool_]:
            return np.asarray(read_once(path, read) == code)

        return Bitmap(0, 0, width, height, decode)

    inside = [Annotation(name, area(code)) for name, code in code_of.items() if code in there]
    return AnnotatedImage(_ENDING.sub("", path.stem), (width, height), tuple(inside))


def read_once(path: Path, read: Callable[[Path], Codes]) -> Codes:
    """Read the codes of a file, not to be changed; those of the last one are kept."""
    return _last_read(path, stamp_of(path), read)


@lru_cache(maxsize=1)
def _last_read(path: Path, stamp: Stamp | None, read: Callable[[Path], Codes]) -> Codes:
    """Read the codes of a file; its stamp tells whether it has changed since."""
    return read(path)
