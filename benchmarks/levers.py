"""Compare recipes on the development sets: how defaults are chosen.

    python benchmarks/levers.py                           # instant and the forest, all sets
    python benchmarks/levers.py --set exposure=own        # beside it, one thing changed
    python benchmarks/levers.py --steps 90 --set pseudo_label_weight=0 --sets dual-phase UHCS
    python benchmarks/levers.py --full --steps 300 --conditions "new conditions"
    python benchmarks/levers.py --steps 200 --predict magnifications=one --sets "coatings, 4"

Rows: the preset ``instant``, or with ``--steps`` the preset ``interactive`` for so many steps
(equal for all, so that a busy machine changes no figure); the same changed by all ``--set``
together; and a forest on standardised images with the same strokes, which segments every fourth row
and column. Sets are coatings, synthetic samples, painted images of MetalDAM and UHCS that are left
out one by one, and sweeps of composition and exposure; none of their images is in a test set of
``accuracy.py``. ``--full`` takes coatings with dense labels instead. ``--write`` puts the table
into ``benchmarks/NOTES.md``. Needs the data that tests marked ``real`` use.
"""

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import development
import sets
from forest import forest_masks
from levers_tables import Found, tables
from marks import write_between_marks
from recipes import changes, commit, look, train
from scoring import Seen, figures

from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.settings import FinetuneSettings, PredictSettings

NOTES = Path(__file__).parent / "NOTES.md"
FOREST, CHANGED = "forest, standardised", "changed"
EVERY = 4  # row and column of those that the forest segments

Segmenting = Callable[[Sequence[PaintedMicrograph]], list[Seen]]
Learn = Callable[[sets.BenchmarkSet, int], Segmenting]
"""Learns from a set, for a seed."""


def main() -> None:
    """Print a comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--predict", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--rows", nargs="+", choices=("forest", "default", CHANGED))
    parser.add_argument("--sets", nargs="+", help="what the names of groups begin with; or all")
    parser.add_argument("--full", action="store_true", help="coatings only, all pixels labelled")
    parser.add_argument("--conditions", choices=sets.CONDITIONS, help="of the test images")
    parser.add_argument("--steps", type=int, help="of the preset interactive; without: instant")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--write", action="store_true", help="put the table into the notes")
    given = parser.parse_args()
    everything = (development.dense_groups if given.full else development.groups)(given.data)
    wanted = [name for name in everything if name.startswith(tuple(given.sets or [""]))]
    if not wanted:
        parser.error(f"no such set; there are {', '.join(everything)}")
    rows = _rows(given)
    if not rows:
        parser.error("nothing to compute: the row changed needs --set")
    found: Found = {}
    begin, measured = time.monotonic(), commit()
    for name in wanted:
        for seed in given.seeds:
            for one in everything[name](seed):
                test = sets.CONDITIONS[given.conditions](one) if given.conditions else one
                for row, learn in rows.items():
                    got = figures(test, learn(test, seed)(test.test))
                    found.setdefault(name, {}).setdefault(row, []).append(got)
                    said = f"mIoU {got['miou'] or 0:.3f}, fractions {got['fraction_error']:.1f}"
                    print(f"{one.name}, seed {seed}, {row}: {said}", flush=True)
    took = (time.monotonic() - begin) / 60
    command = shlex.join(["levers.py", *(word for word in sys.argv[1:] if word != "--write")])
    text = f"{tables(found)}\n`{command}`, commit {measured}, {took:.0f} min.\n"
    print(text)
    if given.write:
        write_between_marks("levers.py", text, NOTES)


def _rows(given: argparse.Namespace) -> dict[str, Learn]:
    preset = {"preset": "interactive", "epochs": 1} if given.steps else {"preset": "instant"}
    label = f"interactive, {given.steps} steps" if given.steps else "instant"
    predict = PredictSettings.make(changes(given.predict))
    wanted = given.rows or ("forest", "default", *([CHANGED] if given.set else []))
    rows: dict[str, Learn] = {}
    if "forest" in wanted:
        rows[FOREST] = _forest
    if "default" in wanted:
        rows[label] = _once(preset, given.steps or 0, predict)
    if CHANGED in wanted and given.set:
        changed = {**preset, **changes(given.set)}
        rows[f"{label}, {' '.join(given.set)}"] = _once(changed, given.steps or 0, predict)
    return rows


def _forest(one: sets.BenchmarkSet, seed: int) -> Segmenting:
    return lambda test: forest_masks(one.training, test, one.table, True, seed, EVERY)[0]


def _once(values: dict[str, object], steps: int, predict: PredictSettings) -> Learn:
    """Train by settings; sets one after another with the same painted images share the model."""
    kept: dict[int, tuple[Sequence[PaintedMicrograph], Segmenter]] = {}

    def learn(one: sets.BenchmarkSet, seed: int) -> Segmenting:
        if seed not in kept or kept[seed][0] is not one.training:
            settings = FinetuneSettings.make({**values, "seed": seed})
            kept[seed] = one.training, train(one, settings, steps)
        segmenter = kept[seed][1]
        return lambda test: look(segmenter, test, predict)

    return learn


if __name__ == "__main__":
    main()
