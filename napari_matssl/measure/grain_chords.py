"""Chords of grains along test lines, from edge to edge of boundaries as wide as they are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_matssl.measure.boundaries import BoundaryNetwork
from napari_matssl.measure.figures import Curve
from napari_matssl.measure.intercepts import Floats, Intercepts, drawn, pixels_at

_STEP = 0.25
"""Places per pixel along a line at which it is looked up."""

_SHORTEST = 2.0
"""Chords up to this length, in px, are steps of a boundary's edge."""

_GRAIN, _BESIDE, _OUTSIDE = 0, 1, 2


def measure_chords(network: BoundaryNetwork, curves: Sequence[Curve]) -> Intercepts:
    """Measure the chords between two boundaries each.

    What the end of a line or of the analysed area cuts is left out, so long chords are missed more
    often than short ones, and the mean is too low by about the mean chord over the length of a
    line. It is the rule of NIST's grain size tools, and of other programs that measure chords.

    Parameters
    ----------
    curves
        In pixel widths from the outer corner of the network's first pixel.

    Returns
    -------
    Each chord counts 1, at its middle; the length is that of all chords.
    """
    pixel = np.array([network.pixel[0] / network.pixel[1], 1.0])
    places, line, length = [np.empty((0, 2))], [], np.zeros(2)
    for number, curve in enumerate(curves):
        points = curve.points(_STEP * pixel.min()) / pixel
        steps, middles = np.diff(points, axis=0), (points[1:] + points[:-1]) / 2
        at = pixels_at(middles, network.shape)
        first, last, middles, steps = _runs(_states(network, at), middles, steps, curve.closed)
        in_px = _sums(np.hypot(*steps.T), first, last)
        in_um = _sums(np.hypot(*(steps * network.pixel).T), first, last)
        long = in_px > _SHORTEST
        places.append(middles[(first + last) // 2][long] + np.array(network.offset) - 0.5)
        line += [number] * int(np.count_nonzero(long))
        length += in_px[long].sum(), in_um[long].sum()
    return Intercepts(
        places=np.concatenate(places),
        counted=np.ones(len(line)),
        line=np.array(line, dtype=np.intp),
        lines=drawn(network, curves),
        length_px=float(length[0]),
        length_um=float(length[1]) if network.calibrated else None,
    )


def _states(network: BoundaryNetwork, at: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Return for each place whether it lies in a grain, beside one, or outside the area."""
    rows, columns = at.T
    state = np.where(network.boundary[rows, columns], _BESIDE, _GRAIN).astype(np.uint8)
    if network.other is not None:
        state[network.other[rows, columns]] = _BESIDE
    if network.analysed is not None:
        state[~network.analysed[rows, columns]] = _OUTSIDE
    return state


def _runs(
    state: NDArray[np.uint8], middles: Floats, steps: Floats, closed: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats, Floats]:
    """Return the first and one past the last place of each chord between two boundaries.

    The places of a circle are turned so that it begins beside a grain.
    """
    if closed:
        turn = -int(np.argmax(state != _GRAIN))
        state = np.roll(state, turn)
        state = np.append(state, state[0])
        middles, steps = np.roll(middles, turn, axis=0), np.roll(steps, turn, axis=0)
    changes = np.flatnonzero(np.diff(state)) + 1
    first, last = changes[:-1], changes[1:]
    whole = (state[first] == _GRAIN) & (state[first - 1] == _BESIDE) & (state[last] == _BESIDE)
    return first[whole], last[whole], middles, steps


def _sums(lengths: Floats, first: NDArray[np.intp], last: NDArray[np.intp]) -> Floats:
    total = np.concatenate([[0.0], np.cumsum(lengths)])
    sums: Floats = total[last] - total[first]
    return sums
