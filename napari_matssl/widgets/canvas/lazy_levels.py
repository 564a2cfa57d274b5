"""Arrays that napari reads parts of: panoramas, strokes and masks of panoramas."""

import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from napari_matssl.errors import MatSSLError
from napari_matssl.export.growing_mask import rows_so_far
from napari_matssl.micrograph.mask_levels import MaskLevels
from napari_matssl.project.panoramas import InSight

Part = Callable[[slice, slice], NDArray[Any]]
"""Returns a rectangle; both slices have a beginning and an end."""

FACTORS: Final = (1, 4, 16)
"""By how much the levels of a panorama are smaller, along each side."""


class LazyLevel:
    """An array of which parts are read as they are asked for.

    Parameters
    ----------
    shape
        ``(H, W)`` or ``(H, W, 3)``.
    dtype
        Of its values.
    read
        Returns a rectangle of it.
    failed
        Told why one can't be read; it is 0 then.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        read: Part,
        failed: Callable[[MatSSLError], object] = lambda _error: None,
    ) -> None:
        self.shape, self.dtype = shape, dtype
        self._read, self._failed = read, failed
        self._whole: weakref.ref[NDArray[Any]] | None = None

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))

    def __getitem__(self, key: object) -> NDArray[Any]:
        given = key if isinstance(key, tuple) else (key,)
        if Ellipsis in given:
            at = given.index(Ellipsis)
            missing = self.ndim - len(given) + 1
            given = (*given[:at], *(slice(None),) * missing, *given[at + 1 :])
        given = (*given, *(slice(None),) * (self.ndim - len(given)))
        ranges, rest = [], list(given)
        for axis, length in enumerate(self.shape[:2]):
            one = given[axis]
            if isinstance(one, slice):
                start, stop, step = one.indices(length)
                ranges.append(slice(start, max(start, stop)))
                rest[axis] = slice(None, None, step)
            else:
                ranges.append(slice(int(one), int(one) + 1))
                rest[axis] = 0
        part = self._part(ranges[0], ranges[1])
        found: NDArray[Any] = part[tuple(rest)]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole = self._given_out
        if whole is None:
            whole = self[:]
            self._whole = weakref.ref(whole)
        return whole if dtype is None else whole.astype(dtype)

    @property
    def _given_out(self) -> NDArray[Any] | None:
        """The array of all of it that somebody still has."""
        return None if self._whole is None else self._whole()

    def read_again(self) -> None:
        """Read again what was given out as one array: napari 0.9 keeps that of the last level."""
        whole = self._given_out
        if whole is not None:
            whole[...] = self[:]

    def _part(self, rows: slice, columns: slice) -> NDArray[Any]:
        shape = (rows.stop - rows.start, columns.stop - columns.start, *self.shape[2:])
        if 0 in shape:
            return np.zeros(shape, self.dtype)
        try:
            return self._read(rows, columns)
        except MatSSLError as error:
            self._failed(error)
            return np.zeros(shape, self.dtype)


def show_changes(layer: Layer) -> None:
    """Show what the levels of a layer hold by now."""
    for level in layer.data:
        level.read_again()
    layer.refresh()


def levels_of(seen: InSight, failed: Callable[[MatSSLError], object]) -> list[Any]:
    """Return a panorama and its smaller copies for a multiscale layer."""
    panorama = seen.panorama
    full = LazyLevel(panorama.shape, seen.overview.levels[0].dtype, panorama.part, failed)
    return [full, *seen.overview.levels]


def mask_levels(mask: MaskLevels, failed: Callable[[MatSSLError], object]) -> list[LazyLevel]:
    """Return a mask of a panorama for a multiscale layer."""
    height, width = mask.shapes[0]
    return [
        LazyLevel(
            (-(-height // factor), -(-width // factor)),
            np.dtype(np.uint8),
            partial(mask.part, factor),
            failed,
        )
        for factor in FACTORS
    ]


def sampled_levels(shape: tuple[int, int], read: Part) -> list[LazyLevel]:
    """Return levels of class ids for a multiscale layer: classes have no mean, pixels are left out.

    Parameters
    ----------
    shape
        Height and width of the panorama.
    read
        Returns a rectangle at full size, or every n-th pixel of it: slices may have steps.
    """

    def level(factor: int) -> LazyLevel:
        def part(rows: slice, columns: slice) -> NDArray[Any]:
            return read(
                slice(rows.start * factor, min(rows.stop * factor, shape[0]), factor),
                slice(columns.start * factor, min(columns.stop * factor, shape[1]), factor),
            )

        return LazyLevel((-(-shape[0] // factor), -(-shape[1] // factor)), np.dtype(np.uint8), part)

    return [level(factor) for factor in FACTORS]


def grown_part(
    path: Path,
    shape: tuple[int, int],
    ids: NDArray[np.uint8],
    rows: slice,
    columns: slice,
) -> NDArray[np.uint8]:
    """Read a part of a mask that grows; 0 where it hasn't come to yet."""
    there = ids[rows_so_far(path, shape[1])[rows, columns]]
    size = (len(range(shape[0])[rows]), len(range(shape[1])[columns]))
    part = np.zeros(size, np.uint8)
    part[: len(there)] = there
    return part
