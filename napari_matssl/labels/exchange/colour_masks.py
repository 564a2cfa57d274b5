"""Masks in which a colour is a class: RGB images, or images with a palette."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.labels.counting import count_values
from napari_matssl.labels.exchange.named_codes import named_codes
from napari_matssl.labels.exchange.pictures import areas_in, read_once
from napari_matssl.labels.exchange.shapes import AnnotationFile, SourceClass
from napari_matssl.labels.names import few
from napari_matssl.labels.seams import MOST_VALUES, look_smoothed
from napari_matssl.micrograph.reading import read_pixels_and_palette

PROGRAM = "colours"
_BLACK = 0
_EXACT = "Save it without smoothed edges (anti-aliasing), at its original size, as PNG or TIFF."

Colours = Mapping[str, str]
"""Colour of each class by its name, ``#rrggbb``."""


def colours_of(given: Sequence[str]) -> dict[str, str]:
    """Read what a user gives: ``"ferrite=#ff0000"`` for each class.

    Raises
    ------
    SettingsError
        If one is in another form, or a name or a colour stands twice.
    """
    return named_codes(given, _colour, "colour", "Write the name and the colour: ferrite=#ff0000.")


def _colour(text: str) -> str | None:
    colour = text.lower()
    return colour if re.fullmatch(r"#[0-9a-f]{6}", colour) else None


def has_colours(path: Path) -> bool:
    """Whether an image has a palette, or channels that differ.

    Raises
    ------
    InputError
        If it can't be read.
    """
    pixels, palette = read_pixels_and_palette(path)
    return palette is not None or (pixels.ndim == 3 and bool((pixels != pixels[..., :1]).any()))


def colours_in(path: Path) -> dict[str, int]:
    """Count the pixels of each colour of a mask, ``#rrggbb``.

    Raises
    ------
    InputError
        If the file can't be read, its edges are smoothed, or it is no mask.
    """
    shades = read_once(path, _shades)
    counts = count_values(shades)
    if _look_smoothed(shades, counts):
        raise _smoothed(path, shades, counts, counts)
    return {f"#{shade:06x}": pixels for shade, pixels in counts.items()}


def read_colour_mask(path: Path, colours: Colours) -> AnnotationFile:
    """Read a mask; black is unpainted unless it is a class.

    Raises
    ------
    InputError
        If the file can't be read, has no colours, or has some that are no class's.
    """
    shades = read_once(path, _shades)
    counts = count_values(shades)
    named = {name: int(colour[1:], 16) for name, colour in colours.items()}
    strange = {s: n for s, n in counts.items() if s not in {_BLACK, *named.values()}}
    if strange:
        raise _without_a_class(path, shades, counts, strange)
    classes = tuple(SourceClass(name, colour=colour) for name, colour in colours.items())
    return AnnotationFile(path, PROGRAM, (areas_in(path, named, counts, _shades),), classes)


def _shades(path: Path) -> NDArray[np.int32]:
    """Return the colour of each pixel as one number.

    Raises
    ------
    InputError
        If it can't be read, or has no colours of 8 bit.
    """
    pixels, palette = read_pixels_and_palette(path)
    if palette is not None and pixels.ndim == 2 and pixels.max(initial=0) < len(palette):
        pixels = palette[pixels.astype(np.intp)]
    if pixels.ndim == 2:  # black and white, too, are colours
        pixels = np.broadcast_to(pixels[..., None], (*pixels.shape, 3))
    if pixels.dtype != np.uint8:
        raise InputError(
            f"{path} has grey values of more than 8 bit, not colours.",
            "A label image needs no conversion: give it, with its class table, where labels go.",
        )
    wide = pixels.astype(np.int32)
    shades: NDArray[np.int32] = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return shades


def _without_a_class(
    path: Path,
    shades: NDArray[np.integer],
    counts: Mapping[int, int],
    strange: Mapping[int, int],
) -> InputError:
    """Return the error on colours that are no class's: missing names, or smoothed edges."""
    if _look_smoothed(shades, counts):
        return _smoothed(path, shades, counts, strange)
    return InputError(
        f"{path} holds colours that are no class's: {_largest(shades, strange)}.",
        "Name the class of each; black is unpainted.",
        settings="colour",
    )


def _look_smoothed(shades: NDArray[np.integer], counts: Mapping[int, int]) -> bool:
    return len(counts) > MOST_VALUES or bool(look_smoothed([shades]))


def _smoothed(
    path: Path, shades: NDArray[np.integer], counts: Mapping[int, int], strange: Mapping[int, int]
) -> InputError:
    return InputError(
        f"{path} holds {len(counts)} colours, most of them only where areas meet: its edges "
        "are smoothed, or it is a photograph. Most frequent without a class: "
        f"{_largest(shades, strange)}.",
        _EXACT,
    )


def _largest(shades: NDArray[np.integer], strange: Mapping[int, int]) -> str:
    largest = sorted(strange.items(), key=lambda one: -one[1])
    return few([f"#{shade:06x} ({n / shades.size:.1%})" for shade, n in largest], 8)
