r"""Run the tables of the MatSSL paper, as far as the data is there.

    python benchmarks/paper.py --uhcs U --metaldam M --aachen A --ebc E --encoder resnet50
    python benchmarks/paper.py --metaldam ../shared/data/metaldam --uhcs ../shared/data/uhcs \
        --only metaldam --pretrain-on uhcs metaldam --pretrain-minutes 10 --finetune-minutes 30
    python benchmarks/paper.py --ebc E --only EBC-2 --methods imagenet --architecture cs-unet
    python benchmarks/paper.py --metaldam ../shared/data/metaldam --methods imagenet \
        --recipe interactive --finetune-minutes 30

That is the published recipe (``--preset paper``) for the published numbers of epochs (50 of
pretraining; 200 of fine-tuning, 50 on Aachen): for a GPU. With ``--finetune-minutes`` fine-tuning
ends after so long on this machine, where ``--batch-size`` makes it fit into the memory (128 crops
of 256 px need more than 20 GB). With ``--pretrain-minutes`` pretraining does, and takes ``--preset
quick``, since the published rate unlearns ImageNet in a short time on few images. With ``--recipe
interactive`` our own recipe fine-tunes: same images, same scoring; ``--set`` changes fields of it.

Folders are read as they are published, and as our tests have them (``published_sets.py``).
``--others`` is a folder of more images to pretrain on. What is missing is named, with its source.

A task is pretrained on all sets that are given but its own and EBC (the first figure of the paper's
tables), or on those of ``--pretrain-on``, its own among them for the second. Images that show a
field of the test images, under whatever name, are left out and named. The best epoch is chosen on
validation images, where a set has any, and never on test images as the released code does.

Results are kept in ``benchmarks/paper.json`` and written into ``benchmarks/NOTES.md``.
"""

import argparse
import datetime
import json
import sys
from pathlib import Path
from typing import Any, NoReturn

from marks import write_between_marks
from paper_tables import IMAGENET, MICRONET, table
from paper_tasks import (
    IN_THE_PAPER,
    OTHERS,
    SOURCES,
    TASKS,
    Pool,
    Task,
    make_pool,
    make_task,
    read_sets,
    usual_sets,
)
from recipes import changes

from napari_matssl.console import run_job
from napari_matssl.errors import InputError, MatSSLError
from napari_matssl.files import atomic_write
from napari_matssl.learn.methods import TITLES
from napari_matssl.settings import FinetuneSettings, PredictSettings, PretrainSettings
from napari_matssl.settings.training import ENCODERS, TRANSFORMERS
from napari_matssl.tasks.evaluate import evaluate
from napari_matssl.tasks.finetune.job import finetune
from napari_matssl.tasks.pretrain.job import pretrain

HERE = Path(__file__).parent
RESULTS = HERE / "paper.json"
NOTES = HERE / "NOTES.md"

NONE = "imagenet"
"""Instead of a method: the start weights as they are."""

PAPER_S, OURS = "paper", "interactive"
"""Presets to fine-tune by."""

_SCHEDULE = (
    "optimiser", "learning_rate", "final_learning_rate", "momentum", "weight_decay", "batch_size",
    "epochs", "jitter", "hue_jitter",
)  # fmt: skip
"""Settings that the paper's comparison takes from MatSSL for all methods."""


class _Parser(argparse.ArgumentParser):
    """Errors in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\n")


def parser() -> argparse.ArgumentParser:
    """Make the parser of the arguments."""
    made = _Parser(description=__doc__.splitlines()[0])
    for name, source in SOURCES.items():
        made.add_argument(f"--{name}", type=Path, help=source.where)
    made.add_argument("--others", type=Path, help="more images to pretrain on")
    methods, sets = [NONE, *TITLES], [*SOURCES, OTHERS]
    made.add_argument("--methods", nargs="+", choices=methods, default=methods)
    made.add_argument("--only", nargs="+", choices=list(TASKS), help="what to fine-tune on")
    made.add_argument("--pretrain-on", nargs="+", choices=sets, help="sets")
    made.add_argument(
        "--same-schedule", action="store_true", help="MatSSL's for all methods, as in the paper"
    )
    made.add_argument(
        "--recipe", choices=(PAPER_S, OURS), default=PAPER_S, help="preset of fine-tuning"
    )
    made.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="of fine-tuning"
    )
    made.add_argument("--architecture", help="of fine-tuning; U-Net++ unless it is given")
    made.add_argument(
        "--encoder", help="EfficientNet-Lite0 unless it is given; mit_b0 of segformer"
    )
    made.add_argument("--transformer-weights", default="random", help="of the Swin of cs-unet")
    made.add_argument("--weights", default="imagenet", help="imagenet, random or a file")
    made.add_argument("--called", help=f"name of these weights in the table, such as {MICRONET}")
    made.add_argument("--pretrain-minutes", type=float, help="not the published epochs")
    made.add_argument("--finetune-minutes", type=float, help="not the published epochs")
    made.add_argument("--batch-size", type=int, help="of fine-tuning, where 128 crops are too many")
    made.add_argument("--seeds", nargs="+", type=int, default=[0])
    made.add_argument("--work", type=Path, default=HERE / "encoders", help="for the encoders")
    made.add_argument("--results", type=Path, default=RESULTS)
    made.add_argument("--notes", type=Path, default=NOTES, help="where the table goes")
    made.add_argument("--tables", action="store_true", help="compute nothing")
    return made


def pretrain_settings(method: str, given: argparse.Namespace, seed: int) -> PretrainSettings:
    """Return the settings of a method, with MatSSL's schedule or its own."""
    values: dict[str, Any] = {
        "preset": "quick" if given.pretrain_minutes else "paper",
        "encoder": encoder_of(given),
        "weights": given.weights,
        "seed": seed,
    }
    if given.pretrain_minutes:
        values["minutes"] = given.pretrain_minutes
    own = PretrainSettings.make({**values, "method": method})
    if not given.same_schedule:
        return own
    matssl = PretrainSettings.make({**values, "method": "matssl"})
    return own.model_copy(update={name: getattr(matssl, name) for name in _SCHEDULE})


def finetune_settings(
    task: Task, weights: str, given: argparse.Namespace, seed: int
) -> FinetuneSettings:
    """Return a recipe for a task: the published one, what of it fits into the minutes, or ours."""
    values: dict[str, Any] = {"encoder": encoder_of(given), "weights": weights, "seed": seed}
    values |= {"preset": given.recipe, "transformer_weights": given.transformer_weights}
    if given.recipe == PAPER_S:
        values |= task.settings
    if given.architecture:
        values["architecture"] = given.architecture
    if given.batch_size:
        values["batch_size"] = given.batch_size
    if given.finetune_minutes:
        values |= {"minutes": given.finetune_minutes, "epochs": None}
        if given.recipe == PAPER_S:
            values["validations"] = 20
    return FinetuneSettings.make({**values, **changes(given.set)})


def run(
    task: Task, method: str, pool: Pool | None, given: argparse.Namespace, seed: int
) -> dict[str, Any]:
    """Pretrain by a method, or not; fine-tune; score once on test."""
    weights, facts = given.weights, dict[str, Any]()
    if pool is not None:
        settings = pretrain_settings(method, given, seed)
        result = run_job(pretrain(pool.images, settings, overlaps=pool.overlaps)).result
        given.work.mkdir(parents=True, exist_ok=True)
        path = given.work / f"{task.name}-{method}-{seed}.safetensors".replace(" ", "-")
        result.write(path)
        weights = str(path)
        facts["pretrain_steps"] = result.card.metrics["steps"]
        facts["patches"] = result.patches
    settings = finetune_settings(task, weights, given, seed)
    data = task.data
    trained = run_job(finetune(data.training, data.table, settings, data.validation)).result
    scored = run_job(evaluate(trained.segmenter, data.test, PredictSettings(), task.protocol))
    scores = scored.result.scores
    return {
        "task": task.name,
        "start": start_name(method, given),
        "architecture": trained.segmenter.card.architecture,
        "pretrained_on": list(pool.sets) if pool else [],
        "schedule": schedule_name(method, given),
        "recipe": " ".join([given.recipe, *given.set]),
        "encoder": settings.encoder,
        "seed": seed,
        "miou": 100 * (scores.miou or 0.0),
        "classes": {name: 100 * (one.iou or 0.0) for name, one in scores.classes.items()},
        "images": len(pool.images) if pool else 0,
        "left_out": list(pool.left_out) if pool else [],
        "finetune_steps": len(trained.losses),
        "minutes": trained.segmenter.card.metrics["minutes"],
        "batch_size": settings.batch_size,
        "published": [not given.pretrain_minutes, _is_published(given)],
        "date": datetime.date.today().isoformat(),
        **facts,
    }


def _is_published(given: argparse.Namespace) -> bool:
    """Whether the recipe of fine-tuning is the published one, for its epochs."""
    return given.recipe == PAPER_S and not (given.finetune_minutes or given.batch_size or given.set)


def encoder_of(given: argparse.Namespace) -> str:
    """Return the encoder that is asked for, or the smallest that the network can have."""
    usual = TRANSFORMERS[0] if given.architecture == "segformer" else ENCODERS[0]
    return given.encoder or usual


def start_name(method: str, given: argparse.Namespace) -> str:
    """Name the encoder's start as the table does."""
    if method != NONE:
        return TITLES[method]
    if given.called:
        return str(given.called)
    return IMAGENET if given.weights == "imagenet" else Path(given.weights).stem


def schedule_name(method: str, given: argparse.Namespace) -> str:
    """Name the schedule as the table does."""
    if method == NONE:
        return ""
    this, matssl = (pretrain_settings(one, given, 0) for one in (method, "matssl"))
    same = all(getattr(this, name) == getattr(matssl, name) for name in _SCHEDULE)
    return "MatSSL's" if same else "own"


def key_of(cell: dict[str, Any]) -> str:
    """Name a result: another with the same name takes its place."""
    names = (
        "task",
        "start",
        "architecture",
        "pretrained_on",
        "schedule",
        "recipe",
        "encoder",
        "batch_size",
        "seed",
    )
    return " | ".join(str(cell[name]) for name in names)


def compute(given: argparse.Namespace) -> int:
    """Run what was asked for, and keep each result as it comes.

    Returns
    -------
    How many runs failed; each is told of in a line, and the others are done.

    Raises
    ------
    MatSSLError
        If a set can't be read, or there is nothing to pretrain on.
    """
    sets = read_sets({name: getattr(given, name) for name in SOURCES})
    for name in SOURCES.keys() - sets.keys():
        print(f"{name} is missing (--{name} not given): {SOURCES[name].where}")
    wanted = given.only or [name for name in IN_THE_PAPER if TASKS[name][0] in sets]
    for name in wanted:
        if TASKS[name][0] not in sets:
            raise InputError(f"{name} needs its set.", f"Give --{TASKS[name][0]} FOLDER.")
    failed = 0
    there = (*sets, *([OTHERS] if given.others else []))
    for name in wanted:
        task = make_task(name, sets[TASKS[name][0]])
        pool = None
        if any(method != NONE for method in given.methods):
            names = given.pretrain_on or usual_sets(name, there)
            pool = make_pool(task, names, sets, given.others)
            for line in pool.left_out:
                print(f"{name}: left out of pretraining, as it shows a test image: {line}")
        for method in given.methods:
            for seed in given.seeds:
                try:
                    cell = run(task, method, None if method == NONE else pool, given, seed)
                except MatSSLError as error:
                    failed += 1
                    print(f"error: {name}, {method}, seed {seed}: {error}", file=sys.stderr)
                    continue
                print(f"{key_of(cell)}: {cell['miou']:.2f}", flush=True)
                _keep(cell, given.results)
    return failed


def _keep(cell: dict[str, Any], path: Path) -> None:
    results = read_results(path)
    results[key_of(cell)] = cell
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


def read_results(path: Path) -> dict[str, dict[str, Any]]:
    """Read the results so far."""
    return json.loads(path.read_text()) if path.exists() else {}


def main(arguments: list[str] | None = None) -> None:
    """Run the rows that are asked for and can be run."""
    given = parser().parse_args(arguments)
    try:
        failed = 0 if given.tables else compute(given)
    except MatSSLError as error:
        sys.exit(f"error: {error}")
    text = table(read_results(given.results))
    print(text)
    write_between_marks("paper.py", text, given.notes)
    if failed:
        sys.exit(f"error: {failed} {'run' if failed == 1 else 'runs'} failed.")


if __name__ == "__main__":
    main()
