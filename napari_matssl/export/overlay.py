"""Pictures that show a mask over its micrograph."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_matssl.errors import InputError
from napari_matssl.export.legend import Entry, legend_panel, scale_bar
from napari_matssl.export.masks import palette_of
from napari_matssl.files import atomic_write
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.micrograph.image import Micrograph

MOST_PIXELS = 4000
"""Overlay pictures of larger images are made smaller, to at most this width and height."""

_FEWEST_PIXELS = 320  # smaller images are enlarged, so that outlines can be seen
_TWO_PX_LINES = 1000  # from this width or height on, outlines are 2 px wide
_BLEND = 0.4
_DIMMED = 0.5
_NOT_ANALYSED = "not analysed"

Picture = NDArray[np.uint8]


def write_overlay(
    path: Path,
    micrograph: Micrograph,
    mask: NDArray[np.uint8],
    table: ClassTable,
    fractions: Mapping[int, float | None] | None = None,
) -> None:
    """Write what :func:`overlay` draws as a PNG, atomically.

    Raises
    ------
    InputError
        If micrograph and mask differ in size.
    OutputError
        If the file can't be written.
    """
    picture = Image.fromarray(overlay(micrograph, mask, table, fractions))
    with atomic_write(path) as temporary:
        picture.save(temporary, format="PNG")


def overlay(
    micrograph: Micrograph,
    mask: NDArray[np.uint8],
    table: ClassTable,
    fractions: Mapping[int, float | None] | None = None,
    most: int = MOST_PIXELS,
    letters: float = 1.0,
) -> Picture:
    """Draw a mask over its micrograph: tinted classes with outlines, and a legend below.

    The micrograph's contrast is stretched. What was not analysed is dimmed and hatched. The legend
    and, if the image is calibrated, a scale bar stand below the picture and cover none of it.
    Images of more than `most` px a side are made smaller by a whole factor (the mask by
    taking one pixel of each block), tiny ones larger: the picture is for looking, not measuring.

    Parameters
    ----------
    micrograph
        The image, ``(H, W)`` or ``(H, W, 3)``.
    mask
        ``(H, W)``, class ids, and `table`'s ``not_analysed`` where there is no class.
    table
        Names and colours of the classes.
    fractions
        Area fraction by class id, 0 to 100, shown in the legend.
    most
        Width and height that the picture has at most, without its legend, px.
    letters
        Factor on the size of the legend, for pictures that are printed small.

    Returns
    -------
    ``(H', W', 3)``, RGB.

    Raises
    ------
    InputError
        If micrograph and mask differ in size.
    """
    if mask.shape != (micrograph.height, micrograph.width):
        raise InputError(
            f"The mask of {micrograph.name} is {mask.shape[1]} x {mask.shape[0]} pixels, the image "
            f"{micrograph.width} x {micrograph.height}.",
            "Segment the image again.",
        )
    shrink = math.ceil(max(mask.shape) / most)
    grow = math.ceil(_FEWEST_PIXELS / max(mask.shape))
    colours = _enlarged(_stretched(micrograph, shrink), grow)
    classes = _enlarged(_thinned(mask, shrink), grow)
    picture = _tinted(colours, classes, table)
    bar = None
    if micrograph.pixel_size is not None:
        bar = scale_bar(micrograph.pixel_size.x_um * shrink / grow, picture.shape[1])
    panel = legend_panel(picture.shape, _entries(classes, table, fractions), bar, letters)
    margin = ((0, 0), (0, panel.shape[1] - picture.shape[1]), (0, 0))
    return np.concatenate([np.pad(picture, margin, constant_values=255), panel])


def _stretched(micrograph: Micrograph, shrink: int) -> Picture:
    """Shrink by block means and stretch to 8 bits, ``(H', W', 3)``; the range is the specimen's."""
    pixels = micrograph.pixels
    height, width = (n // shrink * shrink for n in pixels.shape[:2])
    means = np.zeros((height // shrink, width // shrink, *pixels.shape[2:]), dtype=np.float32)
    for row in range(shrink):  # one offset at a time avoids a float copy of a panorama
        for column in range(shrink):
            means += pixels[row:height:shrink, column:width:shrink]
    means /= shrink**2
    bar = micrograph.info_bar
    specimen = means if bar is None else means[: max(1, bar.row // shrink)]
    finite = specimen[np.isfinite(specimen)]
    low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 0.0)
    if high <= low and finite.size:
        low, high = finite.min(), finite.max()
    # A constant image becomes mid-grey.
    scale, offset = (255 / (high - low), 0) if high > low else (0.0, 128)
    grey = np.nan_to_num((means - low) * scale + offset, nan=0.0).clip(0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2) if grey.ndim == 2 else grey


def _thinned(mask: NDArray[np.uint8], shrink: int) -> NDArray[np.uint8]:
    """Take the middle pixel of each block, so that ids stay ids."""
    height, width = (n // shrink * shrink for n in mask.shape)
    return mask[shrink // 2 : height : shrink, shrink // 2 : width : shrink]


def _enlarged(pixels: Picture, grow: int) -> Picture:
    return pixels.repeat(grow, axis=0).repeat(grow, axis=1) if grow > 1 else pixels


def _tinted(colours: Picture, classes: NDArray[np.uint8], table: ClassTable) -> Picture:
    """Blend the classes into the picture, draw their outlines, hatch the rest."""
    palette = palette_of(table)
    is_class = np.isin(np.arange(256), table.ids)
    level = np.arange(256)[None, :, None]  # (class, stored value, channel)
    blended = (1 - _BLEND) * level + _BLEND * palette[:, None, :]
    blended = np.where(is_class[:, None, None], blended, _DIMMED * level)
    looked_up = blended.round().astype(np.uint8)
    picture = np.stack([looked_up[classes, colours[..., k], k] for k in range(3)], axis=2)

    inside = is_class[classes]
    hatch = _hatch(picture.shape[0], picture.shape[1]) & ~inside
    picture[hatch] = picture[hatch] // 2 + 64
    edge = _outlines(classes, inside)
    picture[edge] = palette[classes[edge]]
    return picture


def _hatch(height: int, width: int) -> NDArray[np.bool_]:
    """Diagonal lines 1 or 2 px wide, ``(height, width)``."""
    period = max(8, max(height, width) // 80)
    diagonal = np.add.outer(np.arange(height) % period, np.arange(width) % period) % period
    lines: NDArray[np.bool_] = diagonal < max(1, period // 12)
    return lines


def _outlines(classes: NDArray[np.uint8], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the pixels of a class that touch a commoner one, in rows and columns, 1 or 2 px wide.

    One line per boundary, on the side of the rarer class: two lines of two colours blur.
    """
    order = np.argsort(np.argsort(np.bincount(classes.ravel(), minlength=256), kind="stable"))
    # The outside ranks last, so every class is outlined there.
    rank = np.where(inside, order[classes], 256).astype(np.int16)
    edge = np.zeros(classes.shape, dtype=np.bool_)
    for d in range(1, 3 if max(classes.shape) >= _TWO_PX_LINES else 2):
        edge[d:] |= rank[d:] < rank[:-d]
        edge[:-d] |= rank[:-d] < rank[d:]
        edge[:, d:] |= rank[:, d:] < rank[:, :-d]
        edge[:, :-d] |= rank[:, :-d] < rank[:, d:]
    return edge


def _entries(
    classes: NDArray[np.uint8], table: ClassTable, fractions: Mapping[int, float | None] | None
) -> list[Entry]:
    entries = []
    for one in table.classes:
        fraction = (fractions or {}).get(one.id)
        figure = "" if fraction is None else f"  {_percent(fraction)}"
        entries.append(Entry(f"{one.name}{' (excluded)' * one.exclude}{figure}", one.rgb))
    if not np.isin(classes, table.ids).all():
        entries.append(Entry(_NOT_ANALYSED, None))
    return entries


def _percent(fraction: float) -> str:
    if 0 < fraction < 0.01:
        return "< 0.01 %"
    return f"{fraction:.1f} %" if fraction >= 9.995 or fraction == 0 else f"{fraction:.2f} %"
