"""The strip below a picture that explains it: legend and scale bar."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from napari_matssl.export.lettering import Lettering

_INK = (30, 30, 30)
_PAPER = (255, 255, 255)


@dataclass(frozen=True)
class Entry:
    """One item of the legend.

    Parameters
    ----------
    text
        What stands beside the swatch.
    colour
        Of the swatch; None for a hatched one.
    """

    text: str
    colour: tuple[int, int, int] | None


@dataclass(frozen=True)
class ScaleBar:
    """A bar of a round length, and the text beside it."""

    text: str
    length_px: int


def scale_bar(um_per_px: float, width: int) -> ScaleBar:
    """Choose the longest bar of 1, 2 or 5 times a power of ten within a quarter of the width.

    Parameters
    ----------
    um_per_px
        Width of one pixel of the picture in micrometres.
    width
        Of the picture, in pixels.
    """
    um = round_length(um_per_px * width / 4)
    unit, um_per_unit = ("mm", 1e3) if um >= 1000 else ("µm", 1.0) if um >= 1 else ("nm", 1e-3)
    return ScaleBar(f"{um / um_per_unit:g} {unit}", round(um / um_per_px))


def round_length(most: float) -> float:
    """Return the largest 1, 2 or 5 times a power of ten that is at most `most`."""
    power = 10.0 ** math.floor(math.log10(most))
    # 0.5 is there because log10(999.9999999999999) is rounded up to 3
    return power * max((step for step in (1, 2, 5) if step * power <= most), default=0.5)


def legend_panel(
    shape: tuple[int, ...], entries: list[Entry], bar: ScaleBar | None, larger: float = 1.0
) -> NDArray[np.uint8]:
    """Draw the legend in even columns, and the scale bar at the right end of its last row.

    Parameters
    ----------
    shape
        ``(H, W, ...)`` of the picture that the strip goes with; the letters grow with it.
    entries
        At least one.
    bar
        None if the picture isn't calibrated.
    larger
        Factor on the size of letters.

    Returns
    -------
    ``(h, w, 3)``, RGB; w is the picture's width, more below pictures too narrow for letters.
    """
    usual = min(round(0.022 * larger * math.sqrt(shape[0] * shape[1])), shape[1] // 16)
    em = max(round(14 * larger), usual)
    letters = Lettering(em)
    line, swatch = 2 * em, round(1.2 * em)
    width = max(shape[1], 20 * em)
    room = width - em
    most = room - swatch - 2 * em
    entries = [Entry(letters.shortened(e.text, most), e.colour) for e in entries]
    columns = _columns([swatch + 2.5 * em + letters.length(e.text) for e in entries], room)
    rows = math.ceil(len(entries) / len(columns))
    bar_width = 0 if bar is None else round(bar.length_px + letters.length(bar.text) + 1.5 * em)
    beside = sum(columns[: len(entries) - (rows - 1) * len(columns)]) + bar_width <= room
    bar_row = rows - 1 if beside else rows
    height = line * (rows if bar is None else bar_row + 1) + em
    panel = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(panel)
    for n, entry in enumerate(entries):
        row, column = divmod(n, len(columns))
        x, y = em + sum(columns[:column]), em // 2 + row * line + line // 2
        _draw_swatch(panel, (x, y - swatch // 2, x + swatch, y + swatch // 2), entry.colour)
        letters.draw(draw, (x + swatch + em // 2, y), entry.text, _INK)
    if bar is not None:
        x, y = width - em, em // 2 + bar_row * line + line // 2
        letters.draw(draw, (x - letters.length(bar.text), y), bar.text, _INK)
        x -= round(letters.length(bar.text) + em / 2)
        draw.rectangle((x - bar.length_px, y - em // 6, x - 1, y + em // 6), fill=_INK)
    return np.asarray(panel)


def _columns(widths: list[float], room: float) -> list[int]:
    """Fit as many columns as there is room for; return their widths."""
    for count in range(len(widths), 1, -1):
        columns = [math.ceil(max(widths[n::count])) for n in range(count)]
        if sum(columns) <= room:
            return columns
    return [math.ceil(max(widths))]


def _draw_swatch(
    panel: Image.Image, box: tuple[int, int, int, int], colour: tuple[int, int, int] | None
) -> None:
    draw = ImageDraw.Draw(panel)
    draw.rectangle(box, fill=colour or (110, 110, 110), outline=_INK)
    if colour is None:
        side = box[2] - box[0]
        for offset in (0.35, 0.75, 1.25, 1.65):
            start, end = max(0.0, offset - 1) * side, min(1.0, offset) * side
            draw.line(
                (box[0] + start, box[1] + end, box[0] + end, box[1] + start), fill=(190, 190, 190)
            )
