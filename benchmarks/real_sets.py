"""Sets of real micrographs: EBC, MetalDAM and UHCS, read where they lie."""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from sets import BenchmarkSet, without

from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.painted import PaintedMicrograph
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

_FOLDERS = {"MetalDAM": "metaldam", "UHCS": "uhcs"}
_PRECIPITATE = 4  # of MetalDAM: most are unlabelled, and published figures leave the class out


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
    everything, tested = _ebc_images(data)
    free = {n: everything[n] for n in sorted(everything.keys() - tested)}
    chosen = {n for n in free if Path(n).stem in _DEVELOPMENT_TRAINING[fold]}
    table = _ebc_table(data)
    return BenchmarkSet(
        f"coatings {fold}",
        tuple(free[n] for n in sorted(chosen)),
        (),
        tuple(one for n, one in free.items() if n not in chosen),
        table,
        coatings=True,
    )


@lru_cache(maxsize=1)
def _ebc_images(data: Path) -> tuple[dict[str, PaintedMicrograph], set[str]]:
    """Read all images of the EBC set; name those that a published split tests on."""
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
    return everything, tested


@lru_cache(maxsize=1)
def _ebc_table(data: Path) -> ClassTable:
    return ebc(data, "EBC-2").table


def development_folds() -> Iterator[str]:
    """Name the folds of :func:`ebc_development`."""
    yield from _DEVELOPMENT_TRAINING


def steel(data: Path, name: str, split: str, strokes: bool) -> BenchmarkSet:
    """Read a split of ``"MetalDAM"`` or ``"UHCS"``, painted in strokes or densely.

    Images of development sets are left out of the test images: splits overlap.
    """
    folder = data / _FOLDERS[name]
    choice = SplitChoice(folder / "splits.json", split)
    labels = folder / ("scribbles" if strokes else "labels")
    training = read_labelled(folder / "images", labels, choice, "train")
    table = read_painted_set(folder / "images", folder / "labels", 0, None, choice).table
    test = read_labelled(folder / "images", folder / "labels", choice, "test")
    seen = _painted_names(folder)
    test = [p for p in test if p.micrograph.name not in seen]
    if name == "MetalDAM":
        table = table.without(_PRECIPITATE)
        training, test = without(training, _PRECIPITATE), without(test, _PRECIPITATE)
    return BenchmarkSet(f"{name} {split}", tuple(training), (), tuple(test), table)


def steel_development(data: Path, name: str) -> tuple[list[BenchmarkSet], ...]:
    """Turn the images of ``"MetalDAM"`` or ``"UHCS"`` with strokes on them into small sets.

    Returns
    -------
    One painted image, tested on the others; all painted but one, tested on that; one painted
    image, tested on itself. Classes that the strokes lack aren't scored.
    """
    splits = [(steel(data, name, s, True), steel(data, name, s, False)) for s in ("S1", "S4")]
    strokes = {p.micrograph.name: p for painted, _ in splits for p in painted.training}
    dense = {p.micrograph.name: p for _, full in splits for p in full.training}
    table = splits[0][0].table

    def make(painted: Sequence[str], tested: Sequence[str]) -> BenchmarkSet:
        return _of_painted_classes(
            [strokes[n] for n in painted], [dense[n] for n in tested], name, table
        )

    names = sorted(strokes)
    ones = [make([n], [m for m in names if m != n]) for n in names]
    others = [make([m for m in names if m != n], [n]) for n in names]
    return ones, others, [make([n], [n]) for n in names]


def _of_painted_classes(
    training: list[PaintedMicrograph], test: list[PaintedMicrograph], name: str, table: ClassTable
) -> BenchmarkSet:
    lacking = set(table.ids) - {int(i) for p in training for i in np.unique(p.labels)}
    for class_id in lacking:
        table, test = table.without(class_id), without(test, class_id)
    first = test[0].micrograph.name if len(test) == 1 else training[0].micrograph.name
    return BenchmarkSet(f"{name} {Path(first).stem}", tuple(training), (), tuple(test), table)


def _painted_names(folder: Path) -> set[str]:
    """Name the images that have strokes: development sets are made of them."""
    splits = json.loads((folder / "splits.json").read_text(encoding="utf-8"))
    return {name for split in ("S1", "S4") for name in splits[split]["train"]}
