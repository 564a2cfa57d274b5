"""Reasons to doubt the mask of an image, from the grey values of the painted ones."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_matssl.labels.class_table import ClassTable
from napari_matssl.learn.grey_matching import Match
from napari_matssl.learn.grey_reference import GreyReference

_DISTANCE = (2.0, 0.2)  # times the usual one, plus nats
_GAP = (1.5, 0.15)  # times the usual one, plus share of the area


def find_doubts(
    match: Match, reference: GreyReference, mask: NDArray[np.uint8], classes: ClassTable
) -> tuple[str, ...]:
    """Find reasons to doubt a mask; each is a sentence that continues "image: ...".

    Parameters
    ----------
    match
        Of the image.
    reference
        Of the model.
    mask
        ``(H, W)`` class ids.
    classes
        In the order of the reference.

    Notes
    -----
    The limits grow with what is usual in the painted images. They were chosen on the development
    sets (benchmarks/NOTES.md).
    """
    counts = np.array([np.count_nonzero(mask == one) for one in classes.ids])
    shares = counts / max(int(counts.sum()), 1)
    names, mixed = classes.names, np.array(match.fractions)
    found = []
    if match.distance > _limit(_DISTANCE, reference.usual_distance):
        found.append(
            "its grey values and fine texture are unlike those of the painted images "
            f"(distance {match.distance:.2g}, painted ones up to {reference.usual_distance:.2g})"
        )
    if match.rival is not None:
        other = np.array(match.rival)
        most = int(np.abs(other - mixed).argmax())
        found.append(
            "under another exposure, its grey values would mean "
            f"{100 * other[most]:.0f} % {names[most]} instead of {100 * mixed[most]:.0f} %"
        )
    widest = int(np.abs(shares - mixed).argmax())
    if abs(shares[widest] - mixed[widest]) > _limit(_GAP, reference.usual_gap):
        found.append(
            f"its grey values suggest about {100 * mixed[widest]:.0f} % {names[widest]}, "
            f"but the mask has {100 * shares[widest]:.0f} %"
        )
    return tuple(found)


def in_words(name: str, doubts: Sequence[str]) -> str:
    """Return one line for a user."""
    return f"{name} is doubtful: {'; '.join(doubts)}. Check the mask, or paint on the image."


def _limit(limit: tuple[float, float], usual: float) -> float:
    return limit[0] * usual + limit[1]
