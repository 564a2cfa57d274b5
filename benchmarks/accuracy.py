"""Few labels, how good a mask? Our recipes beside a random forest and the published recipe.

    python benchmarks/accuracy.py --quick                 # minutes: the instant rows and the forest
    python benchmarks/accuracy.py                         # hours on two cores: everything
    python benchmarks/accuracy.py --rows ours forest --sets EBC-2 "EBC-2 strokes" --seeds 0 1 2
    python benchmarks/accuracy.py --tables                # only write the tables again

Every cell (row, set, seed) is trained, scored once on the test images and kept in
``benchmarks/accuracy.json``; cells that are there are not computed again, unless ``--again``. The
tables go between the two marks that name this script: all rows into ``benchmarks/NOTES.md``, the
main ones into ``docs/benchmarks.md``. Needs ``pip install scikit-learn`` for the forest and the
data that tests marked ``real`` use.
"""

import argparse
import datetime
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sets
import torch
from accuracy_tables import write_tables
from forest import forest_masks

from napari_matssl.console import run_job
from napari_matssl.files import atomic_write
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.inference import segment
from napari_matssl.learn.metrics import confusion_matrix, merge_classes, scores
from napari_matssl.learn.segmenter import write_segmenter
from napari_matssl.progress import drain
from napari_matssl.samples import MATERIALS
from napari_matssl.settings import FinetuneSettings, PredictSettings
from napari_matssl.tasks.evaluate import BACKGROUND, MATSSL_SIDE, OXIDE, resize_ids
from napari_matssl.tasks.finetune import finetune

HERE = Path(__file__).parent
RESULTS = HERE / "accuracy.json"
NOTES = HERE / "NOTES.md"
SUMMARY = HERE.parent / "docs" / "benchmarks.md"

GUIDED = {"architecture": "guided-unet++"}
"""The default for strokes; these rows show what it does with full labels."""

ROWS: dict[str, dict[str, Any]] = {
    "forest": {},
    "forest, standardised": {},
    "instant": {"preset": "instant"},
    "ours": {},
    "ours, an hour": {"minutes": 60.0},
    "ours, random weights": {"weights": "random"},
    "ours, no dropout": {"dropout": 0.0},
    "ours, no entropy": {"entropy": 0.0},
    "ours on a classifier": GUIDED,
    "ours on a classifier, random weights": {**GUIDED, "weights": "random"},
    "ours on a classifier, no dropout": {**GUIDED, "dropout": 0.0},
    "ours on a classifier, half the grey changes": {**GUIDED, "grey_changes": 0.5},
    "ours on a classifier, no dropout, half the grey changes": {
        **GUIDED,
        "dropout": 0.0,
        "grey_changes": 0.5,
    },
    "ours on a classifier, no dropout, half the grey changes, random weights": {
        **GUIDED,
        "dropout": 0.0,
        "grey_changes": 0.5,
        "weights": "random",
    },
    "plain": {
        "architecture": "unet++",
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

QUICK_ROWS = ("forest", "forest, standardised", "instant")


@dataclass(frozen=True)
class Column:
    """A set, and how long a row may train on it.

    Parameters
    ----------
    make
        Gives the set for a seed, which draws the strokes where there are any.
    minutes
        Of training.
    others
        More test sets for the same model, by the name of their column.
    """

    make: Callable[[int], sets.BenchmarkSet]
    minutes: float
    others: dict[str, Callable[[int], sets.BenchmarkSet]]


def columns(data: Path) -> dict[str, Column]:
    """Name the sets of the tables."""

    def one_image(make: Callable[[], sets.BenchmarkSet]) -> Column:
        return Column(lambda seed: sets.painted_in_strokes(make(), 1, seed), 1.5, {})

    full = {
        split: Column(lambda _seed, split=split: sets.ebc(data, split), minutes, {})
        for split, minutes in (("EBC-1", 10.0), ("EBC-2", 5.0), ("EBC-3", 5.0))
    }

    def new_conditions(_seed: int) -> sets.BenchmarkSet:
        return sets.under_new_conditions(sets.ebc(data, "EBC-2"))

    full["EBC-2"] = Column(full["EBC-2"].make, 5.0, {"EBC-2, new conditions": new_conditions})
    found = {**full, "EBC-2 strokes": Column(lambda _s: sets.ebc(data, "EBC-2", True), 3.0, {})}
    for split in ("EBC-2", "EBC-3"):
        found[f"{split}, 1 image"] = one_image(lambda split=split: sets.ebc(data, split))
    for material in MATERIALS:
        found[f"{material}, 1 image"] = one_image(
            lambda material=material: sets.synthetic(material, range(1), range(10, 16))
        )
    return found


def figures(test: sets.BenchmarkSet, masks: list[np.ndarray]) -> dict[str, float | None]:
    """Score masks in three ways, see :class:`~napari_matssl.tasks.evaluate.Evaluation`."""
    table = test.table
    native = small = np.zeros((len(table), len(table)), dtype=np.int64)
    for one, mask in zip(test.test, masks, strict=True):
        truth = one.labels.astype(np.uint8)
        native = native + confusion_matrix(truth, mask, table.ids)
        if test.coatings:
            truth, mask = resize_ids(truth, MATSSL_SIDE), resize_ids(mask, MATSSL_SIDE)
            small = small + confusion_matrix(truth, mask, table.ids)
    result = scores(native, table.names)
    found = {"miou": result.miou, **{n: c.iou for n, c in result.classes.items()}}
    if test.coatings:
        groups = [0 if name == BACKGROUND else 1 for name in table.names]
        found["matssl"] = scores(merge_classes(small, groups), (BACKGROUND, "rest")).miou
        assert OXIDE in found
    return found


def cell(
    row: str, column: Column, seed: int, minutes: float | None, models: Path | None
) -> dict[tuple[str, str], dict[str, Any]]:
    """Train once and score; figures by how it looked and the test set, as a key has them.

    Both are ``""`` for the usual way and the column's own set. The model is kept in `models`.
    """
    chosen = column.make(seed)
    tests = {"": chosen, **{name: make(seed) for name, make in column.others.items()}}
    everything = [one for test in tests.values() for one in test.test]
    looks: dict[str, tuple[list[np.ndarray], float]] = {}
    if row.startswith("forest"):
        masks, training, image = forest_masks(
            chosen.training, everything, chosen.table, "standardised" in row, seed
        )
        looks[""], steps = (masks, image), 0
    else:
        given = {"minutes": minutes or column.minutes, "seed": seed, **ROWS[row]}
        if ROWS[row].get("preset") == "paper":
            given["epochs"] = None
        settings = FinetuneSettings.make(given)
        begin = time.monotonic()
        trained = run_job(
            finetune(chosen.training, chosen.table, settings, chosen.validation)
        ).result
        training, steps = time.monotonic() - begin, len(trained.losses)
        if models is not None:
            models.mkdir(parents=True, exist_ok=True)
            file = f"{row}-{chosen.name}-{seed}.safetensors".replace(" ", "_")
            write_segmenter(models / file, trained.segmenter)
        compute = choose_compute()
        network, card = compute.place(trained.segmenter.network), trained.segmenter.card
        for look, changed in ways_of_looking(row, card).items():
            masks, begin = [], time.monotonic()
            predict = PredictSettings.make(changed)
            for one in everything:
                job = segment(network, card, one.micrograph, compute, predict)
                masks.append(drain(job).mask)
            looks[look] = masks, (time.monotonic() - begin) / len(masks)
    found = {}
    for look, (masks, image) in looks.items():
        times = {"training_s": round(training, 1), "image_s": round(image, 2), "steps": steps}
        for name, test in tests.items():
            own, masks = masks[: len(test.test)], masks[len(test.test) :]
            found[look, name] = {**figures(test, own), **times}
    return found


def ways_of_looking(row: str, card: ModelCard) -> dict[str, dict[str, Any]]:
    """Give settings by look: our rows are scored in the ways that are no default, too."""
    if not row.startswith(("ours", "instant")):
        return {"": {"magnifications": "one"}}  # as others do
    other = ", two magnifications" if card.densely_painted else ", one magnification"
    names = [other] if row.startswith("ours") else []
    if card.unbroken:
        names += [", components kept" if card.unbroken_classes("auto") else ", components merged"]
    return {"": {}, **{name: LOOKS[name] for name in names}}


def main() -> None:
    """Compute what is missing and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--sets", nargs="+", help="columns; all without")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, help="of training, instead of each column's")
    parser.add_argument("--again", action="store_true", help="compute cells that are there, too")
    parser.add_argument("--quick", action="store_true", help="rows that take seconds, one seed")
    parser.add_argument("--tables", action="store_true", help="compute nothing")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--models", type=Path, help="folder to keep the trained models in")
    given = parser.parse_args()
    if given.minutes is not None and given.results == RESULTS:
        parser.error("--minutes needs --results: the tables are of the columns' own times")
    rows = QUICK_ROWS if given.quick else given.rows
    results = json.loads(given.results.read_text()) if given.results.exists() else {}
    everything = columns(given.data)
    wanted = given.sets or list(everything)
    if unknown := set(wanted) - everything.keys():
        parser.error(f"no such set: {', '.join(unknown)}; there are {', '.join(everything)}")
    for name in [] if given.tables else wanted:
        for seed in [0] if given.quick else given.seeds:
            for row in rows:
                key = f"{row} | {name} | {seed}"
                if key in results and not given.again:
                    continue
                cells = cell(row, everything[name], seed, given.minutes, given.models)
                for (look, other), found in cells.items():
                    found |= {"date": datetime.date.today().isoformat(), "machine": machine()}
                    results[f"{row}{look} | {other or name} | {seed}"] = found
                    print(row + look, other or name, seed, found, flush=True)
                with atomic_write(given.results) as temporary:
                    temporary.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    order = [label for row in ROWS for label in (row, *(row + look for look in LOOKS))]
    if given.results == RESULTS:
        write_tables(results, order, NOTES, SUMMARY)


def machine() -> str:
    """Name what computed."""
    return f"{choose_compute().describe()}, {torch.get_num_threads()} threads, {platform.machine()}"


if __name__ == "__main__":
    main()
