"""The state of one fine-tuning run: network, optimiser, average."""

import copy
import statistics
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from napari_matssl.errors import ComputeError, DivergedError, OutOfMemoryError
from napari_matssl.labels.classes import ClassTable
from napari_matssl.labels.painted import (
    PaintedMicrograph,
)
from napari_matssl.learn.averaging import AveragedNetwork
from napari_matssl.learn.batchnorm import keep_statistics
from napari_matssl.learn.crops import Batch, CropSampler, PreparedImage
from napari_matssl.learn.device import Compute
from napari_matssl.learn.device_errors import device_errors, free_memory
from napari_matssl.learn.guided_unet import GuidedUnetPlusPlus
from napari_matssl.learn.losses import entropy, is_finite, masked_cross_entropy, segmentation_loss
from napari_matssl.learn.metrics import RunningScores, Scores
from napari_matssl.learn.pixel_fit import fit, guess
from napari_matssl.learn.schedule import Budget, rate_factor
from napari_matssl.learn.segmenter import Segmenter, adopt, build_network, known_classes
from napari_matssl.learn.self_training import confident_targets, find_unpainted, strength
from napari_matssl.learn.start_weights import load_start_weights
from napari_matssl.learn.unet import UnetPlusPlus
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.normalise import fit_grey_values
from napari_matssl.progress import Control, Progress
from napari_matssl.settings import FinetuneSettings
from napari_matssl.tasks.finetune.planning import describe, prepare_all
from napari_matssl.tasks.finetune.rescue import SpareCopy
from napari_matssl.tasks.finetune.strata import choose_strata, find_unbroken_strata
from napari_matssl.tasks.finetune.validation import Previews, Validation

_DROPOUT = 0.2
"""For full labels; strokes gain nothing by it (benchmarks/NOTES.md)."""


@dataclass
class FinetuneRun:
    """One run. Parameters as of :func:`~napari_matssl.tasks.finetune.finetune`.

    `apart` are the images to validate on.
    """

    painted: Sequence[PaintedMicrograph]
    table: ClassTable
    settings: FinetuneSettings
    apart: list[PaintedMicrograph]
    start: Segmenter | None
    compute: Compute
    budget: Budget
    on_view: Callable[[], Micrograph | None] | None = None
    step: int = 0
    losses: list[float] = field(default_factory=list)
    shrunk: str = ""

    def __post_init__(self) -> None:
        settings = self.settings
        random = np.random.default_rng(settings.seed)
        card = describe(self.painted, self.table, settings, self.start)
        images = prepare_all(self.painted, settings, card)
        for one in self.apart:  # now, not at the first validation, when a training would be lost
            fit_grey_values(one.micrograph, card.normalisation, card.channels)
        self.validation = Validation(self.apart, self.table, settings, self.budget, self._loss)
        self.previews = Previews(self.on_view, self.budget)
        self._spare = SpareCopy(self.budget)
        self._rescued: nn.Module | None = None
        strata = self._strata = choose_strata(self.painted, settings)
        self._running = RunningScores(self.table.names)
        network = build_network(card.encoder, len(self.table), settings.seed, card.architecture)
        if self.start is not None:
            adopt(network, self.table, self.start)
            origin = f"went on from a model ({self.start.card.start})"
        else:
            origin = load_start_weights(network.encoder, card.encoder, settings.weights)  # type: ignore[arg-type]
        self._network = self.compute.place(network)
        self._frequencies = self._fit_classifier(images)
        guided = isinstance(self._network, GuidedUnetPlusPlus)
        self._self_training = settings.self_training if guided else 0.0
        dropout = _DROPOUT if card.densely_painted else 0.0
        if settings.dropout is not None:
            dropout = settings.dropout
        assert isinstance(self._network, GuidedUnetPlusPlus | UnetPlusPlus)
        self._network.dropout.share = dropout
        self._network.dropout.random = np.random.default_rng((settings.seed, 1))
        decided = {"architecture": card.architecture, "strata": strata, "dropout": dropout}
        used = {**card.settings, **decided}
        self._card = card.model_copy(update={"start": origin, "settings": used})
        self._sampler = CropSampler(self._guessed(images), settings, random, strata)
        self._average = AveragedNetwork(self._network, settings.averaging)
        self._optimiser = _optimiser(self._network, settings)
        if settings.epochs is not None:
            self.budget.steps = settings.epochs * self._sampler.steps_per_epoch

    def _fit_classifier(self, images: list[PreparedImage]) -> Tensor | None:
        """Fit the pixel classifier that the network corrects; None where it has none.

        What a model that is gone on from has learnt is a correction to its own classifier, which
        therefore stays for the classes that it knows.

        Returns how frequent each class is.
        """
        if not isinstance(self._network, GuidedUnetPlusPlus):
            return None
        known: Collection[int] = ()
        if self.start is not None and self.start.card.architecture == "guided-unet++":
            known = known_classes(self.table, self.start)
        self._network.eval()
        with device_errors("fitting"):
            frequencies = fit(
                self._network.encoder, self._network.heads, images, self.compute,
                self.settings.seed, known,
            )  # fmt: skip
        return self.compute.move(frequencies)

    def _guessed(self, images: list[PreparedImage]) -> list[PreparedImage]:
        """Let a classifier say what unpainted pixels may be, for self-training.

        It is fitted to what is painted now: that of a model that is gone on from holds the very
        errors that new strokes are there to correct.
        """
        if self._self_training == 0 or not isinstance(self._network, GuidedUnetPlusPlus):
            return images
        encoder, heads = self._network.encoder, self._network.heads
        with device_errors("fitting"):
            if self.start is not None:
                heads = copy.deepcopy(heads)
                fit(encoder, heads, images, self.compute, self.settings.seed)
            return [replace(one, guess=guess(encoder, heads, one, self.compute)) for one in images]

    @property
    def epoch(self) -> int:
        """Which pass over all crops the last step belongs to, from 1."""
        return max(self.step - 1, 0) // self._sampler.steps_per_epoch + 1

    @property
    def metrics(self) -> dict[str, float]:
        """Figures of the last step and the last validation."""
        training = {f"iou_{name}": iou for name, iou in self._running.ious.items()}
        place = {"step": float(self.step), "epoch": float(self.epoch)}
        return {**place, "loss": self.losses[-1], **training, **self.validation.metrics}

    def advance(self, fraction: float) -> float | None:
        """Do one step; None if memory ran out and the next step will be smaller."""
        settings = self.settings
        factor = rate_factor(fraction, settings.warmup, 0.01, settings.cosine)
        for group in self._optimiser.param_groups:
            group["lr"] = group["highest"] * factor
        try:
            with device_errors("training"):
                batch = self._sampler.batch()
                loss: float | None = self._learn(batch, fraction)
        except OutOfMemoryError:
            if not self._sampler.halve():
                raise
            loss = None
        if loss is None:
            # Not in the clause above: there, the error still holds what fills the memory.
            self._shrink()
            return None
        self.step += 1
        self.losses.append(loss)
        self._spare.update(self._average.network)
        return loss

    def _shrink(self) -> None:
        """Make room for smaller steps, and plan the rest of the run with them."""
        self._optimiser.zero_grad(set_to_none=True)
        free_memory(self.compute.device)
        if self.settings.epochs is not None:
            steps = self.settings.epochs * self._sampler.steps_per_epoch
            self.budget.replan(self.step, steps)
        self.shrunk = f"Out of memory: batches of {self._sampler.batch_size} now."

    def _learn(self, batch: Batch, fraction: float) -> float:
        settings = self.settings
        targets = self.compute.move(batch.targets)
        weight = self._self_training * strength(fraction, batch.targets, batch.guess)
        taught = self._teach(batch) if weight > 0 else None
        self._network.train()
        if settings.freeze_batch_norm:
            keep_statistics(self._network.get_submodule("encoder"))
        with self.compute.autocast():
            logits = self._network(self.compute.place_images(batch.images))
        painted = loss = self._loss(logits, targets)
        if taught is not None:
            loss = loss + weight * masked_cross_entropy(logits, taught)
            if settings.entropy > 0:
                unpainted = self.compute.move(find_unpainted(batch.targets, batch.guess))
                loss = loss + weight * settings.entropy * entropy(logits, unpainted)
        if not is_finite(loss):
            raise DivergedError(
                f"The loss was {loss.item()} at step {self.step + 1}: training has diverged.",
                "Use a lower learning rate, or the interactive preset.",
            )
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self._average.update(self._network)
        channels = logits.detach().argmax(dim=1).to("cpu", torch.uint8)
        self._running.add(batch.targets.numpy(), channels.numpy())
        # What unpainted pixels add comes in on the way and would look like learning worse.
        return float(painted.item())

    def _teach(self, batch: Batch) -> Tensor:
        """Let the averaged network say what unpainted pixels are."""
        with torch.no_grad(), self.compute.autocast():
            logits = self._average.network.eval()(self.compute.place_images(batch.plain))
        guessed, targets = map(self.compute.move, (batch.guess, batch.targets))
        return confident_targets(logits.float(), guessed, targets, self.settings.confidence)

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        settings = self.settings
        return segmentation_loss(
            logits, targets, settings.cross_entropy, settings.balance, self._frequencies
        )

    def validate(self) -> Generator[Progress, Control | None, bool]:
        """Validate the averaged model; tells whether STOP was sent meanwhile."""
        network = self._average.network.eval()
        return (yield from self.validation.run(network, self._card, self.compute, self.step))

    def preview(self) -> Generator[Progress, Control | None, bool]:
        """Show what the averaged model makes of an image; tells whether STOP was sent meanwhile."""
        network = self._average.network.eval()
        shown = Progress("fine-tuning", self.budget.fraction(self.step), 1, self.metrics)
        return (yield from self.previews.run(network, self._card, self.compute, shown))

    def choose_best(self) -> None:
        """Go back to the best model; the last one stays where nothing was validated."""
        if self.validation.best is not None:
            with device_errors("going back to the best model"):
                self._average.network.load_state_dict(self.validation.best[1])

    def rescue(self, error: ComputeError) -> bool:
        """Take the best model from the computer's memory, after an error; False if there is none.

        Where nothing was validated, that is the last one.
        """
        best = self.validation.best
        weights = self._spare.after(error, self._average.network) if best is None else best[1]
        if weights is None or self.step == 0:
            return False
        card = self._card
        network = build_network(
            card.encoder, len(self.table), self.settings.seed, card.architecture
        )
        network.load_state_dict(weights)
        self._rescued = network
        return True

    def look_for_strata(self) -> Generator[Progress, Control | None, None]:
        """Let the chosen model show which classes lie in unbroken strata; full labels told it."""
        if self._strata == "any" or self._card.densely_painted:
            return
        network = self._average.network.eval()
        found = yield from find_unbroken_strata(network, self._card, self.painted, self.compute)
        self._card = self._card.model_copy(update={"unbroken": found})

    def trained(self) -> tuple[Segmenter, Scores | None]:
        """Return the model and its scores on the validation images."""
        if self._rescued is None:
            with device_errors("taking the model from the device"):
                network = self._average.network.cpu()
        else:
            network = self._rescued
        metrics = {"steps": float(self.step), "minutes": round(self.budget.elapsed / 60, 3)}
        if self.losses:
            metrics["loss"] = statistics.fmean(self.losses[-20:])
        chosen = None
        if self.validation.best is not None:
            metrics["val_miou"], _, chosen = self.validation.best
        card = self._card.model_copy(update={"metrics": metrics})
        return Segmenter(network.eval(), card), chosen

    def release(self) -> None:
        """Drop what holds memory on the device."""
        del self._network, self._average, self._optimiser, self._sampler
        free_memory(self.compute.device)


def _optimiser(network: nn.Module, settings: FinetuneSettings) -> torch.optim.Optimizer:
    """Adam or AdamW with a lower learning rate for the encoder."""
    encoder = list(network.encoder.parameters())  # type: ignore[union-attr]
    known = {id(p) for p in encoder}
    rest = [p for p in network.parameters() if id(p) not in known]
    groups = [
        {"params": encoder, "highest": settings.learning_rate * settings.encoder_rate},
        {"params": rest, "highest": settings.learning_rate},
    ]
    make = torch.optim.AdamW if settings.optimiser == "adamw" else torch.optim.Adam
    return make(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)
