"""Training by settings, and masks of what was trained."""

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from scoring import Seen
from sets import BenchmarkSet
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.labels.provenance import LIKE
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.inference import segment
from napari_matssl.learn.schedule import Budget
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.progress import drain
from napari_matssl.settings import FinetuneSettings, PredictSettings
from napari_matssl.tasks.finetune.initial_network import begin
from napari_matssl.tasks.finetune.job import finetune
from napari_matssl.tasks.finetune.planning import make_plan
from napari_matssl.tasks.finetune.training import Training


def train(one: BenchmarkSet, settings: FinetuneSettings, steps: int) -> Segmenter:
    """Train for some steps; what takes none, as it is."""
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


def look(
    segmenter: Segmenter, painted: Iterable[PaintedMicrograph], settings: PredictSettings
) -> list[Seen]:
    """Segment micrographs."""
    compute = choose_compute()
    network, seen = compute.place(segmenter.network), []
    for one in painted:
        found = drain(segment(network, segmenter.card, one.micrograph, compute, settings))
        remarked = found.light is not None and found.light.level != LIKE
        remarked |= bool(found.uncertain.in_words(segmenter.classes))
        seen.append(Seen(found.mask, remarked))
    return seen


def changes(pairs: Iterable[str]) -> dict[str, object]:
    """Read settings given as FIELD=VALUE."""
    return {field: _value(value) for field, value in (pair.split("=", 1) for pair in pairs)}


@contextmanager
def clock_of_steps(per_minute: float) -> Iterator[Callable[[], float]]:
    """Give a clock that only a step of training moves on: what else the machine does is the same.

    `per_minute` steps take a minute.
    """
    steps = 0

    def count(optimiser: Optimizer, *_given: object) -> None:
        nonlocal steps
        steps += isinstance(optimiser, Adam | AdamW)  # others fit the pixel classifier

    hook = register_optimizer_step_post_hook(count)
    try:
        yield lambda: 60 * steps / per_minute
    finally:
        hook.remove()


def processor_seconds() -> float:
    """Return the time of the processor in each thread: other programs cost none of it."""
    return time.process_time() / torch.get_num_threads()


def commit() -> str:
    """Name what is measured: the last commit of the package, and a plus sign for later changes."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", Path(__file__).parent, *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "../napari_matssl")
    return git("log", "-1", "--format=%h", "--", "../napari_matssl") + ("+" if changed else "")


def _value(text: str) -> object:
    """Read a number or a truth value; anything else is text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
