"""Rows of an image that is stored in rows of pieces."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_KEPT = 2  # rows of pieces: two passes read at two places


class KeptRows:
    """Decodes rows of pieces as they are needed, and keeps the last ones.

    Parameters
    ----------
    axis
        Of what is decoded, along which rows follow one another.
    """

    def __init__(self, axis: int) -> None:
        self._axis = axis
        self._decoded: dict[int, NDArray[Any]] = {}

    def rows(
        self, start: int, stop: int, down: int, decode: Callable[[int], NDArray[Any]]
    ) -> NDArray[Any]:
        """Return rows of the image.

        Parameters
        ----------
        down
            Rows of a piece.
        decode
            Returns a row of pieces, by its number.
        """
        parts = []
        for number in range(start // down, -(-stop // down)):
            if number not in self._decoded:
                while len(self._decoded) >= _KEPT:
                    del self._decoded[next(iter(self._decoded))]
                self._decoded[number] = decode(number)
            top = number * down
            inside = slice(max(0, start - top), stop - top)
            parts.append(self._decoded[number][(slice(None),) * self._axis + (inside,)])
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=self._axis)
