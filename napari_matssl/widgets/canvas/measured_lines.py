"""The lines of measured items, as napari draws them: columns, test lines, intercepts, marks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_matssl.measure.items import FieldItems

MOST_COLUMNS = 400
"""Columns that are drawn; more would hide what is below them."""


@dataclass(frozen=True)
class DrawnLines:
    """Lines of one width.

    Parameters
    ----------
    ends
        ``(N, 2, 2)`` row and column of both ends of each.
    colours
        Of each.
    width
        In px.
    step
        Of how many columns one is drawn.
    """

    ends: NDArray[np.floating]
    colours: list[str]
    width: float
    step: int = 1

    @property
    def vectors(self) -> NDArray[np.floating]:
        """``(N, 2, 2)`` where each begins, and the way to its end."""
        return np.stack([self.ends[:, 0], self.ends[:, 1] - self.ends[:, 0]], axis=1)


def lines_of(items: FieldItems, colours: Mapping[Any, str]) -> DrawnLines:
    """Return columns, or test lines with the ticks of their intercepts on top.

    Parameters
    ----------
    colours
        Of what items count as, by kind; of test lines at 0.
    """
    assert items.ends is not None  # what has pixels is drawn by these
    if items.kinds_of_ends is None:
        step = max(1, math.ceil(len(items.ends) / MOST_COLUMNS))
        ends = items.ends[::step]
        return DrawnLines(ends, [colours[1]] * len(ends), 1.0, step)
    of_ticks = [colours[int(kind)] for kind in items.kinds_of_ends]
    ends = np.concatenate([items.lines, items.ends])
    length = float(np.linalg.norm(np.ptp(items.ends[0], axis=0))) if len(items.ends) else 0.0
    return DrawnLines(ends, [colours[0]] * len(items.lines) + of_ticks, max(1.0, length / 6))
