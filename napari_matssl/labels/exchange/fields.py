"""Fields of annotation files of strangers: looked at before anything is made of them."""

import base64
import binascii
import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_matssl.labels.exchange.shapes import (
    BrokenAnnotationError,
    Outline,
    Points,
    SourceClass,
)

MOST_POINTS = 1_000_000
"""Points of one shape."""

LARGEST_SIDE = 1_000_000
"""Rows or columns of an image, px."""

LARGEST_WHOLE = float(1 << 53)
"""Largest number of an image, a class or a run length."""

_FARTHEST = 1e7  # px from the image's corner


def as_object(value: object, what: str) -> dict[str, Any]:
    """Return a value that has to be an object of JSON.

    Raises
    ------
    BrokenAnnotationError
        If it is something else.
    """
    if not isinstance(value, dict):
        raise BrokenAnnotationError(f"{what} is no object")
    return value


def as_list(value: object, what: str) -> list[Any]:
    """Return a value that has to be a list of JSON.

    Raises
    ------
    BrokenAnnotationError
        If it is something else.
    """
    if not isinstance(value, list):
        raise BrokenAnnotationError(f"{what} is no list")
    return value


def as_text(value: object, what: str) -> str:
    """Return a value that has to be a text that isn't empty.

    Raises
    ------
    BrokenAnnotationError
        If it is something else.
    """
    if not isinstance(value, str) or not value.strip():
        raise BrokenAnnotationError(f"{what} is missing or no text")
    return value


def as_number(value: object, what: str, most: float = _FARTHEST) -> float:
    """Return a number, also one that is written as text.

    Parameters
    ----------
    value, what
        The value, and what to call it.
    most
        Its largest amount; by default that of a coordinate or length, px.

    Raises
    ------
    BrokenAnnotationError
        If it is no number, not finite, or too large.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        number = float(value)
    except (ValueError, OverflowError):
        raise BrokenAnnotationError(f"{what} is no number") from None
    if not math.isfinite(number) or abs(number) > most:
        raise BrokenAnnotationError(f"{what} is {number:g}, far from any image")
    return number


def as_count(value: object, what: str, most: float = _FARTHEST) -> int:
    """Return a whole number, such as the place of a pixel.

    Parameters
    ----------
    value, what, most
        As for :func:`as_number`.

    Raises
    ------
    BrokenAnnotationError
        If it is another.
    """
    number = as_number(value, what, most)
    if number != int(number):
        raise BrokenAnnotationError(f"{what} is {number:g}, no whole number")
    return int(number)


def as_size(width: object, height: object) -> tuple[int, int] | None:
    """Return the width and height of an image; None where both are missing.

    Raises
    ------
    BrokenAnnotationError
        If they are no size.
    """
    if width is None and height is None:
        return None
    size = as_count(width, "the width"), as_count(height, "the height")
    if min(size) < 1 or max(size) > LARGEST_SIDE:
        raise BrokenAnnotationError(f"it claims {size[0]} x {size[1]} pixels")
    return size


def as_points(value: object, fewest: int) -> Points:
    """Return points given as pairs of x and y.

    Parameters
    ----------
    value
        A list of pairs.
    fewest
        How many there have to be.

    Raises
    ------
    BrokenAnnotationError
        If there are fewer, far too many, or others than pairs of numbers near the image.
    """
    pairs = as_list(value, "points")
    if not fewest <= len(pairs) <= MOST_POINTS:
        raise BrokenAnnotationError(f"a shape has {len(pairs)} points")
    for one in pairs:
        if not isinstance(one, list | tuple) or len(one) != 2:
            raise BrokenAnnotationError("a point is no pair of numbers")
    return np.array(
        [[as_number(x, "a coordinate"), as_number(y, "a coordinate")] for x, y in pairs],
        dtype=np.float64,
    )


def box(left: float, top: float, right: float, bottom: float) -> Outline:
    """Make the outline of a rectangle with upright sides."""
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return Outline((np.array(corners, dtype=np.float64),))


def from_base64(text: object, what: str) -> bytes:
    """Decode bytes in base64.

    Raises
    ------
    BrokenAnnotationError
        If it is none.
    """
    try:
        return base64.b64decode(as_text(text, what), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BrokenAnnotationError(f"{what} is not in base64") from error


def decode_png(raw: bytes, width: int, height: int) -> NDArray[np.bool_]:
    """Decode a small PNG: what isn't 0 is inside, or what isn't transparent.

    Raises
    ------
    BrokenAnnotationError
        If it is damaged, or of another size.
    """
    try:
        with Image.open(io.BytesIO(raw), formats=["PNG"]) as image:
            if image.size != (width, height):
                found = f"{image.size[0]} x {image.size[1]}"
                raise BrokenAnnotationError(
                    f"a mask has {found} pixels instead of {width} x {height}"
                )
            image.load()
            bands = image.getchannel("A") if "A" in image.getbands() else image
            pixels = np.asarray(bands)
    except BrokenAnnotationError:
        raise
    except Exception as error:  # decoders raise all kinds on damaged files
        raise BrokenAnnotationError("a mask is a damaged PNG") from error
    return np.atleast_1d(np.atleast_3d(pixels).astype(np.bool_).any(axis=2))


def named_classes(names: Sequence[str], colours: Mapping[str, str]) -> tuple[SourceClass, ...]:
    """List classes once each, in their order."""
    return tuple(
        SourceClass(name, colour=as_colour(colours.get(name))) for name in dict.fromkeys(names)
    )


def as_colour(text: object) -> str | None:
    """Return a colour as ``#rrggbb``; None where it is none."""
    if isinstance(text, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        return text.lower()
    return None
