"""Train U-Net++ on painted micrographs."""

import logging
import statistics
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from napari_matssl.errors import ComputeError, InputError
from napari_matssl.labels.classes import ClassTable
from napari_matssl.labels.painted import (
    PaintedMicrograph,
    check_paintable,
    painted_pixels,
    to_targets,
)
from napari_matssl.learn.averaging import AveragedNetwork, snapshot
from napari_matssl.learn.batchnorm import keep_statistics
from napari_matssl.learn.card import Channels, ModelCard
from napari_matssl.learn.crops import CropSampler, prepare
from napari_matssl.learn.device import (
    Compute,
    choose_compute,
    device_errors,
    free_memory,
    is_out_of_memory,
)
from napari_matssl.learn.encoders import load_start_weights
from napari_matssl.learn.inference import magnification, segment
from napari_matssl.learn.losses import is_finite, segmentation_loss
from napari_matssl.learn.metrics import Scores, confusion_matrix, scores
from napari_matssl.learn.schedule import Budget, rate_factor
from napari_matssl.learn.segmenter import Segmenter, adopt, build_network
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Control, Job, Progress, drain
from napari_matssl.settings import FinetuneSettings, PredictSettings
from napari_matssl.tasks.inputs import fingerprint

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FinetuneResult:
    """A trained segmenter and how it came about.

    Parameters
    ----------
    segmenter
        In evaluation mode, on the CPU.
    losses
        Training loss of every step.
    validation
        Scores of the chosen model on the validation images, None without any.
    """

    segmenter: Segmenter
    losses: tuple[float, ...]
    validation: Scores | None


def finetune(
    painted: Sequence[PaintedMicrograph],
    table: ClassTable,
    settings: FinetuneSettings,
    validation: Sequence[PaintedMicrograph] = (),
    start: Segmenter | None = None,
) -> Job[FinetuneResult]:
    """Train U-Net++ on painted micrographs.

    Parameters
    ----------
    painted
        Micrographs to learn from. The arrays are copied before the first progress.
    table
        The classes, without the unpainted value.
    settings
        Recipe and budget. With ``val_fraction``, images are drawn from `painted` to validate.
    validation
        Micrographs that choose the best model; none keeps the last one.
    start
        Go on from this segmenter instead of from an encoder.

    Yields
    ------
    A progress per step; sent STOP, the job returns the best model so far.

    Raises
    ------
    InputError
        If nothing or a single class is painted, or an image or label can't be used.
    SettingsError, WeightsError, ModelFileError, DeviceError
        If the encoder, its weights or the device can't be had.
    ComputeError
        If memory doesn't suffice, or the loss isn't finite.
    """
    budget = Budget(None, None if settings.minutes is None else 60 * settings.minutes)
    if not validation and settings.val_fraction > 0:
        painted, validation = _split(painted, settings)
    compute = choose_compute(settings.device)
    message = f"Device: {compute.describe()}"
    stopped = (yield Progress("preparing", 0, 1, message=message)) is Control.STOP
    training = _Training(painted, table, settings, list(validation), start, compute, budget)
    try:
        # Asked to stop before the first step, a run still makes one: it has to return a model.
        while (fraction := budget.fraction(training.step)) < 1 and not (stopped and training.step):
            loss = training.advance(fraction)
            if loss is None:
                shrunk = Progress("fine-tuning", fraction, 1, message=training.shrunk)
                stopped |= (yield shrunk) is Control.STOP
                continue
            if training.validation_due:
                stopped |= yield from training.validate()
            metrics = {"loss": loss, **training.last_scores}
            progress = Progress("fine-tuning", budget.fraction(training.step), 1, metrics)
            stopped |= (yield progress) is Control.STOP
        if training.step == 0:
            raise InputError(
                f"Reading the images took all of {settings.minutes:g} minutes.",
                "Give more --minutes, or fewer or smaller images.",
            )
        yield from training.validate()
        return training.result()
    finally:
        training.release()


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


@dataclass
class _Training:
    """The state of one run: network, optimiser, average, best model so far."""

    painted: Sequence[PaintedMicrograph]
    table: ClassTable
    settings: FinetuneSettings
    validation: list[PaintedMicrograph]
    start: Segmenter | None
    compute: Compute
    budget: Budget
    step: int = 0
    losses: list[float] = field(default_factory=list)
    last_scores: dict[str, float] = field(default_factory=dict)
    shrunk: str = ""
    _best: tuple[float, dict[str, Tensor], Scores] | None = None
    _validated: float = 0.0
    _validated_step: int = -1

    def __post_init__(self) -> None:
        settings = self.settings
        random = np.random.default_rng(settings.seed)
        channels: Channels = "rgb" if any(p.micrograph.is_rgb for p in self.painted) else "grey"
        pixel_size = _common_pixel_size([p.micrograph for p in self.painted])
        scale = settings.scale or automatic_scale([p.micrograph for p in self.painted])
        if self.start is not None:
            start = self.start.card
            channels, pixel_size, scale = start.channels, start.pixel_size_um, start.scale
        card = ModelCard(
            kind="segmenter",
            encoder_name=self.start.card.encoder_name if self.start else settings.encoder_name,
            channels=channels,
            normalisation=(self.start.card.normalisation if self.start else settings.normalisation),
            classes=self.table,
            unlabelled=settings.unlabelled,
            pixel_size_um=pixel_size,
            scale=scale,
            settings=settings.model_dump(mode="json"),
            training_images=tuple(fingerprint(p.micrograph) for p in self.painted),
        )
        used = settings.model_copy(update={"normalisation": card.normalisation})
        images = [
            prepare(p, self.table, used, magnification(card, p.micrograph), channels)
            for p in self.painted
        ]
        check_paintable(painted_pixels((image.targets for image in images), self.table), self.table)
        self._check_validation()
        self._sampler = CropSampler(images, settings, random)
        network = build_network(card.encoder_name, len(self.table), settings.seed)
        if self.start is not None:
            adopt(network, self.table, self.start)
            origin = f"went on from a {self.start.card.start} model"
        else:
            origin = load_start_weights(network.encoder, card.encoder_name, settings.encoder)  # type: ignore[arg-type]
        self._card = card.model_copy(update={"start": origin})
        self._network = self.compute.place(network)
        self._average = AveragedNetwork(self._network, settings.averaging)
        self._optimiser = _optimiser(self._network, settings)
        if settings.epochs is not None:
            self.budget.steps = settings.epochs * self._sampler.steps_per_epoch

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

    def advance(self, fraction: float) -> float | None:
        """Do one step; None if memory ran out and the next step will be smaller."""
        settings = self.settings
        factor = rate_factor(fraction, settings.warmup, 0.01, settings.cosine)
        for group in self._optimiser.param_groups:
            group["lr"] = group["highest"] * factor
        batch = self._sampler.batch()
        try:
            with device_errors("training"):
                loss = self._learn(batch.images, batch.targets)
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

    def _learn(self, images: Tensor, targets: Tensor) -> float:
        self._network.train()
        if self.settings.freeze_batch_norm:
            keep_statistics(self._network.get_submodule("encoder"))
        with self.compute.autocast():
            logits = self._network(self.compute.place_images(images))
        loss = segmentation_loss(
            logits,
            targets.to(self.compute.device),
            self.settings.cross_entropy,
            self.settings.balance,
        )
        if not is_finite(loss):
            raise ComputeError(
                f"The loss was {loss.item()} at step {self.step + 1}: training has diverged.",
                "Use a lower learning rate, or the interactive preset.",
            )
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self._average.update(self._network)
        return float(loss.item())

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
        for index, painted in enumerate(self.validation):
            job = segment(network, self._card, painted.micrograph, self.compute, _VALIDATING)
            segmentation = drain(job)
            assert segmentation is not None  # nobody sends STOP into this job
            total += confusion_matrix(painted.labels, segmentation.mask, self.table.ids)
            progress = Progress("validating", index + 1, len(self.validation))
            stopped |= (yield progress) is Control.STOP
        result = scores(total, self.table.names)
        miou = result.miou or 0.0
        self.last_scores = {"val_miou": miou}
        self.last_scores |= {
            f"val_iou_{name}": c.iou for name, c in result.classes.items() if c.iou is not None
        }
        if self._best is None or miou >= self._best[0]:
            self._best = (miou, snapshot(network), result)
        self._validated_step = self.step
        self._validated = self.budget.fraction(self.step)
        self.budget.reserve = self.budget.elapsed - begin
        return stopped

    def result(self) -> FinetuneResult:
        """Return the best model, or the last one where nothing was validated."""
        network = self._average.network
        metrics = {"steps": float(self.step), "minutes": round(self.budget.elapsed / 60, 3)}
        if self.losses:
            metrics["loss"] = statistics.fmean(self.losses[-20:])
        chosen = None
        if self._best is not None:
            metrics["val_miou"], tensors, chosen = self._best
            network.load_state_dict(tensors)
        card = self._card.model_copy(update={"metrics": metrics})
        return FinetuneResult(Segmenter(network.cpu().eval(), card), tuple(self.losses), chosen)

    def release(self) -> None:
        """Drop what holds memory on the device."""
        del self._network, self._average, self._optimiser, self._sampler
        free_memory(self.compute)


_VALIDATING = PredictSettings()


def automatic_scale(micrographs: Sequence[Micrograph]) -> float:
    """Magnification at which the median image's shorter side is about 512 px, at most 1.

    A crop then shows a good part of the image. Measured in docs/benchmarks.md.
    """
    side = statistics.median(min(m.specimen.shape[:2]) for m in micrographs)
    return float(min(1.0, max(0.1, _WORKING_SIDE / side)))


_WORKING_SIDE = 512


def _common_pixel_size(micrographs: Sequence[Micrograph]) -> float | None:
    """Median um/px, None unless all images are calibrated."""
    sizes = [m.pixel_size.mean_um for m in micrographs if m.pixel_size is not None]
    return statistics.median(sizes) if sizes and len(sizes) == len(micrographs) else None


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
