"""Pretraining epoch by epoch: views, losses, statistics of batch norm."""

import statistics
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from napari_matssl.errors import OutOfMemoryError, printable
from napari_matssl.learn.batchnorm import fresh_statistics, keep_statistics
from napari_matssl.learn.card import EncoderCard, LeftOutTwin
from napari_matssl.learn.device import Compute
from napari_matssl.learn.device_errors import device_errors, free_memory
from napari_matssl.learn.encoders import build_encoder
from napari_matssl.learn.joint_batchnorm import join_norms
from napari_matssl.learn.methods import TITLES, build_method
from napari_matssl.learn.pretraining_patches import PatchSet
from napari_matssl.learn.schedule import Budget, rate_factor
from napari_matssl.learn.start_weights import load_start_weights
from napari_matssl.learn.trainer import Trainer
from napari_matssl.learn.views import make_view
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.twins import Twin
from napari_matssl.progress import Control, Progress
from napari_matssl.settings import PretrainSettings
from napari_matssl.tasks.inputs import fingerprint

SMALLEST_BATCH = 2

_STATISTICS = "recomputing batch-norm statistics"

MOST_PATCHES = 1024
"""Patches that are enough for batch-norm statistics."""


@dataclass
class PatchBatches:
    """Division of the patches into batches.

    Parameters
    ----------
    patches
        How many there are.
    batch_size
        Patches per step.
    """

    patches: int
    batch_size: int

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches only: a single remaining patch would have no negatives."""
        return max(1, self.patches // self.batch_size)

    def halve(self) -> bool:
        """Halve the memory needed; False at the smallest batch that can be compared."""
        if self.batch_size // 2 < SMALLEST_BATCH:
            return False
        self.batch_size //= 2
        return True


class Training:
    """Training of a method within a budget.

    Parameters as of :func:`~napari_matssl.tasks.pretrain.job.pretrain`.
    """

    def __init__(
        self,
        micrographs: Sequence[Micrograph],
        patches: PatchSet,
        settings: PretrainSettings,
        compute: Compute,
        budget: Budget,
        left_out: Sequence[Twin] = (),
    ) -> None:
        self.settings, self.patches, self.compute, self.budget = settings, patches, compute, budget
        encoder = build_encoder(settings.encoder, settings.seed)
        origin = load_start_weights(encoder, settings.encoder, settings.weights)
        self._start = {name: p.detach().clone() for name, p in encoder.named_parameters()}
        self.method = build_method(encoder, settings, len(patches))
        compute.place(self.method)
        self.method.ranks = compute.ranks
        compute.ranks.equalise(self.method)
        join_norms(self.method, compute.ranks)
        self._keeps_statistics = settings.freeze_batch_norm and settings.weights != "random"
        self.card = EncoderCard(
            encoder=settings.encoder,
            channels=patches.channels,
            intensity_scaling=settings.intensity_scaling,
            settings=settings.model_dump(mode="json"),
            training_images=tuple(fingerprint(m) for m in micrographs),
            left_out=tuple(
                LeftOutTwin(
                    name=printable(one.name),
                    like=printable(one.like),
                    correlation=one.correlation,
                    share=one.share,
                )
                for one in left_out
            ),
            start=f"{TITLES[settings.method]} on {len(micrographs)} images, from {origin}",
        )
        self.batches = PatchBatches(len(patches), min(settings.batch_size, len(patches)))
        floor = settings.final_learning_rate / settings.learning_rate
        self.trainer = Trainer(
            _optimiser(self.method, settings),
            compute,
            self.batches,
            budget,
            epochs=settings.epochs,
            rate=lambda done: rate_factor(done, 0.0, floor),
            follow=self.method.keep_up,
            doing="pretraining",
            remedy="Use the quick preset or a lower learning rate.",
        )
        self.epoch_losses: list[float] = []
        self.patches_seen = 0
        self._first_step = (0.0, 0)

    @property
    def step(self) -> int:
        """Steps that are done."""
        return self.trainer.step

    @property
    def epoch(self) -> int:
        """Epochs that are done."""
        return len(self.epoch_losses)

    def one_epoch(self) -> Generator[Progress, Control | None, Control | None]:
        """Train on all patches once; order and views depend on seed and epoch alone."""
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.patches), generator=generator).tolist()
        losses: list[float] = []
        self._first_step = (self.budget.elapsed, self.step)
        position, stopped = 0, False
        while position == 0 or position + self.batches.batch_size <= len(order):
            fraction = self.budget.fraction(self.step)
            if fraction >= 1 or stopped:
                return Control.STOP if stopped else None
            rest = order[position:]
            loss = None
            while loss is None:
                loss = self.trainer.advance(fraction, partial(self._losses, rest, generator))
                if loss is None:  # memory ran out: repeat with fewer of these patches
                    yield Progress("pretraining", fraction, 1, message=self.trainer.shrunk)
            position += self.batches.batch_size  # smaller if memory ran out
            self.patches_seen += self.batches.batch_size
            losses.append(loss)
            self._keep_time()
            metrics = {"step": float(self.step), "epoch": float(self.epoch + 1), "loss": loss}
            progress = Progress("pretraining", self.budget.fraction(self.step), 1, metrics)
            stopped = (yield progress) is Control.STOP
        self.epoch_losses.append(statistics.fmean(losses))
        return Control.STOP if stopped else None

    def _losses(self, rest: list[int], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Compute the loss of the next batch."""
        numbers, ranks = rest[: self.batches.batch_size], self.compute.ranks
        patches, mean, std = self._patches(numbers[ranks.share(len(numbers))])
        draw = ranks.drawing(generator, len(numbers))
        views = [make_view(patches, mean, std, self.settings, draw) for _ in range(2)]
        self.method.train()
        if self._keeps_statistics:
            keep_statistics(self.method)
        with self.compute.autocast():
            loss = self.method.loss(views[0], views[1], generator, len(numbers))
        return loss, loss

    def _patches(self, numbers: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Return patches from 0 to 1 on the device, with mean and std of their images."""
        patches, mean, std = map(self.compute.move, self.patches.take(numbers))
        return patches.float(), mean, std

    def _keep_time(self) -> None:
        """Keep time for the statistics: a patch takes about a sixth of what it takes to learn."""
        begin, step = self._first_step
        per_patch = (
            (self.budget.elapsed - begin) / max(self.step - step, 1) / self.batches.batch_size
        )
        count = min(len(self.patches), max(self.batches.batch_size, MOST_PATCHES))
        self.budget.reserve = min(count * per_patch / 6, 0.3 * (self.budget.seconds or 0))

    def average_with_start(self) -> None:
        """Average with the start weights, which generalise better than a small folder.

        Weights of a network before and after further training can be averaged (Wortsman et al.
        2022, WiSE-FT); statistics of batch norm that weren't kept can't, and are recomputed.
        """
        if self.settings.weights == "random":
            return
        with device_errors("averaging with the start weights"), torch.no_grad():
            for name, weights in self.method.get_submodule("encoder").named_parameters():
                weights.lerp_(self._start[name].to(weights.device), self.settings.start_share)

    def refresh_statistics(self) -> Generator[Progress, Control | None, None]:
        """Recompute the batch norms' running statistics, unless they were kept.

        They lag behind the weights; stale ones cost 7 points of mIoU where fine-tuning freezes
        them.
        """
        if self._keeps_statistics:
            return
        generator = torch.Generator().manual_seed(self.settings.seed)
        order = torch.randperm(len(self.patches), generator=generator).tolist()
        order = order[: max(self.batches.batch_size, MOST_PATCHES)]
        batch_size = self.batches.batch_size
        while True:
            try:
                return (yield from self._recompute(order, batch_size))
            except OutOfMemoryError:
                if self.compute.ranks.size > 1 or batch_size // 2 < SMALLEST_BATCH:
                    raise
            free_memory(self.compute.device)
            batch_size //= 2
            yield Progress(
                _STATISTICS, 0, 1, message=f"Out of memory: batches of {batch_size} now."
            )

    def _recompute(
        self, order: list[int], batch_size: int
    ) -> Generator[Progress, Control | None, None]:
        """Recompute statistics over these patches."""
        encoder, ranks = self.method.get_submodule("encoder"), self.compute.ranks
        self.method.train()
        with fresh_statistics(encoder):
            for begin in range(0, len(order), batch_size):
                numbers = order[begin : begin + batch_size]
                if begin and len(numbers) < max(SMALLEST_BATCH, ranks.size):
                    break  # of the smallest patches one value per channel is left, without spread
                numbers = numbers[ranks.share(len(numbers))]
                with device_errors(_STATISTICS), torch.no_grad(), self.compute.autocast():
                    patches, mean, std = self._patches(numbers)
                    images = (patches - mean[:, :, None, None]) / std[:, :, None, None]
                    encoder(self.compute.place_images(images.expand(-1, 3, -1, -1)))
                yield Progress(_STATISTICS, begin, len(order))

    def trained(self) -> tuple[EncoderCard, dict[str, Tensor]]:
        """Return the encoder's card and weights, without gates and projection head."""
        metrics = {"epochs": float(self.epoch), "steps": float(self.step)}
        metrics["patches"] = float(self.patches_seen)
        if self.epoch_losses:
            metrics["loss"] = self.epoch_losses[-1]
        metrics["minutes"] = round(self.budget.elapsed / 60, 3)
        # Named as in a segmenter, so that both kinds of file hold an encoder alike.
        with device_errors("taking the encoder from the device"):
            tensors = {
                f"encoder.{name}": tensor.detach().cpu().clone()
                for name, tensor in self.method.get_submodule("encoder").state_dict().items()
            }
        return self.card.model_copy(update={"metrics": metrics}), tensors

    def release(self) -> None:
        """Release memory on the device."""
        del self.method, self.trainer
        free_memory(self.compute.device)


def _optimiser(method: nn.Module, settings: PretrainSettings) -> torch.optim.Optimizer:
    """Build what the settings name, for everything that may learn."""
    learning = [p for p in method.parameters() if p.requires_grad]
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimiser == "adamw":
        return torch.optim.AdamW(learning, lr=rate, weight_decay=decay, fused=True)
    return torch.optim.SGD(learning, lr=rate, momentum=settings.momentum, weight_decay=decay)
