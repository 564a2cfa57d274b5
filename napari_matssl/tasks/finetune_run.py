"""The state of one fine-tuning run: network, optimiser, average, best model so far."""

import statistics
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from napari_matssl.errors import ComputeError, InputError
from napari_matssl.labels.classes import ClassTable
from napari_matssl.labels.painted import (
    IGNORE,
    PaintedMicrograph,
    painted_pixels,
    to_targets,
)
from napari_matssl.learn.averaging import AveragedNetwork, snapshot
from napari_matssl.learn.batchnorm import keep_statistics
from napari_matssl.learn.crops import Batch, CropSampler, PreparedImage
from napari_matssl.learn.device import Compute, device_errors, free_memory, is_out_of_memory
from napari_matssl.learn.encoders import load_start_weights
from napari_matssl.learn.inference import Segmentation, segment
from napari_matssl.learn.losses import is_finite, masked_cross_entropy, segmentation_loss
from napari_matssl.learn.metrics import RunningScores, Scores, confusion_matrix, scores
from napari_matssl.learn.pixel_fit import fit
from napari_matssl.learn.residual_unet import ResidualUnet
from napari_matssl.learn.schedule import Budget, rate_factor
from napari_matssl.learn.segmenter import Segmenter, adopt, build_network, known_classes
from napari_matssl.learn.self_training import confident_targets, strength
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.layering import find_layering
from napari_matssl.progress import Control, Preview, Progress, drain
from napari_matssl.settings import FinetuneSettings, PredictSettings
from napari_matssl.tasks.finetune_inputs import describe, prepare_all

PREVIEW_SECONDS = 3.0
"""Shortest time between two previews."""

PREVIEW_SHARE = 0.1
"""Largest share of a run's time that goes into previews."""


@dataclass
class FinetuneRun:
    """One run. Parameters as of :func:`~napari_matssl.tasks.finetune.finetune`."""

    painted: Sequence[PaintedMicrograph]
    table: ClassTable
    settings: FinetuneSettings
    validation: list[PaintedMicrograph]
    start: Segmenter | None
    compute: Compute
    budget: Budget
    on_view: Callable[[], Micrograph | None] | None = None
    step: int = 0
    losses: list[float] = field(default_factory=list)
    last_scores: dict[str, float] = field(default_factory=dict)
    shrunk: str = ""
    _best: tuple[float, dict[str, Tensor], Scores] | None = None
    _validated: float = 0.0
    _validated_step: int = -1
    _next_preview: float = 0.0

    def __post_init__(self) -> None:
        settings = self.settings
        random = np.random.default_rng(settings.seed)
        card = describe(self.painted, self.table, settings, self.start)
        images = prepare_all(self.painted, settings, card)
        self._check_validation()
        layers = settings.layers
        if layers == "auto":
            layers = find_layering([p.micrograph for p in self.painted])
        self._sampler = CropSampler(images, settings, random, layers)
        self._running = RunningScores(self.table.names)
        network = build_network(
            card.encoder_name, len(self.table), settings.seed, card.architecture
        )
        if self.start is not None:
            adopt(network, self.table, self.start)
            origin = f"went on from a {self.start.card.start} model"
        else:
            origin = load_start_weights(network.encoder, card.encoder_name, settings.encoder)  # type: ignore[arg-type]
        self._card = card.model_copy(update={"start": origin})
        self._network = self.compute.place(network)
        self._frequencies = self._fit_classifier(images)
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
        if not isinstance(self._network, ResidualUnet):
            return None
        known: Collection[int] = ()
        if self.start is not None and self.start.card.architecture == "residual-unet++":
            known = known_classes(self.table, self.start)
        self._network.eval()
        with device_errors("fitting"):
            frequencies = fit(self._network, images, self.compute, self.settings.seed, known)
        return frequencies.to(self.compute.device)

    def _check_validation(self) -> None:
        """Find out now whether there is anything to validate on."""
        if not self.validation:
            return
        unlabelled = self.settings.unlabelled
        targets = [to_targets(one, self.table, unlabelled) for one in self.validation]
        if not any(painted_pixels(targets, self.table).values()):
            names = ", ".join(one.micrograph.name for one in self.validation[:3])
            raise InputError(
                f"Nothing is painted in the images to validate on ({names}).",
                "Paint on them, or leave out --val-fraction or the split's val.",
            )

    @property
    def epoch(self) -> int:
        """Which pass over all crops this is, from 1."""
        return self.step // self._sampler.steps_per_epoch + 1

    @property
    def metrics(self) -> dict[str, float]:
        """Figures of the last step and the last validation."""
        training = {f"iou_{name}": iou for name, iou in self._running.ious.items()}
        place = {"step": float(self.step), "epoch": float(self.epoch)}
        return {**place, "loss": self.losses[-1], **training, **self.last_scores}

    def advance(self, fraction: float) -> float | None:
        """Do one step; None if memory ran out and the next step will be smaller."""
        settings = self.settings
        factor = rate_factor(fraction, settings.warmup, 0.01, settings.cosine)
        for group in self._optimiser.param_groups:
            group["lr"] = group["highest"] * factor
        batch = self._sampler.batch()
        try:
            with device_errors("training"):
                loss = self._learn(batch, fraction)
        except ComputeError as error:
            if error.__cause__ is None or not is_out_of_memory(error.__cause__):
                raise
            if not self._sampler.halve():
                raise
            self._optimiser.zero_grad(set_to_none=True)
            free_memory(self.compute)
            if self.settings.epochs is not None:
                steps = self.settings.epochs * self._sampler.steps_per_epoch
                self.budget.replan(self.step, steps)
            self.shrunk = f"Out of memory: batches of {self._sampler.batch_size} now."
            return None
        self.step += 1
        self.losses.append(loss)
        return loss

    def _learn(self, batch: Batch, fraction: float) -> float:
        targets = batch.targets.to(self.compute.device)
        weight = self.settings.self_training * strength(fraction, batch.targets)
        taught = self._teach(batch.plain, targets) if weight > 0 else None
        self._network.train()
        if self.settings.freeze_batch_norm:
            keep_statistics(self._network.get_submodule("encoder"))
        with self.compute.autocast():
            logits = self._network(self.compute.place_images(batch.images))
        loss = self._loss(logits, targets)
        if taught is not None:
            loss = loss + weight * masked_cross_entropy(logits, taught)
        if not is_finite(loss):
            raise ComputeError(
                f"The loss was {loss.item()} at step {self.step + 1}: training has diverged.",
                "Use a lower learning rate, or the interactive preset.",
            )
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self._average.update(self._network)
        channels = logits.detach().argmax(dim=1).to("cpu", torch.uint8)
        self._running.add(batch.targets.numpy(), channels.numpy())
        return float(loss.item())

    def _teach(self, images: Tensor, targets: Tensor) -> Tensor | None:
        """Let the averaged network say what unpainted pixels are; None without a classifier."""
        network = self._average.network
        if not isinstance(network, ResidualUnet):
            return None
        with torch.no_grad(), self.compute.autocast():
            opinions = network.eval().opinions(self.compute.place_images(images))
        return confident_targets(*opinions, targets, self.settings.confidence)

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        settings = self.settings
        return segmentation_loss(
            logits, targets, settings.cross_entropy, settings.balance, self._frequencies
        )

    @property
    def validation_due(self) -> bool:
        """Whether the next validation is to be done now; none in the first fifth of a run."""
        if not self.validation:
            return False
        fraction = self.budget.fraction(self.step)
        return 0.2 < fraction < 1 and fraction - self._validated >= 1 / self.settings.validations

    def validate(self) -> Generator[Progress, Control | None, bool]:
        """Score the averaged model on the validation images and keep it if it is the best.

        Returns whether STOP was sent meanwhile.
        """
        if not self.validation or self.step == self._validated_step:
            return False
        stopped = False
        begin = self.budget.elapsed
        network = self._average.network.eval()
        total = np.zeros((len(self.table), len(self.table)), dtype=np.int64)
        losses = []
        for index, painted in enumerate(self.validation):
            micrograph = painted.micrograph
            job = segment(network, self._card, micrograph, self.compute, _VALIDATING, True)
            segmentation = drain(job)
            assert segmentation is not None  # nobody sends STOP into this job
            total += confusion_matrix(painted.labels, segmentation.mask, self.table.ids)
            losses.append(self._validation_loss(painted, segmentation))
            progress = Progress("validating", index + 1, len(self.validation))
            stopped |= (yield progress) is Control.STOP
        result = scores(total, self.table.names)
        miou = result.miou or 0.0
        self.last_scores = {"val_miou": miou, "val_loss": statistics.fmean(losses)}
        self.last_scores |= {
            f"val_iou_{name}": c.iou for name, c in result.classes.items() if c.iou is not None
        }
        if self._best is None or miou >= self._best[0]:
            self._best = (miou, snapshot(network), result)
        self._validated_step = self.step
        self._validated = self.budget.fraction(self.step)
        self.budget.reserve = self.budget.elapsed - begin
        return stopped

    def _validation_loss(self, painted: PaintedMicrograph, found: Segmentation) -> float:
        """Compute the training loss over the labelled pixels of one validation image."""
        assert found.probabilities is not None  # asked for in validate()
        targets = to_targets(painted, self.table, self.settings.unlabelled)
        labelled = targets != IGNORE
        values = np.maximum(found.probabilities[:, labelled], 0.5) / 255  # (K, n)
        logits = torch.from_numpy(np.log(values, dtype=np.float32))[None, :, None]
        return float(self._loss(logits, torch.from_numpy(targets[labelled])[None, None]))

    @property
    def preview_due(self) -> bool:
        """Whether it is time to show what the model makes of the image that is looked at."""
        return self.on_view is not None and self.budget.elapsed >= self._next_preview

    def preview(self) -> Generator[Progress, Control | None, bool]:
        """Segment the image that is looked at with the model as it is.

        Returns whether STOP was sent meanwhile.
        """
        micrograph = self.on_view() if self.on_view is not None else None
        begin = self.budget.elapsed
        if micrograph is None:
            self._next_preview = begin + PREVIEW_SECONDS
            return False
        network = self._average.network.eval()
        job = segment(network, self._card, micrograph, self.compute, _VALIDATING)
        fraction = self.budget.fraction(self.step)
        while True:
            try:
                inner = next(job)
            except StopIteration as end:
                segmentation: Segmentation = end.value
                break
            if inner.step >= inner.total:
                continue  # it only has to be put together
            if (yield Progress("fine-tuning", fraction, 1, self.metrics)) is Control.STOP:
                return True  # without a preview: whoever stops doesn't want to wait
        cost = self.budget.elapsed - begin
        self._next_preview = begin + max(PREVIEW_SECONDS, cost / PREVIEW_SHARE)
        picture = Preview(micrograph.name, 0, 0, segmentation.mask)
        shown = Progress("fine-tuning", fraction, 1, self.metrics, preview=picture)
        return (yield shown) is Control.STOP

    def choose_best(self) -> None:
        """Go back to the best model; the last one stays where nothing was validated."""
        if self._best is not None:
            self._average.network.load_state_dict(self._best[1])

    def trained(self) -> tuple[Segmenter, Scores | None]:
        """Return the model and its scores on the validation images."""
        network = self._average.network
        metrics = {"steps": float(self.step), "minutes": round(self.budget.elapsed / 60, 3)}
        if self.losses:
            metrics["loss"] = statistics.fmean(self.losses[-20:])
        chosen = None
        if self._best is not None:
            metrics["val_miou"], _, chosen = self._best
        card = self._card.model_copy(update={"metrics": metrics})
        return Segmenter(network.cpu().eval(), card), chosen

    def release(self) -> None:
        """Drop what holds memory on the device."""
        del self._network, self._average, self._optimiser, self._sampler
        free_memory(self.compute)


_VALIDATING = PredictSettings(multiscale=False)


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
