"""The sets that the benchmarks learn from and score on.

A *report* set is scored once, for a table of results. A *development* set decides defaults: its
images are in no test split of EBC-1, EBC-2 or EBC-3, and its synthetic samples have other seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from conditions import reimage

from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.samples import MATERIALS, class_table, make_sample, scribble
from napari_matssl.tasks.inputs import read_labelled, read_painted_set
from napari_matssl.tasks.label_files import SplitChoice

SPLITS = ("EBC-1", "EBC-2", "EBC-3")

_DEVELOPMENT_TRAINING = {
    "a": ("021519-3_1426C-100cyc0008", "040617-3_S0410028", "070516-3_S2470007",
          "122018-3_100cyc-1426C0017"),
    "b": ("010417-4_S2480009", "032919-10_100cyc0017", "070516-1_S1160020",
          "111418-4_1426_100Cyc0034"),
    "c": ("010417-4_S2480023", "040617-3_S0410018", "070516-3_S2470003",
          "120718-4-B1_50cyc_14260025"),
    "d": ("032919-6_100cyc0007", "040617-3_S0410019", "111418-4_1426_100Cyc0032",
          "S879_062216-3-31cyc0030"),
}  # fmt: skip


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
    """

    name: str
    training: tuple[PaintedMicrograph, ...]
    validation: tuple[PaintedMicrograph, ...]
    test: tuple[PaintedMicrograph, ...]
    table: ClassTable
    coatings: bool = False


def ebc(data: Path, split: str, strokes: bool = False) -> BenchmarkSet:
    """Read a published split of the EBC set, with dense labels or, for EBC-2, strokes."""
    folder = data / "ebc"
    choice = SplitChoice(folder / "splits.json", split)
    painted = read_painted_set(folder / "images", folder / "labels", 0, None, choice)
    training = painted.training
    if strokes:
        training = tuple(read_labelled(folder / "images", folder / "scribbles", choice, "train"))
    test = tuple(read_labelled(folder / "images", folder / "labels", choice, "test"))
    validation = () if strokes else painted.validation
    name = f"{split} strokes" if strokes else split
    return BenchmarkSet(name, training, validation, test, painted.table, coatings=True)


def ebc_development(data: Path, fold: str) -> BenchmarkSet:
    """Four dense images, and as test the others that no published split tests on."""
    folder = data / "ebc"
    tested: set[str] = set()
    everything: dict[str, PaintedMicrograph] = {}
    for split in SPLITS:
        choice = SplitChoice(folder / "splits.json", split)
        for part in ("train", "val", "test"):
            for one in read_labelled(folder / "images", folder / "labels", choice, part):
                everything[one.micrograph.name] = one
                if part == "test":
                    tested.add(one.micrograph.name)
    free = {n: everything[n] for n in sorted(everything.keys() - tested)}
    chosen = {n for n in free if Path(n).stem in _DEVELOPMENT_TRAINING[fold]}
    table = ebc(data, "EBC-2").table
    return BenchmarkSet(
        f"coatings {fold}",
        tuple(free[n] for n in sorted(chosen)),
        (),
        tuple(one for n, one in free.items() if n not in chosen),
        table,
        coatings=True,
    )


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
    count = "1 image" if images == 1 else f"{images} images"
    return replace(one, name=f"{one.name}, strokes on {count}", training=training, validation=())


def under_new_conditions(one: BenchmarkSet, seed: int = 0) -> BenchmarkSet:
    """Take the test images again, each under three other conditions of the microscope."""
    test = tuple(reimage(p, seed + 3 * n + k) for n, p in enumerate(one.test) for k in range(3))
    return replace(one, name=f"{one.name}, new conditions", test=test)


def development_sets(data: Path) -> list[BenchmarkSet]:
    """Give the sets that decide defaults, densely labelled."""
    coatings = [ebc_development(data, fold) for fold in _DEVELOPMENT_TRAINING]
    return coatings + [synthetic(m, range(100, 104), range(110, 116)) for m in MATERIALS]
