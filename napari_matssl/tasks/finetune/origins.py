"""Images of one origin, pages of a file and parts of a panorama: they are held out together."""

from collections.abc import Sequence

import numpy as np

from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.measure.model_error import LEAST_PIXELS
from napari_matssl.tasks.finetune.training_set import TrainingSet

MOST_LEFT_OUT = 8
"""Painted images that are left out in turn; more would take longer than it is worth."""


def by_origin(painted: Sequence[PaintedMicrograph]) -> list[list[int]]:
    """List the places of images that are of one origin, in the order of their first images."""
    groups: dict[object, list[int]] = {}
    for place, one in enumerate(painted):
        groups.setdefault(one.micrograph.origin, []).append(place)
    return list(groups.values())


def count_origins(painted: Sequence[PaintedMicrograph], places: Sequence[int]) -> int:
    """Count the origins of the images at some places."""
    return len({painted[n].micrograph.origin for n in places})


def of_other_origin(
    painted: Sequence[PaintedMicrograph], places: Sequence[int], place: int
) -> list[int]:
    """Return those of some places whose images are of another origin than that at one place."""
    own = painted[place].micrograph.origin
    return [n for n in places if painted[n].micrograph.origin != own]


def choose_left_out(data: TrainingSet, classes: int) -> list[int]:
    """Choose the images that show most classes, of all origins, from all over the list."""
    shown = [
        int((np.bincount(one.targets.ravel(), minlength=256)[:classes] >= LEAST_PIXELS).sum())
        for one in data.images
    ]
    painted = [n for n in range(len(shown)) if shown[n]]
    count = min(len(painted), MOST_LEFT_OUT)
    spread = [painted[i * len(painted) // count] for i in range(count)]
    best = sorted(painted, key=lambda n: (-shown[n], n not in spread, n))
    groups = by_origin([data.painted[n] for n in best])
    rank = {best[n]: rank for group in groups for rank, n in enumerate(group)}
    return sorted(sorted(best, key=lambda n: rank[n])[:count])
