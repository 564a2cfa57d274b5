"""Tiles of a large image, and blending of their results.

A tile is the square that is written; around it the network sees a margin. Neighbouring tiles
are blended over a narrow ramp inside the margins, so each pixel that counts has context on all
sides, and the result does not depend on the size of the tiles. Tiles start at multiples of the
network's stride, so that its subsampling grids coincide.
"""

from collections.abc import Iterator
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


def plan_rows(height: int, width: int, tile: int, overlap: int, stride: int) -> list[list[Tile]]:
    """Plan all tiles of a padded image, row of tiles by row of tiles."""
    columns = spans(width, tile, overlap, stride)
    return [[Tile(r, c) for c in columns] for r in spans(height, tile, overlap, stride)]


class Blender:
    """Add weighted tiles and return finished rows, so that only a band is held.

    Parameters
    ----------
    channels, width
        Of the result ``(channels, height, width)``.
    device
        Where tiles are.
    """

    def __init__(self, channels: int, width: int, device: torch.device) -> None:
        self._band = torch.zeros((channels, 0, width), device=device)
        self._top = 0

    def add(self, tile: Tile, values: Tensor) -> None:
        """Add one tile's values ``(channels, H, W)``."""
        missing = tile.rows.stop - self._top - self._band.shape[1]
        if missing > 0:
            self._band = functional.pad(self._band, (0, 0, 0, missing))
        rows = slice(tile.rows.start - self._top, tile.rows.stop - self._top)
        columns = slice(tile.columns.start, tile.columns.stop)
        down, across = (
            torch.from_numpy(span.weights).to(values.device) for span in (tile.rows, tile.columns)
        )
        self._band[:, rows, columns] += values * (down[:, None] * across)

    def finish(self, row: int) -> Tensor:
        """Return the rows above `row`, which are complete."""
        done = self._band[:, : row - self._top]
        self._band = self._band[:, row - self._top :].clone()
        self._top = row
        return done


class Enlarger:
    """Resample a stream of bands to another size, bilinearly, as if they were one image.

    Pixel centres coincide as in ``torch.nn.functional.interpolate(align_corners=False)``.

    Parameters
    ----------
    source, target
        Height and width before and after.
    """

    def __init__(self, source: tuple[int, int], target: tuple[int, int]) -> None:
        self._source, self._target = source, target
        self._rows = _sources(source[0], target[0])
        self._columns = _sources(source[1], target[1])
        self._held: Tensor | None = None  # the last source rows seen
        self._first = 0  # source row of the first held
        self._next = 0  # next target row to give

    def add(self, band: Tensor) -> Tensor:
        """Take the next source rows ``(C, h, W)``; return all target rows that are complete."""
        if self._source == self._target:
            return band
        held = band if self._held is None else torch.cat([self._held, band], dim=1)
        low, high, weight = self._rows
        known = self._first + held.shape[1]
        stop = int(torch.searchsorted(high, known))
        picked = slice(self._next, stop)
        rows = (low[picked] - self._first, high[picked] - self._first, weight[picked, None])
        mixed = _between(held, 1, *rows)
        result = _between(mixed, 2, *self._columns)
        last = max(known - 1, 0)  # an empty first band has no row yet
        keep = last if stop >= len(low) else min(int(low[stop]), last)
        self._held, self._first, self._next = held[:, keep - self._first :], keep, stop
        return result


def _between(values: Tensor, axis: int, low: Tensor, high: Tensor, weight: Tensor) -> Tensor:
    """Mix what lies at two places along an axis."""
    low, high, weight = (one.to(values.device) for one in (low, high, weight))
    return values.index_select(axis, low) * (1 - weight) + values.index_select(axis, high) * weight


def _sources(source: int, target: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return for each target pixel the two source pixels that it lies between, and how far."""
    position = (torch.arange(target, dtype=torch.float64) + 0.5) * source / target - 0.5
    position = position.clamp(0, source - 1)
    low = position.floor().long()
    high = (low + 1).clamp(max=source - 1)
    return low, high, (position - low).float()


def bands(height: int, rows: list[list[Tile]]) -> Iterator[tuple[list[Tile], int]]:
    """Yield each row of tiles with the image row up to which it finishes the result."""
    for index, row in enumerate(rows):
        last = index + 1 == len(rows)
        yield row, height if last else rows[index + 1][0].rows.start
