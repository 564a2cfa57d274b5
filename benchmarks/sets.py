"""What the benchmarks learn from and score on, and how samples become such sets.

A *report* set is scored once, for a table of results. A *development* set decides defaults: none of
its images is in a test split that is reported.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from conditions import exposed, magnified, noisy, reimage

from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.samples import class_table, make_sample, scribble

MOST_AGAIN = 8
"""Test images that are taken again under other conditions."""


@dataclass(frozen=True)
class BenchmarkSet:
    """Micrographs to learn from, to choose the best model by, and to score on.

    Parameters
    ----------
    name
        As the tables say it.
    training, validation, test
        Painted micrographs; the labels of `test` are dense.
    table
        The classes, without the stored value of unpainted pixels.
    coatings
        Whether the three figures of the EBC set apply.
    phase
        Id of the class whose fraction has to be within the limit; None: that of every class.
    limit
        Of the error of a fraction: points of area, and share of the fraction, whichever is more.
    """

    name: str
    training: tuple[PaintedMicrograph, ...]
    validation: tuple[PaintedMicrograph, ...]
    test: tuple[PaintedMicrograph, ...]
    table: ClassTable
    coatings: bool = False
    phase: int | None = None
    limit: tuple[float, float] = (2.0, 0.05)


def synthetic(material: str, training: Sequence[int], test: Sequence[int]) -> BenchmarkSet:
    """Make samples of a material with these seeds, densely labelled."""

    def paint(seed: int) -> PaintedMicrograph:
        sample = make_sample(material, seed)
        return PaintedMicrograph(sample.micrograph, sample.labels)

    return BenchmarkSet(
        material, tuple(map(paint, training)), (), tuple(map(paint, test)), class_table(material)
    )


def painted_in_strokes(
    one: BenchmarkSet, images: int = 1, seed: int = 0, strokes_per_class: int = 8
) -> BenchmarkSet:
    """Keep a few training images, with strokes on 2 % of their pixels instead of dense labels."""
    training = tuple(
        PaintedMicrograph(
            p.micrograph,
            scribble(p.labels.astype(np.uint8), seed=seed + n, strokes_per_class=strokes_per_class),
        )
        for n, p in enumerate(one.training[:images])
    )
    name = f"{one.name}, {counted(images)}"
    return replace(one, name=name, training=training, validation=())


def counted(images: int) -> str:
    """Write how many images are painted."""
    return "1 image" if images == 1 else f"{images} images"


def without(painted: Iterable[PaintedMicrograph], class_id: int) -> list[PaintedMicrograph]:
    """Take the labels of a class away: its pixels neither train nor count."""
    return [replace(p, labels=np.where(p.labels == class_id, 0, p.labels)) for p in painted]


def some(one: BenchmarkSet, images: int) -> BenchmarkSet:
    """Keep some of the test images, from all over the list."""
    step = -(-len(one.test) // images)
    return replace(one, test=one.test[::step])


def under_new_conditions(one: BenchmarkSet) -> BenchmarkSet:
    """Take test images again, each under three other conditions of the microscope."""
    few = some(one, MOST_AGAIN)
    test = tuple(reimage(p, 3 * n + k) for n, p in enumerate(few.test) for k in range(3))
    return replace(one, name=f"{one.name}, new conditions", test=test)


def under_other_exposures(one: BenchmarkSet, seed: int = 0) -> BenchmarkSet:
    """Take test images again under other exposures; the limit is that for changed exposure."""
    few = some(one, MOST_AGAIN)
    test = tuple(exposed(p, n + 10 * seed) for n, p in enumerate(few.test))
    return replace(one, name=f"{one.name}, other exposures", test=test, limit=(4.0, 0.0))


def _again(
    one: BenchmarkSet, name: str, take: Callable[[PaintedMicrograph, int], PaintedMicrograph]
) -> BenchmarkSet:
    few = some(one, MOST_AGAIN)
    test = tuple(take(p, n) for n, p in enumerate(few.test))
    return replace(one, name=f"{one.name}, {name}", test=test)


CONDITIONS: dict[str, Callable[[BenchmarkSet], BenchmarkSet]] = {
    "new conditions": under_new_conditions,
    "other exposures": under_other_exposures,
    "half the magnification": lambda one: _again(
        one, "half the magnification", lambda p, seed: magnified(p, 0.5, seed)
    ),
    "twice the magnification": lambda one: _again(
        one, "twice the magnification", lambda p, seed: magnified(p, 2.0, seed)
    ),
    "noise": lambda one: _again(one, "noise", noisy),
}
"""Test images of a set taken again, by what changes."""
