"""The sets of ``accuracy.py``: what is painted, how long a row may train, what else is scored."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import real_sets
import sets
import sweeps

from napari_matssl.samples import MATERIALS

COATINGS = "Coatings"
STEELS = "MetalDAM and UHCS"
ONE_IMAGE = "Strokes on one image, 90 s"
CURVE = "More images painted in strokes, 90 s each"
CONDITIONS = "Test images taken again under other conditions"
SWEEPS = "Sweeps of composition and exposure, 90 s"

CURVE_IMAGES = (1, 2, 4, 8)
STROKES_MINUTES = 1.5


@dataclass(frozen=True)
class Again:
    """Test images of a set, taken again.

    Parameters
    ----------
    make
        Makes the new set of the old one, for a seed.
    table
        Title of the table that shows it.
    """

    make: Callable[[sets.BenchmarkSet, int], sets.BenchmarkSet]
    table: str = CONDITIONS


@dataclass(frozen=True)
class Column:
    """A set, and how long a row may train on it.

    Parameters
    ----------
    make
        Gives the set for a seed, which draws the strokes where there are any.
    minutes
        Of training.
    tables
        Titles of the tables that show it.
    again
        More test sets for the same model, by name.
    """

    make: Callable[[int], sets.BenchmarkSet]
    minutes: float
    tables: tuple[str, ...]
    again: dict[str, Again] = field(default_factory=dict)


def columns(data: Path) -> dict[str, Column]:
    """Name all sets, in the order of the tables."""
    return {**_coatings(data), **_steels(data), **_samples(), **_sweeps()}


def contents(found: dict[str, Column]) -> dict[str, list[str]]:
    """Return the names of what each table shows, by its title."""
    shown: dict[str, list[str]] = {}
    for name, column in found.items():
        for title in column.tables:
            shown.setdefault(title, []).append(name)
        for other, again in column.again.items():
            shown.setdefault(again.table, []).append(other)
    return shown


def _coatings(data: Path) -> dict[str, Column]:
    found = {
        split: Column(lambda _s, split=split: real_sets.ebc(data, split), minutes, (COATINGS,))
        for split, minutes in (("EBC-1", 10.0), ("EBC-2", 5.0), ("EBC-3", 5.0))
    }
    found["EBC-2"] = replace(found["EBC-2"], again=_new_conditions("EBC-2", COATINGS))
    strokes = "EBC-2 strokes"
    found[strokes] = Column(
        lambda _s: real_sets.ebc(data, "EBC-2", True), 3.0, (COATINGS,), _one_change(strokes)
    )
    found["EBC-2, 1 image"] = Column(
        lambda seed: sets.painted_in_strokes(real_sets.ebc(data, "EBC-2"), 1, seed),
        STROKES_MINUTES,
        (ONE_IMAGE,),
    )
    return found | _curve("EBC-3", lambda: real_sets.ebc(data, "EBC-3"))


def _steels(data: Path) -> dict[str, Column]:
    found = {}
    for name, split, strokes, minutes in (
        ("MetalDAM", "S1", True, STROKES_MINUTES),
        ("MetalDAM", "S4", True, 3.0),
        ("MetalDAM", "S4", False, 3.0),
        ("MetalDAM", "R33-9", False, 10.0),
        ("UHCS", "S1", True, STROKES_MINUTES),
        ("UHCS", "S4", True, 3.0),
        ("UHCS", "S4", False, 3.0),
    ):
        title = f"{name} {split} strokes" if strokes else f"{name} {split}"
        found[title] = Column(
            lambda _s, n=name, s=split, b=strokes: real_sets.steel(data, n, s, b),
            minutes,
            (STEELS,),
            _one_change(title) if strokes and split == "S4" else {},
        )
    whole = "MetalDAM R33-9"
    return found | _curve(whole, lambda: real_sets.steel(data, "MetalDAM", "R33-9", False))


def _samples() -> dict[str, Column]:
    found: dict[str, Column] = {}
    for material in MATERIALS:

        def make(material: str = material) -> sets.BenchmarkSet:
            return sets.synthetic(material, range(8), range(10, 16))

        name = f"{material}, 1 image"
        curve = _curve(material, make)
        if material == "dual-phase":
            found |= curve
            found[name] = replace(curve[name], again=curve[name].again | _one_change(name))
        else:
            found[name] = replace(curve[name], tables=(ONE_IMAGE,), again={})
    return found


def _sweeps() -> dict[str, Column]:
    found = {}
    for kind in sweeps.KINDS:
        for images in sweeps.PAINTED:
            name = f"sweep of {kind}, {sets.counted(images)}"
            found[name] = Column(
                lambda seed, k=kind, i=images: sweeps.composition(k, i, seed),
                STROKES_MINUTES,
                (SWEEPS,),
                {f"{name}, other exposures": Again(sets.under_other_exposures, SWEEPS)},
            )
    return found


def _curve(name: str, make: Callable[[], sets.BenchmarkSet]) -> dict[str, Column]:
    """Paint more and more images in strokes, at equal times; score new conditions, too."""
    found = {}
    for images in CURVE_IMAGES:
        title = f"{name}, {sets.counted(images)}"
        found[title] = Column(
            lambda seed, i=images: sets.painted_in_strokes(make(), i, seed),
            STROKES_MINUTES,
            (CURVE, ONE_IMAGE) if images == 1 else (CURVE,),
            _new_conditions(title, CURVE),
        )
    return found


def _new_conditions(name: str, table: str) -> dict[str, Again]:
    new = Again(lambda own, _seed: sets.under_new_conditions(own), table)
    return {f"{name}, new conditions": new}


def _one_change(name: str) -> dict[str, Again]:
    """Change one thing at a time: exposure, magnification, noise."""
    return {
        f"{name}, {condition}": Again(lambda own, _seed, make=make: make(own))
        for condition, make in sets.CONDITIONS.items()
        if condition != "new conditions"
    }
