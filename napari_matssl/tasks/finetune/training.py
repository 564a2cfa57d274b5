"""Training of a network, step by step, until the budget is used or STOP is sent."""

import statistics
from collections.abc import Generator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from napari_matssl.errors import ComputeError, InputError, StoppedError
from napari_matssl.learn.batchnorm import keep_statistics
from napari_matssl.learn.crops import Batch, CropSampler
from napari_matssl.learn.device import Compute
from napari_matssl.learn.device_errors import device_errors, free_memory
from napari_matssl.learn.ema import start_ema
from napari_matssl.learn.guided_unet import GuidedUnetPlusPlus
from napari_matssl.learn.joint_batchnorm import join_norms
from napari_matssl.learn.losses import entropy, masked_cross_entropy, segmentation_loss
from napari_matssl.learn.metrics import RunningScores
from napari_matssl.learn.networks import Trainable, build_network, encoder_parameters
from napari_matssl.learn.pseudo_labels import Drift, choose_pseudo_labels, find_unpainted, ramp_up
from napari_matssl.learn.ranks import ALONE, Ranks
from napari_matssl.learn.schedule import Budget, rate_factor
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.learn.trainer import Trainer
from napari_matssl.progress import Control, Job, Progress
from napari_matssl.settings import FinetuneSettings
from napari_matssl.tasks.finetune.held_out import HeldOutFigures, leave_out
from napari_matssl.tasks.finetune.initial_network import Beginning, begin
from napari_matssl.tasks.finetune.payoff import measure_payoff
from napari_matssl.tasks.finetune.planning import Plan
from napari_matssl.tasks.finetune.preview import Previews
from napari_matssl.tasks.finetune.result import FinetuneResult
from napari_matssl.tasks.finetune.spare_copy import SpareCopy
from napari_matssl.tasks.finetune.strata import find_unbroken_strata
from napari_matssl.tasks.finetune.validation import Validation

WORTH_SHARE = 0.1
"""Share of the budget from which on a model is worth keeping."""

WORTH_STEPS = 50
"""As many steps are worth keeping, too, however long the budget."""

_GUIDE = "The pixel classifier that training began with"
_FIRST = "The model that training went on from"


def train(plan: Plan, compute: Compute, budget: Budget) -> Job[FinetuneResult]:
    """Train the network of a plan; see :func:`~napari_matssl.tasks.finetune.job.finetune`."""
    with device_errors("preparing the training"):
        begun = begin(plan, compute)
        left_out = yield from leave_out(plan, begun.looking(), compute, budget)
        payoff = yield from measure_payoff(plan, begun, left_out, compute, budget)
        begun = replace(begun, encoder=None, payoff=payoff, known={}, pixels=())
        training = Training(plan, begun, compute, budget, left_out)
    trouble, failure = "", None
    try:
        try:
            yield from training.run()
        except ComputeError as error:
            # The other ranks wait for this one amid their step.
            if compute.ranks.size > 1 or not training.rescue(error):
                raise
            failure = error  # without the frames, which hold what fills the memory
            failure.__traceback__ = failure.__cause__ = failure.__context__ = None
            steps = training.step
            trouble = f"Ended after {steps} steps: {error} The best model until then is kept."
        message = " ".join(filter(None, (trouble, training.verdict)))
        yield Progress("fine-tuning", 1, 1, training.metrics, message=message)
        return replace(training.result(), failure=failure)
    finally:
        training.release()


class Training:
    """Training of a network within a budget.

    Parameters
    ----------
    plan
        What was decided before.
    beginning
        The network with its start weights.
    compute
        Where it is.
    budget
        Gets the steps that the plan's epochs take.
    left_out
        What painted images show that were left out; None if none were.
    """

    def __init__(
        self,
        plan: Plan,
        beginning: Beginning,
        compute: Compute,
        budget: Budget,
        left_out: HeldOutFigures | None = None,
    ) -> None:
        settings, network = plan.settings, beginning.network
        assert isinstance(network, Trainable)
        network.dropout.share = plan.dropout
        network.dropout.random = np.random.default_rng((settings.seed, 1))
        network.dropout.ranks = ranks = compute.ranks
        ranks.equalise(network)
        join_norms(network, ranks)
        self._plan, self._network, self._compute, self._budget = plan, network, compute, budget
        self._card = beginning.card(plan)
        self._frequencies = beginning.frequencies
        self._left_out = left_out
        guided = isinstance(network, GuidedUnetPlusPlus)
        self._pseudo_label_weight = settings.pseudo_label_weight if guided else 0.0
        self._first = _FIRST if plan.start is not None else _GUIDE if guided else ""
        random = np.random.default_rng(settings.seed)
        self._sampler = CropSampler(beginning.images, settings, random, plan.strata, ranks)
        if (batch := self._sampler.batch_size) < ranks.size:
            raise InputError(
                f"{ranks.size} processes can't share batches of {batch} crops.",
                "Use fewer devices, larger batches or more images.",
                settings="devices batch_size",
            )
        self._ema = start_ema(network, settings.ema_decay)
        self._trainer = Trainer(
            _optimiser(network, settings),
            compute,
            self._sampler,
            budget,
            epochs=settings.epochs,
            rate=lambda done: rate_factor(done, settings.warmup, 0.01, settings.cosine),
            follow=partial(self._ema.update_parameters, network),
            doing="training",
            remedy="Use a lower learning rate, or the interactive preset.",
        )
        images = plan.data.validation
        self._validation = Validation(images, settings.validations, budget, self._loss)
        self._previews = Previews(plan.on_view, budget)
        self._spare = SpareCopy(budget)
        self._running = RunningScores(plan.card.classes.names)
        self._drift = Drift()
        self._losses: list[float] = []
        self._rescued: nn.Module | None = None

    @property
    def step(self) -> int:
        """Steps that are done."""
        return self._trainer.step

    @property
    def metrics(self) -> dict[str, float]:
        """Figures of the last step and the last validation."""
        training = {f"iou_{name}": iou for name, iou in self._running.ious.items()}
        epoch = max(self.step - 1, 0) // self._sampler.steps_per_epoch + 1
        place = {"step": float(self.step), "epoch": float(epoch)}
        return {**place, "loss": self._losses[-1], **training, **self._validation.metrics}

    @property
    def verdict(self) -> str:
        """One line if training came to nothing better than it began with, else empty."""
        best, miou = self._validation.best, self._validation.metrics.get("val_miou", 0.0)
        if best is None or best.step > 0 or self.step == 0:
            return ""
        return (
            f"{self._first} does best on the validation images and is kept: mean IoU "
            f"{best.miou:.3f}, after {self.step} steps {miou:.3f}. Paint more, or train for longer."
        )

    def run(self) -> Job[None]:
        """Train until the budget is used or STOP is sent; the best model is then in place."""
        budget, stopped = self._budget, False
        if self._first:
            stopped |= yield from self._validate()
        while (fraction := budget.fraction(self.step)) < 1 and not stopped:
            if not self.advance(fraction):
                shrunk = Progress("fine-tuning", fraction, 1, message=self._trainer.shrunk)
                stopped |= (yield shrunk) is Control.STOP
                continue
            if self._validation.due(budget.fraction(self.step)):
                stopped |= yield from self._validate()
            if self._previews.due and not stopped:
                stopped |= yield from self._preview()
            progress = Progress("fine-tuning", budget.fraction(self.step), 1, self.metrics)
            stopped |= (yield progress) is Control.STOP
        little = self.step < WORTH_STEPS and budget.fraction(self.step) < WORTH_SHARE
        if stopped and little and not self._plan.keep_early:
            raise no_model_error(self.step)
        if self.step == 0:
            raise InputError(
                f"Reading the images took all of {self._plan.settings.minutes:g} minutes.",
                "Give more time, or fewer or smaller images.",
                settings="minutes",
            )
        yield from self._validate()
        self._choose_best()
        yield from self.look_for_strata()
        network = self._ema.module.eval()
        yield from self._validation.look_as_masks(network, self._card, self._compute)
        if self._plan.on_view is not None:
            yield from self._preview()

    def advance(self, fraction: float) -> bool:
        """Do one step; False if memory ran out and the next step will be smaller."""
        loss = self._trainer.advance(fraction, partial(self._batch_losses, fraction))
        if loss is None:
            return False
        self._losses.append(loss)
        self._spare.update(self._ema.module)
        return True

    def _batch_losses(self, fraction: float) -> tuple[Tensor, Tensor]:
        """Draw a batch; compute its loss, and that of painted pixels alone.

        The loss of unpainted pixels sets in during the run and would look like a rise.
        """
        settings, batch, ranks = self._plan.settings, self._sampler.batch(), self._compute.ranks
        self._network.dropout.count = self._sampler.batch_size
        targets = self._compute.move(batch.targets)
        weight = self._pseudo_label_weight * ramp_up(fraction, batch.targets, batch.proposed, ranks)
        taught = self._teach(batch) if weight > 0 else None
        weight *= self._drift.trust
        self._network.train()
        if settings.freeze_batch_norm:
            keep_statistics(self._network.get_submodule("encoder"))
        with self._compute.autocast():
            logits = self._network(self._compute.place_images(batch.images))
        painted = loss = self._loss(logits, targets, ranks)
        if taught is not None:
            loss = loss + weight * masked_cross_entropy(logits, taught, ranks=ranks)
            if settings.entropy > 0:
                unpainted = self._compute.move(find_unpainted(batch.targets, batch.proposed))
                loss = loss + weight * settings.entropy * entropy(logits, unpainted, ranks)
        channels = logits.detach().max(dim=1).indices.to("cpu", torch.uint8)
        self._running.add(batch.targets.numpy(), channels.numpy())
        return loss, painted

    def _teach(self, batch: Batch) -> Tensor:
        """Classify unpainted pixels with the EMA weights."""
        with torch.no_grad(), self._compute.autocast():
            logits = self._ema.module.eval()(self._compute.place_images(batch.plain))
        proposed, targets = map(self._compute.move, (batch.proposed, batch.targets))
        unpainted = find_unpainted(targets, proposed)
        self._drift.follow(logits, proposed, unpainted, self._compute.ranks)
        confidence = self._plan.settings.confidence
        return choose_pseudo_labels(logits.float(), proposed, targets, confidence)

    def _loss(self, logits: Tensor, targets: Tensor, ranks: Ranks = ALONE) -> Tensor:
        settings = self._plan.settings
        return segmentation_loss(
            logits, targets, settings.cross_entropy, settings.balance, self._frequencies, ranks
        )

    def _validate(self) -> Generator[Progress, Control | None, bool]:
        """Validate the EMA weights; return whether STOP was sent meanwhile."""
        network = self._ema.module.eval()
        return (yield from self._validation.run(network, self._card, self._compute, self.step))

    def _preview(self) -> Generator[Progress, Control | None, bool]:
        """Preview the EMA weights; return whether STOP was sent meanwhile."""
        network = self._ema.module.eval()
        shown = Progress("fine-tuning", self._budget.fraction(self.step), 1, self.metrics)
        return (yield from self._previews.run(network, self._card, self._compute, shown))

    def _choose_best(self) -> None:
        """Go back to the best model; the last one stays where nothing was validated."""
        if self._validation.best is not None:
            with device_errors("going back to the best model"):
                self._ema.module.load_state_dict(self._validation.best.weights)

    def look_for_strata(self) -> Generator[Progress, Control | None, None]:
        """Find classes in unbroken strata by the best model; full labels have shown them before."""
        if self._plan.strata == "any" or self._card.densely_painted:
            return
        network = self._ema.module.eval()
        found = yield from find_unbroken_strata(network, self._card, self._plan.data, self._compute)
        self._card = self._card.model_copy(update={"unbroken": found})

    def rescue(self, error: ComputeError) -> bool:
        """Take the best model from the computer's memory, after an error; False if there is none.

        Where nothing was validated, that is the last one.
        """
        best = self._validation.best
        spare = self._spare.after(error, self._ema.module) if best is None else best.weights
        if spare is None or self.step == 0:
            return False
        card = self._card
        network = build_network(card.encoder, len(card.classes), architecture=card.architecture)
        network.load_state_dict(spare)
        self._rescued = network
        return True

    def result(self) -> FinetuneResult:
        """Return the model and its scores on the validation images."""
        network = self._rescued
        if network is None:
            with device_errors("taking the model from the device"):
                network = self._ema.module.cpu()
        metrics = {"steps": float(self.step), "minutes": round(self._budget.elapsed / 60, 3)}
        if self._losses:
            metrics["loss"] = statistics.fmean(self._losses[-20:])
        best = self._validation.best
        if best is not None:
            metrics["val_miou"] = best.scores.miou or 0.0
        held_out = self._left_out or (None if best is None else best.held_out)
        card = self._card if held_out is None else held_out.added_to(self._card)
        segmenter = Segmenter(network.eval(), card.model_copy(update={"metrics": metrics}))
        scores = None if best is None else best.scores
        return FinetuneResult(segmenter, scores, tuple(self._losses))

    def release(self) -> None:
        """Release memory on the device."""
        del self._network, self._ema, self._trainer, self._sampler
        free_memory(self._compute.device)


def no_model_error(steps: int) -> StoppedError:
    """Return the error for a run that was stopped before its model was worth keeping."""
    when = f"after {steps} step{'s' * (steps != 1)}" if steps else "before the first step"
    return StoppedError(f"Stopped {when}: that is no model worth keeping, none was written.")


def _optimiser(network: nn.Module, settings: FinetuneSettings) -> torch.optim.Optimizer:
    """Return Adam or AdamW with a lower learning rate for encoders."""
    encoder = encoder_parameters(network)
    known = {id(p) for p in encoder}
    rest = [p for p in network.parameters() if id(p) not in known]
    groups = [
        {"params": encoder, "lr": settings.learning_rate * settings.encoder_rate},
        {"params": rest, "lr": settings.learning_rate},
    ]
    make = torch.optim.AdamW if settings.optimiser == "adamw" else torch.optim.Adam
    return make(groups, weight_decay=settings.weight_decay, fused=True)
