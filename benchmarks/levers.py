"""Compare recipes on the development sets, at equal numbers of steps: how defaults are chosen.

    python benchmarks/levers.py --set architecture=unet++ --set batch_size=8 --steps 90
    python benchmarks/levers.py --full --steps 300
    python benchmarks/levers.py --set pseudo_label_weight=0 --sets dual-phase grains --seeds 1 2
    python benchmarks/levers.py --sets "coatings a" --images 4 --steps 200 --new-conditions

Prints one row for the defaults changed by all ``--set`` together, scored from two magnifications
and, in brackets, from one. The sets are ``sets.development_sets``: none of
their images is in a test split. Without ``--full``, ``--images`` of each are painted in strokes.
Needs the data that tests marked ``real`` use.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import sets

from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.inference import segment
from napari_matssl.learn.metrics import Scores, confusion_matrix, scores
from napari_matssl.learn.schedule import Budget
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.progress import drain
from napari_matssl.settings import FinetuneSettings, PredictSettings
from napari_matssl.tasks.finetune import finetune
from napari_matssl.tasks.finetune.initial_network import begin
from napari_matssl.tasks.finetune.planning import make_plan
from napari_matssl.tasks.finetune.training import Training


def train(one: sets.BenchmarkSet, settings: FinetuneSettings, steps: int) -> Segmenter:
    """Train for some steps."""
    if settings.architecture == "pixel-classifier":
        return drain(finetune(one.training, one.table, settings)).segmenter
    budget = Budget(steps, None)
    compute = choose_compute(settings.device)
    plan = make_plan(one.training, one.table, settings)
    training = Training(plan, begin(plan, compute), compute, budget)
    budget.steps = steps
    while training.step < steps:
        training.advance(budget.fraction(training.step))
    drain(training.look_for_strata())
    return training.result().segmenter


def score(segmenter: Segmenter, one: sets.BenchmarkSet, **changed: str) -> Scores:
    """Score on the test images, with settings of prediction that are not the usual ones."""
    compute = choose_compute()
    network = compute.place(segmenter.network)
    total = np.zeros((len(one.table), len(one.table)), dtype=np.int64)
    for painted in one.test:
        predict = PredictSettings.make(changed)
        job = segment(network, segmenter.card, painted.micrograph, compute, predict)
        total += confusion_matrix(painted.labels, drain(job).mask, one.table.ids)
    return scores(total, one.table.names)


def main() -> None:
    """Print one row of a comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--sets", nargs="+", help="development sets; all without")
    parser.add_argument("--images", type=int, default=1, help="how many are painted in strokes")
    parser.add_argument("--full", action="store_true", help="coatings only, all pixels labelled")
    parser.add_argument(
        "--new-conditions", action="store_true", help="test images taken under other conditions"
    )
    parser.add_argument("--detached-components", choices=("auto", "merge", "keep"), default="auto")
    parser.add_argument("--steps", type=int, default=90)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    given = parser.parse_args()
    everything = {one.name: one for one in sets.development_sets(given.data)}
    wanted = given.sets or [n for n, one in everything.items() if one.coatings or not given.full]
    if unknown := set(wanted) - everything.keys():
        parser.error(f"no such set: {', '.join(unknown)}; there are {', '.join(everything)}")
    changed = changes(given.set)
    found: list[tuple[float, float]] = []
    for name in wanted:
        one = everything[name]
        if given.new_conditions:
            one = sets.under_new_conditions(one)
        for seed in given.seeds:
            used = one if given.full else sets.painted_in_strokes(one, given.images, seed)
            settings = FinetuneSettings.make({**changed, "seed": seed, "epochs": 1})
            segmenter = train(used, settings, given.steps)
            both, once = (
                score(
                    segmenter,
                    used,
                    magnifications=looks,
                    detached_components=given.detached_components,
                )
                for looks in ("two", "one")
            )
            found.append((both.miou or 0.0, once.miou or 0.0))
            figures = [f"mIoU {found[-1][0]:.3f} ({found[-1][1]:.3f})"]
            figures += [
                f"{name} {c.iou:.3f} ({once.classes[name].iou:.3f})"
                for name, c in both.classes.items()
            ]
            print(f"{used.name}, seed {seed}: {'  '.join(figures)}", flush=True)
    mean = np.mean(found, axis=0)
    recipe = " ".join(given.set) or "defaults"
    print(f"{recipe}, {given.steps} steps: mean {mean[0]:.3f} ({mean[1]:.3f})")


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
