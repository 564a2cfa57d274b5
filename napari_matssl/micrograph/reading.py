"""Reading micrographs and label images, and finding them in folders."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.files import missing_file, unreadable_file
from napari_matssl.micrograph.calibration import pixel_size_in
from napari_matssl.micrograph.decoding import Stored, decode
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.infobar import find_info_bar

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".gif")
"""Suffixes of the images that are looked for in folders, in lower case."""

SMALLEST = 32
"""Fewest rows and columns of a micrograph, in px."""

_SIDECARS = (".txt", ".hdr")


def read_micrograph(path: Path) -> Micrograph:
    """Read a micrograph with its pixel size and info bar, as far as they are known.

    Palettes are looked up, images stored white on black are inverted, bits become 0 and 255. The
    values are otherwise those of the file; an orientation tag is left aside.

    Parameters
    ----------
    path
        A TIFF, PNG, JPEG, BMP or GIF, whatever its suffix says.

    Raises
    ------
    InputError
        If the file is missing, no image, damaged, truncated, a stack, smaller than 32 x 32 pixels,
        or of values or colours that aren't understood.
    """
    stored, metadata = decode(path)
    pixels = _grey_if_colourless(_as_seen(stored))
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST:
        raise InputError(
            f"{path} is too small: {width} x {height} pixels.",
            f"A micrograph needs at least {SMALLEST} x {SMALLEST}.",
        )
    return Micrograph(
        name=path.name,
        pixels=pixels,
        pixel_size=pixel_size_in(metadata, width),
        info_bar=find_info_bar(pixels, metadata),
        path=path,
    )


def read_pixels(path: Path) -> NDArray[np.generic]:
    """Read the values of a label image as they are stored.

    Parameters
    ----------
    path
        As for :func:`read_micrograph`; of any size.

    Returns
    -------
    ``(H, W)`` for grey values and palette indices, bits as 0 and 1; ``(H, W, 3)`` for RGB.

    Raises
    ------
    InputError
        As :func:`read_micrograph`.
    """
    return read_pixels_and_palette(path)[0]


def read_pixels_and_palette(
    path: Path,
) -> tuple[NDArray[np.generic], NDArray[np.uint8] | None]:
    """Read the values of a label image as :func:`read_pixels`, and its palette.

    Returns
    -------
    The pixels, and ``(256 or more, 3)`` the colours that they are indices of; None for others.
    """
    stored, _ = decode(path)
    if stored.pixels.dtype == np.bool_:
        return stored.pixels.astype(np.uint8), None
    pixels = stored.pixels if stored.factor == 1 else stored.pixels // stored.factor
    return pixels, stored.palette


def find_micrographs(inputs: Sequence[Path]) -> list[Path]:
    """List the image files among files and folders.

    Folders give their images (by suffix, without hidden files), not those of folders inside.
    Text files of microscopes (``.txt``, ``.hdr``) among the inputs are passed over.

    Parameters
    ----------
    inputs
        Files and folders.

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
        for path in _images_of(given):
            found.setdefault(path.resolve(), path)
    if not found:
        raise InputError("There is no image to read.", f"Name {_known()} files or their folder.")
    return sorted(found.values(), key=_natural)


def _images_of(given: Path) -> list[Path]:
    if given.is_dir():
        try:
            inside = sorted(given.iterdir())
        except OSError as error:
            raise unreadable_file(given, error) from error
        images = [p for p in inside if p.suffix.lower() in SUFFIXES and p.name[0] != "."]
        images = [p for p in images if p.is_file()]
        if not images:
            raise InputError(f"The folder {given} holds no images.", f"Images are {_known()}.")
        return images
    if not given.exists():
        raise missing_file(given)
    if given.suffix.lower() in _SIDECARS:
        return []
    if given.suffix.lower() not in SUFFIXES:
        raise InputError(f"{given} is not an image by its suffix.", f"Images are {_known()}.")
    return [given]


def _natural(path: Path) -> tuple[list[list[tuple[int, str]]], str]:
    """Order numbers in names by their value."""
    parts = [re.findall(r"(\d+)|(\D+)", part.casefold()) for part in path.parts]
    return [[(int(n or -1), text) for n, text in part] for part in parts], str(path)


def _known() -> str:
    return f"{', '.join(SUFFIXES[:-1])} and {SUFFIXES[-1]}"


def _as_seen(stored: Stored) -> NDArray[Any]:
    """Look up the palette, turn white on black into black on white, and bits into 0 and 255."""
    pixels: NDArray[Any] = stored.pixels
    if stored.palette is not None and pixels.dtype.kind == "u":
        seen: NDArray[np.uint8] = stored.palette[pixels]
        return seen
    if stored.white is not None and pixels.dtype.kind == "u":
        pixels = pixels.dtype.type(stored.white) - pixels
    elif stored.white is not None and pixels.dtype.kind in "bi":
        pixels = ~pixels
    return pixels.astype(np.uint8) * np.uint8(255) if pixels.dtype == np.bool_ else pixels


def _grey_if_colourless(pixels: NDArray[Any]) -> NDArray[Any]:
    if pixels.ndim == 2:
        return pixels
    for some in (pixels[::64], pixels):  # most colour images are told by few rows
        if not all(np.array_equal(some[..., 0], some[..., k]) for k in (1, 2)):
            return pixels
    return np.ascontiguousarray(pixels[..., 0])
