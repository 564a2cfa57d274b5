"""Compare recipes on the development sets, at equal numbers of steps: how defaults are chosen.

    python benchmarks/levers.py --set architecture=unet++ --set batch_size=8 --steps 90
    python benchmarks/levers.py --full --steps 300

Prints one row for the defaults changed by all ``--set`` together. The sets are
``sets.development_sets``: none of their images is in a test split. Without ``--full``, one image of
each is painted in strokes. Needs the data that tests marked ``real`` use.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import sets

from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.inference import segment
from napari_matssl.learn.metrics import confusion_matrix, scores
from napari_matssl.learn.schedule import Budget
from napari_matssl.progress import drain
from napari_matssl.settings import FinetuneSettings, PredictSettings
from napari_matssl.tasks.finetune import finetune
from napari_matssl.tasks.finetune_run import FinetuneRun


def score(one: sets.BenchmarkSet, settings: FinetuneSettings, steps: int) -> dict[str, float]:
    """Train for some steps and score on the test images: mIoU and IoU of each class."""
    compute = choose_compute(settings.device)
    if settings.architecture == "pixel-classifier":
        segmenter = drain(finetune(one.training, one.table, settings)).segmenter
    else:
        budget = Budget(steps, None)
        run = FinetuneRun(one.training, one.table, settings, [], None, compute, budget)
        budget.steps = steps
        while run.step < steps:
            run.advance(budget.fraction(run.step))
        segmenter, _ = run.trained()
    network = compute.place(segmenter.network)
    total = np.zeros((len(one.table), len(one.table)), dtype=np.int64)
    for painted in one.test:
        job = segment(network, segmenter.card, painted.micrograph, compute, PredictSettings())
        total += confusion_matrix(painted.labels, drain(job).mask, one.table.ids)
    result = scores(total, one.table.names)
    return {"mIoU": result.miou, **{name: c.iou for name, c in result.classes.items()}}


def main() -> None:
    """Print one row of a comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--full", action="store_true", help="coatings only, all pixels labelled")
    parser.add_argument("--steps", type=int, default=90)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    given = parser.parse_args()
    changed = changes(given.set)
    found: list[float] = []
    for one in sets.development_sets(given.data):
        if given.full and not one.coatings:
            continue
        for seed in given.seeds:
            used = one if given.full else sets.painted_in_strokes(one, 1, seed)
            settings = FinetuneSettings.make({**changed, "seed": seed, "epochs": 1})
            result = score(used, settings, given.steps)
            found.append(result["mIoU"])
            figures = "  ".join(f"{name} {value:.3f}" for name, value in result.items())
            print(f"{used.name}, seed {seed}: {figures}", flush=True)
    print(f"{' '.join(given.set) or 'defaults'}, {given.steps} steps: mean {np.mean(found):.3f}")


def changes(pairs: list[str]) -> dict[str, object]:
    """Read settings given as FIELD=VALUE."""
    return {field: _value(value) for field, value in (pair.split("=", 1) for pair in pairs)}


def _value(text: str) -> object:
    """Read a number or a truth value; anything else is text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


if __name__ == "__main__":
    main()
