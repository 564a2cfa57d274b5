"""The state of one pretraining run: method, optimiser, epoch, losses."""

import json
import statistics
from collections.abc import Generator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from napari_matssl.errors import DivergedError, ModelFileError, OutOfMemoryError
from napari_matssl.learn.batchnorm import fresh_statistics, keep_statistics
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.device import Compute
from napari_matssl.learn.device_errors import device_errors, free_memory
from napari_matssl.learn.encoders import build_encoder
from napari_matssl.learn.losses import is_finite
from napari_matssl.learn.methods import TITLES, build_method
from napari_matssl.learn.modelfile import (
    check_weights,
    load_checked,
    read_tensors,
    write_tensors,
)
from napari_matssl.learn.patches import PatchSet
from napari_matssl.learn.schedule import Budget, rate_factor
from napari_matssl.learn.start_weights import load_start_weights
from napari_matssl.learn.views import make_view
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Control, Progress
from napari_matssl.settings import PretrainSettings
from napari_matssl.tasks.inputs import fingerprint

SMALLEST_BATCH = 2

_STATISTICS = "recomputing batch-norm statistics"

MOST_PATCHES = 1024
"""Patches that are enough for batch-norm statistics."""


class PretrainRun:
    """One run. Parameters as of :func:`~napari_matssl.tasks.pretrain.pretrain`."""

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
        origin = load_start_weights(encoder, settings.encoder, settings.weights)
        self._start = {name: p.detach().clone() for name, p in encoder.named_parameters()}
        self.method = build_method(encoder, settings, len(patches))
        compute.place(self.method)
        self._keeps_statistics = settings.freeze_batch_norm and settings.weights != "random"
        self.optimiser = _optimiser(self.method, settings)
        self.card = ModelCard(
            kind="encoder",
            encoder=settings.encoder,
            channels=patches.channels,
            normalisation=settings.normalisation,
            settings=settings.model_dump(mode="json"),
            training_images=tuple(fingerprint(m) for m in micrographs),
            start=f"{TITLES[settings.method]} on {len(micrographs)} images, from {origin}",
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
            metrics = {"step": float(self.step), "epoch": float(self.epoch + 1), "loss": loss}
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
            except OutOfMemoryError:
                if len(numbers) // 2 < SMALLEST_BATCH:
                    raise
            # Not before the clause above is left: till then the error holds what fills the memory.
            self.optimiser.zero_grad(set_to_none=True)
            free_memory(self.compute.device)
            numbers = numbers[: len(numbers) // 2]
            self.batch_size = len(numbers)
            if self.settings.epochs is not None:
                self.budget.replan(self.step, self.settings.epochs * self.steps_per_epoch)
            yield Progress(
                "pretraining", fraction, 1, message=f"Out of memory: batches of {len(numbers)} now."
            )

    def _learn(self, numbers: list[int], generator: torch.Generator) -> float:
        patches, mean, std = map(self.compute.move, self.patches.take(numbers))
        views = [make_view(patches, mean, std, self.settings, generator) for _ in range(2)]
        self.method.train()
        if self._keeps_statistics:
            keep_statistics(self.method)
        with self.compute.autocast():
            loss = self.method.loss(views[0], views[1], generator)
        if not is_finite(loss):
            raise DivergedError(
                f"The loss was {loss.item()} at step {self.step + 1}: training has diverged.",
                "Use the quick preset or a lower learning rate.",
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.method.keep_up()
        return float(loss.item())

    def _keep_time(self) -> None:
        """Keep time for the statistics: a patch takes about a sixth of what it takes to learn."""
        begin, step = self._first_step
        per_patch = (self.budget.elapsed - begin) / max(self.step - step, 1) / self.batch_size
        count = min(len(self.patches), max(self.batch_size, MOST_PATCHES))
        self.budget.reserve = min(count * per_patch / 6, 0.3 * (self.budget.seconds or 0))

    def average_with_start(self) -> None:
        """Go back some way to the start weights, which know more than a small folder teaches.

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
        order = order[: max(self.batch_size, MOST_PATCHES)]
        batch_size = self.batch_size
        while True:
            try:
                return (yield from self._recompute(order, batch_size))
            except OutOfMemoryError:
                if batch_size // 2 < SMALLEST_BATCH:
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
        encoder = self.method.get_submodule("encoder")
        self.method.train()
        with fresh_statistics(encoder):
            for begin in range(0, len(order), batch_size):
                numbers = order[begin : begin + batch_size]
                if begin and len(numbers) < SMALLEST_BATCH:
                    break  # the smallest patches leave one value per channel: no spread
                with device_errors(_STATISTICS), torch.no_grad(), self.compute.autocast():
                    patches, mean, std = map(self.compute.move, self.patches.take(numbers))
                    images = (patches - mean[:, :, None, None]) / std[:, :, None, None]
                    encoder(self.compute.place_images(images.expand(-1, 3, -1, -1)))
                yield Progress(_STATISTICS, begin, len(order))

    def save(self, path: Path) -> None:
        """Keep everything that is needed to go on after this epoch.

        No state of a random generator is: each epoch begins with one of its own.
        """
        state = self.optimiser.state_dict()["state"]
        tensors = {f"method.{k}": t for k, t in self.method.state_dict().items()}
        tensors |= {f"optimiser.{k}.{n}": t for k, s in state.items() for n, t in s.items()}
        losses = {f"epoch_{n:06d}": loss for n, loss in enumerate(self.epoch_losses)}
        losses |= {"step": self.step, "seconds": self.budget.elapsed}
        # Both are others than the settings say where memory ran out on the way.
        losses |= {"batch_size": self.batch_size, "planned_steps": self.budget.steps or 0}
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
        method = {
            k.removeprefix("method."): t for k, t in tensors.items() if k.startswith("method.")
        }
        load_checked(self.method, method, path)
        learning = [p for group in self.optimiser.param_groups for p in group["params"]]
        state = self.optimiser.state_dict()
        state["state"] = {number: {} for number in range(len(learning))}
        check_weights(tensors, path, may_be_constant=("",))
        for key, tensor in tensors.items():
            if key.startswith("optimiser."):
                number, name = _optimiser_place(key, tensor, learning, path)
                like = learning[number]
                # A fused step needs them in the same order in memory.
                if tensor.shape == like.shape:
                    tensor = torch.empty_like(like).copy_(tensor)
                state["state"][number][name] = tensor
        self.optimiser.load_state_dict(state)
        self._restore_progress(dict(card.metrics), path)

    def _restore_progress(self, figures: dict[str, float], path: Path) -> None:
        """Take over how far the run was, and the sizes of its steps and of its plan."""
        try:
            batch_size = int(figures.pop("batch_size"))
            planned = int(figures.pop("planned_steps"))
            step, seconds = int(figures.pop("step")), figures.pop("seconds")
        except KeyError as error:
            raise ModelFileError(
                f"The checkpoint {path} doesn't hold {error}: it is of another version.",
                "Finish it with that version, or start without --resume.",
            ) from error
        self.step, self.batch_size = step, max(SMALLEST_BATCH, min(batch_size, self.batch_size))
        self.budget.spent_before = seconds
        if self.budget.steps is not None:
            self.budget.steps = max(planned, 1)
        self.epoch_losses = [figures[name] for name in sorted(figures)]
        self.epoch = len(self.epoch_losses)

    def trained(self) -> tuple[ModelCard, dict[str, Tensor]]:
        """Return the encoder's card and weights, without gates and projection head."""
        metrics = {"epochs": float(self.epoch), "steps": float(self.step)}
        if self.epoch_losses:
            metrics["loss"] = self.epoch_losses[-1]
        metrics["minutes"] = round(self.budget.elapsed / 60, 3)
        # As a segmenter names them, so that both kinds of file hold an encoder in the same way.
        with device_errors("taking the encoder from the device"):
            tensors = {
                f"encoder.{name}": tensor.detach().cpu().clone()
                for name, tensor in self.method.get_submodule("encoder").state_dict().items()
            }
        return self.card.model_copy(update={"metrics": metrics}), tensors

    def release(self) -> None:
        """Drop what holds memory on the device."""
        del self.method, self.optimiser
        free_memory(self.compute.device)


def _optimiser_place(
    key: str, tensor: Tensor, learning: Sequence[Tensor], path: Path
) -> tuple[int, str]:
    """Tell which weights a tensor of the optimiser belongs to, and what it is of them."""
    number, _, name = key.removeprefix("optimiser.").partition(".")
    place = int(number) if number.isdecimal() and len(number) < 9 else len(learning)
    if place >= len(learning) or not name or tensor.shape not in (learning[place].shape, ()):
        raise ModelFileError(
            f"The checkpoint {path} is damaged: {key!r} fits no weights.", "Start without --resume."
        )
    return place, name


def _optimiser(method: nn.Module, settings: PretrainSettings) -> torch.optim.Optimizer:
    """Build what the settings name, for everything that may learn."""
    learning = [p for p in method.parameters() if p.requires_grad]
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimiser == "adamw":
        return torch.optim.AdamW(learning, lr=rate, weight_decay=decay, fused=True)
    return torch.optim.SGD(learning, lr=rate, momentum=settings.momentum, weight_decay=decay)
