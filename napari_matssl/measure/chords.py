"""Test lines along rows or columns: how often they cut a class, and what follows from that.

E1245-style: every row (or column) of pixels is a test line.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_STRIP = 1 << 24  # pixels at a time


@dataclass(frozen=True)
class LineFigures:
    """What test lines of one direction tell of a class; None where a figure is undefined.

    Parameters
    ----------
    direction
        0 along the rows, 90 along the columns, in degrees.
    intercepts
        Chords of the class; one that the edge of the analysed area cuts counts half.
    length_px
        Of all test lines within the analysed area.
    per_mm, mean_chord_um, mean_free_path_um
        None if the image isn't calibrated, too.
    """

    direction: int
    intercepts: float
    length_px: int
    per_mm: float | None
    mean_chord_um: float | None
    mean_free_path_um: float | None


def line_figures(
    of_class: NDArray[np.bool_],
    analysed: NDArray[np.bool_] | None,
    direction: int,
    pixel_size_um: tuple[float, float] | None,
) -> LineFigures:
    """Measure chords of a class along test lines.

    N_L = intercepts / length; mean chord = A_A / N_L; mean free path = (1 - A_A) / N_L
    (E1245-style).

    Parameters
    ----------
    of_class, analysed
        ``(H, W)``; None where everything was analysed.
    direction
        0 or 90.
    pixel_size_um
        Height and width of a pixel.
    """
    ends = _ends(of_class, analysed, down=direction == 90)
    length = of_class.size if analysed is None else int(np.count_nonzero(analysed))
    intercepts = ends / 2
    if pixel_size_um is None or not length:
        return LineFigures(direction, intercepts, length, None, None, None)
    per_um = intercepts / (length * pixel_size_um[0 if direction == 90 else 1])
    if not intercepts:
        return LineFigures(direction, intercepts, length, 0.0, None, None)
    share = int(np.count_nonzero(of_class)) / length
    return LineFigures(
        direction, intercepts, length, 1000 * per_um, share / per_um, (1 - share) / per_um
    )


def _ends(of_class: NDArray[np.bool_], analysed: NDArray[np.bool_] | None, down: bool) -> int:
    """Count the ends of chords at other analysed pixels, in one direction of lines."""
    height = max(1, _STRIP // max(1, of_class.shape[1]))
    ends = 0
    for start in range(0, len(of_class), height):
        rows = slice(start, start + height + down)
        inside = of_class[rows]
        rest = ~inside if analysed is None else analysed[rows] & ~inside
        one, other = (slice(None, -1), slice(1, None))
        if not down:
            one, other = (slice(None), one), (slice(None), other)  # type: ignore[assignment]
        ends += int(np.count_nonzero(inside[one] & rest[other]))
        ends += int(np.count_nonzero(rest[one] & inside[other]))
    return ends
