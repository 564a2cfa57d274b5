"""Read micrographs and label images, and find them in folders."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.files import missing_file, unreadable_file
from napari_matssl.micrograph.calibration import pixel_size_in
from napari_matssl.micrograph.decoding import decode
from napari_matssl.micrograph.image import Micrograph, finite_pixels, grey_if_colourless
from napari_matssl.micrograph.info_bar import look_for_info_bar
from napari_matssl.micrograph.orientation import transposes
from napari_matssl.micrograph.plane_origin import origin_in
from napari_matssl.micrograph.stored_image import Stored

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".gif")
"""Suffixes of the images that are looked for in folders, in lower case."""

ZARR = ".zarr"
"""Suffix of folders that are one image each."""

HDF5_SUFFIXES = (".h5", ".hdf5")

LABEL_SUFFIXES = (*SUFFIXES, *HDF5_SUFFIXES)
"""Those of label images and masks."""

SMALLEST = 32
"""Fewest rows and columns of a micrograph, in px."""

COLOURED_BAR = "only its info bar is coloured: it is taken for a grey image"

_SIDECARS = (".txt", ".hdr")
_FEW_COLOURED = 0.05  # share of the specimen; fewer coloured pixels are drawn marks
COLOURS_RUN = 18
"""Rows that the colours of a bar reach into the specimen, in JPEG."""


def read_micrograph(path: Path, page: int | None = None) -> Micrograph:
    """Read a micrograph, with its pixel size and info bar if found.

    It comes as a viewer shows it: turned by its orientation tag, palettes looked up, images stored
    white on black inverted, bits as 0 and 255. The values are otherwise those of the file.

    Parameters
    ----------
    path
        A TIFF, PNG, JPEG, BMP or GIF, whatever its suffix.
    page
        Which plane of a file that holds several, from 1. Without it, smaller pages are passed over,
        and of several channels the first is taken.

    Raises
    ------
    InputError
        If the file is missing, no image, damaged, truncated, smaller than 32 x 32 pixels, too
        large, of values or colours that aren't understood, or a stack of which no plane was chosen.
    """
    stored, metadata = decode(path, page)
    remarks = list(stored.remarks)
    pixels = as_seen(stored, remarks)
    height, width = pixels.shape[:2]
    check_large_enough(path, height, width)
    analysable = _analysable(pixels, remarks)
    look = look_for_info_bar(pixels, metadata, stored.orientation, analysable)
    remarks += look.remarks
    rows = height if look.bar is None else look.bar.row
    spared = COLOURS_RUN if stored.lossy and rows < height else 0
    pixels = _without_colour(pixels, rows, spared, remarks)
    sides = (height, width) if transposes(stored.orientation) else (width, height)
    size = pixel_size_in(metadata, *sides)
    if size is not None and transposes(stored.orientation):
        size = size.transposed
    origin = origin_in(metadata)
    return Micrograph(
        name=path.name,
        pixels=pixels,
        pixel_size=size,
        info_bar=look.bar,
        path=path,
        remarks=tuple(f"{path.name}: {remark}." for remark in remarks),
        analysable=analysable,
        page=stored.page,
        pages=stored.pages,
        part_of=path.parent / origin if origin else None,
    )


def check_large_enough(path: Path, height: int, width: int) -> None:
    """Check that an image has :data:`SMALLEST` rows and columns.

    Raises
    ------
    InputError
        If it hasn't.
    """
    if min(height, width) < SMALLEST:
        raise InputError(
            f"{path} is too small: {width} x {height} pixels.",
            f"A micrograph needs at least {SMALLEST} x {SMALLEST}.",
        )


def read_pixels(path: Path) -> NDArray[np.generic]:
    """Read the values of a label image of any size as they are stored, the right way up.

    Returns
    -------
    ``(H, W)`` for grey values and palette indices, bits as 0 and 1; ``(H, W, 3)`` for RGB.

    Raises
    ------
    InputError
        As :func:`read_pixels_and_palette`.
    """
    return read_pixels_and_palette(path)[0]


def read_pixels_and_palette(
    path: Path,
) -> tuple[NDArray[np.generic], NDArray[np.uint8] | None]:
    """Read the values of a label image as :func:`read_pixels`, and its palette.

    Returns
    -------
    The pixels, and ``(256 or more, 3)`` the colours that they are indices of; None for others.

    Raises
    ------
    InputError
        As :func:`read_micrograph`, or if an alpha channel isn't opaque everywhere.
    """
    stored, _ = decode(path, label=True)
    if stored.transparent:
        raise InputError(
            f"Parts of {path} are transparent, and colours that can't be seen would count.",
            "Flatten it: save it without transparency, black where nothing is painted.",
        )
    if stored.pixels.dtype == np.bool_:
        return stored.pixels.astype(np.uint8), None
    pixels = stored.pixels if stored.factor == 1 else stored.pixels // stored.factor
    return pixels, stored.palette


def find_micrographs(inputs: Sequence[Path], suffixes: Sequence[str] = SUFFIXES) -> list[Path]:
    """List the image files among files and folders.

    Folders give their images (by suffix, without hidden files), not those of folders inside.
    Text files of microscopes (``.txt``, ``.hdr``) among the inputs are passed over.

    Parameters
    ----------
    suffixes
        ``SUFFIXES``, or ``LABEL_SUFFIXES`` for label images and masks.

    Returns
    -------
    Each file once, in natural order: ``a2.tif`` before ``a10.tif``.

    Raises
    ------
    InputError
        If an input doesn't exist, a file isn't an image by its suffix, or a folder holds none.
    """
    found: dict[Path, Path] = {}
    for given in inputs:
        for path in _images_of(given, suffixes):
            found.setdefault(path.resolve(), path)
    if not found:
        known = _known(suffixes)
        raise InputError("There is no image to read.", f"Name {known} files or their folder.")
    return sorted(found.values(), key=_natural)


def images_in(folder: Path, suffixes: Sequence[str] = SUFFIXES) -> list[Path]:
    """List the images of a folder by suffix, without hidden files; there may be none.

    Raises
    ------
    InputError
        If the folder can't be listed.
    """
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        raise unreadable_file(folder, error) from error
    images = [p for p in inside if p.suffix.lower() in suffixes and p.name[0] != "."]
    return [p for p in images if p.is_file() or (is_zarr(p) and p.is_dir())]


def is_zarr(path: Path) -> bool:
    """Whether a path is that of an OME-Zarr, by its suffix."""
    return path.suffix.lower() == ZARR


def _images_of(given: Path, suffixes: Sequence[str]) -> list[Path]:
    try:
        is_folder, is_there = given.is_dir(), given.exists()
    except (OSError, ValueError) as error:  # names that the file system refuses
        raise unreadable_file(given, error) from error
    if is_folder and not (is_zarr(given) and ZARR in suffixes):
        images = images_in(given, suffixes)
        if not images:
            known = _known(suffixes)
            raise InputError(f"The folder {given} holds no images.", f"Images are {known}.")
        return images
    if not is_there:
        raise missing_file(given)
    if given.suffix.lower() in _SIDECARS:
        return []
    if given.suffix.lower() not in suffixes:
        known = _known(suffixes)
        raise InputError(f"{given} is not an image by its suffix.", f"Images are {known}.")
    return [given]


def _natural(path: Path) -> tuple[list[list[tuple[float, str]]], str]:
    """Order numbers in names by their value, and before letters, as file managers do."""
    parts = [re.findall(r"(\d+)|(\D+)", part.casefold()) for part in path.parts]
    return [[(int(n) if n else math.inf, text) for n, text in part] for part in parts], str(path)


def _known(suffixes: Sequence[str]) -> str:
    return f"{', '.join(suffixes[:-1])} and {suffixes[-1]}"


def as_seen(stored: Stored, remarks: list[str]) -> NDArray[Any]:
    """Look up the palette, turn white on black into black on white, and bits into 0 and 255."""
    pixels: NDArray[Any] = stored.pixels
    if stored.palette is not None and pixels.dtype.kind == "u":
        seen: NDArray[np.uint8] = stored.palette[pixels]
        if (seen[..., :1] != seen).any():
            remarks.append("its colours are those of its palette")
        return seen
    if stored.white is not None and pixels.dtype.kind in "ubi":
        remarks.append("0 is white in it: its values are inverted")
    if stored.white is not None and pixels.dtype.kind == "u":
        pixels = pixels.dtype.type(stored.white) - pixels
    elif stored.white is not None and pixels.dtype.kind in "bi":
        pixels = ~pixels
    return pixels.astype(np.uint8) * np.uint8(255) if pixels.dtype == np.bool_ else pixels


def _analysable(pixels: NDArray[Any], remarks: list[str]) -> NDArray[np.bool_] | None:
    """Find the pixels that are numbers; None where all are."""
    finite = finite_pixels(pixels)
    if finite is not None:
        remarks.append(not_analysed(1 - float(finite.mean())))
    return finite


def not_analysed(share: float) -> str:
    """Return the remark on a share of the pixels, 0 to 1, that are no numbers."""
    return f"{100 * share:.2g} % of its pixels are no numbers (NaN or infinite) and not analysed"


def _without_colour(
    pixels: NDArray[Any], rows: int, spared: int, remarks: list[str]
) -> NDArray[Any]:
    """Make an image with a grey specimen grey, with remarks on its colours."""
    grey = grey_if_colourless(pixels, rows, spared)
    if pixels.ndim == 2:
        return pixels
    if grey.ndim == 2:
        if rows < len(pixels) and (pixels[rows:] != pixels[rows:, :, :1]).any():
            remarks.append(COLOURED_BAR)
        return grey
    share = float((pixels[:rows] != pixels[:rows, :, :1]).any(axis=2).mean())
    remarks += few_colours(share)
    return grey


def few_colours(share: float) -> list[str]:
    """Return the remark on a colour image of which hardly a share, 0 to 1, is coloured, if any."""
    if share >= _FEW_COLOURED:
        return []
    return [f"only {100 * share:.2g} % of its pixels are coloured; it is taken for a colour image"]
