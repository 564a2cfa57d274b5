"""Tiles of a large image, and blending of their results.

A tile is the square that is written; around it the network sees a margin. Neighbouring tiles
are blended over a narrow ramp inside the margins, so each pixel that counts has context on all
sides, and the result does not depend on the size of the tiles. Tiles start at multiples of the
network's stride, so that its subsampling grids coincide.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

RAMP = 32
"""Widest blend between two tiles, in px; at most half of the overlap."""


@dataclass(frozen=True)
class Span:
    """One tile's extent along one axis, in px of the padded image.

    Parameters
    ----------
    start, stop
        What the network sees.
    weights
        ``(stop - start,)`` blending weights; over all spans they add up to 1 at every pixel.
    """

    start: int
    stop: int
    weights: NDArray[np.float32]

    @property
    def first(self) -> int:
        """The first pixel that is written."""
        return self.start + int(np.argmax(self.weights > 0))

    @property
    def last(self) -> int:
        """The pixel behind the last one that is written."""
        return self.stop - int(np.argmax(self.weights[::-1] > 0))


@dataclass(frozen=True)
class Tile:
    """One tile: its spans along rows and columns."""

    rows: Span
    columns: Span


def spans(length: int, tile: int, overlap: int, stride: int) -> list[Span]:
    """Plan tiles along one axis.

    Parameters
    ----------
    length
        Of the padded image, a multiple of `stride`.
    tile
        Side of what one tile writes; rounded up to a multiple of `stride`.
    overlap
        What the network sees beyond it on either side; rounded up to a multiple of `stride`.
    stride
        Tiles start and stop at multiples of this.
    """
    tile = -(-tile // stride) * stride
    overlap = -(-overlap // stride) * stride
    if length <= tile + 2 * overlap:
        return [Span(0, length, np.ones(length, dtype=np.float32))]
    edges = [*range(0, length - stride + 1, tile), length]
    if edges[-1] - edges[-2] < tile // 2 and len(edges) > 2:
        edges.pop(-2)  # no sliver at the end: the last tile is up to half a tile longer
    plan = []
    for left, right in pairwise(edges):
        start, stop = max(0, left - overlap), min(length, right + overlap)
        position = np.arange(start, stop) + 0.5
        weights = np.ones(stop - start)
        if left > 0:
            weights *= _rise(position - left, min(RAMP, overlap))
        if right < length:
            weights *= _rise(right - position, min(RAMP, overlap))
        plan.append(Span(start, stop, weights.astype(np.float32)))
    return plan


def _rise(distance: NDArray[np.float64], ramp: int) -> NDArray[np.float64]:
    """Rise smoothly from 0 to 1 while the distance goes from -ramp/2 to ramp/2 (a cosine)."""
    if ramp == 0:
        return (distance > 0).astype(np.float64)
    phase = np.clip(distance / ramp + 0.5, 0.0, 1.0)
    risen: NDArray[np.float64] = 0.5 - 0.5 * np.cos(np.pi * phase)
    return risen


def plan_rows(
    height: int, width: int, tile: tuple[int, int], overlap: int, stride: int
) -> list[list[Tile]]:
    """Plan all tiles of a padded image, row of tiles by row of tiles; `tile` is height, width."""
    columns = spans(width, tile[1], overlap, stride)
    return [[Tile(r, c) for c in columns] for r in spans(height, tile[0], overlap, stride)]


class Blender:
    """Add weighted tiles, row of tiles by row of tiles; only the rows in between are held.

    Parameters
    ----------
    channels, width
        Of the result ``(channels, height, width)``.
    device
        Where tiles are.
    top
        First row that is wanted.
    """

    def __init__(self, channels: int, width: int, device: torch.device, top: int = 0) -> None:
        self._band = torch.zeros((channels, 0, width), device=device)
        self._top = top

    def add(self, tile: Tile, values: Tensor) -> None:
        """Add one tile's values ``(channels, H, W)``; its margins weigh nothing."""
        first, last = max(tile.rows.first, self._top), tile.rows.last
        left, right = tile.columns.first, tile.columns.last
        missing = last - self._top - self._band.shape[1]
        if missing > 0:
            self._band = functional.pad(self._band, (0, 0, 0, missing))
        inside = (slice(first, last), slice(left, right))
        down, across = (
            torch.from_numpy(span.weights[part.start - span.start : part.stop - span.start])
            for span, part in zip((tile.rows, tile.columns), inside, strict=True)
        )
        seen = values[
            :,
            first - tile.rows.start : last - tile.rows.start,
            left - tile.columns.start : right - tile.columns.start,
        ]
        weights = down.to(values.device)[:, None] * across.to(values.device)
        self._band[:, first - self._top : last - self._top, left:right] += seen * weights

    def rows(self, start: int, stop: int) -> Tensor:
        """Return some rows, a view."""
        return self._band[:, start - self._top : stop - self._top]

    def drop(self, row: int) -> None:
        """Let go of the rows above `row`."""
        if row > self._top:
            self._band = self._band[:, row - self._top :].clone()
            self._top = row


class Enlarger:
    """Resample an image to another size bilinearly, some rows at a time.

    Pixel centres coincide as in ``torch.nn.functional.interpolate(align_corners=False)``.

    Parameters
    ----------
    source, target
        Height and width before and after.
    """

    def __init__(self, source: tuple[int, int], target: tuple[int, int]) -> None:
        self._same = source == target
        self._width = target[1]
        self._rows = _sources(source[0], target[0])

    def needed(self, start: int, stop: int) -> tuple[int, int]:
        """Return the source rows, from the first to behind the last, that make target rows."""
        if self._same:
            return start, stop
        low, high, _ = self._rows
        return int(low[start]), int(high[stop - 1]) + 1

    def known(self, rows: int) -> int:
        """Return how many target rows the first `rows` source rows make."""
        return rows if self._same else int(torch.searchsorted(self._rows[1], rows))

    def make(self, band: Tensor, start: int, stop: int) -> Tensor:
        """Make target rows of those source rows ``(C, h, W)`` that they need."""
        if self._same:
            return band
        low, high, weight = (one[start:stop] for one in self._rows)
        first = low[0]
        mixed = _between_rows(band, low - first, high - first, weight)
        size = (mixed.shape[1], self._width)
        return functional.interpolate(mixed[None], size, mode="bilinear")[0]


def _between_rows(values: Tensor, low: Tensor, high: Tensor, weight: Tensor) -> Tensor:
    """Mix the two rows between which each row of the result lies."""
    low, high, weight = (one.to(values.device) for one in (low, high, weight))
    below = values.index_select(1, low)
    return below.lerp_(values.index_select(1, high), weight[:, None])


def _sources(source: int, target: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return for each target pixel the two source pixels that it lies between, and how far."""
    position = (torch.arange(target, dtype=torch.float64) + 0.5) * source / target - 0.5
    position = position.clamp(0, source - 1)
    low = position.floor().long()
    high = (low + 1).clamp(max=source - 1)
    return low, high, (position - low).float()
