"""What is kept of a training when its device fails, and that memory is free for another try."""

import gc
import weakref
from itertools import count

import numpy as np
import pytest
import tiny
import torch
from faulty_device import (
    FULL,
    LOST,
    diverging_after,
    failing_after,
    makes_a_mask,
    memory_for,
    watched_networks,
)

from napari_matssl.errors import (
    ComputeError,
    DivergedError,
    InputError,
    OutOfMemoryError,
    OutputError,
)
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.unet import UnetPlusPlus
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import drain
from napari_matssl.tasks.finetune import preview
from napari_matssl.tasks.finetune.job import finetune
from napari_matssl.tasks.finetune.spare_copy import COPY_SECONDS
from napari_matssl.tasks.pretrain.job import pretrain

TABLE = numbered_table([1, 2])


def finetuning(**values):
    return tiny.finetuning(**{"architecture": "unet++", "epochs": 5, **values})


def pretraining(**values):
    return tiny.pretraining(**{"epochs": 10, "batch_size": 8, **values})


@pytest.fixture(scope="module")
def painted(two_phases):
    """Two images; 4 crops of 64 px each."""
    return [two_phases(seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def images(painted):
    """Two images that give 8 patches of 64 px."""
    return [one.micrograph for one in painted]


def run(job):
    """Result of a job, and its messages."""
    seen = []
    return drain(job, seen.append), [p.message for p in seen if p.message]


@pytest.mark.cell("Finish now in the window", "full memory")
@pytest.mark.cell("finetune", "full memory")
@pytest.mark.parametrize("error", [LOST, FULL])
def test_a_fine_tuning_whose_device_fails_returns_what_it_has_learnt(painted, error):
    with failing_after(7, error):
        result, messages = run(finetune(painted, TABLE, finetuning(batch_size=1)))
    assert len(result.losses) == 7
    assert result.segmenter.card.metrics["steps"] == 7
    assert messages[-1].startswith("Ended after 7 steps: ")
    assert "is kept" in messages[-1]
    assert isinstance(result.failure, ComputeError)
    assert str(result.failure) in messages[-1]
    assert result.failure.__traceback__ is None
    assert all(
        bool(torch.isfinite(t).all()) for t in result.segmenter.network.state_dict().values()
    )


def failing_validation(error, after):
    """A device on which only so many validations of one tile work."""
    validations = count()

    def check(module, images):
        if makes_a_mask(module, images) and next(validations) >= after:
            raise error

    return watched_networks(check)


def test_the_best_validated_model_survives_a_validation_that_fails(painted):
    settings = finetuning(epochs=12, validations=6)
    with failing_validation(FULL, after=2):
        result, messages = run(finetune(painted[:1], TABLE, settings, painted[1:]))
    assert "Out of memory" in messages[-1]
    assert result.validation is not None
    assert result.segmenter.card.metrics["val_miou"] == result.validation.miou


def test_the_first_validation_may_fail_even_at_the_very_end(painted):
    with failing_validation(LOST, after=0):
        result, messages = run(finetune(painted[:1], TABLE, finetuning(validations=1), painted[1:]))
    assert result.validation is None
    assert "unspecified launch failure" in messages[-1]
    assert len(result.losses) == 5


def test_a_gpu_that_is_gone_leaves_the_latest_copy(painted):
    """Nothing can be read from it any more, not even the weights."""
    copies = []

    def lose(*_):
        if len(copies) == 2:
            raise LOST

    def keep(_module, state, *_):
        copies.append({name: tensor.clone() for name, tensor in state.items()})

    def watch(module, _images):
        """Get hold of the averaged weights when they make the first preview."""
        if (
            isinstance(module, UnetPlusPlus)
            and not module.training
            and not module._state_dict_hooks
        ):
            module.register_state_dict_pre_hook(lose)
            module.register_state_dict_post_hook(keep)

    clock = count(step=COPY_SECONDS).__next__  # a copy after each step
    job = finetune(painted, TABLE, finetuning(), on_view=lambda: painted[0].micrograph, clock=clock)
    with watched_networks(watch):
        result, messages = run(job)
    assert "unspecified launch failure" in messages[-1]
    state = result.segmenter.network.state_dict()
    assert all(torch.equal(t, state[name]) for name, t in copies[1].items())


def test_a_failure_before_the_first_step_has_nothing_to_keep(painted):
    with failing_after(0), pytest.raises(ComputeError, match="unspecified launch failure"):
        drain(finetune(painted, TABLE, finetuning()))


def test_weights_that_have_diverged_are_never_kept_as_a_model(painted):
    with diverging_after(3), pytest.raises(DivergedError, match="diverged"):
        drain(finetune(painted, TABLE, finetuning()))


@pytest.mark.parametrize("architecture", ["unet++", "pixel-classifier"])
def test_an_image_that_cannot_be_segmented_costs_its_preview_alone(painted, architecture):
    dark = Micrograph("dark.tif", np.zeros((64, 64), np.uint8))
    settings = finetuning(architecture=architecture)
    result, _ = run(finetune(painted, TABLE, settings, on_view=lambda: dark))
    assert result.segmenter.card.architecture == architecture


def test_a_preview_that_does_not_fit_into_the_memory_costs_no_training(painted, monkeypatch):
    asked = []

    def full(_network, _card, micrograph, *_):
        asked.append(micrograph)
        raise OutOfMemoryError("Out of memory, even with the smallest tile.")
        yield

    monkeypatch.setattr(preview, "segment", full)
    shown = painted[0].micrograph
    result, _ = run(finetune(painted, TABLE, finetuning(), on_view=lambda: shown))
    assert asked
    assert result.failure is None
    assert len(result.losses) == 10


def test_a_validation_image_of_no_use_is_found_before_training(painted):
    dark = Micrograph("dark.tif", np.zeros((128, 128), np.uint8))
    apart = [PaintedMicrograph(dark, painted[0].labels)]
    seen = []
    with pytest.raises(InputError, match=r"dark\.tif"):
        drain(finetune(painted, TABLE, finetuning(), apart), seen.append)
    assert {p.stage for p in seen} == {"preparing"}


def test_memory_is_free_before_a_smaller_batch_is_tried(painted, images):
    """Whatever an error still holds would fill it again. Nobody collects garbage for it."""
    refused, held = [], []

    def check(module, batch):
        if isinstance(module, torch.nn.Conv2d) and module.training:
            held.extend(one() for one in refused if one() is not None)
            if len(batch) > limit:
                refused.append(weakref.ref(batch))
                raise torch.OutOfMemoryError("CUDA out of memory")

    gc.collect()
    gc.disable()
    try:
        with watched_networks(check):
            limit = 2
            drain(finetune(painted, TABLE, finetuning(epochs=1)))
            limit = 8
            drain(pretrain(images, pretraining(epochs=1)))
    finally:
        gc.enable()
    assert len(refused) == 2
    assert not held


@pytest.mark.parametrize("stop_in", [2, 6])
def test_a_run_whose_batch_was_halved_is_resumed_as_it_was(images, tmp_path, stop_in):
    """The same losses; no epoch less than planned, and not a larger batch than before."""
    path = tmp_path / "enc.checkpoint.safetensors"
    seen = []
    with memory_for(2 * 4):  # both views of four patches
        whole = drain(pretrain(images, pretraining()))
        assert len(whole.epoch_losses) == 10
        stopped = drain(
            pretrain(images, pretraining(), path),
            seen.append,
            lambda: seen[-1].metrics.get("epoch") == stop_in,
        )
    assert not stopped.complete
    assert stopped.epoch_losses == whole.epoch_losses[: stop_in - 1]
    resumed = drain(pretrain(images, pretraining(), path, resume=True))
    assert resumed.complete
    assert resumed.epoch_losses == whole.epoch_losses
    assert resumed.card.metrics["steps"] == whole.card.metrics["steps"]
    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor, resumed.tensors[name]), name


def test_a_new_run_never_replaces_the_state_of_an_unfinished_one(images, tmp_path):
    path = tmp_path / "enc.checkpoint.safetensors"
    drain(pretrain(images, pretraining(epochs=1), path))
    kept = path.read_bytes()
    with pytest.raises(OutputError, match=r"enc\.checkpoint.*Resume it"):
        drain(pretrain(images, pretraining(epochs=1), path))
    assert path.read_bytes() == kept


def test_a_failed_pretraining_names_the_way_to_resume(images, tmp_path):
    path = tmp_path / "enc.checkpoint.safetensors"
    with (
        failing_after(3),
        pytest.raises(ComputeError, match="can be resumed after epoch 3") as caught,
    ):
        drain(pretrain(images, pretraining(), path))
    assert caught.value.settings.split()[-1] == "resume"
    resumed = drain(pretrain(images, pretraining(), path, resume=True))
    assert resumed.epoch_losses == drain(pretrain(images, pretraining())).epoch_losses


def test_without_a_checkpoint_a_pretraining_that_fails_keeps_what_it_has_learnt(images):
    with failing_after(3):
        result, messages = run(pretrain(images, pretraining()))
    assert not result.complete
    assert len(result.epoch_losses) == 3
    assert "What was learnt in 3 steps is kept." in messages[-1]


def test_statistics_are_recomputed_in_smaller_batches_where_memory_is_short(images):
    """Training itself is over by then; other programs may have taken memory since."""
    whole = drain(pretrain(images, pretraining(epochs=1, batch_size=4)))

    def check(module, batch):
        recomputing = isinstance(module, torch.nn.Conv2d) and not torch.is_grad_enabled()
        if recomputing and len(batch) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with watched_networks(check):
        result, messages = run(pretrain(images, pretraining(epochs=1, batch_size=4)))
    assert "Out of memory: batches of 2 now." in messages
    assert result.complete
    assert result.epoch_losses == whole.epoch_losses


def test_a_stop_after_the_last_step_leaves_a_run_complete(images):
    seen = []
    ended = drain(
        pretrain(images, pretraining(epochs=2)),
        seen.append,
        lambda: seen[-1].stage.startswith("recomputing"),
    )
    assert ended.complete
    assert len(ended.epoch_losses) == 2
