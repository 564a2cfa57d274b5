"""Whether the free memory suffices for a measure, before it is begun."""

from collections.abc import Iterable, Mapping
from typing import Final

import psutil

from napari_matssl.errors import OutOfMemoryError
from napari_matssl.measure.field import Field

BYTES_PER_PIXEL: Final[Mapping[str, float]] = {
    "phases": 1.0,
    "objects": 4.0,
    "grains": 6.2,
    "layers": 4.0,
    "nodules": 3.0,
}
"""What a measure takes beside the mask, at most: measured on masks of 20,000 x 20,000 px."""

_UNCHECKED: Final = 256 << 20  # bytes


def check_memory(field: Field, measures: Iterable[str]) -> None:
    """Check that measures of a field fit into the memory.

    Raises
    ------
    OutOfMemoryError
        If they don't: the operating system might end the program then.
    """
    height, width = field.mask.shape
    per_pixel, name = max((BYTES_PER_PIXEL[one], one) for one in measures)
    needed, free = per_pixel * field.mask.size, psutil.virtual_memory().available
    if needed > _UNCHECKED and needed > free:
        raise OutOfMemoryError(
            f"{field.name} has {width} x {height} pixels, and measuring {name} needs "
            f"{needed / 1e6:,.0f} MB of memory, of which {free / 1e6:,.0f} MB are free.",
            "Cut it into parts, or close other programs.",
        )
