"""Why a pixel size in metadata may be wrong: the image was cropped or resized, or a comma."""

import re

from napari_matssl.micrograph.metadata import FileMetadata, positive

_JEOL_BAR = (0.06, 0.075)  # rows of a JEOL's info bar, as share of those of the picture: 64 of 960
_ROUNDED_PX = 1.5
_UNCLEAR = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}(?![\d.,eE])")


def width_doubt(taken: float | None, width: int) -> str:
    """Return the doubt of a pixel size that was stated for another width; empty if there is none.

    Parameters
    ----------
    taken
        Width of the image in px when it was taken; None where that isn't stated.
    width
        Its width now.
    """
    if taken is None or taken == width:
        return ""
    return _widths(taken, width) + "its pixel size is wrong if it was resized"


def scaled_doubt(taken: float, width: int) -> str:
    """Return the doubt of a pixel size that was adapted to the width, as for a resized copy."""
    if taken == width:
        return ""
    return _widths(taken, width) + "its pixel size is that of a resized copy, and wrong for a crop"


def _widths(taken: float, width: int) -> str:
    return f"the image was {taken:g} px wide when it was taken and is {width} now: "


def comma_doubt(*texts: str | None) -> str:
    """Return the doubt of a number such as ``1,234``; empty if no text begins with one."""
    for text in texts:
        found = _UNCLEAR.match(text or "")
        if found is not None:
            point = found[0].replace(",", ".")
            return (
                f'"{found[0]}" in its metadata counts as {point}: its pixel size is wrong if the '
                "comma divides thousands"
            )
    return ""


def edited_doubt(edited: bool) -> str:
    """Return the doubt of a pixel size that an image editor has copied with the metadata."""
    if not edited:
        return ""
    return (
        "an image editor has written it again and copied its metadata: its pixel size is wrong if "
        "it was resized"
    )


def doubts(*each: str) -> str:
    """Join doubts, each once, that aren't empty."""
    return "; ".join(dict.fromkeys(filter(None, each)))


def zeiss_width(metadata: FileMetadata) -> float | None:
    """Return the width in px of the image as a ZEISS stored it; None where it isn't stated."""
    found = re.search(
        r"^DP_IMAGE_STORE[ \t]*\r?\n[^=\r\n]{0,99}=[ \t]*(\d{1,9})[ \t]*\*",
        metadata.zeiss,
        re.MULTILINE,
    )
    return positive(found[1]) if found else None


def hitachi_width(text: str) -> float | None:
    """Return the width in px of the image as a Hitachi took it; None where it isn't stated."""
    found = re.search(r"^[ \t]*DataSize[ \t]*=[ \t]*(\d{1,9})[ \t]*[xX]", text, re.MULTILINE)
    return positive(found[1]) if found else None


def jeol_bar_row(full: tuple[float, float], width: int, height: int) -> int | None:
    """Return the first row of a JEOL's info bar; None if the sides are those of no such image.

    Parameters
    ----------
    full
        Width and height in px when it was taken, without the bar.
    width, height
        Of the image now.
    """
    rows = full[1] * width / full[0]
    share = (height - rows) / rows
    return round(rows) if _JEOL_BAR[0] <= share <= _JEOL_BAR[1] else None


def is_jeol_scaled(full: tuple[float, float], width: int, height: int) -> bool:
    """Whether an image has the sides of a resized copy, with or without the bar of a JEOL.

    Parameters
    ----------
    full, width, height
        As for :func:`jeol_bar_row`.
    """
    without_bar = abs(height - full[1] * width / full[0]) <= _ROUNDED_PX
    return without_bar or jeol_bar_row(full, width, height) is not None
