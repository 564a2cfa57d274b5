"""Fitting the pixel classifier to painted micrographs, as a user has it done."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import TINY, finetuning, instant

from napari_matssl.errors import DeviceError, SettingsError, WeightsError
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass, numbered_table
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.encoders import build_encoder
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.pixel_classifier import PixelClassifier
from napari_matssl.learn.segmenter import read_segmenter, write_segmenter
from napari_matssl.micrograph.image import InfoBar, Micrograph, PixelSize
from napari_matssl.progress import drain
from napari_matssl.samples import class_table as table_of
from napari_matssl.samples import make_sample, scribble
from napari_matssl.settings import FinetuneSettings, IntensityScalingSettings, PredictSettings
from napari_matssl.tasks.evaluate import evaluate
from napari_matssl.tasks.finetune.job import finetune

TABLE = numbered_table([1, 2])


def trained_unet(**values):
    given = {"architecture": "unet++", "epochs": 1, "freeze_batch_norm": False}
    return finetuning(**{**given, **values})


@pytest.fixture(scope="module")
def painted(two_phases):
    """Two images with strokes of both phases."""
    dense = [two_phases(seed) for seed in (1, 2)]
    return [
        with_labels(p, scribble(p.labels, seed=n, width=3, share=0.05)) for n, p in enumerate(dense)
    ]


@pytest.fixture(scope="module")
def made(painted):
    """A pixel classifier that was fitted to them."""
    return drain(finetune(painted, TABLE, instant())).segmenter


def with_labels(one, labels):
    return PaintedMicrograph(one.micrograph, labels)


def scores_of(segmenter, painted):
    return drain(evaluate(segmenter, painted, PredictSettings(device="cpu"))).scores


def encoder_of(segmenter):
    return segmenter.network.encoder.state_dict()


def equal(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


# ---- the result ----


def test_two_phases_are_separated_on_an_unseen_image(made, two_phases):
    scores = scores_of(made, [two_phases(7)])
    assert scores.miou > 0.9
    assert all(one.iou > 0.85 for one in scores.classes.values())


def test_few_strokes_on_a_single_dual_phase_steel_give_a_useful_mask():
    one, other = (make_sample("dual-phase", seed, (160, 160)) for seed in (1, 2))
    strokes = scribble(one.labels, seed=0, width=2, share=0.01)
    single = [PaintedMicrograph(one.micrograph, strokes)]
    result = drain(finetune(single, table_of("dual-phase"), instant()))
    assert scores_of(result.segmenter, [PaintedMicrograph(one.micrograph, one.labels)]).miou > 0.6
    assert (
        scores_of(result.segmenter, [PaintedMicrograph(other.micrograph, other.labels)]).miou > 0.5
    )


def test_it_is_a_model_that_can_be_kept(made, painted, tmp_path):
    assert isinstance(made.network, PixelClassifier)
    assert not made.network.training
    card = made.card
    assert card.architecture == "pixel-classifier"
    assert (card.kind, card.classes, card.encoder) == ("segmenter", TABLE, TINY)
    assert card.start == "random"
    assert [image.name for image in card.training_images] == ["steel-1.tif", "steel-2.tif"]
    assert FinetuneSettings(**card.settings) == instant()
    assert 0 <= card.metrics["minutes"] < 1
    path = tmp_path / "model.safetensors"
    write_segmenter(path, made)
    again = read_segmenter(path)
    assert again.card == card
    before, after = (scores_of(one, painted).confusion for one in (made, again))
    np.testing.assert_array_equal(before, after)


def test_the_same_seed_gives_the_same_model(made, painted):
    again = drain(finetune(painted, TABLE, instant())).segmenter
    assert equal(made.network.state_dict(), again.network.state_dict())


def test_the_encoder_has_the_weights_that_it_started_with(made, painted, tmp_path):
    assert equal(encoder_of(made), build_encoder(TINY).state_dict())
    start = drain(finetune(painted, TABLE, trained_unet(learning_rate=1e-2))).segmenter
    path = tmp_path / "unet.safetensors"
    write_segmenter(path, start)
    result = drain(finetune(painted, TABLE, instant(weights=str(path)))).segmenter
    assert equal(encoder_of(result), encoder_of(start))
    assert "unet.safetensors" in result.card.start


def test_there_are_no_losses_and_no_score_without_images_to_validate_on(painted):
    result = drain(finetune(painted, TABLE, instant()))
    assert result.losses == ()
    assert result.validation is None
    assert "val_miou" not in result.segmenter.card.metrics


@pytest.mark.parametrize("limit", [{"epochs": 1}, {"minutes": 1e-6}])
def test_budgets_do_not_apply(made, painted, limit):
    result = drain(finetune(painted, TABLE, instant(**limit)))
    assert equal(made.network.state_dict(), result.segmenter.network.state_dict())


def test_which_value_means_unpainted_makes_no_difference(made, painted):
    marked = [
        with_labels(p, np.where(p.labels == 0, 77, p.labels).astype(np.uint8)) for p in painted
    ]
    again = drain(finetune(marked, TABLE, instant(unlabelled=77))).segmenter
    assert equal(made.network.state_dict(), again.network.state_dict())


def test_what_lies_in_the_info_bar_makes_no_difference(painted):
    states = []
    for value in (0, 1, 200):
        micrograph = painted[0].micrograph
        labels, pixels = painted[0].labels.copy(), micrograph.pixels.copy()
        labels[110:], pixels[110:] = value, value
        barred = replace(micrograph, pixels=pixels, info_bar=InfoBar(110, "test"))
        result = drain(finetune([PaintedMicrograph(barred, labels)], TABLE, instant()))
        states.append(result.segmenter.network.state_dict())
    assert equal(states[0], states[1])
    assert equal(states[0], states[2])


def test_colour_images_make_a_model_for_colour(painted):
    grey = painted[0].micrograph.pixels
    colour = np.stack([grey, 255 - grey, np.full_like(grey, 90)], axis=2)
    stain = PaintedMicrograph(Micrograph("stain.png", colour), painted[0].labels)
    segmenter = drain(finetune([stain, painted[1]], TABLE, instant())).segmenter
    assert segmenter.card.channels == "rgb"
    assert scores_of(segmenter, [stain]).miou > 0.8
    alone = drain(finetune([stain], TABLE, instant())).segmenter
    assert scores_of(alone, [stain]).miou > 0.9


def test_images_are_magnified_by_settings_or_by_their_size_and_structure(two_phases):
    large = two_phases(3, size=(160, 128))
    for scale, expected in ((None, 1.0), (0.5, 0.5), (2.0, 2.0)):
        segmenter = drain(finetune([large], TABLE, instant(scale=scale))).segmenter
        assert segmenter.card.scale == expected
        assert scores_of(segmenter, [large]).miou > 0.85
    enlarged = np.ones((5, 5), np.uint8)
    coarse = PaintedMicrograph(
        Micrograph("coarse.tif", np.kron(large.micrograph.pixels, enlarged)),
        np.kron(large.labels, enlarged),
    )
    fine = PaintedMicrograph(
        Micrograph("fine.tif", np.tile(large.micrograph.pixels, (4, 8))),
        np.tile(large.labels, (4, 8)),
    )
    for one, expected in ((coarse, 512 / 640), (fine, 1.0)):
        segmenter = drain(finetune([one], TABLE, instant())).segmenter
        assert segmenter.card.scale == pytest.approx(expected)


def test_an_image_at_another_magnification_is_brought_to_that_of_the_model(two_phases):
    coarse = two_phases(3, pixel_size=PixelSize(0.2, 0.2, "test"))
    fine = PaintedMicrograph(
        Micrograph(
            "fine.tif",
            np.kron(coarse.micrograph.pixels, np.ones((2, 2), np.uint8)),
            pixel_size=PixelSize(0.1, 0.1, "test"),
        ),
        np.kron(coarse.labels, np.ones((2, 2), np.uint8)),
    )
    segmenter = drain(finetune([coarse], TABLE, instant())).segmenter
    assert segmenter.card.pixel_size_um == pytest.approx(0.2)
    assert scores_of(segmenter, [fine]).miou > 0.85


# ---- validation, stop, preview ----


def test_validation_scores_are_those_of_the_model(painted, two_phases):
    validation = [two_phases(5), two_phases(6)]
    seen = []
    result = drain(finetune(painted, TABLE, instant(), validation), seen.append)
    again = scores_of(result.segmenter, validation)
    np.testing.assert_array_equal(again.confusion, result.validation.confusion)
    assert again.confusion.sum() == 2 * 128 * 128
    assert result.segmenter.card.metrics["val_miou"] == result.validation.miou > 0.9


def test_validation_keeps_whole_images_apart(two_phases):
    images = [two_phases(seed) for seed in range(3)]
    result = drain(finetune(images, TABLE, instant(val_fraction=0.3)))
    trained = {image.name for image in result.segmenter.card.training_images}
    assert len(trained) == 2
    kept = [p for p in images if p.micrograph.name not in trained]
    np.testing.assert_array_equal(
        scores_of(result.segmenter, kept).confusion, result.validation.confusion
    )


def test_progress_goes_forward_and_names_the_device(painted, two_phases):
    seen = []
    drain(finetune(painted, TABLE, instant(), [two_phases(5)]), seen.append)
    assert any("Device: cpu" in p.message for p in seen)
    assert all(0 <= p.step <= p.total for p in seen)
    shares = [p.step / p.total for p in seen if p.stage == "fine-tuning"]
    assert shares == sorted(shares)
    assert shares


@pytest.mark.parametrize("stage", ["preparing", "fine-tuning"])
def test_stop_returns_a_fitted_model(made, painted, stage):
    seen = []
    job = finetune(painted, TABLE, instant())
    result = drain(job, seen.append, lambda: seen[-1].stage == stage)
    assert equal(made.network.state_dict(), result.segmenter.network.state_dict())


@pytest.mark.parametrize("after", [1, 3, 5])
def test_stop_never_passes_a_part_of_a_validation_off_as_its_score(painted, two_phases, after):
    """It takes seconds: all images are scored, whenever STOP comes."""
    validation = [two_phases(5), two_phases(6)]
    seen = []
    job = finetune(painted, TABLE, instant(), validation)
    result = drain(job, seen.append, lambda: len(seen) >= after)
    again = scores_of(result.segmenter, validation)
    np.testing.assert_array_equal(again.confusion, result.validation.confusion)
    assert result.segmenter.card.metrics["val_miou"] == again.miou


def test_the_image_that_is_looked_at_is_shown_segmented(made, painted, two_phases):
    looked_at = two_phases(9)
    seen = []
    job = finetune(painted, TABLE, instant(), on_view=lambda: looked_at.micrograph)
    result = drain(job, seen.append)
    (preview,) = [p.preview for p in seen if p.preview is not None]
    assert (preview.image, preview.top, preview.left) == (looked_at.micrograph.name, 0, 0)
    assert preview.ids.dtype == np.uint8
    assert (preview.ids == looked_at.labels).mean() > 0.95
    assert equal(made.network.state_dict(), result.segmenter.network.state_dict())


def test_nothing_is_shown_where_nobody_looks(painted):
    seen = []
    drain(finetune(painted, TABLE, instant(), on_view=lambda: None), seen.append)
    assert all(p.preview is None for p in seen)


# ---- going on ----


def named(*names):
    return ClassTable(
        classes=tuple(
            LabelClass(id=n + 1, name=name, colour=COLOURS[n]) for n, name in enumerate(names)
        )
    )


def test_going_on_from_a_unet_takes_its_encoder_and_image_settings(painted, two_phases):
    imagenet = IntensityScalingSettings(kind="imagenet")
    settings = trained_unet(learning_rate=1e-2, scale=0.5, intensity_scaling=imagenet)
    start = drain(finetune(painted, TABLE, settings)).segmenter
    asked = instant(encoder="resnet18")
    result = drain(finetune(painted, TABLE, asked, start=start)).segmenter
    assert result.card.architecture == "pixel-classifier"
    assert equal(encoder_of(result), encoder_of(start))
    assert not equal(encoder_of(result), build_encoder(TINY).state_dict())
    assert (result.card.encoder, result.card.scale) == (TINY, 0.5)
    assert result.card.intensity_scaling == imagenet
    assert result.card.start == "went on from a model (random)"
    assert scores_of(result, [two_phases(7)]).miou > 0.8


def test_a_unet_goes_on_from_a_pixel_classifier_by_its_encoder(painted):
    start = drain(finetune(painted, TABLE, instant(scale=0.5))).segmenter
    for tensor in start.network.encoder.parameters():
        tensor.detach().mul_(1.5)
    still = trained_unet(learning_rate=1e-12, weight_decay=0, ema_decay=0, freeze_batch_norm=True)
    result = drain(finetune(painted, TABLE, still, start=start)).segmenter
    assert result.card.architecture == "unet++"
    assert result.network.state_dict().keys() == build_network(TINY, 2).state_dict().keys()
    own = encoder_of(start)
    for name, tensor in encoder_of(result).items():
        torch.testing.assert_close(tensor, own[name])
    assert result.card.scale == 0.5
    assert "went on" in result.card.start


def test_going_on_with_other_classes_fits_them_anew(made, painted):
    shifted = []
    for p in painted:
        labels = np.where(p.labels == 0, 0, p.labels + 1).astype(np.uint8)
        labels[:6] = 1
        shifted.append(with_labels(p, labels))
    own = named("edge", "matrix", "carbide")
    result = drain(finetune(shifted, own, instant(), start=made)).segmenter
    fresh = drain(finetune(shifted, own, instant())).segmenter
    assert equal(result.network.state_dict(), fresh.network.state_dict())
    assert result.card.start == "went on from a model (random)"


# ---- what cannot work ----


def test_an_encoder_weights_or_a_device_that_cannot_be_had_are_errors(painted, tmp_path):
    with pytest.raises(SettingsError, match="no_such_net"):
        drain(finetune(painted, TABLE, instant(encoder="no_such_net")))
    with pytest.raises(WeightsError, match=r"gone\.safetensors"):
        drain(finetune(painted, TABLE, instant(weights=str(tmp_path / "gone.safetensors"))))
    with pytest.raises(DeviceError, match="nonsense"):
        drain(finetune(painted, TABLE, instant(device="nonsense")))
