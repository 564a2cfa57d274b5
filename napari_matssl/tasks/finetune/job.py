"""Train U-Net++ on painted micrographs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from napari_matssl.errors import ComputeError, InputError, StoppedError
from napari_matssl.labels.classes import ClassTable
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.device_errors import device_errors
from napari_matssl.learn.metrics import Scores
from napari_matssl.learn.repeatable import repeatably
from napari_matssl.learn.schedule import Budget, on_own_time
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.learn.start_weights import fetch_start_weights
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Control, Job, Progress
from napari_matssl.settings import FinetuneSettings
from napari_matssl.tasks.finetune.instant import fit_pixel_classifier
from napari_matssl.tasks.finetune.training import FinetuneRun

WORTH_SHARE = 0.1
"""Share of the budget from which on a model is worth keeping."""

WORTH_STEPS = 50
"""As many steps are worth keeping, too, however long the budget."""


@dataclass(frozen=True)
class FinetuneResult:
    """A trained segmenter and how it came about.

    Parameters
    ----------
    segmenter
        In evaluation mode, on the CPU.
    validation
        Scores of the chosen model on the validation images, None without any.
    losses
        Training loss of every step.
    failure
        What ended the training before its plan was done; the segmenter is the best until then.
    """

    segmenter: Segmenter
    validation: Scores | None
    losses: tuple[float, ...]
    failure: ComputeError | None = None


def finetune(
    painted: Sequence[PaintedMicrograph],
    table: ClassTable,
    settings: FinetuneSettings,
    validation: Sequence[PaintedMicrograph] = (),
    start: Segmenter | None = None,
    on_view: Callable[[], Micrograph | None] | None = None,
    keep_early: bool = False,
) -> Job[FinetuneResult]:
    """Train U-Net++, or fit a pixel classifier, on painted micrographs.

    Parameters
    ----------
    painted
        Micrographs to learn from. The arrays are copied before the first step.
    table
        The classes, without the unpainted value.
    settings
        Recipe and budget; a pause between two steps costs no budget. With ``val_fraction``,
        images are drawn from `painted` to validate.
    validation
        Micrographs that choose the best model; none keeps the last one.
    start
        Go on from this segmenter instead of from an encoder.
    on_view
        Asked every few seconds for the micrograph that somebody looks at; a progress then has
        the present model's mask of it as its preview.

    keep_early
        However early STOP comes, make a step and return a model; for those who write it under a
        name of its own.

    Yields
    ------
    A progress per step with the metrics ``step``, ``epoch``, ``loss``, ``iou_<class>`` on the
    latest crops, and of the last validation ``val_loss``, ``val_miou``, ``val_iou_<class>``. Sent
    STOP, the job returns the best model so far, if it is worth keeping.

    Raises
    ------
    InputError
        If nothing or a single class is painted, or an image or label can't be used.
    SettingsError, WeightsError, ModelFileError, DeviceError
        If the encoder, its weights or the device can't be had.
    ComputeError
        If memory doesn't suffice, or the loss isn't finite.
    StoppedError
        If it was stopped while start weights were fetched, or before a tenth of its budget and
        ``WORTH_STEPS`` steps.
    """
    if start is None:
        yield from fetch_start_weights(settings.encoder, settings.weights)
    budget = Budget(None, None if settings.minutes is None else 60 * settings.minutes)
    if not validation and settings.val_fraction > 0:
        painted, validation = _split(painted, settings)
    apart = list(validation)
    if settings.architecture == "pixel-classifier":
        job = _fit(painted, table, settings, apart, start, on_view, budget)
    else:
        job = _train(painted, table, settings, apart, start, on_view, budget, keep_early)
    job = repeatably(job, settings.device, settings.deterministic)
    return (yield from on_own_time(job, budget))


def _fit(
    painted: Sequence[PaintedMicrograph],
    table: ClassTable,
    settings: FinetuneSettings,
    validation: list[PaintedMicrograph],
    start: Segmenter | None,
    on_view: Callable[[], Micrograph | None] | None,
    budget: Budget,
) -> Job[FinetuneResult]:
    segmenter, found = yield from fit_pixel_classifier(
        painted, table, settings, validation, start, on_view
    )
    metrics = {**segmenter.card.metrics, "minutes": round(budget.elapsed / 60, 3)}
    card = segmenter.card.model_copy(update={"metrics": metrics})
    return FinetuneResult(Segmenter(segmenter.network, card), found, ())


def _train(
    painted: Sequence[PaintedMicrograph],
    table: ClassTable,
    settings: FinetuneSettings,
    validation: list[PaintedMicrograph],
    start: Segmenter | None,
    on_view: Callable[[], Micrograph | None] | None,
    budget: Budget,
    keep_early: bool,
) -> Job[FinetuneResult]:
    compute = choose_compute(settings.device)
    message = f"Device: {compute.describe()}"
    stopped = (yield Progress("preparing", 0, 1, message=message)) is Control.STOP
    if stopped and not keep_early:
        raise nothing_learnt(0)
    with device_errors("preparing the training"):
        run = FinetuneRun(painted, table, settings, validation, start, compute, budget, on_view)
    trouble = ""
    failure: ComputeError | None = None
    try:
        try:
            yield from _learn(run, settings, keep_early)
        except ComputeError as error:
            if not run.rescue(error):
                raise
            failure = error  # without the frames, which hold what fills the memory
            failure.__traceback__ = failure.__cause__ = failure.__context__ = None
            trouble = f"Ended after {run.step} steps: {error} The best model until then is kept."
        yield Progress("fine-tuning", 1, 1, run.metrics, message=trouble)
        return FinetuneResult(*run.trained(), tuple(run.losses), failure)
    finally:
        run.release()


def _learn(run: FinetuneRun, settings: FinetuneSettings, keep_early: bool) -> Job[None]:
    """Train until the budget is used or STOP is sent; the best model is then in place."""
    budget, stopped = run.budget, False
    while (fraction := budget.fraction(run.step)) < 1 and not stopped:
        loss = run.advance(fraction)
        if loss is None:
            shrunk = Progress("fine-tuning", fraction, 1, message=run.shrunk)
            stopped |= (yield shrunk) is Control.STOP
            continue
        if run.validation.due(budget.fraction(run.step)):
            stopped |= yield from run.validate()
        if run.previews.due and not stopped:
            stopped |= yield from run.preview()
        progress = Progress("fine-tuning", budget.fraction(run.step), 1, run.metrics)
        stopped |= (yield progress) is Control.STOP
    little = run.step < WORTH_STEPS and budget.fraction(run.step) < WORTH_SHARE
    if stopped and little and not keep_early:
        raise nothing_learnt(run.step)
    if run.step == 0:
        raise InputError(
            f"Reading the images took all of {settings.minutes:g} minutes.",
            "Give more --minutes, or fewer or smaller images.",
        )
    yield from run.validate()
    run.choose_best()
    yield from run.look_for_strata()
    if run.on_view is not None:
        yield from run.preview()


def nothing_learnt(steps: int) -> StoppedError:
    """Give the error for a run that was stopped before its model was worth keeping."""
    when = f"after {steps} step{'s' * (steps != 1)}" if steps else "before the first step"
    return StoppedError(f"Stopped {when}: that is no model worth keeping, none was written.")


def _split(
    painted: Sequence[PaintedMicrograph], settings: FinetuneSettings
) -> tuple[list[PaintedMicrograph], list[PaintedMicrograph]]:
    """Keep whole images apart for validation, at least one."""
    if len(painted) < 2:
        raise InputError(
            "A single painted image can't be divided into training and validation.",
            "Paint another image or leave out --val-fraction.",
        )
    order = np.random.default_rng(settings.seed).permutation(len(painted))
    count = min(max(1, round(settings.val_fraction * len(painted))), len(painted) - 1)
    kept = [painted[i] for i in sorted(order[count:])]
    return kept, [painted[i] for i in sorted(order[:count])]
