"""Pretrain an encoder on unlabelled micrographs by MatSSL's contrastive method."""

import json
import logging
import statistics
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from napari_matssl.errors import ComputeError, InputError, ModelFileError
from napari_matssl.files import check_writable
from napari_matssl.learn.batchnorm import fresh_statistics
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.device import (
    Compute,
    choose_compute,
    device_errors,
    free_memory,
    is_out_of_memory,
    seeded,
)
from napari_matssl.learn.encoders import build_encoder, load_start_weights
from napari_matssl.learn.gated import ContrastiveNetwork
from napari_matssl.learn.losses import is_finite
from napari_matssl.learn.modelfile import load_checked, read_tensors, write_tensors
from napari_matssl.learn.ntxent import nt_xent
from napari_matssl.learn.patches import PatchSet
from napari_matssl.learn.schedule import Budget, rate_factor
from napari_matssl.learn.views import make_view
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Control, Job, Progress
from napari_matssl.settings import PretrainSettings
from napari_matssl.tasks.inputs import fingerprint

log = logging.getLogger(__name__)

SMALLEST_BATCH = 2

MOST_PATCHES = 1024
"""Patches that are enough for batch-norm statistics."""


@dataclass(frozen=True)
class PretrainResult:
    """A pretrained encoder and how it came about.

    Parameters
    ----------
    card
        What the encoder's file says of it.
    tensors
        The encoder's weights; gates and projection head are left behind.
    epoch_losses
        Mean NT-Xent loss of every finished epoch.
    patches
        How many patches there were.
    complete
        The budget was used; False after STOP.
    """

    card: ModelCard
    tensors: dict[str, Tensor]
    epoch_losses: tuple[float, ...]
    patches: int
    complete: bool

    def write(self, path: Path) -> None:
        """Write the encoder atomically."""
        write_tensors(path, self.card, self.tensors)


def checkpoint_path(out: Path) -> Path:
    """Where the state of an unfinished pretraining is kept."""
    return out.with_name(f"{out.stem}.checkpoint.safetensors")


def pretrain(
    micrographs: Sequence[Micrograph],
    settings: PretrainSettings,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> Job[PretrainResult]:
    """Pretrain an encoder on unlabelled micrographs.

    Two views of every patch go through the same encoder; the gated features of its last four
    stages are projected and compared by NT-Xent (MatSSL, section 1).

    Parameters
    ----------
    micrographs
        Images to learn from; test images do not belong here.
    settings
        Recipe and budget.
    checkpoint
        File that keeps the state after every epoch.
    resume
        Go on from `checkpoint`, with the same losses as an uninterrupted run where the budget is
        in epochs.

    Yields
    ------
    A progress per step; sent STOP, the job returns the encoder as it is.

    Raises
    ------
    InputError
        If an image can't be used, or there are fewer than two patches.
    SettingsError, WeightsError, ModelFileError, DeviceError
        If the encoder, its weights, the checkpoint or the device can't be had.
    ComputeError
        If memory doesn't suffice, or the loss isn't finite.
    """
    budget = Budget(None, None if settings.minutes is None else 60 * settings.minutes)
    patches = PatchSet(micrographs, settings)
    if len(patches) < SMALLEST_BATCH:
        raise InputError(
            f"{micrographs[0].name if micrographs else 'The folder'} gives {len(patches)} patch "
            f"of {settings.patch_size} px; at least {SMALLEST_BATCH} are needed to compare.",
            "Add images, or use a smaller --patch-size or a larger --overlap.",
        )
    if checkpoint is not None:
        check_writable(checkpoint)
    compute = choose_compute(settings.device)
    message = f"{len(patches)} patches of {len(micrographs)} images; {compute.describe()}"
    stopped = (yield Progress("preparing", 0, 1, message=message)) is Control.STOP
    run = _Pretraining(micrographs, patches, settings, compute, budget)
    if resume and checkpoint is not None:
        run.restore(checkpoint)
        resumed = Progress("preparing", 1, 1, message=f"Going on after epoch {run.epoch}.")
        stopped |= (yield resumed) is Control.STOP
    try:
        while budget.fraction(run.step) < 1 and not stopped:
            finished = run.epoch
            stopped = (yield from run.one_epoch()) is Control.STOP
            if checkpoint is not None and run.epoch > finished:
                run.save(checkpoint)
        yield from run.refresh_statistics()
        return run.result(complete=not stopped)
    finally:
        run.release()


class _Pretraining:
    """The state of one run: network, optimiser, epoch, losses."""

    def __init__(
        self,
        micrographs: Sequence[Micrograph],
        patches: PatchSet,
        settings: PretrainSettings,
        compute: Compute,
        budget: Budget,
    ) -> None:
        self.settings, self.patches, self.compute, self.budget = settings, patches, compute, budget
        encoder = build_encoder(settings.encoder, settings.seed)
        origin = load_start_weights(encoder, settings.encoder, settings.init)
        with seeded(settings.seed):
            network = ContrastiveNetwork(
                encoder,
                encoder.out_channels,  # type: ignore[arg-type]
                settings.gate,
                settings.projection_hidden,
                settings.projection_out,
            )
        self.network = compute.place(network)
        self.optimiser = torch.optim.SGD(
            self.network.parameters(),
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
        self.card = ModelCard(
            kind="encoder",
            encoder_name=settings.encoder,
            channels=patches.channels,
            normalisation=settings.normalisation,
            settings=settings.model_dump(mode="json"),
            training_images=tuple(fingerprint(m) for m in micrographs),
            start=f"MatSSL on {len(micrographs)} images, from {origin}",
        )
        self.batch_size = min(settings.batch_size, len(patches))
        if settings.epochs is not None:
            budget.steps = settings.epochs * self.steps_per_epoch
        self.epoch = 0
        self.step = 0
        self.epoch_losses: list[float] = []
        self._first_step = (0.0, 0)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches only: a rest of one patch would have no negatives."""
        return max(1, len(self.patches) // self.batch_size)

    def one_epoch(self) -> Generator[Progress, Control | None, Control | None]:
        """Go once through all patches, in an order and with views that seed and epoch decide."""
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.patches), generator=generator).tolist()
        losses: list[float] = []
        self._first_step = (self.budget.elapsed, self.step)
        position, stopped = 0, False
        while position == 0 or position + self.batch_size <= len(order):
            fraction = self.budget.fraction(self.step)
            if fraction >= 1 or stopped:
                return Control.STOP if stopped else None
            numbers = order[position : position + self.batch_size]
            loss = yield from self._step(numbers, fraction, generator)
            position += self.batch_size  # smaller than before where memory ran out
            losses.append(loss)
            self.step += 1
            self._keep_time()
            metrics = {"loss": loss, "epoch": float(self.epoch + 1)}
            progress = Progress("pretraining", self.budget.fraction(self.step), 1, metrics)
            stopped = (yield progress) is Control.STOP
        self.epoch += 1
        self.epoch_losses.append(statistics.fmean(losses))
        return Control.STOP if stopped else None

    def _step(
        self, numbers: list[int], fraction: float, generator: torch.Generator
    ) -> Generator[Progress, Control | None, float]:
        """Learn from one batch; where memory is short, from its parts, one after another."""
        settings = self.settings
        floor = settings.final_learning_rate / settings.learning_rate
        for group in self.optimiser.param_groups:
            group["lr"] = settings.learning_rate * rate_factor(fraction, 0.0, floor)
        while True:
            try:
                with device_errors("pretraining"):
                    return self._learn(numbers, generator)
            except ComputeError as error:
                if error.__cause__ is None or not is_out_of_memory(error.__cause__):
                    raise
                if len(numbers) // 2 < SMALLEST_BATCH:
                    raise
            numbers = numbers[: len(numbers) // 2]
            self.batch_size = len(numbers)
            if self.settings.epochs is not None:
                self.budget.replan(self.step, self.settings.epochs * self.steps_per_epoch)
            self.optimiser.zero_grad(set_to_none=True)
            free_memory(self.compute)
            yield Progress(
                "pretraining", fraction, 1, message=f"Out of memory: batches of {len(numbers)} now."
            )

    def _learn(self, numbers: list[int], generator: torch.Generator) -> float:
        device = self.compute.device
        patches, mean, std = (t.to(device) for t in self.patches.take(numbers))
        views = torch.cat(
            [make_view(patches, mean, std, self.settings, generator) for _ in range(2)]
        )
        self.network.train()
        with self.compute.autocast():
            embeddings = self.network(self.compute.place_images(views))  # (2N, D)
        first, second = embeddings.float().chunk(2)
        loss = nt_xent(first, second, self.settings.temperature)
        if not is_finite(loss):
            raise ComputeError(
                f"The loss was {loss.item()} at step {self.step + 1}: training has diverged.",
                "Use the gentle preset or a lower learning rate.",
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return float(loss.item())

    def _keep_time(self) -> None:
        """Keep time for the statistics: a patch takes about a sixth of what it takes to learn."""
        begin, step = self._first_step
        per_patch = (self.budget.elapsed - begin) / max(self.step - step, 1) / self.batch_size
        count = min(len(self.patches), max(self.batch_size, MOST_PATCHES))
        self.budget.reserve = min(count * per_patch / 6, 0.3 * (self.budget.seconds or 0))

    def refresh_statistics(self) -> Generator[Progress, Control | None, None]:
        """Recompute the batch norms' running statistics over patches as fine-tuning sees them.

        They lag behind the weights; stale ones cost 7 points of mIoU where fine-tuning freezes
        them.
        """
        encoder = self.network.get_submodule("encoder")
        generator = torch.Generator().manual_seed(self.settings.seed)
        order = torch.randperm(len(self.patches), generator=generator).tolist()
        order = order[: max(self.batch_size, MOST_PATCHES)]
        self.network.train()
        with fresh_statistics(encoder):
            for begin in range(0, len(order), self.batch_size):
                numbers = order[begin : begin + self.batch_size]
                if begin and len(numbers) < SMALLEST_BATCH:
                    break  # the smallest patches leave one value per channel: no spread
                patches, mean, std = (t.to(self.compute.device) for t in self.patches.take(numbers))
                images = (patches - mean[:, :, None, None]) / std[:, :, None, None]
                images = images.expand(-1, 3, -1, -1)
                with (
                    device_errors("recomputing batch-norm statistics"),
                    torch.no_grad(),
                    self.compute.autocast(),
                ):
                    encoder(self.compute.place_images(images))
                yield Progress("recomputing batch-norm statistics", begin, len(order))

    def save(self, path: Path) -> None:
        """Keep everything that is needed to go on after this epoch."""
        state = self.optimiser.state_dict()["state"]
        tensors = {f"network.{k}": t for k, t in self.network.state_dict().items()}
        tensors |= {f"momentum.{k}": s["momentum_buffer"] for k, s in state.items()}
        losses = {f"epoch_{n:06d}": loss for n, loss in enumerate(self.epoch_losses)}
        losses |= {"step": float(self.step), "seconds": self.budget.elapsed}
        card = self.card.model_copy(update={"kind": "checkpoint", "metrics": losses})
        write_tensors(path, card, tensors)

    def restore(self, path: Path) -> None:
        """Go on from a file that :meth:`save` wrote.

        Raises
        ------
        ModelFileError
            If there is none, it is damaged, or it belongs to other settings or images.
        """
        if not path.exists():
            raise ModelFileError(
                f"There is no checkpoint {path} to resume from.", "Start without --resume."
            )
        card, tensors = read_tensors(path, kind="checkpoint")
        for what, theirs, own in (
            ("settings", card.settings, json.loads(json.dumps(self.card.settings))),
            ("images", card.training_images, self.card.training_images),
        ):
            if theirs != own:
                raise ModelFileError(
                    f"The checkpoint {path} was made with other {what}.",
                    f"Give the same {what} as before, or start without --resume.",
                )
        network = {k.removeprefix("network."): t for k, t in tensors.items() if "network." in k}
        load_checked(self.network, network, path)
        state = self.optimiser.state_dict()
        state["state"] = {
            int(k.removeprefix("momentum.")): {"momentum_buffer": t}
            for k, t in tensors.items()
            if k.startswith("momentum.")
        }
        self.optimiser.load_state_dict(state)
        metrics = dict(card.metrics)
        self.step = int(metrics.pop("step"))
        self.budget.spent_before = metrics.pop("seconds")
        self.epoch_losses = [metrics[k] for k in sorted(metrics)]
        self.epoch = len(self.epoch_losses)

    def result(self, complete: bool) -> PretrainResult:
        """Return the encoder without gates and projection head."""
        metrics = {"epochs": float(self.epoch), "steps": float(self.step)}
        if self.epoch_losses:
            metrics["loss"] = self.epoch_losses[-1]
        metrics["minutes"] = round(self.budget.elapsed / 60, 3)
        card = self.card.model_copy(update={"metrics": metrics})
        # As a segmenter names them, so that both kinds of file hold an encoder in the same way.
        tensors = {
            f"encoder.{name}": tensor.detach().cpu().clone()
            for name, tensor in self.network.get_submodule("encoder").state_dict().items()
        }
        return PretrainResult(card, tensors, tuple(self.epoch_losses), len(self.patches), complete)

    def release(self) -> None:
        """Drop what holds memory on the device."""
        del self.network, self.optimiser
        free_memory(self.compute)
