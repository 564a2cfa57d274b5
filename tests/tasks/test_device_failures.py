"""What is kept of a training when its device fails, and that memory is free for another try."""

import gc
import weakref

import numpy as np
import pytest
import torch

import napari_matssl.learn.contrastive as contrastive
import napari_matssl.learn.trainer as trainer_module
import napari_matssl.tasks.finetune.rescue as rescue_module
import napari_matssl.tasks.finetune.training as run_module
import napari_matssl.tasks.finetune.validation as validation_module
import napari_matssl.tasks.pretrain.training as pretrain_module
from napari_matssl.errors import (
    ComputeError,
    DivergedError,
    InputError,
    OutOfMemoryError,
    OutputError,
)
from napari_matssl.labels.classes import numbered_table
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.losses import segmentation_loss
from napari_matssl.learn.ntxent import nt_xent
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import drain
from napari_matssl.settings import FinetuneSettings, PretrainSettings
from napari_matssl.tasks.finetune import finetune
from napari_matssl.tasks.pretrain import pretrain

TINY = "test_efficientnet"
TABLE = numbered_table([1, 2])
LOST = RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be ...")


def finetuning(**values):
    defaults = {
        "encoder": TINY,
        "weights": "random",
        "architecture": "unet++",
        "epochs": 5,
        "minutes": None,
        "crop_size": 64,
        "batch_size": 4,
        "device": "cpu",
    }
    return FinetuneSettings(**{**defaults, **values})


def pretraining(**values):
    defaults = {
        "encoder": TINY,
        "weights": "random",
        "epochs": 10,
        "minutes": None,
        "batch_size": 8,
        "patch_size": 64,
        "view_size": 64,
        "projection_hidden": 32,
        "projection_out": 16,
        "device": "cpu",
    }
    return PretrainSettings(**{**defaults, **values})


@pytest.fixture(scope="module")
def painted(two_phases):
    """Two images; 4 crops of 64 px each."""
    return [two_phases(seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def images(painted):
    """Two images that give 8 patches of 64 px."""
    return [one.micrograph for one in painted]


def failing(function, error, after):
    """A function that works a number of times, then always raises an error."""
    calls = []

    def wrapped(*given, **named):
        calls.append(1)
        if len(calls) > after:
            raise error
        return function(*given, **named)

    return wrapped


def run(job):
    """Result of a job, and what it told."""
    seen = []
    return drain(job, seen.append), [p.message for p in seen if p.message]


@pytest.mark.cell("Finish now in the window", "full memory")
@pytest.mark.cell("finetune", "full memory")
@pytest.mark.parametrize("error", [LOST, torch.OutOfMemoryError("CUDA out of memory")])
def test_a_fine_tuning_whose_device_fails_returns_what_it_has_learnt(painted, monkeypatch, error):
    settings = finetuning(batch_size=1)
    loss = failing(segmentation_loss, error, after=7)
    monkeypatch.setattr(run_module, "segmentation_loss", loss)
    monkeypatch.setattr(run_module.CropSampler, "halve", lambda self: False)
    result, messages = run(finetune(painted, TABLE, settings))
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


def test_the_best_validated_model_survives_a_validation_that_fails(painted, monkeypatch):
    settings = finetuning(epochs=12, validations=6)
    segment = failing(validation_module.segment, OutOfMemoryError("Full."), after=2)
    monkeypatch.setattr(validation_module, "segment", segment)
    result, messages = run(finetune(painted[:1], TABLE, settings, painted[1:]))
    assert "Full." in messages[-1]
    assert result.validation is not None
    assert result.segmenter.card.metrics["val_miou"] == result.validation.miou


def test_the_first_validation_may_fail_even_at_the_very_end(painted, monkeypatch):
    segment = failing(validation_module.segment, ComputeError("It failed."), after=0)
    monkeypatch.setattr(validation_module, "segment", segment)
    result, messages = run(finetune(painted[:1], TABLE, finetuning(validations=1), painted[1:]))
    assert result.validation is None
    assert "It failed." in messages[-1]
    assert len(result.losses) == 5


def test_a_gpu_that_is_gone_leaves_the_latest_copy(painted, monkeypatch):
    """Nothing can be read from it any more, not even the weights."""
    copies = []

    def snapshot(network):
        if len(copies) == 2:
            raise LOST
        copies.append({name: t.clone() for name, t in network.state_dict().items()})
        return copies[-1]

    monkeypatch.setattr(rescue_module, "COPY_SECONDS", 0.0)
    monkeypatch.setattr(rescue_module, "snapshot", snapshot)
    result, messages = run(finetune(painted, TABLE, finetuning()))
    assert "unspecified launch failure" in messages[-1]
    state = result.segmenter.network.state_dict()
    assert all(torch.equal(t, state[name]) for name, t in copies[1].items())


def test_a_failure_before_the_first_step_has_nothing_to_keep(painted, monkeypatch):
    monkeypatch.setattr(run_module, "segmentation_loss", failing(segmentation_loss, LOST, after=0))
    with pytest.raises(ComputeError, match="unspecified launch failure"):
        drain(finetune(painted, TABLE, finetuning()))


def test_weights_that_have_diverged_are_never_kept_as_a_model(painted, monkeypatch):
    def diverging(logits, *others):
        return segmentation_loss(logits, *others) * (float("nan") if len(steps) > 3 else 1.0)

    steps = []
    monkeypatch.setattr(run_module, "segmentation_loss", diverging)
    with pytest.raises(DivergedError, match="diverged"):
        drain(finetune(painted, TABLE, finetuning()), lambda p: steps.append(p))


@pytest.mark.parametrize("architecture", ["unet++", "pixel-classifier"])
def test_an_image_that_cannot_be_segmented_costs_its_preview_alone(painted, architecture):
    dark = Micrograph("dark.tif", np.zeros((64, 64), np.uint8))
    settings = finetuning(architecture=architecture)
    result, _ = run(finetune(painted, TABLE, settings, on_view=lambda: dark))
    assert result.segmenter.card.architecture == architecture


def test_a_validation_image_of_no_use_is_found_before_training(painted):
    dark = Micrograph("dark.tif", np.zeros((128, 128), np.uint8))
    apart = [PaintedMicrograph(dark, painted[0].labels)]
    seen = []
    with pytest.raises(InputError, match=r"dark\.tif"):
        drain(finetune(painted, TABLE, finetuning(), apart), seen.append)
    assert {p.stage for p in seen} == {"preparing"}


def test_memory_is_free_before_a_smaller_batch_is_tried(painted, images, monkeypatch):
    """Whatever an error still holds would fill it again. Nobody collects garbage for it."""
    alive, freed = [], []

    def full(function, limit):
        def wrapped(first, *others):
            if len(first) > limit:
                alive.append(weakref.ref(first))
                raise torch.OutOfMemoryError("CUDA out of memory")
            return function(first, *others)

        return wrapped

    def free_memory(device):
        freed.extend(one() is None for one in alive)

    monkeypatch.setattr(run_module, "segmentation_loss", full(segmentation_loss, 2))
    monkeypatch.setattr(contrastive, "nt_xent", full(nt_xent, 4))
    monkeypatch.setattr(trainer_module, "free_memory", free_memory)
    gc.collect()
    gc.disable()
    try:
        drain(finetune(painted, TABLE, finetuning(epochs=1)))
        drain(pretrain(images, pretraining(epochs=1)))
    finally:
        gc.enable()
    assert len(alive) == 2
    assert freed
    assert all(freed)


def small_memory(first, second, temperature):
    """A loss for which batches of more than four are too large."""
    if len(first) > 4:
        raise torch.OutOfMemoryError("CUDA out of memory")
    return nt_xent(first, second, temperature)


@pytest.mark.parametrize("stop_in", [2, 6])
def test_a_run_whose_batch_was_halved_is_resumed_as_it_was(images, tmp_path, monkeypatch, stop_in):
    """The same losses; no epoch less than planned."""
    monkeypatch.setattr(contrastive, "nt_xent", small_memory)
    path = tmp_path / "enc.checkpoint.safetensors"
    whole = drain(pretrain(images, pretraining()))
    assert len(whole.epoch_losses) == 10
    seen = []
    stopped = drain(
        pretrain(images, pretraining(), path),
        seen.append,
        lambda: seen[-1].metrics.get("epoch") == stop_in,
    )
    assert not stopped.complete
    assert stopped.epoch_losses == whole.epoch_losses[: stop_in - 1]
    monkeypatch.setattr(contrastive, "nt_xent", nt_xent)  # there may be more memory by now
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


def test_a_pretraining_that_fails_tells_how_to_go_on(images, tmp_path, monkeypatch):
    path = tmp_path / "enc.checkpoint.safetensors"
    monkeypatch.setattr(contrastive, "nt_xent", failing(nt_xent, LOST, after=3))
    with pytest.raises(ComputeError, match="can be resumed after epoch 3") as caught:
        drain(pretrain(images, pretraining(), path))
    assert caught.value.settings.split()[-1] == "resume"
    monkeypatch.setattr(contrastive, "nt_xent", nt_xent)
    resumed = drain(pretrain(images, pretraining(), path, resume=True))
    assert resumed.epoch_losses == drain(pretrain(images, pretraining())).epoch_losses


def test_without_a_checkpoint_a_pretraining_that_fails_keeps_what_it_has_learnt(
    images, monkeypatch
):
    monkeypatch.setattr(contrastive, "nt_xent", failing(nt_xent, LOST, after=3))
    result, messages = run(pretrain(images, pretraining()))
    assert not result.complete
    assert len(result.epoch_losses) == 3
    assert "What was learnt in 3 steps is kept." in messages[-1]


def test_statistics_are_recomputed_in_smaller_batches_where_memory_is_short(images, monkeypatch):
    whole = drain(pretrain(images, pretraining(epochs=1, batch_size=4)))
    place = pretrain_module.Compute.place_images

    def short(self, batch):
        if len(batch) > 2:
            raise OutOfMemoryError("Full.")
        return place(self, batch)

    monkeypatch.setattr(pretrain_module.Compute, "place_images", short)
    result, messages = run(pretrain(images, pretraining(epochs=1, batch_size=4)))
    assert "Out of memory: batches of 2 now." in messages
    assert result.complete
    assert result.epoch_losses == whole.epoch_losses


def test_a_stop_after_the_last_step_leaves_a_run_complete(images):
    seen = []
    result = drain(pretrain(images, pretraining(epochs=2)), seen.append, lambda: seen[-1].step >= 1)
    assert len(result.epoch_losses) < 2 or result.complete
    ended = drain(
        pretrain(images, pretraining(epochs=2)),
        seen.append,
        lambda: seen[-1].stage.startswith("recomputing"),
    )
    assert ended.complete
