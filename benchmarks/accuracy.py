"""Few labels, how good a mask, how right a fraction? Our recipes beside a random forest.

    python benchmarks/accuracy.py --quick                 # the instant rows and the forest
    python benchmarks/accuracy.py                         # a day on two cores: everything
    python benchmarks/accuracy.py --rows interactive --sets EBC-2 "MetalDAM S4 strokes" --seeds 0 1
    python benchmarks/accuracy.py --list                  # name the sets
    python benchmarks/accuracy.py --tables                # only write the tables again

Every cell (row, set, seed) is trained, scored once on the test images and kept in
``benchmarks/accuracy.json`` with the commit; cells that are there are not computed again, unless
``--again``. Minutes of training stand for as many steps as one quiet core makes of them, and times
are of the processor, so that other programs change no figure. The tables go
between the two marks that name this script: all rows into ``benchmarks/NOTES.md``, the main ones
into ``docs/benchmarks.md``. Defaults are chosen by ``benchmarks/levers.py``, on other images. Needs
``pip install scikit-learn`` for the forest and the data that tests marked ``real`` use.
"""

import argparse
import datetime
import json
import platform
from pathlib import Path
from typing import Any

import torch
from accuracy_tables import write_tables
from columns import Column, columns, contents
from forest import forest_masks
from recipes import clock_of_steps, commit, look, processor_seconds
from scoring import Seen, figures
from sets import BenchmarkSet

from napari_matssl.console import run_job
from napari_matssl.files import atomic_write
from napari_matssl.labels.painted import painted_share
from napari_matssl.labels.value_meaning import settled
from napari_matssl.learn.card import DENSE, ModelCard
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.segmenter import write_segmenter
from napari_matssl.settings import FinetuneSettings, PredictSettings
from napari_matssl.tasks.finetune.job import finetune

HERE = Path(__file__).parent
RESULTS = HERE / "accuracy.json"
NOTES = HERE / "NOTES.md"
SUMMARY = HERE.parent / "docs" / "benchmarks.md"

ROWS: dict[str, dict[str, Any]] = {
    "forest": {},
    "forest, standardised": {},
    "instant": {"preset": "instant"},
    "interactive": {},
    "interactive, an hour": {"minutes": 60.0},
    "interactive, random weights": {"weights": "random"},
    "plain": {
        "architecture": "unet++",
        "exposure": "own",
        "scale": 1.0,
        "strata": "any",
        "augment": False,
        "dropout": 0.0,
    },
    "paper, random weights": {"preset": "paper", "weights": "random", "batch_size": 16},
}
"""Settings that differ from the defaults. ResNet-50's ImageNet weights can't be had offline."""

LOOKS: dict[str, dict[str, Any]] = {
    ", one magnification": {"magnifications": "one"},
    ", two magnifications": {"magnifications": "two"},
    ", components kept": {"detached_components": "keep"},
    ", components merged": {"detached_components": "merge"},
}
"""What the label of a row gains where it isn't looked at in the row's usual way."""

_GUIDED, _ALONE = 37.5, 110.0
"""Steps that one quiet core made in a minute, with a classifier and of U-Net++ alone.

Rows may make so many per minute of training, whatever the machine does beside."""

FOREST_EVERY = 2
"""Row and column of those that a forest segments, where all take minutes; not of coatings."""

QUICK_ROWS = ("forest, standardised", "instant")


def cell(
    row: str, name: str, column: Column, seed: int, given: argparse.Namespace
) -> dict[tuple[str, str], dict[str, Any]]:
    """Train once and score; figures by label of the row and name of the test set."""
    chosen = column.make(seed)
    tests = {name: chosen, **{n: again.make(chosen, seed) for n, again in column.again.items()}}
    everything = [one for test in tests.values() for one in test.test]
    looks: dict[str, tuple[list[Seen], float]] = {}
    if row.startswith("forest"):
        seen, training, image = forest_masks(
            chosen.training, everything, chosen.table, "standardised" in row, seed,
            1 if chosen.coatings else FOREST_EVERY,
        )  # fmt: skip
        looks[row], steps = (seen, image), 0
    else:
        values = {"minutes": given.minutes or column.minutes, "seed": seed, **ROWS[row]}
        if ROWS[row].get("preset") == "paper":
            values["epochs"] = None
        settings = FinetuneSettings.make(values)
        begin = processor_seconds()
        plan = chosen.training, chosen.table, settings, chosen.validation
        with clock_of_steps(_steps_per_minute(chosen, settings)) as clock:
            trained = run_job(finetune(*plan, clock=clock)).result
        training, steps = processor_seconds() - begin, len(trained.losses)
        if given.models is not None:
            given.models.mkdir(parents=True, exist_ok=True)
            file = f"{row}-{name}-{seed}.safetensors".replace(" ", "_")
            write_segmenter(given.models / file, trained.segmenter)
        ways = ways_of_looking(row, trained.segmenter.card, given.looks)
        for label, changed in ways.items():
            begin = processor_seconds()
            seen = look(trained.segmenter, everything, PredictSettings.make(changed))
            looks[label] = seen, (processor_seconds() - begin) / len(seen)
    found = {}
    for label, (seen, image) in looks.items():
        facts = {"training_s": round(training, 1), "image_s": round(image, 2), "steps": steps}
        for test_name, test in tests.items():
            own, seen = seen[: len(test.test)], seen[len(test.test) :]
            found[label, test_name] = {**figures(test, own), **facts}
    return found


def _steps_per_minute(chosen: BenchmarkSet, settings: FinetuneSettings) -> float:
    """Return the steps that a minute of training stands for."""
    dense = painted_share(chosen.training, settled(settings.unlabelled, chosen.table)) >= DENSE
    return _ALONE if dense or settings.architecture == "unet++" else _GUIDED


def ways_of_looking(row: str, card: ModelCard, every: bool) -> dict[str, dict[str, Any]]:
    """Give settings by label: `every` way, or the row's usual one."""
    if not row.startswith(("interactive", "instant")):
        return {row: {"magnifications": "one"}}  # as others do
    names = []
    if every and row.startswith("interactive"):
        names.append(", two magnifications" if card.densely_painted else ", one magnification")
    if every and card.unbroken:
        names += [", components kept" if card.unbroken_classes("auto") else ", components merged"]
    return {row: {}, **{row + name: LOOKS[name] for name in names}}


def main() -> None:
    """Compute what is missing and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--sets", nargs="+", help="all without")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, help="of training, instead of each set's")
    parser.add_argument(
        "--looks", action="store_true", help="look in ways that are no default, too"
    )
    parser.add_argument("--again", action="store_true", help="compute cells that are there, too")
    parser.add_argument("--quick", action="store_true", help="rows that take seconds, one seed")
    parser.add_argument("--list", action="store_true", help="name the sets, compute nothing")
    parser.add_argument("--tables", action="store_true", help="compute nothing")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--models", type=Path, help="folder to keep the trained models in")
    given = parser.parse_args()
    if given.minutes is not None and given.results == RESULTS:
        parser.error("--minutes needs --results: the tables are of the sets' own times")
    everything = columns(given.data)
    if given.list:
        print("\n".join(everything))
        return
    wanted = given.sets or list(everything)
    if unknown := set(wanted) - everything.keys():
        parser.error(f"no such set: {', '.join(unknown)}; --list names them")
    if not given.tables:
        compute({name: everything[name] for name in wanted}, given)
    if given.results == RESULTS:
        order = [label for row in ROWS for label in (row, *(row + look for look in LOOKS))]
        write_tables(_read(RESULTS), order, contents(everything), NOTES, SUMMARY)


def compute(wanted: dict[str, Column], given: argparse.Namespace) -> None:
    """Compute the cells that are missing; each is kept at once."""
    measured = commit()
    for seed in [0] if given.quick else given.seeds:
        for name, column in wanted.items():
            for row in QUICK_ROWS if given.quick else given.rows:
                keys = [f"{row} | {test} | {seed}" for test in (name, *column.again)]
                if not given.again and not set(keys) - _read(given.results).keys():
                    continue
                cells = cell(row, name, column, seed, given)
                results = _read(given.results)  # others may have added to it
                for (label, test), found in cells.items():
                    found |= {
                        "date": datetime.date.today().isoformat(),
                        "machine": machine(),
                        "commit": measured,
                    }
                    results[f"{label} | {test} | {seed}"] = found
                    print(label, test, seed, found, flush=True)
                with atomic_write(given.results) as temporary:
                    temporary.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


def machine() -> str:
    """Name what computed."""
    return f"{choose_compute().describe()}, {torch.get_num_threads()} threads, {platform.machine()}"


def _read(path: Path) -> dict[str, dict[str, Any]]:
    return json.loads(path.read_text()) if path.exists() else {}


if __name__ == "__main__":
    main()
