"""The instant pixel classifier between strokes: the same masks as a run's, and little work."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from faulty_device import watched_networks
from tiny import TINY
from tiny import instant as chosen

from napari_matssl.errors import InputError, WeightsError
from napari_matssl.labels.class_table import ClassTable, LabelClass, numbered_table
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.encoders import LITE0
from napari_matssl.learn.inference import segment
from napari_matssl.learn.remembering_encoder import RememberingEncoder
from napari_matssl.micrograph.image import InfoBar, PixelSize
from napari_matssl.progress import drain
from napari_matssl.samples import scribble
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks import live as live_module
from napari_matssl.tasks.finetune.job import finetune
from napari_matssl.tasks.live import LiveClassifier

TABLE = numbered_table([1, 2])


def painted(made, seed=0, width=3):
    strokes = scribble(made.labels, seed=seed, width=width, share=0.1)
    return PaintedMicrograph(made.micrograph, strokes)


def with_stroke(one, class_id, row=40):
    labels = one.labels.copy()
    labels[row : row + 3, 5:60] = class_id
    return PaintedMicrograph(one.micrograph, labels)


def predicted_by_finetune(strokes, table, view, settings):
    trained = drain(finetune(strokes, table, settings)).segmenter
    compute = choose_compute("cpu")
    network = compute.place_to_segment(trained.network)
    used = PredictSettings(device="cpu")
    return drain(segment(network, trained.card, view, compute, used)).mask


@pytest.fixture(scope="module")
def strokes(two_phases):
    """Two painted images."""
    return [painted(two_phases(seed), seed) for seed in (1, 2)]


@pytest.fixture
def live():
    return LiveClassifier()


@pytest.fixture
def encoded():
    """Shapes of the images that went through an encoder."""
    shapes, wrapped = [], set()

    def watch(module, images):
        if isinstance(module, RememberingEncoder):
            wrapped.add(module.encoder)
        elif module in wrapped:
            shapes.append(images.shape)

    with watched_networks(watch):
        yield shapes


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"size": (150, 100)},
        {"pixel_size": PixelSize(0.5, 0.5, "test"), "info_bar": InfoBar(110, "test")},
    ],
    ids=["square", "no multiple of the stride", "calibrated, with a bar"],
)
def test_a_preview_is_what_an_instant_run_predicts_stroke_after_stroke(live, two_phases, facts):
    images = [painted(two_phases(seed, **facts), seed) for seed in (1, 2)]
    for changed in (images, [images[0], with_stroke(images[1], 2)]):
        for view in (changed[1].micrograph, two_phases(3, **facts).micrograph):
            found = live.segment(changed, TABLE, view, chosen())
            assert (found.image, found.top, found.left) == (view.name, 0, 0)
            wanted = predicted_by_finetune(changed, TABLE, view, chosen())
            np.testing.assert_array_equal(found.ids, wanted)


def test_a_magnified_colour_image_is_previewed_as_a_run_predicts_it(live, two_phases):
    one = painted(two_phases(1))
    tinted = np.stack([one.micrograph.pixels, one.micrograph.pixels // 2, one.labels * 20], axis=2)
    images = [PaintedMicrograph(replace(one.micrograph, pixels=tinted), one.labels)]
    settings = chosen(scale=0.5, intensity_scaling={"kind": "imagenet"})
    found = live.segment(images, TABLE, images[0].micrograph, settings)
    wanted = predicted_by_finetune(images, TABLE, images[0].micrograph, settings)
    np.testing.assert_array_equal(found.ids, wanted)


def test_another_stroke_sends_no_image_through_the_encoder_again(live, strokes, encoded):
    view = strokes[0].micrograph
    first = live.segment(strokes, TABLE, view, chosen())
    assert len(encoded) == 2
    more = [with_stroke(strokes[0], 2), strokes[1]]
    second = live.segment(more, TABLE, view, chosen())
    assert len(encoded) == 2
    assert (first.ids != second.ids).any()


@pytest.mark.parametrize("work", ["fit_intensity_scaling", "describe_image", "prepare"])
def test_another_stroke_goes_through_no_grey_values_again(strokes, monkeypatch, work):
    original, gone_through = getattr(live_module, work), []
    monkeypatch.setattr(
        live_module, work, lambda *inputs: gone_through.append(inputs[0]) or original(*inputs)
    )
    live, view = LiveClassifier(), strokes[0].micrograph
    live.segment(strokes, TABLE, view, chosen())
    first = len(gone_through)
    assert first
    live.segment([with_stroke(strokes[0], 2), strokes[1]], TABLE, view, chosen())
    assert len(gone_through) == first


def test_another_image_in_view_costs_its_own_encoding_alone(live, strokes, two_phases, encoded):
    live.segment(strokes, TABLE, strokes[0].micrograph, chosen())
    other = two_phases(5).micrograph
    assert live.segment(strokes, TABLE, other, chosen()).image == other.name
    assert len(encoded) == 3
    live.segment(strokes, TABLE, strokes[0].micrograph, chosen())
    assert len(encoded) == 3


def test_another_image_of_the_same_name_is_not_mistaken_for_it(live, strokes, two_phases):
    live.segment(strokes, TABLE, strokes[0].micrograph, chosen())
    other = painted(two_phases(8, name=strokes[0].micrograph.name), 8)
    found = live.segment([other, strokes[1]], TABLE, other.micrograph, chosen())
    wanted = predicted_by_finetune([other, strokes[1]], TABLE, other.micrograph, chosen())
    np.testing.assert_array_equal(found.ids, wanted)


def test_classes_that_come_go_or_change_their_ids_take_effect(live, strokes, encoded):
    view = strokes[0].micrograph
    live.segment(strokes, TABLE, view, chosen())
    third = ClassTable(classes=(*TABLE.classes, LabelClass(id=7, name="pores", colour="#000000")))
    more = [with_stroke(strokes[0], 7), strokes[1]]
    found = live.segment(more, third, view, chosen())
    assert set(np.unique(found.ids)) == {1, 2, 7}
    wanted = predicted_by_finetune(more, third, view, chosen())
    np.testing.assert_array_equal(found.ids, wanted)
    assert set(np.unique(live.segment(strokes, TABLE, view, chosen()).ids)) == {1, 2}
    swapped = ClassTable(classes=(TABLE.classes[0], third.classes[2]))
    other = [PaintedMicrograph(p.micrograph, np.where(p.labels == 2, 7, p.labels)) for p in strokes]
    assert set(np.unique(live.segment(other, swapped, view, chosen()).ids)) == {1, 7}


def test_another_encoder_or_intensity_scaling_takes_effect(live, strokes, encoded):
    view = strokes[0].micrograph
    live.segment(strokes, TABLE, view, chosen())
    for values in ({"intensity_scaling": {"kind": "imagenet"}}, {"encoder": "test_resnet"}):
        before = len(encoded)
        found = live.segment(strokes, TABLE, view, chosen(**values))
        assert len(encoded) == before + 2
        wanted = predicted_by_finetune(strokes, TABLE, view, chosen(**values))
        np.testing.assert_array_equal(found.ids, wanted)


def test_weights_that_are_missing_are_one_error_and_do_no_harm(live, strokes, tmp_path):
    view = strokes[0].micrograph
    before = live.segment(strokes, TABLE, view, chosen())
    with pytest.raises(WeightsError, match=r"gone\.pth"):
        live.segment(strokes, TABLE, view, chosen(weights=str(tmp_path / "gone.pth")))
    again = live.segment(strokes, TABLE, view, chosen())
    np.testing.assert_array_equal(again.ids, before.ids)


def test_one_class_alone_is_an_error_for_the_user(live, two_phases):
    one = two_phases(1)
    lonely = PaintedMicrograph(one.micrograph, np.where(one.labels == 1, 1, 0))
    with pytest.raises(InputError, match="Only one class is painted"):
        live.segment([lonely], TABLE, one.micrograph, chosen())


def test_it_stops_where_it_is_to(live, strokes):
    answers = iter([False, True, True])
    view = strokes[0].micrograph
    assert live.segment(strokes, TABLE, view, chosen(), lambda: next(answers)) is None
    assert live.segment(strokes, TABLE, view, chosen()) is not None


def test_memory_for_feature_maps_is_bounded_and_given_back(two_phases):
    live = LiveClassifier(most_bytes=6_000_000)
    images = [painted(two_phases(seed, (256, 256)), seed) for seed in range(10)]
    live.segment(images, TABLE, images[0].micrograph, chosen())
    kept = live._encoder.remembered, live._filter_maps
    assert all(0 < one.held_bytes <= 6_000_000 for one in kept)
    assert len(live._prepared) <= 8
    live.forget()
    assert all(one.held_bytes == 0 for one in kept)
    assert live.segment(images[:2], TABLE, images[0].micrograph, chosen()) is not None


@pytest.mark.parametrize(("encoder", "weights"), [(TINY, "random"), (LITE0, "imagenet")])
def test_a_preview_takes_no_random_number_from_a_training_beside_it(
    live, strokes, encoder, weights
):
    """Initialisers draw from one generator of all threads: outside its lock, nothing may."""
    before = torch.get_rng_state()
    settings = chosen(encoder=encoder, weights=weights)
    live.segment(strokes[:1], TABLE, strokes[0].micrograph, settings)
    assert torch.equal(torch.get_rng_state(), before)
