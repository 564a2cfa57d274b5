"""Decoding PNG, JPEG, GIF and BMP files."""

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from napari_matssl.errors import InputError, StackError
from napari_matssl.micrograph import gif, jpeg, png
from napari_matssl.micrograph.bounds import check_extent
from napari_matssl.micrograph.damage import rows_missing
from napari_matssl.micrograph.stored_image import Stored

_BMP = b"BM"
_BITS = {"1": 1, "L": 8}  # bits per pixel by Pillow's mode
_SAVE_PLAIN = "Save it as a grey or RGB image, TIFF or PNG."
_SAVE_PLANE = "Save the picture you want as an image of its own."

_pillow_lock = threading.RLock()


def decode_picture(path: Path, start: bytes, page: int | None, label: bool) -> Stored:
    """Decode a file that is no TIFF.

    Parameters
    ----------
    path
        The file.
    start
        Its first bytes.
    page
        Which picture of an animation, from 1; None for a file that holds one.
    label
        Whether it is a label image.

    Raises
    ------
    InputError
        If it is no image, damaged, too large, or an animation and no picture was chosen.
    """
    if start.startswith(png.START):
        return _decode_png(path, page, label)
    if start.startswith(jpeg.START):
        return _decode_jpeg(path, page, label)
    if start.startswith(gif.START):
        return _decode_gif(path, page, label)
    if start.startswith(_BMP):
        return _decode_bmp(path, start, page, label)
    raise InputError(f"{path} is not an image that can be read.", _SAVE_PLAIN)


def count_pictures(path: Path, start: bytes) -> int:
    """Count the pictures of a file that is no TIFF; more than one in animations alone.

    Raises
    ------
    InputError
        If it is a GIF that is damaged or too large.
    """
    return len(gif.read_frames(path, label=True)) if start.startswith(gif.START) else 1


def _decode_png(path: Path, page: int | None, label: bool) -> Stored:
    read = png.read_png(path, label)
    _check_page(path, 1 if read.frames > 1 and page == 1 else read.frames, page)
    with strict_pillow(), Image.open(BytesIO(read.raw), formats=("PNG",)) as image:
        pixels, palette = _loaded(image)
        factor = {2: 85, 4: 17}.get(read.bits, 1) if read.kind == 0 else 1
        unseen = _has_unseen(pixels, palette, image, factor)
    if read.bits == 16 and read.kind in (2, 4, 6):  # Pillow would reduce these to 8 bits
        pixels = imagecodecs.png_decode(read.raw)
    elif read.bits == 16:
        pixels = pixels.astype(np.uint16, copy=False)
    return _seen(Stored(pixels, palette, None, factor, read.orientation), unseen)


def _decode_jpeg(path: Path, page: int | None, label: bool) -> Stored:
    read = jpeg.read_jpeg(path, label)
    _check_page(path, 1, page)
    with strict_pillow(), Image.open(BytesIO(read.raw), formats=("JPEG",)) as image:
        pixels, _ = _loaded(image)
    read.check_rows(path, pixels)
    return Stored(pixels, orientation=read.orientation, lossy=True)


def _decode_gif(path: Path, page: int | None, label: bool) -> Stored:
    frames = gif.read_frames(path, label)
    _check_page(path, len(frames), page)
    try:
        with strict_pillow(), Image.open(path, formats=("GIF",)) as image:
            for number in range(1, page or 1):  # each frame is drawn on the one before
                image.seek(number)
            pixels, palette = _loaded(image)
            unseen = _has_unseen(pixels, palette, image)
    except OSError:
        gif.check_rows(path, frames[(page or 1) - 1])
        raise
    if len(frames) == 1 and (pixels[-2:].min(axis=1) == pixels[-2:].max(axis=1)).any():
        gif.check_rows(path, frames[0])  # Pillow would fill missing rows with one colour
    return _seen(Stored(pixels, palette, page=page or 1, pages=len(frames)), unseen)


def _decode_bmp(path: Path, start: bytes, page: int | None, label: bool) -> Stored:
    _check_page(path, 1, page)
    with strict_pillow(), Image.open(path, formats=("BMP",)) as image:
        channels = len(image.getbands())
        size = path.stat().st_size
        check_extent(path, image.width, image.height, channels, size, label)
        _check_bmp_rows(path, start, size)
        bits = _bmp_bits(start)
        if image.mode in _BITS and bits != _BITS[image.mode]:
            return _two_colours(path, start, image)
        pixels, palette = _loaded(image)
    return _without_alpha(Stored(pixels, palette))


def _bmp_bits(start: bytes) -> int:
    """Bits per pixel, which a header of OS/2 has at another place."""
    (header,) = struct.unpack_from("<I", start, 14)
    (bits,) = struct.unpack_from("<H", start, 28 if header >= 40 else 24)
    return int(bits)


def _two_colours(path: Path, start: bytes, image: Image.Image) -> Stored:
    """Decode 8 bits per pixel of black and white, which Pillow takes for 1 bit.

    Raises
    ------
    InputError
        If they are packed, or there aren't 8 bits.
    """
    begin, header = struct.unpack_from("<II", start, 10)
    plain = header >= 40 and struct.unpack_from("<I", start, 30)[0] == 0
    if image.mode != "1" or not plain or _bmp_bits(start) != 8:
        raise InputError(
            f"{path} is a BMP of {_bmp_bits(start)} bits per pixel whose palette can't be read.",
            "Save it as PNG or TIFF.",
        )
    width, height = image.size
    raw = np.frombuffer(path.read_bytes(), np.uint8, -(-width // 4) * 4 * height, begin)
    pixels = raw.reshape(height, -1)[:, :width]
    upwards = struct.unpack_from("<i", start, 22)[0] > 0
    palette = np.zeros((256, 3), dtype=np.uint8)
    palette[1] = 255
    return Stored(pixels[::-1].copy() if upwards else pixels.copy(), palette)


def _check_bmp_rows(path: Path, start: bytes, size: int) -> None:
    """Count the rows of a BMP that isn't packed, by its size."""
    begin, header = struct.unpack_from("<II", start, 10)
    if header < 40:  # a header of OS/2
        return
    width, height, _, bits = struct.unpack_from("<iiHH", start, 18)
    packed = struct.unpack_from("<I", start, 30)[0]
    each = (abs(width) * bits + 31) // 32 * 4
    if packed == 0 and each and begin + each * abs(height) > size:
        raise rows_missing(path, (size - begin) // each, abs(height))


def _check_page(path: Path, count: int, page: int | None) -> None:
    if page is None and count > 1:
        raise StackError(
            f"{path} is an animation of {count} pictures.",
            f"{_SAVE_PLANE[:-1]}, or choose one by its number, 1 to {count}.",
            count,
        )
    if page is not None and not 1 <= page <= count:
        raise InputError(
            f"{path} has no page {page}: it holds {count}.", f"Choose a number from 1 to {count}."
        )


def _loaded(image: Image.Image) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
    image.load()
    palette = _palette(image) if image.mode in ("P", "PA") else None
    return np.array(image.convert("RGB") if image.mode == "CMYK" else image), palette


def _without_alpha(stored: Stored) -> Stored:
    """Drop a transparency channel, with a remark if it differs from pixel to pixel."""
    pixels = stored.pixels
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 2, 4):
        return stored
    if pixels.shape[2] == 1:
        return replace(stored, pixels=pixels[..., 0])
    alpha, colours = pixels[..., -1], pixels[..., :-1]
    return replace(
        stored,
        pixels=colours[..., 0] if colours.shape[2] == 1 else colours,
        remarks=(TRANSPARENT,) if (alpha != alpha.max()).any() else (),
        transparent=bool((alpha < np.iinfo(alpha.dtype).max).any()),
    )


def _seen(stored: Stored, unseen: bool) -> Stored:
    """Drop a transparency channel; mark an image that is transparent without one, too."""
    plain = _without_alpha(stored)
    return replace(plain, remarks=(TRANSPARENT,), transparent=True) if unseen else plain


def _has_unseen(
    pixels: NDArray[Any], palette: NDArray[np.uint8] | None, image: Image.Image, factor: int = 1
) -> bool:
    """Whether pixels have a colour that can't be fully seen; black is unpainted anyway.

    A palette has alpha for its indices, or one transparent index. Other images have one transparent
    grey value, not multiplied by `factor` as pixels are, or one transparent colour.
    """
    stated = image.info.get("transparency")
    if palette is None:
        if not isinstance(stated, int | tuple) or not np.any(stated):
            return False
        colour = np.array(stated) * factor
        if pixels.shape[2:] != colour.shape:
            return False
        return bool((pixels == colour).reshape(*pixels.shape[:2], -1).all(axis=2).any())
    if image.mode != "P" or not isinstance(stated, bytes | int):
        return False
    alpha = np.full(256, 255, np.uint8)
    if isinstance(stated, int):
        alpha[stated] = 0
    else:
        alpha[: len(stated)] = list(stated[:256])
    unseen = (alpha < 255) & palette.any(axis=1)
    return bool(unseen[np.unique(pixels)].any())


TRANSPARENT = "parts of it are transparent; they are taken as their colours stand in the file"
"""The remark on an image with a transparency channel that isn't opaque everywhere."""


def _palette(image: Image.Image) -> NDArray[np.uint8]:
    colours = np.zeros(3 * 256, dtype=np.uint8)
    listed = image.getpalette("RGB") or []
    colours[: len(listed)] = listed
    return colours.reshape(-1, 3)


@contextmanager
def strict_pillow() -> Iterator[None]:
    """Let Pillow read panoramas, and refuse truncated files whatever other plugins have set."""
    with _pillow_lock:
        before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = None, False
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before
