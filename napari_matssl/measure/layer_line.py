"""The line that a layer follows, and how a straight one is fitted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_matssl.measure.reduced_layer import Reduced

_FITTED = 400
"""Points that a line is fitted to; the median of their 80,000 slopes is exact enough."""


@dataclass(frozen=True)
class LayerLine:
    """Points along a layer, each with the direction across it, in um (px if uncalibrated).

    Parameters
    ----------
    points
        ``(N, 2)`` y and x, at equal distances within a part.
    normals
        ``(N, 2)`` unit vectors from the upper to the lower interface.
    parts
        ``(N,)`` number of the part; the line is interrupted between parts.
    spacing
        Distance of neighbouring points.
    reach
        Farthest that the layer may be from the line.
    tilt_deg
        Slope of a straight line, counter-clockwise from the image's rows, above -90 to 90; None
        for a bent one.
    closed
        Numbers of the parts that are rings.
    """

    points: NDArray[np.floating]
    normals: NDArray[np.floating]
    parts: NDArray[np.intp]
    spacing: float
    reach: float
    tilt_deg: float | None
    closed: frozenset[int] = frozenset()


def straight_line(layer: Reduced) -> LayerLine | None:
    """Fit a line to the middle of a layer: the median of the slopes of all pairs (Theil, Sen).

    The middle is halfway between the outermost pixels of each row or each column of the image,
    whichever cross the layer on the shorter way. Those that reach the image's edge, or what wasn't
    analysed, are left out. None where no more than two are left.
    """
    found = []
    for across in (0, 1):  # image columns, for layers that lie; rows, for those that stand
        body = layer.layer if across == 0 else layer.layer.T
        shut = layer.closed_off if across == 0 else layer.closed_off.T
        along, middle, chords = _middles(body, shut)
        if len(along) > 2:
            # Where only few cross it whole, these cross something that juts out of it.
            few = len(along) < body.any(axis=0).sum() / 2
            chord = float(np.median(chords)) * layer.scale[across]
            found.append((few, chord, across, along, middle))
    if not found:
        return None
    _few, _chord, across, along, middle = min(found, key=lambda one: one[:3])
    pixels = np.empty((len(along), 2))
    pixels[:, across], pixels[:, 1 - across] = middle, along
    points = layer.place(pixels)
    slope, start = fit_line(points[:, 1 - across], points[:, across])
    direction, origin = np.empty(2), np.zeros(2)
    direction[across], direction[1 - across] = slope, 1.0
    origin[across] = start
    return line_along(layer, origin, direction)


def _middles(
    body: NDArray[np.bool_], shut: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.floating], NDArray[np.intp]]:
    """Give the columns in which both interfaces are seen, their middles and chords, in px."""
    height = body.shape[0]
    first = body.argmax(axis=0)
    last = height - 1 - body[::-1].argmax(axis=0)
    row = np.arange(height)[:, None]
    near = (row >= first - 1) & (row <= last + 1)
    whole = body.any(axis=0) & (first > 0) & (last < height - 1) & ~(near & shut).any(axis=0)
    along = np.flatnonzero(whole)
    return along, (first[along] + last[along]) / 2, last[along] - first[along] + 1


def fit_line(x: NDArray[np.floating], y: NDArray[np.floating]) -> tuple[float, float]:
    """Fit slope and start of a line robustly, by medians (Theil 1950, Sen 1968)."""
    chosen = np.unique(np.linspace(0, len(x) - 1, _FITTED).astype(np.intp))
    x, y = x[chosen], y[chosen]
    first, second = np.triu_indices(len(x), 1)
    slope = float(np.median((y[second] - y[first]) / (x[second] - x[first])))
    return slope, float(np.median(y - slope * x))


def line_along(
    layer: Reduced,
    origin: NDArray[np.floating],
    direction: NDArray[np.floating],
    every: int = 1,
) -> LayerLine:
    """Set points on a straight line, one pixel of the image apart, as far as the layer goes.

    Parameters
    ----------
    origin, direction
        y and x of a point on the line, and of its direction.
    every
        Set only every so many points.
    """
    along = direction / np.hypot(*direction)
    if along[1] < 0 or (along[1] < 1e-12 and along[0] > 0):
        along = -along  # to the right; upwards where it stands
    normal = np.array([along[1], -along[0]])
    spacing = every / float(np.hypot(*(along / np.asarray(layer.pixel))))
    edge = layer.layer & ~ndimage.binary_erosion(layer.layer)
    offsets = layer.place(np.argwhere(edge).astype(np.float64)) - origin
    positions, depths = offsets @ along, offsets @ normal
    # The phase of whole pixels is kept: columns of a layer that isn't tilted are image columns.
    start = float(-origin @ along)
    low = np.floor((positions.min() - start) / spacing) - layer.factor
    high = np.ceil((positions.max() - start) / spacing) + layer.factor
    steps = start + spacing * np.arange(low, high + 1)
    reach = float(abs(depths).max()) + 2 * max(layer.scale) + 2 * max(layer.pixel)
    return LayerLine(
        points=origin + steps[:, None] * along,
        normals=np.tile(normal, (len(steps), 1)),
        parts=np.zeros(len(steps), dtype=np.intp),
        spacing=spacing,
        reach=reach,
        tilt_deg=float(np.degrees(np.arctan2(0.0 - along[0], along[1]))),
    )
