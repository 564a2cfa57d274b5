"""The state of an unfinished pretraining on disk."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from napari_matssl.errors import ModelFileError
from napari_matssl.files import damaged_file
from napari_matssl.learn.card import CheckpointCard
from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.modelfile import check_weights, load_checked, read_tensors, write_tensors
from napari_matssl.tasks.pretrain.training import SMALLEST_BATCH, Training


def save(training: Training, path: Path) -> None:
    """Keep everything that is needed to go on after this epoch.

    No state of a random generator is: each epoch begins with one of its own.
    """
    optimiser, budget = training.trainer.optimiser, training.budget
    tensors = {f"method.{k}": t for k, t in training.method.state_dict().items()}
    for number, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{name}": t for name, t in state.items()}
    card = CheckpointCard(
        **training.card.model_dump(exclude={"kind", "metrics"}),
        metrics={"patches": float(training.patches_seen)},
        step=training.step,
        seconds=budget.elapsed,
        # Both differ from the settings after memory ran out.
        batch_size=training.batches.batch_size,
        planned_steps=budget.steps,
        epoch_losses=tuple(training.epoch_losses),
    )
    write_tensors(path, card, tensors)


def restore(training: Training, path: Path) -> None:
    """Resume from a file that :func:`save` wrote.

    Raises
    ------
    ModelFileError
        If there is none, it is damaged, or it belongs to other settings or images.
    """
    if not path.exists():
        raise ModelFileError(
            f"There is no checkpoint {path} to resume from.",
            "Start without resuming.",
            settings="resume",
        )
    card, tensors = read_card(path, "checkpoint"), read_tensors(path, "checkpoint")
    own = training.card
    for what, theirs, ours in (
        ("settings", card.settings, json.loads(json.dumps(own.settings))),
        ("images", card.training_images, own.training_images),
    ):
        if theirs != ours:
            raise ModelFileError(
                f"The checkpoint {path} was made with other {what}.",
                f"Give the same {what} as before, or start without resuming.",
                settings="resume",
            )
    check_weights(tensors, path, may_be_constant=("",))
    method = {k.removeprefix("method."): t for k, t in tensors.items() if k.startswith("method.")}
    load_checked(training.method, method, path)
    _restore_optimiser(training.trainer.optimiser, tensors, path)
    training.trainer.step, training.epoch_losses = card.step, list(card.epoch_losses)
    # One of before patches were counted was made with batches of one size, as a rule.
    training.patches_seen = int(card.metrics.get("patches", card.step * card.batch_size))
    batches, budget = training.batches, training.budget
    batches.batch_size = max(SMALLEST_BATCH, min(card.batch_size, batches.batch_size))
    budget.spent_before = card.seconds
    if budget.steps is not None:
        budget.steps = max(card.planned_steps or 0, 1)


def _restore_optimiser(
    optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor], path: Path
) -> None:
    """Restore the state of an optimiser."""
    learning = [p for group in optimiser.param_groups for p in group["params"]]
    state = optimiser.state_dict()
    state["state"] = {number: {} for number in range(len(learning))}
    for key, tensor in tensors.items():
        if key.startswith("optimiser."):
            number, name = _place(key, tensor, learning, path)
            like = learning[number]
            # A fused step needs the same memory layout as the weights.
            if tensor.shape == like.shape:
                tensor = torch.empty_like(like).copy_(tensor)
            state["state"][number][name] = tensor
    optimiser.load_state_dict(state)


def _place(key: str, tensor: Tensor, learning: Sequence[Tensor], path: Path) -> tuple[int, str]:
    """Return the weights that a tensor of the optimiser belongs to, and its kind."""
    number, _, name = key.removeprefix("optimiser.").partition(".")
    place = int(number) if number.isdecimal() and len(number) < 9 else len(learning)
    if place >= len(learning) or not name or tensor.shape not in (learning[place].shape, ()):
        detail = f"{key!r} fits no weights"
        raise damaged_file(
            path, detail, "Start without resuming.", ModelFileError, settings="resume"
        )
    return place, name
