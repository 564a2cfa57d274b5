"""Smooth lines through the middle of bent layers."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_matssl.measure.layer_joints import Course, join_courses
from napari_matssl.measure.layer_line import LayerLine
from napari_matssl.measure.reduced_layer import Reduced
from napari_matssl.measure.skeleton import thin, trunk

SMOOTHED_THICKNESSES = 2
"""Waves of a bent line shorter than about so many thicknesses are smoothed away."""


def bent_line(layer: Reduced) -> LayerLine | None:
    """Lay a smooth line through the middle of each part of a layer, along its skeleton.

    Parts whose ends face each other are one, with a gap.
    Shorter waves are smoothed away (``SMOOTHED_THICKNESSES``): they are roughness, not course.
    Parts less than three times as long as thick have no course of their own; None where all are.
    """
    parts, _count = ndimage.label(layer.body, np.ones((3, 3)))
    spacing = float(np.prod(layer.pixel) ** 0.5)
    courses = []
    for number, place in enumerate(ndimage.find_objects(parts), 1):
        found = _course(np.pad(parts[place] == number, 1), layer.scale)
        if found is not None:
            offset = np.array([place[0].start - 1.0, place[1].start - 1.0])
            courses.append(replace(found, points=found.points + layer.place(offset)))
    size = np.array(layer.shape) * np.asarray(layer.pixel)
    ways, closed, reach = [], [], 0.0
    for one in join_courses(courses, size):
        width = SMOOTHED_THICKNESSES * one.thickness / spacing
        ways.append(_smoothed(_evenly(one.points, spacing, one.closed), width, one.closed))
        closed.append(one.closed)
        reach = max(reach, 3 * one.widest + 2 * max(layer.scale))
    return _through_ways(ways, closed, spacing, reach) if ways else None


def recentred(line: LayerLine, middles: NDArray[np.floating], width: float) -> LayerLine:
    """Move a bent line into the middle of the layer, as its columns show it.

    Parameters
    ----------
    middles
        ``(N,)`` from the line to halfway between the interfaces, um (px); NaN if not known.
    width
        Over which the middles are smoothed, in points.
    """
    ways, closed = [], []
    for number in range(int(line.parts.max()) + 1):
        place = np.flatnonzero(line.parts == number)
        known = np.flatnonzero(np.isfinite(middles[place]))
        ring = number in line.closed
        points = line.points[place]
        if len(known):
            period = len(place) if ring else None
            moves = np.interp(np.arange(len(place)), known, middles[place][known], period=period)
            moves = ndimage.gaussian_filter1d(moves, width, mode="wrap" if ring else "nearest")
            points = points + moves[:, None] * line.normals[place]
        ways.append(points)
        closed.append(ring)
    return _through_ways(ways, closed, line.spacing, line.reach)


def respaced(line: LayerLine, spacing: float) -> LayerLine:
    """Set points at another distance on a bent line."""
    numbers = range(int(line.parts.max()) + 1)
    ways = [line.points[line.parts == number] for number in numbers]
    closed = [number in line.closed for number in numbers]
    return _through_ways(ways, closed, spacing, line.reach)


def _through_ways(
    ways: list[NDArray[np.floating]], closed: list[bool], spacing: float, reach: float
) -> LayerLine:
    """Make a line of ways, one part each."""
    ways = [_evenly(way, spacing, ring) for way, ring in zip(ways, closed, strict=True)]
    normals = [_normals(way, ring) for way, ring in zip(ways, closed, strict=True)]
    return LayerLine(
        points=np.concatenate(ways),
        normals=np.concatenate(normals),
        parts=np.repeat(np.arange(len(ways)), [len(way) for way in ways]),
        spacing=spacing,
        reach=reach,
        tilt_deg=None,
        closed=frozenset(np.flatnonzero(closed).tolist()),
    )


def _course(region: NDArray[np.bool_], scale: tuple[float, float]) -> Course | None:
    """Follow the skeleton of one part, its small holes filled."""
    skeleton = thin(region, scale)
    thickness = 2 * float(np.median(skeleton.radii))
    holes, _count = ndimage.label(~region)
    sizes = np.bincount(holes.ravel()) * scale[0] * scale[1]
    small = sizes < 4 * thickness**2
    small[holes[0, 0]] = small[0] = False
    if small.any():
        skeleton = thin(region | small[holes], scale)
    order, closed = trunk(skeleton)
    radii = skeleton.radii[order]
    thickness, points = 2 * float(np.median(radii)), skeleton.points[order]
    length = float(np.hypot(*np.diff(points, axis=0).T).sum())
    if length < 3 * thickness:
        return None
    return Course(points, closed, thickness, float(radii.max()))


def _smoothed(way: NDArray[np.floating], width: float, closed: bool) -> NDArray[np.floating]:
    """Smooth a way over the layer's thickness, `width` points.

    An open way loses a thickness at each end, where a skeleton turns into a corner, and goes on
    straight for twice as long.
    """
    if closed:
        ring: NDArray[np.floating] = ndimage.gaussian_filter1d(way, width, axis=0, mode="wrap")
        return ring
    cut = min(int(width), (len(way) - 3) // 3)
    way = way[cut : len(way) - cut]
    beyond = min(int(4 * width), len(way) - 1)
    # Turned by 180 degrees about the ends, so that a straight way stays as long as it is.
    before = 2 * way[0] - way[beyond:0:-1]
    after = 2 * way[-1] - way[-2 : -beyond - 2 : -1]
    way = ndimage.gaussian_filter1d(np.vstack([before, way, after]), width, axis=0)[beyond:-beyond]
    steps = np.arange(1, 2 * cut + 1)[:, None]
    tail = min(max(int(width / 2), 1), len(way) - 1)
    head, foot = (way[0] - way[tail]) / tail, (way[-1] - way[-1 - tail]) / tail
    return np.vstack([way[0] + steps[::-1] * head, way, way[-1] + steps * foot])


def _evenly(way: NDArray[np.floating], spacing: float, closed: bool) -> NDArray[np.floating]:
    """Set points on a way at equal distances along it."""
    way = np.vstack([way, way[:1]]) if closed else way
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(way, axis=0).T))])
    count = max(int(length[-1] / spacing + 1e-6), 2)
    places = spacing * np.arange(count if closed else count + 1)
    return np.column_stack([np.interp(places, length, way[:, axis]) for axis in (0, 1)])


def _normals(way: NDArray[np.floating], closed: bool) -> NDArray[np.floating]:
    """Give unit vectors across a way: downwards, to the right of what stands, inwards of a ring."""
    if closed:
        along = np.roll(way, -1, axis=0) - np.roll(way, 1, axis=0)
    else:
        along = np.gradient(way, axis=0)
    along /= np.hypot(along[:, 0], along[:, 1])[:, None]
    normals = np.column_stack([along[:, 1], -along[:, 0]])
    if closed:
        turned = float(((way - way.mean(axis=0)) * normals).sum()) > 0
    else:
        span = way[-1] - way[0]
        turned = span[1] < 0 if abs(span[1]) >= abs(span[0]) else span[0] > 0
    return -normals if turned else normals


def lengthening(
    line: LayerLine, counted: NDArray[np.bool_], direction: NDArray[np.floating]
) -> float:
    """Tell by which share straight columns across a bent layer would be too long on average.

    Parameters
    ----------
    counted
        ``(N,)`` columns that count.
    direction
        The normal of the straight line.
    """
    cosines = np.abs(line.normals[counted] @ direction)
    return float((1 / np.maximum(cosines, 0.05)).mean() - 1) if counted.any() else 0.0
