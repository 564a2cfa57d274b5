"""The instant way of fine-tuning: fit the pixel classifier in one go."""

import logging
from functools import partial

from napari_matssl.errors import ComputeError
from napari_matssl.learn.device import Compute
from napari_matssl.learn.losses import segmentation_loss
from napari_matssl.learn.schedule import Budget
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.progress import Job, Progress
from napari_matssl.tasks.finetune.held_out import leave_out
from napari_matssl.tasks.finetune.initial_network import begin
from napari_matssl.tasks.finetune.payoff import measure_payoff
from napari_matssl.tasks.finetune.planning import Plan
from napari_matssl.tasks.finetune.preview import Previews
from napari_matssl.tasks.finetune.result import FinetuneResult
from napari_matssl.tasks.finetune.strata import find_unbroken_strata
from napari_matssl.tasks.finetune.validation import Validation

log = logging.getLogger(__name__)

_DOING = "fine-tuning"


def fit_instantly(plan: Plan, compute: Compute, budget: Budget) -> Job[FinetuneResult]:
    """Fit a pixel classifier within seconds. Budgets don't apply.

    Of a segmenter to go on from, the encoder is taken.
    """
    yield Progress(_DOING, 0, 2)
    begun = begin(plan, compute)
    network = begun.network
    card = begun.card(plan)
    if plan.strata != "any" and not card.densely_painted:
        unbroken = yield from find_unbroken_strata(network, card, plan.data, compute)
        card = card.model_copy(update={"unbroken": unbroken})
    yield Progress(_DOING, 1, 2)
    left_out = yield from leave_out(plan, begun.looking(), compute)
    payoff = yield from measure_payoff(plan, begun, left_out, compute)
    card = card.model_copy(update={"payoff": payoff})
    loss = partial(
        segmentation_loss,
        cross_entropy=plan.settings.cross_entropy,
        balance=plan.settings.balance,
        frequencies=begun.frequencies,
    )
    validation = Validation(plan.data.validation, 1, budget, loss)
    yield from validation.run(network, card, compute, 0)
    try:
        shown = Progress(_DOING, 2, 2)
        yield from Previews(plan.on_view, budget).run(network, card, compute, shown)
    except ComputeError as error:  # a preview alone: its failure must not cost the classifier
        log.info("no preview", exc_info=error)
    best = validation.best
    held_out = left_out or (None if best is None else best.held_out)
    if held_out is not None:
        card = held_out.added_to(card)
    metrics = {} if best is None else {"val_miou": best.miou}
    metrics["minutes"] = round(budget.elapsed / 60, 3)
    segmenter = Segmenter(network.cpu().eval(), card.model_copy(update={"metrics": metrics}))
    return FinetuneResult(segmenter, None if best is None else best.scores, ())
