"""Resampling of an image by rows, as if it were whole."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_matssl.learn.magnification import rescaled_size, resized
from napari_matssl.micrograph.intensity_scaling import SpecimenValues

_PIECE = 1 << 22  # pixels that are read at once


class RescaledRows:
    """A specimen at a magnification; its rows are made of bands of the image as they are needed.

    The result is that of :func:`~napari_matssl.learn.magnification.rescale` but for rounding, and
    to the last digit the same wherever bands begin and end.

    Parameters
    ----------
    values
        Of the image.
    scale
        Pixels afterwards per pixel before.
    """

    def __init__(self, values: SpecimenValues, scale: float) -> None:
        self._values = values
        height, width = rescaled_size(values.shape, scale)
        self.size = (height, width)
        same = height == values.shape[0]
        self._taps = None if same else _taps(values.shape[0], height, values.kind)
        self._held: NDArray[np.generic] = np.empty((0,))
        self._first = 0

    def rows(self, start: int, stop: int) -> NDArray[np.generic]:
        """Return some rows, ``(h, w)`` or ``(h, w, 3)``.

        What was returned last is kept: rows that are asked for again are not read again.
        """
        held = self._held[start - self._first :] if self._first <= start else self._held[:0]
        held = held[: stop - start]
        row = start + len(held)
        most = max(1, _PIECE * self.size[0] // (self._values.shape[0] * self._values.shape[1]))
        ends = [*range(row + most, stop, most), stop] if row < stop else []
        band = held
        for end in ends:
            made = self._made(row, end)
            if band is held:
                band = np.empty((stop - start, *made.shape[1:]), made.dtype)
                if len(held):
                    band[: len(held)] = held
            band[row - start : end - start] = made
            row = end
        self._held, self._first = band, start
        return band

    def _made(self, start: int, stop: int) -> NDArray[np.generic]:
        """Resample some rows: first along them, then across."""
        if self._taps is None:
            return self._across(start, stop)
        taps = self._taps
        first = int(taps.places[start, 0])
        band = self._across(first, int(taps.places[stop - 1, -1]) + 1)
        source = torch.from_numpy(np.ascontiguousarray(band, dtype=self._values.kind))
        places = taps.places[start:stop] - first
        weights = taps.weights[start:stop]
        weights = weights[..., None] if source.ndim == 2 else weights[..., None, None]
        made = source[places[:, 0]] * weights[:, 0]
        for tap in range(1, places.shape[1]):
            made.addcmul_(source[places[:, tap]], weights[:, tap])
        back: NDArray[np.generic] = made.numpy()
        return back

    def _across(self, start: int, stop: int) -> NDArray[np.generic]:
        band = self._values.rows(start, stop)
        return resized(band, len(band), self.size[1])


@dataclass(frozen=True)
class _Taps:
    """Rows that a row is made of ``(h, n)``, ascending, and their weights."""

    places: Tensor
    weights: Tensor


def _taps(source: int, target: int, kind: type[np.float32] | type[np.float64]) -> _Taps:
    """Compute where PyTorch samples a line with ``antialias=True``, in its precision."""
    one: Any = kind(1)
    half: Any = kind(0.5)
    scale = kind(source) / kind(target)
    reach = max(scale, one)
    centres: NDArray[Any] = scale * (np.arange(target).astype(kind) + half)
    low = np.maximum((centres - reach + half).astype(np.int64), 0)
    high = np.minimum((centres + reach + half).astype(np.int64), source)
    steps = np.arange((high - low).max())
    places = low[:, None] + steps
    away = (steps.astype(kind) + (low.astype(kind) - centres)[:, None]) + half
    weights = np.clip(one - np.abs(away * (one / reach)), 0, None)
    weights[places >= high[:, None]] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    places = np.minimum(places, high[:, None] - 1)
    return _Taps(torch.from_numpy(places), torch.from_numpy(weights))
