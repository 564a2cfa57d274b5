"""Rows and rectangles of an image that is stored in pieces."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_KEPT = 2  # rows of pieces: two passes read at two places
_KEPT_BYTES = 1 << 27  # of pieces


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


class KeptPieces:
    """Decodes pieces as rectangles need them, and keeps those that were needed last.

    Parameters
    ----------
    axis
        Of rows in what is decoded; that of columns is the next.
    """

    def __init__(self, axis: int) -> None:
        self._axis = axis
        self._decoded: dict[tuple[int, int], NDArray[Any]] = {}
        self._bytes = 0

    def part(
        self,
        where: tuple[slice, slice],
        size: tuple[int, int],
        decode: Callable[[int, int], NDArray[Any]],
    ) -> NDArray[Any]:
        """Return a rectangle of the image.

        Parameters
        ----------
        where
            Its rows and columns.
        size
            Rows and columns of a piece.
        decode
            Returns a piece, by its row and column among the pieces.
        """
        rows, columns = (
            range(one.start // side, -(-one.stop // side))
            for one, side in zip(where, size, strict=True)
        )
        bands = [
            np.concatenate(
                [
                    self._cut(self._piece(row, column, decode), where, size, row, column)
                    for column in columns
                ],
                axis=self._axis + 1,
            )
            for row in rows
        ]
        return np.concatenate(bands, axis=self._axis)

    def _cut(
        self,
        piece: NDArray[Any],
        where: tuple[slice, slice],
        size: tuple[int, int],
        row: int,
        column: int,
    ) -> NDArray[Any]:
        """Cut off what of a piece lies outside the rectangle."""
        inside = tuple(
            slice(max(0, one.start - number * side), one.stop - number * side)
            for one, number, side in zip(where, (row, column), size, strict=True)
        )
        return piece[(*(slice(None),) * self._axis, *inside)]

    def _piece(
        self, row: int, column: int, decode: Callable[[int, int], NDArray[Any]]
    ) -> NDArray[Any]:
        piece = self._decoded.pop((row, column), None)
        if piece is None:
            piece = decode(row, column)
            self._bytes += piece.nbytes
        self._decoded[row, column] = piece  # the latest is at the end
        while self._bytes > _KEPT_BYTES and len(self._decoded) > 1:
            self._bytes -= self._decoded.pop(next(iter(self._decoded))).nbytes
        return piece
