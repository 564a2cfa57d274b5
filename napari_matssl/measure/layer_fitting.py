"""Finding the line that fits a layer: straight and level, or bent and in its middle."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_matssl.measure.bent_line import (
    SMOOTHED_THICKNESSES,
    bent_line,
    lengthening,
    recentred,
    respaced,
)
from napari_matssl.measure.field import Field
from napari_matssl.measure.layer_columns import (
    LARGEST_BAND,
    Band,
    Columns,
    find_columns,
    layer_body,
    sample_band,
    samples_of,
)
from napari_matssl.measure.layer_line import LayerLine, fit_line, line_along, straight_line
from napari_matssl.measure.reduced_layer import Reduced

LONGEST_LENGTHENING = 0.01
"""Straight columns are taken up to this share of too much thickness."""

_ALIGNED = 1e-4
"""Slope in the layer's own frame below which a line isn't fitted again."""

_FITTING_BAND = 2**20
"""Samples by which a line is fitted, before all of its columns are measured."""


@dataclass(frozen=True)
class Seen:
    """What columns on a line show.

    Parameters
    ----------
    columns
        With their ends.
    band
        What was sampled for them.
    left_out
        Share of the layer's pixels there that lie apart from it, 0 to 1.
    """

    columns: Columns
    band: Band
    left_out: float


@dataclass(frozen=True)
class Sight:
    """A field as columns see it.

    Parameters
    ----------
    field
        The mask.
    codes
        ``(256,)`` what each class id is to the layer, as
        :func:`~napari_matssl.measure.layer_columns.sample_band` takes it.
    scale
        Height and width of a pixel, um (1 if uncalibrated).
    """

    field: Field
    codes: NDArray[np.uint8]
    scale: tuple[float, float]

    def look(self, line: LayerLine) -> Seen:
        """Find the columns on a line."""
        band = sample_band(self.field.mask, self.field.analysed, line, self.codes, self.scale)
        spacing_px = line.spacing / float(np.median(band.lengths))
        body, left_out = layer_body(band, spacing_px)
        return Seen(find_columns(body, band, line, self.scale), band, left_out)


def find_line(sight: Sight, layer: Reduced, method: str) -> tuple[LayerLine, str] | None:
    """Lay the line that a method asks for; the other one where that can't be laid.

    Parameters
    ----------
    method
        ``"auto"``, ``"columns"`` or ``"centreline"``.

    Returns
    -------
    The line and the method that it stands for; None where neither can be laid.
    """
    straight, bent = straight_line(layer), None
    if method != "columns" or straight is None:
        bent = bent_line(layer)
    if bent is not None:
        spacing = bent.spacing * _every(bent, sight.scale)
        bent, counted = _centred(sight, bent)
        if (
            method == "centreline"
            or straight is None
            or lengthening(bent, counted, straight.normals[0]) > LONGEST_LENGTHENING
        ):
            return respaced(bent, spacing), "centreline"
    return None if straight is None else (_aligned(sight, layer, straight), "columns")


def _centred(sight: Sight, line: LayerLine) -> tuple[LayerLine, NDArray[np.bool_]]:
    """Move a bent line into the middle of the layer; tell which of its columns count."""
    every = _every(line, sight.scale, _FITTING_BAND)
    line = respaced(line, every * line.spacing)
    for _ in range(3):
        columns = sight.look(line).columns
        there = columns.counted
        if not there.any():
            return line, there
        middles = (columns.upper + columns.lower) / 2 * columns.lengths
        thickness = float(np.median(columns.thickness[there]))
        line = recentred(line, middles, SMOOTHED_THICKNESSES * thickness / line.spacing)
    return line, sight.look(line).columns.counted


def _every(line: LayerLine, scale: tuple[float, float], most: int | None = None) -> int:
    return -(-samples_of(line, scale) // (most or LARGEST_BAND))


def _aligned(sight: Sight, layer: Reduced, line: LayerLine) -> LayerLine:
    """Turn a line until the middles of its own columns are level; then set all points."""
    for _ in range(4):
        coarse = line_along(layer, *_origin(line), _every(line, sight.scale, _FITTING_BAND))
        columns = sight.look(coarse).columns
        there = columns.counted
        if there.sum() < 3:
            break
        middle = ((columns.upper + columns.lower) / 2 * columns.lengths)[there]
        slope, start = fit_line(np.flatnonzero(there) * coarse.spacing, middle)
        if abs(slope) < _ALIGNED:
            break
        origin, along = coarse.points[0], coarse.points[1] - coarse.points[0]
        normal = coarse.normals[0]
        along = along / coarse.spacing + slope * normal
        line = line_along(layer, origin + start * normal, along)
    every = _every(line, sight.scale)
    return line if every == 1 else line_along(layer, *_origin(line), every)


def _origin(line: LayerLine) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Give a point on a straight line, and its direction."""
    return line.points[0], line.points[1] - line.points[0]
