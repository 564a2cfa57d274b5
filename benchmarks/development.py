"""The sets that decide defaults, by group: none of their images is in a test set of the report."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import real_sets
import sets
import sweeps

from napari_matssl.samples import MATERIALS

IMAGES = 6
"""Test images of a set, to save time."""

SWEEP = "sweep"

Make = Callable[[int], list[sets.BenchmarkSet]]


def development_sets(data: Path) -> list[sets.BenchmarkSet]:
    """Give sets of coatings and of synthetic samples, densely labelled."""
    coatings = [real_sets.ebc_development(data, fold) for fold in real_sets.development_folds()]
    return coatings + [sets.synthetic(m, range(100, 104), range(110, 116)) for m in MATERIALS]


def groups(data: Path) -> dict[str, Make]:
    """Name groups of sets painted in strokes, and how they are made for a seed."""
    dense = cache(lambda: {one.name: one for one in development_sets(data)})
    steel = cache(lambda name: real_sets.steel_development(data, name))
    found: dict[str, Make] = {}
    for kind in ("coatings", *MATERIALS):
        for images in (1, 4):
            found[f"{kind}, {sets.counted(images)}"] = lambda seed, k=kind, i=images: [
                sets.painted_in_strokes(sets.some(one, IMAGES), i, seed)
                for name, one in dense().items()
                if name == k or (one.coatings and k == "coatings")
            ]
    for name in ("MetalDAM", "UHCS"):
        for part, what in enumerate(("1 image", "all but one", "1 image, on itself")):
            found[f"{name}, {what}"] = lambda _seed, n=name, p=part: steel(n)[p]
    for kind in sweeps.KINDS:
        for images in sweeps.PAINTED:
            found |= _sweep(kind, images)
    return found


def dense_groups(data: Path) -> dict[str, Make]:
    """Name groups of coatings with dense labels."""
    return {
        f"coatings {fold}, in full": lambda _seed, f=fold: [real_sets.ebc_development(data, f)]
        for fold in real_sets.development_folds()
    }


def _sweep(kind: str, images: int) -> dict[str, Make]:
    make = cache(lambda seed: sweeps.composition(kind, images, seed))
    name = f"{SWEEP} of {kind}, {sets.counted(images)}"
    return {
        name: lambda seed: [make(seed)],
        f"{name}, other exposures": lambda seed: [sets.under_other_exposures(make(seed), seed)],
    }
