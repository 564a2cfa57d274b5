"""Parts of a bent layer whose ends face each other are one layer with a gap."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

_FACING = np.cos(np.radians(45))
"""Cosine of the largest angle between a part's end and the way to the next part."""


@dataclass(frozen=True)
class Course:
    """The way through one part of a layer, um (px if uncalibrated).

    Parameters
    ----------
    points
        ``(N, 2)`` y and x, in order.
    closed
        Whether it is a ring.
    thickness
        Median of the layer's thickness.
    widest
        Half of its largest thickness.
    """

    points: NDArray[np.floating]
    closed: bool
    thickness: float
    widest: float

    @property
    def length(self) -> float:
        """Length of the way."""
        return float(np.hypot(*np.diff(self.points, axis=0).T).sum())


@dataclass(frozen=True)
class _Ends:
    """Both ends of a course, a thickness inside of it, where a skeleton turns into a corner.

    Parameters
    ----------
    inner
        ``(M, 2)`` the course between them.
    places
        ``(2, 2)`` y and x of both.
    outwards
        ``(2, 2)`` unit vectors in which the course goes on.
    """

    inner: NDArray[np.floating]
    places: NDArray[np.floating]
    outwards: NDArray[np.floating]

    @classmethod
    def of(cls, course: Course) -> "_Ends":
        """Cut the ends off."""
        steps = np.hypot(*np.diff(course.points, axis=0).T)
        along = np.concatenate([[0.0], np.cumsum(steps)])
        cut = min(course.thickness, along[-1] / 3)
        inner = course.points[(along >= cut) & (along <= along[-1] - cut)]
        reach = np.searchsorted(along, [2 * cut, along[-1] - 2 * cut])
        behind = course.points[np.clip(reach, 0, len(along) - 1)]
        places = inner[[0, -1]]
        outwards = places - behind
        outwards /= np.maximum(np.hypot(*outwards.T), 1e-12)[:, None]
        return cls(inner, places, outwards)


def join_courses(courses: list[Course], size: NDArray[np.floating]) -> list[Course]:
    """Join courses whose ends face each other, the nearest first; a course with itself to a ring.

    The gap between is at most as long as the shorter of both, and lies in the image.

    Parameters
    ----------
    size
        Height and width of the image, um (px).
    """
    courses = list(courses)
    while (best := _nearest(courses, size)) is not None:
        (one, end), (other, start), bridge = best
        if one == other:
            inner = _Ends.of(courses[one]).inner
            ring = np.vstack([inner, bridge[-2:0:-1]])  # from its end to its start
            courses[one] = replace(courses[one], points=ring, closed=True)
            continue
        before, after = courses[one], courses[other]
        first, second = _Ends.of(before).inner, _Ends.of(after).inner
        points = [_outer(before, end), first if end else first[::-1], bridge[1:-1]]
        points += [second[::-1] if start else second, _outer(after, start)[::-1]]
        longer = max(before, after, key=lambda course: course.length)
        courses[one] = Course(
            np.vstack(points), False, longer.thickness, max(before.widest, after.widest)
        )
        del courses[other]
    return courses


def _outer(course: Course, end: int) -> NDArray[np.floating]:
    """Return what was cut off at the other end than this one, in order towards this one."""
    points = course.points if end else course.points[::-1]
    inner = _Ends.of(course).places[0 if end else 1]
    return points[: int(np.flatnonzero((points == inner).all(axis=1))[0])]


def _nearest(
    courses: list[Course], size: NDArray[np.floating]
) -> tuple[tuple[int, int], tuple[int, int], NDArray[np.floating]] | None:
    """Find the two ends that face each other nearest: course and end of both, and their bridge.

    Ends are 0, where a course starts, or 1; the lower course, or end, is first.
    """
    open_ones = [number for number, course in enumerate(courses) if not course.closed]
    if not open_ones:
        return None
    ends = [_Ends.of(courses[number]) for number in open_ones]
    places = np.concatenate([one.places for one in ends])
    outwards = np.concatenate([one.outwards for one in ends])
    lengths = np.repeat([courses[number].length for number in open_ones], 2)
    cut = np.repeat([courses[number].thickness for number in open_ones], 2)
    way = places[None] - places[:, None]  # E, E, 2: from each end to each other
    distance = np.hypot(way[..., 0], way[..., 1])
    direction = way / np.maximum(distance, 1e-12)[..., None]
    facing = (direction * outwards[:, None]).sum(axis=2)
    gap = distance - cut[:, None] - cut
    fits = (facing > _FACING) & (facing.T > _FACING)
    fits &= gap <= np.minimum(lengths[:, None], lengths)
    for flat in np.argsort(np.where(fits, distance, np.inf), axis=None)[: int(fits.sum())]:
        one, other = divmod(int(flat), len(places))
        bridge = _bridge(places[[one, other]], outwards[[one, other]])
        if ((bridge >= 0) & (bridge <= size)).all():
            low, high = sorted((one, other))
            first, second = ((open_ones[n // 2], n % 2) for n in (low, high))
            return first, second, bridge if one == low else bridge[::-1]
    return None


def _bridge(places: NDArray[np.floating], outwards: NDArray[np.floating]) -> NDArray[np.floating]:
    """Lay a smooth way from one end to another (cubic, by both ends' directions)."""
    length = float(np.hypot(*(places[1] - places[0])))
    t = np.linspace(0, 1, max(int(np.ceil(length)), 2) + 1)[:, None]
    start, end = places
    bridge: NDArray[np.floating] = (
        (2 * t**3 - 3 * t**2 + 1) * start
        + (t**3 - 2 * t**2 + t) * length * outwards[0]
        + (3 * t**2 - 2 * t**3) * end
        - (t**3 - t**2) * length * outwards[1]
    )
    return bridge
