"""Images of one origin (pages of a file, parts of a panorama, copies) are held out together."""

from collections.abc import Sequence

import numpy as np

from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.measure.model_error import LEAST_PIXELS
from napari_matssl.tasks.finetune.training_set import TrainingSet

MOST_LEFT_OUT = 8
"""Painted images that are left out in turn; more would take longer than it is worth."""


def origins_of(painted: Sequence[PaintedMicrograph]) -> list[object]:
    """Return the origin of each image; that of one with the very same pixels, if one is before it.

    A copy under another name shows nothing that a model hasn't learnt from its twin.
    """
    first = dict[str, object]()
    return [
        first.setdefault(one.micrograph.pixels_sha256, one.micrograph.origin) for one in painted
    ]


def by_origin(painted: Sequence[PaintedMicrograph]) -> list[list[int]]:
    """List the places of images that are of one origin, in the order of their first images."""
    groups: dict[object, list[int]] = {}
    for place, origin in enumerate(origins_of(painted)):
        groups.setdefault(origin, []).append(place)
    return list(groups.values())


def count_origins(painted: Sequence[PaintedMicrograph], places: Sequence[int]) -> int:
    """Count the origins of the images at some places."""
    return len(set(origins_of([painted[n] for n in places])))


def of_other_origin(
    painted: Sequence[PaintedMicrograph], places: Sequence[int], place: int
) -> list[int]:
    """Return those of some places whose images are of another origin than that at one place."""
    origins = origins_of(painted)
    return [n for n in places if origins[n] != origins[place]]


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
