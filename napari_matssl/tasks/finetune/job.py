"""Fine-tune on painted micrographs: the job, from its request to its result."""

from collections.abc import Callable, Sequence
from functools import partial

from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.device_errors import device_errors
from napari_matssl.learn.networks import describe_start, starting_parts
from napari_matssl.learn.ranks import ALONE, Ranks
from napari_matssl.learn.repeatable import repeatably
from napari_matssl.learn.schedule import Budget, on_own_time
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.learn.start_weights import fetch_start_weights
from napari_matssl.learn.working_clock import clock_for
from napari_matssl.progress import Control, Job, Progress
from napari_matssl.settings import FinetuneSettings
from napari_matssl.tasks.finetune.instant import fit_instantly
from napari_matssl.tasks.finetune.planning import OnView, Plan, make_plan
from napari_matssl.tasks.finetune.result import FinetuneResult
from napari_matssl.tasks.finetune.training import no_model_error, train
from napari_matssl.tasks.finetune.twins_apart import find_twins_apart, twins_in_words, with_twins


def finetune(
    painted: Sequence[PaintedMicrograph],
    table: ClassTable,
    settings: FinetuneSettings,
    validation: Sequence[PaintedMicrograph] = (),
    start: Segmenter | None = None,
    on_view: OnView | None = None,
    keep_early: bool = False,
    clock: Callable[[], float] | None = None,
    ranks: Ranks = ALONE,
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
        Called every few seconds for the micrograph in view; a progress then has
        the present model's mask of it as its preview.
    keep_early
        However early STOP comes, make a step and return a model; for those who write it under a
        name of its own.
    clock
        Seconds that only ever grow; None: those in which this thread is at work, on a
        processor.
    ranks
        The processes that share each batch. The first one's time counts; STOP that one gets stops
        all.

    Yields
    ------
    A progress per step with the metrics ``step``, ``epoch``, ``loss``, ``iou_<class>`` on the
    latest crops, and of the last validation ``val_loss``, ``val_miou``, ``val_iou_<class>``. Sent
    STOP, the job returns the best model so far, if it is worth keeping.

    Raises
    ------
    InputError
        If nothing or a single class is painted, or an image or label can't be used, or a batch is
        too small for the ranks.
    SettingsError, WeightsError, ModelFileError, DeviceError
        If the encoder, its weights or the device can't be had.
    ComputeError
        If memory doesn't suffice, or the loss isn't finite.
    StoppedError
        If it was stopped while start weights were fetched, or before a tenth of its budget and
        :data:`~napari_matssl.tasks.finetune.training.WORTH_STEPS` steps.
    """
    if start is None:
        for part in starting_parts(settings):
            with part.blamed():
                yield from fetch_start_weights(part.encoder, part.weights)
    clock = ranks.clock(clock or clock_for(settings.device))
    budget = Budget.of_minutes(settings.minutes, clock)
    begins = "" if start is not None else describe_start(settings)
    plan = partial(make_plan, painted, table, settings, validation, start, on_view, keep_early)
    job = repeatably(
        _finetune(plan, budget, settings, keep_early, begins, ranks),
        settings.device,
        settings.deterministic,
    )
    return (yield from on_own_time(ranks.together(job), budget))


def _finetune(
    make: Callable[[], Plan],
    budget: Budget,
    settings: FinetuneSettings,
    keep_early: bool,
    begins: str,
    ranks: Ranks,
) -> Job[FinetuneResult]:
    instant = settings.architecture == "pixel-classifier"
    compute = choose_compute(settings.device, ranks)
    message = ". ".join(filter(None, (f"Device: {compute.describe()}", begins)))
    stopped = (yield Progress("preparing", 0, 1, message=message)) is Control.STOP
    if stopped and not (keep_early or instant):
        raise no_model_error(0)
    with device_errors("preparing the training"):
        plan = make()
    if plan.remark:
        yield Progress("preparing", 1, 1, message=plan.remark)
    twins = yield from find_twins_apart(plan)
    if twins:
        yield Progress("preparing", 1, 1, message=twins_in_words(twins))
    result = yield from (fit_instantly if instant else train)(plan, compute, budget)
    return with_twins(result, twins)
