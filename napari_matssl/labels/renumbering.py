"""Renumbering of the class ids of masks."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def ids_by(renumber: Mapping[int, int]) -> NDArray[np.uint8]:
    """Return the new id of each of the 256 values of a mask; 0 for those without."""
    ids = np.zeros(256, dtype=np.uint8)
    for theirs, ours in renumber.items():
        ids[theirs] = ours
    return ids
