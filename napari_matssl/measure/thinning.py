"""Boundaries of one pixel's width: thinned, rid of spurs, with gaps closed."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Places = NDArray[np.intp]

# Rim of what was not analysed that boundaries are thinned together with; wider than boundaries are.
_RIM = 12
# Steps back from an end by which its direction is found.
_DIRECTION = 6
_AROUND = np.array([(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0)])


def thin(boundary: Mask, analysed: Mask | None = None) -> Mask:
    """Thin boundaries to one pixel without moving their ends away from the edge of the area.

    Pixels of the result are connected at edges and at corners. By itself, thinning shortens every
    line by half its width, also where the image cuts it. A rim around the analysed area is thinned
    with it, so that lines end on the rim.

    Parameters
    ----------
    boundary
        ``(H, W)``, True in boundaries.
    analysed
        ``(H, W)``; None where everything was.
    """
    from skimage.morphology import skeletonize

    framed = np.pad(boundary, _RIM, constant_values=True)
    inner = (slice(_RIM, -_RIM),) * 2
    if analysed is not None:
        near = analysed.view(np.uint8)
        for axis in (0, 1):
            near = ndimage.maximum_filter1d(near, 2 * _RIM + 1, axis=axis, mode="constant")
        near &= ~analysed
        framed[inner] |= near.view(np.bool_)
        del near
    thinned: Mask = skeletonize(framed)[inner]  # type: ignore[no-untyped-call]
    return thinned if analysed is None else thinned & analysed


def prune(thinned: Mask, length: int) -> Mask:
    """Remove spurs: branches with a loose end, up to a length.

    A spur loses its pixels up to the one that touches the line it branches off from. A piece with
    two loose ends goes if it is at most twice as long.

    Parameters
    ----------
    thinned
        ``(H, W)``, one pixel wide.
    length
        In px along the branch; 0 removes none.
    """
    left = np.pad(thinned, 1)
    active = loose_ends(left)
    paths = [active]
    kept = np.ones(len(active), dtype=np.bool_)  # whether the branch of each end is long enough
    walking = np.arange(len(active))
    for _ in range(length):
        here = paths[-1][walking]
        left[here[:, 0], here[:, 1]] = False
        count, following = _neighbours(left, here)
        # At a junction the last pixel belongs to the line that goes on there.
        left[here[count > 1, 0], here[count > 1, 1]] = True
        kept[walking[count != 1]] = False
        step = paths[-1].copy()
        step[walking] = following
        paths.append(step)
        walking = walking[count == 1]
    for path in paths:
        left[path[kept, 0], path[kept, 1]] = True
    return left[1:-1, 1:-1]


def close_gaps(thinned: Mask, largest: int, analysed: Mask | None = None) -> Mask:
    """Draw lines across gaps: from loose ends to the nearest boundary ahead.

    Ahead is within 60 degrees of the direction in which the boundary ends.

    Parameters
    ----------
    thinned
        ``(H, W)``, one pixel wide.
    largest
        Length of the widest gap that is closed, in px.
    analysed
        ``(H, W)``; None where everything was. Gaps are closed inside it alone.

    Returns
    -------
    ``(H, W)``, True in the new lines alone, which are connected at edges and corners.
    """
    from skimage.draw import line

    new = np.zeros_like(thinned)
    margin = largest + _DIRECTION
    padded = np.pad(thinned, margin)
    for row, column in loose_ends(np.pad(thinned, 1)) - 1:
        window = padded[row : row + 2 * margin + 1, column : column + 2 * margin + 1]
        ahead = _ahead(window, margin, largest)
        if ahead is None:
            continue
        across = line(row, column, row + ahead[0], column + ahead[1])  # type: ignore[no-untyped-call]
        if analysed is None or analysed[across].all():
            new[across] = True
    return new & ~thinned


def loose_ends(padded: Mask) -> Places:
    """Return ``(n, 2)`` row and column of pixels with at most one neighbour.

    Parameters
    ----------
    padded
        ``(H, W)``, one pixel wide, with a frame of one pixel that is False.
    """
    places = np.argwhere(padded)
    count = np.zeros(len(places), dtype=np.uint8)
    for down, right in _AROUND:
        count += padded[places[:, 0] + down, places[:, 1] + right]
    return places[count <= 1]


def _neighbours(mask: Mask, places: Places) -> tuple[NDArray[np.intp], Places]:
    """Return how many ways lead on from each place, and the first pixel of one of them.

    A pixel beside and one at a corner that touch are one way: thinning leaves such steps.
    """
    around = places[:, None, :] + _AROUND[None]  # n, 8, 2
    there = mask[around[..., 0], around[..., 1]]  # n, 8
    ways = there.sum(axis=1)
    pair = ways == 2
    first, last = there.argmax(axis=1), 7 - there[:, ::-1].argmax(axis=1)
    touch = np.abs(_AROUND[first] - _AROUND[last]).sum(axis=1) == 1
    ways[pair & touch] = 1
    # Of such a pair, the pixel beside is next.
    beside = np.abs(_AROUND).sum(axis=1) == 1
    following = np.where(pair & touch & ~beside[first], last, first)
    return ways, around[np.arange(len(places)), following]


def _ahead(window: Mask, middle: int, largest: int) -> NDArray[np.intp] | None:
    """Return the offset from an end, in the middle of a window, to the nearest boundary ahead."""
    # The end's own strand is what is connected to it close by.
    near = slice(middle - _DIRECTION, middle + _DIRECTION + 1)
    strands, _ = ndimage.label(window[near, near], np.ones((3, 3)))
    own = np.argwhere(strands == strands[_DIRECTION, _DIRECTION]) - _DIRECTION
    direction = -own.mean(axis=0)
    if not direction.any():  # a dot points nowhere
        return None
    found = np.argwhere(window) - middle
    distance = np.hypot(*found.T)
    inside = (distance > 1.5) & (distance <= largest + 1)
    forward = found @ direction >= 0.5 * distance * np.hypot(*direction)
    candidates = np.flatnonzero(inside & forward)
    return None if not len(candidates) else found[candidates[distance[candidates].argmin()]]
