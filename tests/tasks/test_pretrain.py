"""Pretraining on unlabelled micrographs, with a real tiny encoder."""

from itertools import count

import numpy as np
import pytest
import torch
from faulty_device import diverging_after, memory_for
from tiny import TINY
from tiny import pretraining as chosen
from torch import nn

from napari_matssl.errors import (
    ComputeError,
    InputError,
    ModelFileError,
    OutputError,
    SettingsError,
    StoppedError,
)
from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.device import Compute
from napari_matssl.learn.encoders import build_encoder
from napari_matssl.learn.modelfile import read_tensors, write_tensors
from napari_matssl.learn.pretraining_patches import PatchSet
from napari_matssl.learn.schedule import Budget
from napari_matssl.learn.start_weights import load_start_weights
from napari_matssl.micrograph.image import InfoBar, Micrograph
from napari_matssl.micrograph.patch_grid import count_patches, patch_starts
from napari_matssl.progress import Control, drain
from napari_matssl.settings import IntensityScalingSettings
from napari_matssl.tasks.pretrain.job import checkpoint_path, pretrain
from napari_matssl.tasks.pretrain.training import Training


@pytest.fixture(scope="module")
def images(two_phases):
    """Two images that give 8 patches of 64 px."""
    return [two_phases(seed, (128, 128)).micrograph for seed in (1, 2)]


def stop_in_epoch(job, epoch):
    """Send STOP at the first step of an epoch, counted from 1."""
    seen = []
    return drain(job, seen.append, lambda: seen[-1].metrics.get("epoch") == epoch)


def drain_until(job, seen, epoch):
    while not seen or seen[-1].metrics.get("epoch") != epoch:
        seen.append(next(job))


def assert_same_tensors(first, second):
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_the_same_seed_gives_the_same_losses_and_encoder_another_does_not(images):
    first, same, other = (drain(pretrain(images, chosen(seed=seed))) for seed in (0, 0, 1))
    assert len(first.epoch_losses) == 2
    assert first.patches == 8
    assert first.epoch_losses == same.epoch_losses
    assert_same_tensors(first.tensors, same.tensors)
    assert first.epoch_losses != other.epoch_losses


def test_torchs_own_generator_neither_matters_nor_changes(images):
    torch.manual_seed(1)
    first = drain(pretrain(images, chosen(epochs=1)))
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), after)
    torch.manual_seed(99)
    assert drain(pretrain(images, chosen(epochs=1))).epoch_losses == first.epoch_losses


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
@pytest.mark.parametrize("method", ["matssl", "stages", "simclr", "mocov2", "densecl"])
def test_a_resumed_run_gives_the_losses_of_an_uninterrupted_one(
    images, tmp_path, method, optimiser
):
    settings = chosen(epochs=4, method=method, optimiser=optimiser)
    whole = drain(pretrain(images, settings))
    path = tmp_path / "enc.checkpoint.safetensors"
    stopped = stop_in_epoch(pretrain(images, settings, path), epoch=3)
    assert stopped.epoch_losses == whole.epoch_losses[:2]
    assert read_card(path).kind == "checkpoint"
    messages = []
    resumed = drain(
        pretrain(images, settings, path, resume=True), lambda p: messages.append(p.message)
    )
    assert "Going on after epoch 2." in messages
    assert resumed.epoch_losses == whole.epoch_losses
    assert_same_tensors(resumed.tensors, whole.tensors)
    assert resumed.card.metrics["steps"] == whole.card.metrics["steps"] == 8


def test_a_killed_run_is_resumed_from_its_last_epoch(images, tmp_path):
    settings = chosen(epochs=3)
    path = tmp_path / "enc.checkpoint.safetensors"
    job = pretrain(images, settings, path)
    while next(job).metrics.get("epoch", 0) < 2:
        pass
    job.close()  # as if the process ended here
    resumed = drain(pretrain(images, settings, path, resume=True))
    assert resumed.epoch_losses == drain(pretrain(images, settings)).epoch_losses


@pytest.mark.parametrize("change", [{"seed": 1}, {"learning_rate": 0.5}, {"gate": "released"}])
def test_a_checkpoint_of_other_settings_is_refused(images, tmp_path, change):
    path = tmp_path / "enc.checkpoint.safetensors"
    drain(pretrain(images, chosen(epochs=1), path))
    with pytest.raises(ModelFileError, match="other settings") as caught:
        drain(pretrain(images, chosen(epochs=1, **change), path, resume=True))
    assert str(path) in caught.value.what


def test_a_checkpoint_of_other_images_is_refused(images, tmp_path):
    path = tmp_path / "enc.checkpoint.safetensors"
    drain(pretrain(images, chosen(epochs=1), path))
    other = Micrograph(images[0].name, images[0].pixels[::-1])
    with pytest.raises(ModelFileError, match="other images"):
        drain(pretrain([other, images[1]], chosen(epochs=1), path, resume=True))


def misplaced(tensors):
    tensors["optimiser.9999.exp_avg"] = torch.ones(1)


def misshapen(tensors):
    name = next(name for name in tensors if name.endswith(".exp_avg"))
    tensors[name] = torch.ones(7)


def not_finite(tensors):
    name = next(name for name in tensors if name.endswith(".exp_avg"))
    tensors[name] = tensors[name] * float("nan")


@pytest.mark.parametrize("change", [misplaced, misshapen, not_finite])
def test_a_checkpoint_that_was_tampered_with_is_refused(images, tmp_path, change):
    path = tmp_path / "enc.checkpoint.safetensors"
    drain(pretrain(images, chosen(epochs=1), path))
    card, tensors = read_card(path), read_tensors(path)
    change(tensors)
    write_tensors(path, card, tensors)
    with pytest.raises(ModelFileError, match="damaged") as caught:
        drain(pretrain(images, chosen(epochs=1), path, resume=True))
    assert str(path) in caught.value.what


def test_without_a_checkpoint_there_is_nothing_to_resume(images, tmp_path):
    path = tmp_path / "enc.checkpoint.safetensors"
    with pytest.raises(ModelFileError, match=r"no checkpoint.*without resuming"):
        drain(pretrain(images, chosen(), path, resume=True))
    drain(pretrain(images, chosen(epochs=1))).write(path)
    with pytest.raises(ModelFileError, match="checkpoint needed"):
        drain(pretrain(images, chosen(), path, resume=True))


def test_a_place_that_cannot_be_written_is_found_before_training(images, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        next(pretrain(images, chosen(), tmp_path / "file" / "enc.checkpoint.safetensors"))


def test_the_checkpoint_is_beside_the_encoder_and_not_the_encoder(tmp_path):
    out = tmp_path / "enc.safetensors"
    assert checkpoint_path(out).parent == tmp_path
    assert checkpoint_path(out).name == "enc.checkpoint.safetensors"


@pytest.mark.parametrize("steps", [0, 1])
def test_stop_before_the_first_epoch_is_complete_gives_no_encoder(images, steps, tmp_path):
    state = tmp_path / "e.checkpoint.safetensors"
    seen = []
    job = pretrain(images, chosen(epochs=1000), state)
    with pytest.raises(StoppedError, match="nothing was written"):
        drain(job, seen.append, should_stop=lambda: len(seen) > steps)
    assert not state.exists()


def test_a_tenth_of_the_budget_is_worth_keeping_within_the_first_epoch(images):
    seen = []
    job = pretrain(images, chosen(epochs=2, batch_size=2))
    result = drain(job, seen.append, lambda: seen[-1].metrics.get("step") == 1)
    assert result.epoch_losses == ()
    assert not result.complete
    assert result.card.metrics["steps"] == 1
    assert all(bool(torch.isfinite(t).all()) for t in result.tensors.values())


def test_stopped_again_at_once_the_checkpoint_that_is_there_is_named(images, tmp_path):
    state = tmp_path / "e.checkpoint.safetensors"
    stop_in_epoch(pretrain(images, chosen(epochs=4), state), epoch=2)
    kept = state.read_bytes()
    job = pretrain(images, chosen(epochs=4), state, resume=True)
    with pytest.raises(StoppedError, match=r"e\.checkpoint\.safetensors"):
        drain(job, should_stop=lambda: True)
    assert state.read_bytes() == kept


def test_a_time_budget_ends_the_run_and_keeps_the_encoder(images, tmp_path):
    seen = []
    path = tmp_path / "enc.checkpoint.safetensors"
    job = pretrain(images, chosen(epochs=None, minutes=0.5), path, clock=count().__next__)
    result = drain(job, seen.append)
    steps = [p for p in seen if p.stage == "pretraining"]
    assert 1 <= len(steps) < 30
    assert steps[-1].step > 0.8  # time was used, and not more of it than there was
    assert [p.step for p in steps] == sorted(p.step for p in steps)
    assert result.tensors


@pytest.mark.parametrize(
    ("method", "title"),
    [
        ("matssl", "MatSSL"),
        ("stages", "four stages, no gates"),
        ("simclr", "SimCLR"),
        ("mocov2", "MoCo v2"),
        ("densecl", "DenseCL"),
    ],
)
def test_the_result_is_an_encoder_that_loads_and_nothing_else(images, tmp_path, method, title):
    result = drain(pretrain(images, chosen(epochs=1, method=method)))
    path = tmp_path / "enc.safetensors"
    result.write(path)
    encoder = build_encoder(TINY, seed=9)
    assert {f"encoder.{name}" for name in encoder.state_dict()} == result.tensors.keys()
    origin = load_start_weights(encoder, TINY, str(path))
    assert f"{title} on 2 images" in origin
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, result.tensors[f"encoder.{name}"])
    card = read_card(path, kind="encoder")
    assert (card.encoder, card.channels) == (TINY, "grey")
    assert [image.name for image in card.training_images] == ["steel-1.tif", "steel-2.tif"]
    assert card.settings["epochs"] == 1
    assert card.metrics["loss"] == result.epoch_losses[-1]


def test_pretraining_lowers_the_loss_and_changes_the_encoder(two_phases):
    """In batches of many patches: with few, the losses of an epoch are mostly chance."""
    start = build_encoder(TINY, 0).state_dict()
    many = [two_phases(seed, (256, 256)).micrograph for seed in (1, 2)]
    settings = chosen(epochs=16, learning_rate=0.03, batch_size=32)
    result = drain(pretrain(many, settings))
    assert np.mean(result.epoch_losses[-3:]) < 0.9 * np.mean(result.epoch_losses[:3])
    changed = [n for n, t in start.items() if not torch.equal(t, result.tensors[f"encoder.{n}"])]
    assert len(changed) > 0.9 * len(start)


def test_start_weights_are_averaged_with_what_was_learnt_unless_they_are_random(images, tmp_path):
    first = drain(pretrain(images, chosen(epochs=1)))
    assert_same_tensors(
        first.tensors, drain(pretrain(images, chosen(epochs=1, start_share=0))).tensors
    )
    path = tmp_path / "enc.safetensors"
    first.write(path)
    again = {"weights": str(path), "epochs": 4, "learning_rate": 0.1}
    learnt, mixed = (
        drain(pretrain(images, chosen(start_share=share, **again))).tensors for share in (0, 0.25)
    )
    names = {f"encoder.{name}" for name, _ in build_encoder(TINY).named_parameters()}
    assert any(not torch.allclose(first.tensors[n], learnt[n], atol=1e-4) for n in names)
    for name in names:
        expected = 0.25 * first.tensors[name] + 0.75 * learnt[name]
        torch.testing.assert_close(mixed[name], expected, atol=1e-6, rtol=1e-5)


def test_every_epoch_sees_other_views_in_another_order(images):
    still = chosen(epochs=3, learning_rate=1e-12, final_learning_rate=0)
    losses = drain(pretrain(images, still)).epoch_losses
    assert len({round(loss, 5) for loss in losses}) == 3


def test_gate_forms_give_different_encoders(images):
    paper, released = (
        drain(pretrain(images, chosen(epochs=1, gate=gate))) for gate in ("paper", "released")
    )
    assert paper.epoch_losses != released.epoch_losses


@pytest.mark.parametrize("method", ["matssl", "densecl"])
@pytest.mark.parametrize("share", [0, 0.5])
def test_statistics_of_batch_norm_stay_those_of_the_start_weights(images, tmp_path, method, share):
    first = drain(pretrain(images, chosen()))
    first.write(tmp_path / "first.safetensors")
    again = {"weights": str(tmp_path / "first.safetensors"), "seed": 1, "start_share": share}
    kept = drain(pretrain(images, chosen(method=method, **again))).tensors
    made = drain(pretrain(images, chosen(method=method, freeze_batch_norm=False, **again))).tensors
    statistics = [name for name in kept if "running_" in name]
    assert statistics
    for name in statistics:
        assert torch.equal(kept[name], first.tensors[name]), name
    assert any(not torch.allclose(made[name], kept[name]) for name in statistics)
    weights = [name for name in kept if name.endswith("weight")]
    assert any(not torch.allclose(kept[n], first.tensors[n], atol=1e-5) for n in weights)


def test_statistics_of_batch_norm_are_those_of_the_images(images):
    settings = chosen(epochs=2, learning_rate=0.5)
    compute = Compute(torch.device("cpu"), torch.float32, "exact")
    training = Training(images, PatchSet(images, settings), settings, compute, Budget(None, None))
    for job in (training.one_epoch(), training.one_epoch(), training.refresh_statistics()):
        drain(job)
    _card, tensors = training.trained()
    encoder = build_encoder(TINY).train()
    encoder.load_state_dict({n.removeprefix("encoder."): t for n, t in tensors.items()})
    norms = {n: m for n, m in encoder.named_modules() if isinstance(m, nn.BatchNorm2d)}
    means = dict.fromkeys(norms, 0)
    for name, norm in norms.items():
        norm.register_forward_pre_hook(
            lambda _, inputs, name=name: means.update({name: inputs[0].mean((0, 2, 3))})
        )
    patches, mean, std = PatchSet(images, settings).take(range(8))
    standardised = (patches.float() - mean[..., None, None]) / std[..., None, None]
    total = dict.fromkeys(norms, 0)
    generator = torch.Generator().manual_seed(settings.seed)
    for numbers in torch.randperm(8, generator=generator).split(4):
        with torch.no_grad():
            encoder(standardised[numbers].expand(-1, 3, -1, -1))
        total = {name: total[name] + means[name] / 2 for name in norms}
    for name in norms:
        stored = tensors[f"encoder.{name}.running_mean"]
        torch.testing.assert_close(stored, total[name], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("side", [(32, 160), (64, 320)])
def test_a_rest_of_one_small_patch_is_no_obstacle(two_phases, side):
    """Five patches in batches of two; at 32 px the last stage is one pixel."""
    size, length = side
    images = [two_phases(1, (size, length)).micrograph]
    settings = chosen(patch_size=size, view_size=size, batch_size=2, epochs=1)
    result = drain(pretrain(images, settings))
    assert result.patches == 5
    assert all(bool(torch.isfinite(t).all()) for t in result.tensors.values())


def test_out_of_memory_halves_the_batch_size_with_a_message(images):
    seen = []
    with memory_for(2 * 2):  # both views of two patches
        result = drain(pretrain(images, chosen(batch_size=8)), seen.append)
    messages = [p.message for p in seen if "Out of memory" in p.message]
    assert messages == [f"Out of memory: batches of {n} now." for n in (4, 2)]
    assert len(result.epoch_losses) == 2


def test_memory_that_never_suffices_is_a_clear_error(images):
    with memory_for(0), pytest.raises(ComputeError, match="Out of memory while pretraining"):
        drain(pretrain(images, chosen()))


def test_a_loss_that_is_not_finite_is_an_error_with_a_remedy(images):
    with diverging_after(1), pytest.raises(ComputeError, match=r"diverged.*quick preset"):
        drain(pretrain(images, chosen()))


def test_a_single_patch_cannot_be_compared(images):
    with pytest.raises(InputError, match=r"steel-1\.tif gives 1 patch of 128 px"):
        next(pretrain(images[:1], chosen(patch_size=128)))


def test_no_image_at_all_is_an_error():
    with pytest.raises(InputError, match="0 patch"):
        next(pretrain([], chosen()))


@pytest.mark.parametrize("pixels", [np.full((128, 128), 3, np.uint8), np.full((128, 128), np.nan)])
def test_a_constant_or_broken_image_is_an_error_that_names_it(images, pixels):
    with pytest.raises(InputError, match=r"dark\.tif"):
        next(pretrain([*images, Micrograph("dark.tif", pixels)], chosen()))


def test_the_card_of_an_encoder_has_its_number_of_patches(images):
    """A folder can have fewer than a batch: settings alone don't show it."""
    few = drain(pretrain(images, chosen(epochs=3, batch_size=64)))
    assert few.patches < 64
    assert few.card.metrics["patches"] == 3 * few.patches


def test_patches_are_counted_in_the_batches_that_they_were_in(images, tmp_path):
    """Memory runs out in the second of three epochs; the third is stopped and gone on with."""
    state, settings, seen = tmp_path / "state", chosen(epochs=3, batch_size=4), []
    job = pretrain(images, settings, state)
    drain_until(job, seen, epoch=2)
    with memory_for(2 * 2):  # both views of two patches
        stop_in_epoch(job, 3)
        result = drain(pretrain(images, settings, state, resume=True))
    assert result.card.metrics["steps"] == 2 + 3 + 4
    assert result.card.metrics["patches"] == 3 * 8


def test_patches_cover_the_specimen_and_leave_the_info_bar_out(two_phases):
    pixels = two_phases(1, (150, 130)).micrograph.pixels // 3
    pixels[120:] = 255
    micrograph = Micrograph("a.tif", pixels, info_bar=InfoBar(120, "test"))
    settings = chosen(intensity_scaling=IntensityScalingSettings(kind="imagenet"))
    patches = PatchSet([micrograph], settings)
    assert len(patches) == 2 * 3
    units = patches.take(range(6))[0]
    assert units.shape == (6, 1, 64, 64)
    assert units.max() < 0.4
    for patch, part in ((units[0, 0], pixels[:64, :64]), (units[5, 0], pixels[56:120, 66:])):
        expected = torch.from_numpy(part / np.float32(255))
        torch.testing.assert_close(patch.float(), expected, atol=5e-4, rtol=0)


def test_patches_are_standardised_by_their_image_and_not_by_themselves(images):
    pixels = images[0].pixels.copy()
    pixels[:, :64] //= 4
    units, mean, std = PatchSet([Micrograph("a.tif", pixels)], chosen()).take(range(4))
    assert torch.equal(mean, mean[:1].expand_as(mean))
    assert torch.equal(std, std[:1].expand_as(std))
    standard = (units.float() - mean[..., None, None]) / std[..., None, None]
    dark, bright = standard[[0, 2]].mean(), standard[[1, 3]].mean()
    assert dark < -0.5
    assert bright > 0.5
    assert (dark + bright).abs() < 0.05


def test_constant_patches_are_left_out(images):
    pixels = images[0].pixels.copy()
    pixels[64:, :64] = 7
    micrograph = Micrograph("a.tif", pixels)
    patches = PatchSet([micrograph], chosen())
    assert len(patches) == 3
    spread = patches.take(range(3))[0].float().flatten(1).std(dim=1)
    assert (spread > 0.1).all()
    result = drain(pretrain([micrograph], chosen(epochs=1, batch_size=2)))
    assert result.patches == 3


def test_each_image_may_have_an_overlap_of_its_own(images):
    assert len(PatchSet(images, chosen())) == 4 + 4
    patches = PatchSet(images, chosen(), overlaps=[0.5, 0.0])
    assert len(patches) == 9 + 4
    assert drain(pretrain(images, chosen(epochs=1), overlaps=[0.5, 0.0])).patches == 13


@pytest.mark.parametrize(
    ("length", "size", "overlap", "starts"),
    [
        (256, 64, 0.0, [0, 64, 128, 192]),
        (200, 64, 0.0, [0, 64, 128, 136]),
        (128, 64, 0.5, [0, 32, 64]),
        (40, 64, 0.6, [0]),
        (256, 100, 0.6, [0, 40, 80, 120, 156]),
    ],
)
def test_patches_start_by_overlap_and_end_at_the_edge(length, size, overlap, starts):
    assert patch_starts(length, size, overlap) == starts


def test_images_smaller_than_a_patch_are_mirrored(two_phases):
    micrograph = two_phases(1, (40, 50)).micrograph
    units, mean, _ = PatchSet([micrograph], chosen()).take([0])
    assert units.shape == (1, 1, 64, 64)
    torch.testing.assert_close(units[0, 0, 40], units[0, 0, 39])
    assert abs(float(units[0, 0, :40, :50].float().mean() - mean)) < 0.01


def test_one_colour_image_makes_an_encoder_for_colour(images):
    colour = Micrograph("stain.png", np.stack([images[0].pixels, *2 * [images[1].pixels]], 2))
    settings = chosen(epochs=1)
    units, mean, std = PatchSet([colour, images[1]], settings).take([0, 4])
    assert units.shape == (2, 3, 64, 64)
    assert mean.shape == std.shape == (2, 3)
    assert torch.equal(units[1, 0], units[1, 2])
    assert not torch.equal(units[0, 0], units[0, 2])
    assert drain(pretrain([colour, images[1]], settings)).card.channels == "rgb"
    assert drain(pretrain(images, settings)).card.channels == "grey"


def test_a_single_stop_is_enough(images):
    """Whoever drives the job need not repeat it."""
    job = pretrain(images, chosen(epochs=5))
    next(job)
    while next(job).metrics["epoch"] < 2:
        pass
    job.send(Control.STOP)
    rest = list(job)
    assert len(rest) < 5
    assert {p.stage for p in rest} <= {"recomputing batch-norm statistics"}


def test_patches_can_be_counted_before_anything_is_read(images):
    settings = chosen(patch_size=48, overlap=0.25)
    expected = sum(count_patches(m.height, m.width, 48, 0.25) for m in images)
    assert len(PatchSet(images, settings)) == expected


@pytest.mark.parametrize("name", ["mit_b0", "maxvit_pico_rw_256"])
def test_an_encoder_that_unetplusplus_cannot_use_is_refused_before_the_first_step(images, name):
    with pytest.raises(SettingsError, match=f"'{name}'"):
        next(pretrain(images, chosen(encoder=name)))
