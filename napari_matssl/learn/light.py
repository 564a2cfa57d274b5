"""The light of an image: whether its grey values are those that a model was painted on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.provenance import DOUBTFUL, LIKE, UNLIKE
from napari_matssl.learn.grey_matching import Match
from napari_matssl.learn.grey_reference import GreyReference

_DISTANCE = (2.0, 0.2)  # times the usual one, plus nats
_UNLIKE = (4.0, 0.5)  # likewise
_GAP = (1.5, 0.15)  # times the usual one, plus share of the area


@dataclass(frozen=True)
class Light:
    """Whether an image is like the painted ones.

    Parameters
    ----------
    level
        One of :data:`~napari_matssl.labels.provenance.LIGHTS`.
    reasons
        Clauses without a subject's name; none for an image like the painted ones.
    """

    level: str
    reasons: tuple[str, ...] = ()

    def in_words(self, name: str) -> str:
        """Return one line for a user; empty for an image like the painted ones."""
        if not self.reasons:
            return ""
        reasons = "; ".join(self.reasons)
        return f"{name} is {self.level}: {reasons}. Check the mask, or paint on the image."


def judge(
    match: Match, reference: GreyReference, pixels: Mapping[int, int], classes: ClassTable
) -> Light:
    """Judge an image by its grey values and its mask.

    Parameters
    ----------
    match
        Of the image.
    reference
        Of the model.
    pixels
        Of each class in the mask, by id.
    classes
        In the order of the reference.

    Notes
    -----
    The limits grow with what is usual in the painted images. They were chosen on the development
    sets (benchmarks/NOTES.md).
    """
    counts = np.array([pixels.get(one, 0) for one in classes.ids])
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
    far = match.distance > _limit(_UNLIKE, reference.usual_distance)
    level = UNLIKE if far else DOUBTFUL if found else LIKE
    return Light(level, tuple(found))


def _limit(limit: tuple[float, float], usual: float) -> float:
    return limit[0] * usual + limit[1]
