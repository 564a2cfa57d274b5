"""Decoding image files of whatever kind, with one clear error for a broken one."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from napari_matssl.errors import InputError
from napari_matssl.files import check_regular, unreadable_file
from napari_matssl.micrograph.metadata import FileMetadata, read_metadata, tifffile_silenced

_LOG = logging.getLogger(__name__)

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PICTURES = ("PNG", "JPEG", "BMP", "GIF")
_YCBCR_JPEG = (6, 7, 33003, 33005, 34712)  # codecs that give RGB though the tag says YCbCr
_SAVE_PLAIN = "Save it as a grey or RGB image, TIFF or PNG."
_SAVE_PLANE = "Save the plane you want as an image of its own."
_COPY_AGAIN = "Export or copy the image again."

_pillow_lock = threading.RLock()


@dataclass(frozen=True)
class Stored:
    """An image as its file stores it.

    Parameters
    ----------
    pixels
        ``(H, W)`` or ``(H, W, 3)``, native byte order, without an alpha channel.
    palette
        ``(256 or more, 3)``, the colours that `pixels` are indices of.
    white
        The greatest value that there can be, where 0 means white.
    factor
        What grey values of few bits have been multiplied with, to fill 8 bits.
    """

    pixels: NDArray[Any]
    palette: NDArray[np.uint8] | None = None
    white: int | None = None
    factor: int = 1


def decode(path: Path) -> tuple[Stored, FileMetadata]:
    """Read an image and what its file says about it.

    Parameters
    ----------
    path
        A TIFF, PNG, JPEG, BMP or GIF, whatever its suffix says.

    Raises
    ------
    InputError
        If the file is missing, no image, damaged, truncated, a stack, or of values or colours that
        aren't understood.
    """
    start = _start_of(path)
    with _damage_told(path):
        if start.startswith(_TIFF_STARTS):
            with tifffile_silenced(), tifffile.TiffFile(path) as tiff:
                stored, metadata = _decode_tiff(path, tiff), read_metadata(path, tiff)
        else:
            stored, metadata = _decode_picture(path, start), read_metadata(path)
    return _checked(path, stored), metadata


def _start_of(path: Path) -> bytes:
    """Read the first bytes, having made sure that there is a file with some."""
    check_regular(path)
    try:
        with path.open("rb") as file:
            start = file.read(32)
    except OSError as error:
        raise unreadable_file(path, error) from error
    if not start:
        raise InputError(f"{path} is empty (0 bytes).", _COPY_AGAIN)
    return start


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Turn whatever decoders raise over a broken file into one error for people."""
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(
            f"{path} doesn't fit into the memory.", "Cut it into parts, or close other programs."
        ) from error
    except Exception as error:
        _LOG.debug("%s can't be decoded", path, exc_info=True)
        raise InputError(f"{path} is damaged or incomplete.", _COPY_AGAIN) from error


def _decode_tiff(path: Path, tiff: tifffile.TiffFile) -> Stored:
    page = _only_plane(path, tiff)
    colours = page.photometric
    if colours not in (0, 1, 2, 3) and not (colours == 6 and page.compression in _YCBCR_JPEG):
        name = getattr(colours, "name", str(colours))
        raise InputError(f"{path} stores its colours as {name}.", _SAVE_PLAIN)
    if _end_of_data(page) > tiff.filehandle.size:
        raise InputError(f"{path} is incomplete.", _COPY_AGAIN)
    pixels = page.asarray()
    if page.axes == "SYX":
        pixels = np.moveaxis(pixels, 0, -1)
    if page.samplesperpixel > 3 and colours == 2:
        pixels = pixels[..., :3]
    elif page.samplesperpixel == 2 and page.extrasamples and page.extrasamples[0] in (1, 2):
        pixels = pixels[..., 0]
    palette = None
    if colours == 3 and page.colormap is not None:
        wide = page.colormap.max(initial=0) > 255  # as it should be; old software wrote 8 bits
        palette = (page.colormap >> 8 if wide else page.colormap).astype(np.uint8).T
    return Stored(pixels, palette, (1 << page.bitspersample) - 1 if colours == 0 else None)


def _end_of_data(page: tifffile.TiffPage) -> int:
    """Where the file must not end before; some codecs fill up what is missing of a file."""
    if page.is_contiguous:
        return page.dataoffsets[0] + page.nbytes
    ends = (start + n for start, n in zip(page.dataoffsets, page.databytecounts, strict=True))
    return max(ends)


def _only_plane(path: Path, tiff: tifffile.TiffFile) -> tifffile.TiffPage:
    """Choose the full-size page; smaller ones and those marked so are thumbnails and masks."""
    pages = [page for page in tiff.pages if isinstance(page, tifffile.TiffPage)]
    pages = [page for page in pages if not int(page.subfiletype) & 0b101] or pages
    areas = [page.imagelength * page.imagewidth for page in pages]
    largest = [page for page, area in zip(pages, areas, strict=True) if area == max(areas)]
    first = largest[0]
    # Software may describe planes that follow one another without pages of their own.
    described = [s.size for s in tiff.series if s.keyframe.index == first.index]
    planes = max([len(largest) * first.imagedepth, *(n // first.size for n in described)])
    if planes > 1:
        raise InputError(f"{path} is a stack of {planes} planes.", _SAVE_PLANE)
    return first


def _decode_picture(path: Path, start: bytes) -> Stored:
    with _strict_pillow():
        try:
            image = Image.open(path, formats=_PICTURES)
        except UnidentifiedImageError as error:
            raise InputError(f"{path} is not an image that can be read.", _SAVE_PLAIN) from error
        with image:
            if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
                raise InputError(f"{path} is an animation.", _SAVE_PLANE)
            image.load()
            palette = _palette(image) if image.mode in ("P", "PA") else None
            pixels = np.array(image.convert("RGB") if image.mode == "CMYK" else image)
    bits, kind = start[24:26] if image.format == "PNG" else (8, 0)
    if bits == 16 and kind in (2, 4, 6):  # Pillow gives 8 bits of each; it has checked the file
        pixels = imagecodecs.png_decode(path.read_bytes())
    elif bits == 16:
        pixels = pixels.astype(np.uint16, copy=False)
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        pixels = pixels[..., :-1]
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    return Stored(pixels, palette, factor={2: 85, 4: 17}.get(bits, 1) if kind == 0 else 1)


@contextmanager
def _strict_pillow() -> Iterator[None]:
    """Let Pillow read panoramas, and refuse truncated files whatever other plugins have set."""
    with _pillow_lock:
        before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = None, False
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


def _palette(image: Image.Image) -> NDArray[np.uint8]:
    colours = np.zeros(3 * 256, dtype=np.uint8)
    listed = image.getpalette("RGB") or []
    colours[: len(listed)] = listed
    return colours.reshape(-1, 3)


def _checked(path: Path, stored: Stored) -> Stored:
    pixels = stored.pixels
    if pixels.dtype.kind not in "buif" or pixels.dtype.itemsize > 8:
        raise InputError(f"{path} holds {pixels.dtype.name} values.", _SAVE_PLAIN)
    if pixels.ndim != 2 and (pixels.ndim != 3 or pixels.shape[2] != 3):
        raise InputError(f"{path} has {pixels.shape[-1]} channels.", _SAVE_PLAIN)
    native = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
    return replace(stored, pixels=native)
