"""Strokes such as a person paints on a micrograph."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import skeletonize

from napari_matssl.errors import SettingsError
from napari_matssl.samples.random_fields import Field, Mask, paint_path

_TRIES = 12


def scribble(
    labels: NDArray[np.uint8],
    *,
    seed: int,
    strokes_per_class: int = 4,
    width: int = 7,
    share: float = 0.02,
    margin: float = 2.0,
    not_analysed: int = 0,
) -> NDArray[np.uint8]:
    """Paint a few strokes into each class of a label image.

    Each stroke lies in one class. Where the class is thick enough it is a curved line of the
    full brush that keeps away from boundaries; elsewhere the stroke follows the middle of the
    class and only the class's own pixels are painted.

    Parameters
    ----------
    labels
        ``(H, W)`` class ids.
    seed
        The same seed paints the same strokes.
    strokes_per_class
        How many strokes each class that is present gets, if it has room for them.
    width
        Of the brush in px.
    share
        Fraction of the analysed pixels to paint in all, 0 to 1, about; small classes get less
        than their part and large ones fill up.
    margin
        Distance in px that full strokes keep to other classes.
    not_analysed
        The id that is never painted, and that stands for unpainted in the result.

    Returns
    -------
    ``(H, W)`` uint8: the class id where painted, else ``not_analysed``.

    Raises
    ------
    SettingsError
        If a number is out of its bounds.
    """
    _check(strokes_per_class, width, share)
    rng = np.random.default_rng(seed)
    painted = np.full(labels.shape, not_analysed, dtype=np.uint8)
    ids, counts = np.unique(labels[labels != not_analysed], return_counts=True)
    budget = share * float(counts.sum())
    for rank, n in enumerate(np.argsort(counts, kind="stable")):
        # Small classes come first, and leave the rest of the budget to large ones.
        part = budget / (len(ids) - rank) / strokes_per_class
        for stroke in _strokes(rng, labels == ids[n], strokes_per_class, width, part, margin):
            painted[stroke] = ids[n]
        budget -= float(np.count_nonzero(painted == ids[n]))
    return painted


def _check(strokes_per_class: int, width: int, share: float) -> None:
    if strokes_per_class < 1:
        raise SettingsError(f"{strokes_per_class} strokes per class.", "Ask for at least 1.")
    if width < 1:
        raise SettingsError(f"A brush of {width} px.", "Ask for at least 1 px.")
    if not 0 < share < 1:
        raise SettingsError(f"A painted share of {share}.", "Ask for more than 0 and less than 1.")


def _strokes(
    rng: np.random.Generator, mask: Mask, count: int, width: int, area: float, margin: float
) -> Iterator[Mask]:
    """Yield strokes of about ``area`` px each inside the mask."""
    shape = (mask.shape[0], mask.shape[1])
    # Padding keeps strokes off the image's edge, as off a boundary.
    depth: Field = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    radius = width / 2
    # No longer than a hand draws without lifting.
    length = int(np.clip(area / width, 8, 0.5 * max(shape)))
    free: Mask = depth >= radius + margin
    if np.count_nonzero(free) < 0.1 * np.count_nonzero(mask):
        free = skeletonize(mask)  # type: ignore[no-untyped-call]
        length = max(length, 4 * width)
    used = np.zeros(shape, dtype=np.bool_)
    for _ in range(count):
        path = _longest_path(rng, free & ~used, length, clear=width)
        if path is None:
            return
        brush = np.minimum(radius, _at(depth, path) + 1.0)
        stroke = paint_path(shape, path, brush) & mask
        yield stroke
        # The next stroke keeps off this one.
        used |= ndimage.binary_dilation(stroke, iterations=width)


def _longest_path(rng: np.random.Generator, free: Mask, length: int, clear: int) -> Field | None:
    starts = np.argwhere(free)
    if not len(starts):
        return None
    best: Field | None = None
    for _ in range(_TRIES):
        path = _walk(rng, free, starts[rng.integers(len(starts))], length, clear)
        if best is None or len(path) > len(best):
            best = path
        if len(best) >= length:
            break
    return best


def _walk(
    rng: np.random.Generator, free: Mask, start: NDArray[np.intp], length: int, clear: int
) -> Field:
    """Walk in steps of 1 px with a slowly turning heading, evading what isn't free.

    The walk keeps ``clear`` px away from where it came along, as a hand doesn't cross its line.
    """
    heading, turn = rng.uniform(0, 2 * np.pi), 0.0
    here = start.astype(np.float64)
    path = np.empty((length, 2))
    path[0] = here
    evasions = (0.0, 0.25, -0.25, 0.5, -0.5, 0.8, -0.8, 1.2, -1.2)
    for n, kick in enumerate(rng.normal(0, 0.012, length - 1), start=1):
        turn = 0.92 * turn + kick
        earlier = path[: max(n - 2 * clear, 0)]
        heading += turn
        for evasion in evasions:
            step = here + np.array([np.sin(heading + evasion), np.cos(heading + evasion)])
            if _inside(free, step) and _apart(earlier, step) > 1.5 * clear:
                break
        else:
            return path[:n]
        heading += evasion
        here = step
        path[n] = here
    return path


def _inside(free: Mask, point: Field) -> bool:
    row, column = round(point[0]), round(point[1])
    return 0 <= row < free.shape[0] and 0 <= column < free.shape[1] and bool(free[row, column])


def _apart(path: Field, point: Field) -> float:
    return float(np.hypot(*(path - point).T).min(initial=np.inf))


def _at(values: Field, path: Field) -> Field:
    place = np.rint(path).astype(np.intp)
    return values[place[:, 0], place[:, 1]]
