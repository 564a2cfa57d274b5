"""Fine-tuning U-Net++ on painted micrographs, with a real tiny encoder."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from faulty_device import diverging_after, makes_a_mask, memory_for, watched_networks
from tiny import TINY, finetuning, instant
from torch import nn

from napari_matssl.errors import (
    ComputeError,
    InputError,
    ModelFileError,
    StoppedError,
)
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass, numbered_table
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.device import Compute, choose_compute
from napari_matssl.learn.encoders import build_encoder
from napari_matssl.learn.magnification import automatic_scale
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.schedule import Budget
from napari_matssl.learn.segmenter import read_segmenter, write_segmenter
from napari_matssl.micrograph.image import InfoBar, Micrograph, PixelSize
from napari_matssl.progress import drain
from napari_matssl.samples import make_sample, scribble
from napari_matssl.settings import (
    IntensityScalingSettings,
    PredictSettings,
    PretrainSettings,
)
from napari_matssl.tasks.evaluate import evaluate
from napari_matssl.tasks.finetune.job import finetune
from napari_matssl.tasks.finetune.planning import make_plan
from napari_matssl.tasks.finetune.training import WORTH_SHARE, WORTH_STEPS, train
from napari_matssl.tasks.pretrain.job import pretrain

TABLE = numbered_table([1, 2])


def chosen(**values):
    return finetuning(**{"epochs": 3, "freeze_batch_norm": False, "ema_decay": 0.5, **values})


@pytest.fixture(scope="module")
def painted(two_phases):
    """Two images; 4 crops of 64 px each."""
    return [two_phases(seed) for seed in (1, 2)]


def with_labels(one, labels):
    return PaintedMicrograph(one.micrograph, labels)


def scores_of(segmenter, painted):
    return drain(
        evaluate(segmenter, painted, PredictSettings(device="cpu", magnifications="one"))
    ).scores


@pytest.mark.parametrize("augment", [True, False])
def test_the_same_seed_gives_the_same_losses_and_model_another_does_not(painted, augment):
    settings = [chosen(seed=seed, augment=augment) for seed in (0, 0, 1)]
    first, same, other = (drain(finetune(painted, TABLE, s)) for s in settings)
    assert len(first.losses) == 3 * 2
    assert first.losses == same.losses
    state, again = (r.segmenter.network.state_dict() for r in (first, same))
    assert all(torch.equal(tensor, again[name]) for name, tensor in state.items())
    assert first.losses != other.losses


def test_unpainted_pixels_count_beside_strokes_and_not_in_full_labels(painted):
    strokes = [
        with_labels(one, scribble(one.labels.astype(np.uint8), seed=n))
        for n, one in enumerate(painted)
    ]
    for images, differ in ((strokes, True), (painted, False)):
        with_them, without = (
            drain(
                finetune(
                    images, TABLE, chosen(epochs=4, confidence=0.5, pseudo_label_weight=weight)
                )
            )
            for weight in (1.0, 0.0)
        )
        first = len(with_them.losses) // 5 + 1  # they don't count from the beginning
        assert with_them.losses[:first] == without.losses[:first]
        assert (with_them.losses != without.losses) is differ


def test_entropy_counts_beside_strokes_alone_and_the_loss_shown_is_of_painted_pixels(painted):
    strokes = [
        with_labels(one, scribble(one.labels.astype(np.uint8), seed=n))
        for n, one in enumerate(painted)
    ]
    for images, differ in ((strokes, True), (painted, False)):
        with_it, without = (
            drain(finetune(images, TABLE, chosen(epochs=4, entropy=weight))).losses
            for weight in (10.0, 0.0)
        )
        # The first step in which unpainted pixels count starts from the same network.
        first = len(with_it) // 5 + 1
        assert with_it[: first + 1] == without[: first + 1]
        assert (with_it != without) is differ


def test_unpainted_pixels_do_not_hold_on_to_errors_that_new_strokes_correct(painted, two_phases):
    fast = chosen(epochs=25, batch_size=2, learning_rate=3e-3, freeze_batch_norm=True)
    swapped = [with_labels(one, 3 - one.labels) for one in painted]
    wrong = drain(finetune(swapped, TABLE, fast)).segmenter
    strokes = [
        with_labels(one, scribble(one.labels, seed=n, width=3, share=0.05))
        for n, one in enumerate(painted)
    ]
    fast = fast.model_copy(update={"epochs": 20})
    unseen = [two_phases(7)]
    with_them, without = (
        scores_of(drain(finetune(strokes, TABLE, settings, start=wrong)).segmenter, unseen).miou
        for settings in (fast, fast.model_copy(update={"pseudo_label_weight": 0.0}))
    )
    assert without > 0.6
    assert with_them > without - 0.05


@pytest.mark.parametrize(("architecture", "least"), [("unet++", 0.75), ("guided-unet++", 0.68)])
def test_it_learns_to_separate_two_phases_from_strokes(painted, two_phases, architecture, least):
    strokes = [
        with_labels(p, scribble(p.labels, seed=n, width=3, share=0.1))
        for n, p in enumerate(painted)
    ]
    settings = chosen(architecture=architecture, epochs=25, learning_rate=3e-3)
    result = drain(finetune(strokes, TABLE, settings))
    assert np.mean(result.losses[-5:]) < 0.5 * np.mean(result.losses[:5])
    unseen = [two_phases(7)]
    scores = scores_of(result.segmenter, unseen)
    assert scores.pixel_accuracy > 0.8  # 0.9 to 0.95, by number format
    assert scores.miou > least


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ({}, {"architecture": "unet++", "dropout": 0.2}),
        ({"architecture": "guided-unet++"}, {"architecture": "guided-unet++", "dropout": 0.2}),
        ({"dropout": 0.0}, {"architecture": "unet++", "dropout": 0.0}),
        ({"strata": "rows"}, {"strata": "rows"}),
        ({"strata": "auto"}, {"strata": "any"}),
    ],
)
def test_the_card_holds_the_settings_that_were_used(painted, given, used):
    card = drain(finetune(painted, TABLE, chosen(epochs=1, **given))).segmenter.card
    assert used.items() <= card.settings.items()


def test_strokes_correct_a_classifier_and_full_labels_train_the_network_alone(painted):
    strokes = [with_labels(p, scribble(p.labels, seed=1, width=3, share=0.1)) for p in painted]
    dense, first = (
        drain(finetune(given, TABLE, chosen(epochs=1))).segmenter for given in (painted, strokes)
    )
    assert dense.card.architecture == "unet++"
    assert first.card.architecture == "guided-unet++"
    # What a model has learnt is a correction: more labels don't change what it corrects.
    further = drain(finetune(painted, TABLE, chosen(epochs=1), start=first)).segmenter
    assert further.card.architecture == "guided-unet++"


def test_the_result_is_a_model_that_can_be_kept(painted, tmp_path):
    result = drain(finetune(painted, TABLE, chosen(epochs=1)))
    assert not result.segmenter.network.training
    card = result.segmenter.card
    assert card.classes == TABLE
    assert [image.name for image in card.training_images] == ["steel-1.tif", "steel-2.tif"]
    assert card.settings["crop_size"] == 64
    assert card.metrics["steps"] == 2
    assert card.start == "random"
    assert result.validation is None
    path = tmp_path / "model.safetensors"
    write_segmenter(path, result.segmenter)
    again = read_segmenter(path)
    assert again.card == card
    compute = choose_compute("cpu")  # both placed alike, as prediction does
    images = compute.place_images(torch.randn(1, 3, 64, 64))
    with torch.no_grad():
        logits = [compute.place(s.network)(images) for s in (again, result.segmenter)]
    assert torch.equal(*logits)


@pytest.mark.cell("Finish now in the window", "stopped late")
@pytest.mark.cell("finetune", "stopped late")
@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
@pytest.mark.parametrize("validated", [True, False])
def test_stop_after_a_tenth_of_the_budget_returns_a_model_that_segments(
    painted, two_phases, ema_decay, validated
):
    validation = [two_phases(5, (64, 64))] if validated else []
    seen = []
    job = finetune(painted, TABLE, chosen(epochs=5, ema_decay=ema_decay), validation)
    result = drain(job, seen.append, lambda: seen[-1].step >= WORTH_SHARE)
    assert 1 <= len(result.losses) < 10
    assert (result.validation is not None) is validated
    assert 0 <= scores_of(result.segmenter, painted).miou <= 1


@pytest.mark.parametrize("stage", ["preparing", "fine-tuning"])
def test_stop_before_that_gives_no_model(painted, stage):
    seen = []
    job = finetune(painted, TABLE, chosen(epochs=500))
    with pytest.raises(StoppedError, match="no model worth keeping"):
        drain(job, seen.append, lambda: seen[-1].stage == stage)
    assert sum(p.stage == "fine-tuning" for p in seen) < 2


@pytest.mark.cell("Finish now in the window", "stopped early")
def test_a_model_under_a_name_of_its_own_is_kept_however_early(painted):
    job = finetune(painted, TABLE, chosen(epochs=500), keep_early=True)
    result = drain(job, should_stop=lambda: True)
    assert len(result.losses) == 1


def test_many_steps_are_worth_keeping_however_long_the_budget(painted):
    seen = []
    job = finetune(painted, TABLE, chosen(epochs=500, batch_size=2, crop_size=32))
    result = drain(job, seen.append, lambda: seen[-1].metrics.get("step") == WORTH_STEPS)
    assert len(result.losses) == WORTH_STEPS


class Clock:
    """Goes on each time that it is looked at."""

    def __init__(self, seconds):
        self.now, self.seconds = 0.0, seconds

    def __call__(self):
        self.now += self.seconds
        return self.now


def test_a_time_budget_ends_the_run(painted):
    clock, seen = Clock(1.0), []
    settings = chosen(epochs=None, minutes=0.5)
    result = drain(finetune(painted[1:], TABLE, settings, painted[:1], clock=clock), seen.append)
    assert 1 <= len(result.losses) < 30
    assert clock.now - 30 < 20  # a tick per look at it, some of them outside of the job
    steps = [p.step for p in seen if p.stage == "fine-tuning"]
    assert steps == sorted(steps)
    assert steps[-1] > 0.7


def test_time_runs_out_before_the_epochs_do_where_both_are_given(painted):
    settings = chosen(epochs=1000, minutes=0.2)
    result = drain(finetune(painted, TABLE, settings, clock=Clock(0.5)))
    assert 1 <= len(result.losses) < 24


def test_a_budget_used_up_by_loading_is_an_error(painted):
    settings = chosen(epochs=None, minutes=0.01)
    with pytest.raises(InputError, match=r"Reading the images took all of 0\.01 minutes"):
        drain(finetune(painted, TABLE, settings, clock=Clock(1000.0)))


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        (lambda x: 0 * x, "Nothing is painted"),
        (lambda x: np.where(x == 1, 1, 0), 'Only one class is painted: "class 1"'),
        (lambda x: np.where(x == 1, 9, 2), r"steel-1\.tif hold values outside.*9 \("),
    ],
)
@pytest.mark.parametrize("settings", [chosen(), instant()], ids=["trained", "fitted"])
def test_labels_that_cannot_teach_are_errors(painted, settings, labels, complaint):
    broken = [with_labels(p, labels(p.labels)) for p in painted]
    with pytest.raises(InputError, match=complaint):
        drain(finetune(broken, TABLE, settings))


@pytest.mark.parametrize("pixels", [np.full((128, 128), 3, np.uint8), np.full((128, 128), np.nan)])
@pytest.mark.parametrize("settings", [chosen(), instant()], ids=["trained", "fitted"])
def test_a_constant_or_broken_image_is_an_error_that_names_it(painted, settings, pixels):
    dark = PaintedMicrograph(Micrograph("dark.tif", pixels), painted[0].labels)
    with pytest.raises(InputError, match=r"dark\.tif"):
        drain(finetune([*painted, dark], TABLE, settings))


def test_which_value_means_unpainted_makes_no_difference(painted):
    strokes = [scribble(p.labels, seed=1, width=3, share=0.1) for p in painted]
    losses = []
    for value in (0, 77):
        labels = [np.where(s == 0, value, s).astype(np.uint8) for s in strokes]
        marked = [with_labels(p, x) for p, x in zip(painted, labels, strict=True)]
        losses.append(drain(finetune(marked, TABLE, chosen(unlabelled=value))).losses)
    assert losses[0] == losses[1]


def test_what_is_painted_over_the_info_bar_makes_no_difference(painted):
    losses = []
    for value in (0, 1, 2, 200):
        with_bar = []
        for p in painted:
            labels = p.labels.copy()
            labels[110:] = value
            micrograph = replace(p.micrograph, info_bar=InfoBar(110, "test"))
            with_bar.append(PaintedMicrograph(micrograph, labels))
        losses.append(drain(finetune(with_bar, TABLE, chosen(epochs=1))).losses)
    assert losses.count(losses[0]) == 4


def test_validation_keeps_whole_images_apart(two_phases):
    painted = [two_phases(seed) for seed in range(5)]
    settings = chosen(epochs=1, val_fraction=0.4)
    result = drain(finetune(painted, TABLE, settings))
    trained = {image.name for image in result.segmenter.card.training_images}
    assert len(trained) == 3
    assert result.validation.confusion.sum() == 2 * 128 * 128
    kept_apart = [p for p in painted if p.micrograph.name not in trained]
    again = scores_of(result.segmenter, kept_apart)
    np.testing.assert_array_equal(again.confusion, result.validation.confusion)


def test_a_small_fraction_of_few_images_is_one_image_never_none_nor_all(painted):
    for fraction in (0.01, 0.9):
        result = drain(finetune(painted, TABLE, chosen(epochs=1, val_fraction=fraction)))
        assert len(result.segmenter.card.training_images) == 1
        assert result.validation is not None


def test_what_the_model_to_go_on_from_has_learnt_validates_nothing(two_phases):
    images = [two_phases(seed) for seed in range(5)]
    names = [one.micrograph.name for one in images]
    first = drain(finetune(images[:3], TABLE, chosen(epochs=1))).segmenter
    settings = chosen(epochs=1, val_fraction=0.8)
    second = drain(finetune(images, TABLE, settings, start=first)).segmenter
    assert {one.name for one in second.card.training_images} == {*names[:3]}
    assert second.card.earlier_images == ()
    third = drain(finetune(images[3:4], TABLE, chosen(epochs=1), start=second)).segmenter
    assert [one.name for one in third.card.training_images] == names[3:4]
    assert {one.name for one in third.card.learnt_images} == {*names[:4]}
    for painted, validation in ((images[:3], ()), (images[3:], images[1:2])):
        with pytest.raises(InputError, match="model that training begins with has learnt"):
            drain(finetune(painted, TABLE, settings, validation, start=third))


def test_a_single_image_cannot_be_divided(painted):
    with pytest.raises(InputError, match="keep none apart"):
        drain(finetune(painted[:1], TABLE, chosen(val_fraction=0.2)))


def test_the_model_that_did_best_on_the_validation_images_is_chosen(painted, two_phases):
    validation = [two_phases(5)]
    seen = []
    restless = {"architecture": "unet++", "ema_decay": 0.0, "learning_rate": 0.1, "cosine": False}
    settings = chosen(epochs=10, validations=10, **restless)
    result = drain(finetune(painted, TABLE, settings, validation), seen.append)
    scored = {p.metrics["val_miou"] for p in seen if "val_miou" in p.metrics}
    assert len(scored) > 2
    assert result.validation.miou >= max(scored)
    again = scores_of(result.segmenter, validation)
    np.testing.assert_array_equal(again.confusion, result.validation.confusion)
    assert result.segmenter.card.metrics["val_miou"] == result.validation.miou


def test_a_training_that_ends_below_what_it_began_with_keeps_that_and_states_it(
    painted, two_phases
):
    validation = [two_phases(5)]
    instant = drain(finetune(painted, TABLE, chosen(architecture="pixel-classifier"))).segmenter
    first = scores_of(instant, validation).miou
    assert first > 0.9
    ruinous = {"architecture": "guided-unet++", "learning_rate": 1.0, "ema_decay": 0.0}
    seen = []
    settings = chosen(epochs=3, warmup=0.0, cosine=False, **ruinous)
    result = drain(finetune(painted, TABLE, settings, validation), seen.append)
    assert result.validation.miou == pytest.approx(first, abs=0.01)
    assert scores_of(result.segmenter, validation).miou == result.validation.miou
    assert "pixel classifier that training began with does best" in seen[-1].message

    again = drain(
        finetune(painted, TABLE, settings, validation, start=result.segmenter), seen.append
    )
    assert again.validation.miou >= result.validation.miou - 0.01
    assert "model that training went on from does best" in seen[-1].message


def test_with_as_many_validations_as_epochs_every_epoch_after_the_first_fifth_is_validated(painted):
    stages = []
    settings = chosen(epochs=10, validations=10, batch_size=8, augment=False)
    job = finetune(painted[:1], TABLE, settings, painted[1:])
    drain(job, lambda progress: stages.append(progress.stage))
    before = ("preparing", "looking for copies")
    learnt, told = "fine-tuning", [stage for stage in stages if stage not in before]
    # A step is told after its validation; the last validation is no longer one of a step.
    assert told == [*2 * [learnt], *7 * ["validating", learnt], learnt, "validating", learnt]


def test_validation_images_without_paint_are_an_error_not_a_model_that_cannot_be_read(painted):
    unpainted = with_labels(painted[1], 0 * painted[1].labels)
    with pytest.raises(InputError, match="Nothing is painted in the images to validate on"):
        drain(finetune(painted[:1], TABLE, chosen(epochs=1), [unpainted]))


def test_a_value_outside_the_table_is_an_error_in_validation_images_too(painted):
    strange = with_labels(painted[1], np.where(painted[1].labels == 2, 9, 1))
    with pytest.raises(InputError, match=r"outside the class table.*9"):
        drain(finetune(painted[:1], TABLE, chosen(epochs=1), [strange]))


def named(*names):
    return ClassTable(
        classes=tuple(
            LabelClass(id=n + 1, name=name, colour=COLOURS[n]) for n, name in enumerate(names)
        )
    )


def test_going_on_from_a_model_with_one_class_more(painted):
    settings = chosen(epochs=20, learning_rate=3e-3)
    start = drain(finetune(painted, named("matrix", "carbide"), settings)).segmenter
    shifted = []
    for p in painted:
        labels = p.labels + 1  # the new class has the lowest id
        labels[:6] = 1
        shifted.append(with_labels(p, labels))
    own = named("edge", "matrix", "carbide")
    still = chosen(epochs=1, learning_rate=1e-6, encoder="resnet18")
    result = drain(finetune(shifted, own, still, start=start))
    assert result.segmenter.card.encoder == TINY
    assert "went on" in result.segmenter.card.start
    before = scores_of(start, painted).classes["carbide"].iou
    assert before > 0.6
    fresh = drain(finetune(shifted, own, chosen(epochs=1, learning_rate=1e-6)))
    assert result.losses[0] < fresh.losses[0]


def test_going_on_keeps_the_models_scale_colours_and_intensity_scaling(painted):
    settings = chosen(
        epochs=1, intensity_scaling=IntensityScalingSettings(kind="imagenet"), scale=0.5
    )
    start = drain(finetune(painted, TABLE, settings)).segmenter
    card = drain(finetune(painted, TABLE, chosen(epochs=1), start=start)).segmenter.card
    assert card.scale == 0.5
    assert card.intensity_scaling.kind == "imagenet"
    assert card.channels == "grey"


def test_a_pretrained_encoder_is_the_start(painted, tmp_path):
    encoder = drain(
        pretrain(
            [p.micrograph for p in painted],
            PretrainSettings(
                encoder=TINY, weights="random", epochs=1, batch_size=4, patch_size=64, view_size=64,
                projection_hidden=16, projection_out=8, device="cpu",
            ),
        )
    )  # fmt: skip
    path = tmp_path / "enc.safetensors"
    encoder.write(path)
    still = {"learning_rate": 1e-12, "weight_decay": 0, "freeze_batch_norm": True}
    settings = chosen(weights=str(path), epochs=1, **still)
    result = drain(finetune(painted, TABLE, settings))
    assert "enc.safetensors" in result.segmenter.card.start
    state = result.segmenter.network.state_dict()
    for name, tensor in encoder.tensors.items():
        torch.testing.assert_close(state[name], tensor)
    with pytest.raises(ModelFileError, match="Use the encoder test_efficientnet"):
        drain(finetune(painted, TABLE, chosen(weights=str(path), encoder="resnet18")))


@pytest.mark.parametrize("frozen", [True, False])
def test_statistics_of_the_encoder_stay_where_the_settings_freeze_them(painted, frozen):
    result = drain(finetune(painted, TABLE, chosen(freeze_batch_norm=frozen, ema_decay=0.0)))
    start = build_network(TINY, 2, seed=0)
    norms = [n for n, m in start.encoder.named_modules() if isinstance(m, nn.BatchNorm2d)]
    own, before = result.segmenter.network.encoder.state_dict(), start.encoder.state_dict()
    same = [
        torch.equal(own[f"{norm}.running_mean"], before[f"{norm}.running_mean"]) for norm in norms
    ]
    assert all(same) if frozen else not any(same)
    decoder = result.segmenter.network.decoder.state_dict()
    means = [t for n, t in decoder.items() if n.endswith("running_mean")]
    assert means
    assert all(bool((t != 0).any()) for t in means)


def test_out_of_memory_halves_the_batch_size_with_a_message(painted):
    seen = []
    with memory_for(1):
        result = drain(finetune(painted, TABLE, chosen()), seen.append)
    messages = [p.message for p in seen if "Out of memory" in p.message]
    assert messages == [f"Out of memory: batches of {n} now." for n in (2, 1)]
    assert len(result.losses) >= 6


@pytest.mark.parametrize("crop", [160, 256])
def test_memory_that_never_suffices_is_a_clear_error(painted, crop):
    with memory_for(0) as refused, pytest.raises(ComputeError, match="Out of memory while train"):
        drain(finetune(painted, TABLE, chosen(crop_size=crop, batch_size=1)))
    assert min(shape[-1] for shape in refused) < 100


@pytest.mark.parametrize("crop", [100, 65])
def test_a_crop_size_that_the_network_cannot_take_is_rounded(painted, crop):
    assert drain(finetune(painted, TABLE, chosen(crop_size=crop, epochs=1))).losses


def test_a_loss_that_is_not_finite_is_an_error_with_a_remedy(painted):
    with diverging_after(1), pytest.raises(ComputeError, match=r"diverged.*lower learning rate"):
        drain(finetune(painted, TABLE, chosen()))


def test_colour_images_make_a_model_for_colour(painted):
    colour = np.stack([painted[0].micrograph.pixels, *2 * [painted[1].micrograph.pixels]], axis=2)
    one = PaintedMicrograph(Micrograph("stain.png", colour), painted[0].labels)
    result = drain(finetune([one, painted[1]], TABLE, chosen(epochs=1)))
    assert result.segmenter.card.channels == "rgb"
    assert scores_of(result.segmenter, [one]).confusion.sum() == 128 * 128


def test_the_pixel_size_is_kept_where_all_images_are_calibrated(painted, two_phases):
    sizes = [PixelSize(um, um, "test") for um in (0.1, 0.12)]
    calibrated = [
        PaintedMicrograph(replace(p.micrograph, pixel_size=size), p.labels)
        for p, size in zip(painted, sizes, strict=True)
    ]
    result = drain(finetune(calibrated, TABLE, chosen(epochs=1)))
    assert result.segmenter.card.pixel_size_um == pytest.approx(0.11)
    mixed = drain(finetune([calibrated[0], painted[1]], TABLE, chosen(epochs=1)))
    assert mixed.segmenter.card.pixel_size_um is None


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(300, 400)], 1.0),
        ([(1024, 1280)], 0.5),
        ([(512, 512), (2048, 2048), (1024, 1024)], 0.5),
        ([(40_000, 40_000)], 0.1),
    ],
)
def test_large_images_are_made_smaller_for_the_network(sizes, expected):
    images = [Micrograph("a", np.broadcast_to(np.uint8(0), size)) for size in sizes]
    assert automatic_scale(images) == expected


@pytest.mark.parametrize(
    ("width", "side", "expected"),
    [(2, 800, 1.0), (40, 1024, 0.5), (2, 4096, 0.25)],
)
def test_fine_structure_is_not_wiped_out(width, side, expected):
    """Squares of 2 px stay as they are, up to 1024 px; of 40 px, half the size is enough."""
    fields = np.random.default_rng(0).random((side // width, side // width)) > 0.5
    pixels = np.kron(fields.astype(np.uint8) * 100 + 50, np.ones((width, width), np.uint8))
    image = Micrograph("squares.tif", pixels)
    assert automatic_scale([image]) == pytest.approx(expected, abs=0.02)


def test_the_info_bar_does_not_count_for_the_scale():
    pixels = np.broadcast_to(np.uint8(0), (1100, 1024))
    assert automatic_scale([Micrograph("a", pixels, info_bar=InfoBar(512, "test"))]) == 1.0


def test_the_encoder_learns_more_slowly_than_the_decoder(painted):
    """Both start at the same weights; with Adam a first step is as long as the rate."""
    compute = Compute(torch.device("cpu"), torch.float32, "exact")
    settings = chosen(
        architecture="unet++", epochs=1, batch_size=8, optimiser="adam", weight_decay=0,
        learning_rate=1e-3, encoder_rate=0.1, warmup=0, cosine=False, ema_decay=0.0,
    )  # fmt: skip
    result = drain(train(make_plan(painted, TABLE, settings), compute, Budget(None, None)))
    assert len(result.losses) == 1
    start, end = build_network(TINY, 2, seed=0), result.segmenter.network

    def longest(part):
        own, before = getattr(end, part).named_parameters(), getattr(start, part).state_dict()
        return max(float((p.detach() - before[name]).abs().max()) for name, p in own)

    assert longest("decoder") == pytest.approx(1e-3, rel=0.02)
    assert longest("encoder") == pytest.approx(1e-4, rel=0.02)
    assert build_encoder(TINY).state_dict().keys() == start.encoder.state_dict().keys()


def test_a_pause_costs_no_budget(painted):
    clock = Clock(0.001)
    job = finetune(painted, TABLE, chosen(epochs=None, minutes=1.0), clock=clock)
    shares = []
    while len(shares) < 3:
        progress = next(job)
        if progress.stage == "fine-tuning":
            shares.append(progress.step)
        clock.now += 3600
    job.close()
    assert max(shares) < 0.1


def test_the_present_model_shows_what_it_makes_of_the_image_that_is_looked_at(painted, two_phases):
    looked_at = [two_phases(9).micrograph]
    seen = []
    settings = chosen(architecture="unet++", epochs=12, learning_rate=3e-3)
    job = finetune(painted, TABLE, settings, on_view=lambda: looked_at[0], clock=Clock(0.2))
    result = drain(job, seen.append)
    previews = [p.preview for p in seen if p.preview is not None]
    assert len(previews) > 2
    assert all(p.image == looked_at[0].name and (p.top, p.left) == (0, 0) for p in previews)
    first, last = previews[0].ids, previews[-1].ids
    assert first.shape == looked_at[0].pixels.shape
    assert not np.array_equal(first, last)
    truth = two_phases(9).labels
    assert (last == truth).mean() > (first == truth).mean()
    unwatched = drain(finetune(painted, TABLE, settings))
    assert unwatched.losses == result.losses


def test_previews_of_a_large_image_can_be_stopped_and_closed(painted):
    pixels = np.tile(painted[0].micrograph.pixels, (1, 20))
    large = Micrograph("large.tif", pixels)  # 2560 px: several tiles in a row

    def begun():
        """Give a job that has done the first tile of a preview."""
        tiles, settings = [], chosen(epochs=1000)
        job = finetune(painted, TABLE, settings, on_view=lambda: large, keep_early=True)

        def count_tile(module, images):
            if makes_a_mask(module, images):
                tiles.append(images.shape)

        with watched_networks(count_tile):
            while not tiles:
                next(job)
        assert len(tiles) == 1
        return job

    seen = []
    assert len(drain(begun(), seen.append, lambda: True).losses) == 1
    assert not [progress for progress in seen if progress.preview is not None]
    begun().close()


def test_metrics_hold_the_scores_of_training_and_validation(painted, two_phases):
    seen = []
    settings = chosen(epochs=12, validations=4, learning_rate=3e-3)
    drain(finetune(painted, TABLE, settings, [two_phases(5)]), seen.append)
    metrics = [p.metrics for p in seen if p.stage == "fine-tuning"]
    assert metrics[0]["epoch"] == 1
    assert metrics[-1]["epoch"] == 12
    assert {"loss", "iou_class 1", "iou_class 2"} <= set(metrics[0])
    assert metrics[-1]["iou_class 1"] > metrics[0]["iou_class 1"]
    validated = [m for m in metrics if "val_loss" in m]
    assert validated
    assert {"val_miou", "val_iou_class 1", "val_iou_class 2"} <= set(validated[0])
    # Both are the same function of the network's output: near each other for like images.
    assert 0.1 < validated[-1]["val_loss"] / metrics[-1]["loss"] < 10


def coating(turned=False):
    sample = make_sample("coating", 0, (128, 160))
    pixels, labels = sample.micrograph.pixels, np.where(sample.labels == 1, 1, 2)
    if turned:
        pixels, labels = pixels.T.copy(), labels.T.copy()
    return PaintedMicrograph(Micrograph("coating.tif", pixels), labels.astype(np.uint8))


def test_strata_of_a_cross_section_are_found_and_keep_their_order(painted):
    sections = [coating()], [coating(turned=True)], painted, [coating(), *painted]
    plans = [make_plan(images, TABLE, chosen()) for images in sections]
    assert [plan.strata for plan in plans] == ["rows", "columns", "any", "any"]
    upright = chosen(epochs=1, strata="rows"), chosen(epochs=1), chosen(epochs=1, strata="any")
    rows, auto, turned = (drain(finetune([coating()], TABLE, one)).losses for one in upright)
    assert rows == auto != turned


def test_images_to_validate_on_do_not_decide_the_direction_of_strata(painted):
    assert make_plan([coating()], TABLE, chosen(), validation=painted).strata == "rows"


def test_unbroken_classes_are_found_in_full_labels_of_cross_sections(painted):
    sections = [coating(), coating()]
    for images, way, ids in (
        (sections, "auto", [1, 2]),
        (sections, "any", []),
        (painted, "auto", []),
    ):
        card = drain(finetune(images, TABLE, chosen(epochs=1, strata=way))).segmenter.card
        assert [(one.class_id, one.images) for one in card.unbroken] == [(i, 2) for i in ids]


def test_unbroken_classes_are_found_by_the_model_where_strokes_are_painted(painted):
    """It has learnt nothing here but what its classifier was fitted to."""
    stages = []

    def unbroken(images, way):
        stages.append(set())
        settings = chosen(epochs=1, learning_rate=1e-12, strata=way)
        job = finetune(images, TABLE, settings)
        card = drain(job, lambda progress: stages[-1].add(progress.stage)).segmenter.card
        return [(rule.class_id, rule.images) for rule in card.unbroken]

    sections = [coating(), coating()]
    few, spots = (
        [with_labels(one, scribble(one.labels, seed=0)) for one in images]
        for images in (sections, painted)
    )
    assert unbroken(few, "auto") == [(1, 2), (2, 2)]
    assert unbroken(few, "any") == unbroken(spots, "auto") == []
    unbroken(sections, "auto")  # full labels show it themselves
    assert ["looking for strata" in seen for seen in stages] == [True, False, False, False]


def test_dropout_is_for_full_labels_unless_it_is_set(painted):
    few = [with_labels(one, scribble(one.labels, seed=0)) for one in painted]
    for images, changed, used in ((painted, None, 0.2), (few, None, 0.0), (few, 0.5, 0.5)):
        runs = [
            drain(finetune(images, TABLE, chosen(epochs=2, dropout=share)))
            for share in (changed, used, 0.9)
        ]
        assert runs[0].losses == runs[1].losses != runs[2].losses
        card = runs[0].segmenter.card
        assert card.settings["dropout"] == used
        assert card.painted_share == pytest.approx(np.mean([one.labels > 0 for one in images]))
