"""What a fine-tuning finds out about the gain of painting more images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import finetuning, instant

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.segmenter import write_segmenter
from napari_matssl.progress import Control, drain
from napari_matssl.samples import scribble
from napari_matssl.settings import FinetuneSettings
from napari_matssl.tasks.finetune.job import finetune

TABLE = numbered_table([1, 2])
DOING = "measuring what images gain"


@pytest.fixture(scope="module")
def painted(two_phases):
    """Four images with strokes of both phases."""
    made = []
    for n in range(1, 5):
        one = two_phases(n)
        strokes = scribble(one.labels, seed=n, width=3, share=0.05)
        micrograph = replace(one.micrograph, name=f"{n}.png")
        made.append(PaintedMicrograph(micrograph, strokes))
    return made


def card_of(painted, settings=None, **more):
    return drain(finetune(painted, TABLE, settings or instant(), **more)).segmenter.card


def with_labels(one, change):
    labels = one.labels.copy()
    change(labels)
    return PaintedMicrograph(one.micrograph, labels)


def test_the_score_is_given_by_the_number_of_images_learnt_from(painted):
    payoff = card_of(painted).payoff
    assert payoff.painted == payoff.left_out == 4
    assert [one.images for one in payoff.points] == [1, 2, 3]
    assert payoff.points[-1].score > 90
    assert payoff.gain is not None


def test_a_class_that_is_painted_in_few_images_makes_more_of_them_pay(painted):
    """Each image shows one class alone: one of them can't teach the other class."""

    def only(keep):
        def change(labels):
            labels[labels != keep] = 0

        return change

    images = [with_labels(one, only(1 + n % 2)) for n, one in enumerate(painted)]
    payoff = card_of(images).payoff
    scores = [one.score for one in payoff.points]
    assert scores[0] < 50, "two of three single images show the other class alone"
    assert scores[-1] > 90
    assert scores == sorted(scores)


def test_strokes_that_mean_nothing_gain_nothing(painted):
    """Classes are swapped in half of the images, so that they contradict each other."""

    def swap(labels):
        labels[:] = np.array([0, 2, 1])[labels]

    images = [with_labels(p, swap) if n % 2 else p for n, p in enumerate(painted)]
    payoff = card_of(images).payoff
    assert payoff.points[-1].score < 75
    assert "pays" not in payoff.in_words()


def test_one_painted_image_tells_nothing(painted):
    assert card_of(painted[:1]).payoff is None


def test_two_painted_images_tell_no_gain(painted):
    payoff = card_of(painted[:2]).payoff
    assert [one.images for one in payoff.points] == [1]
    assert payoff.gain is None


def test_of_many_images_eight_are_left_out(painted):
    many = []
    for n in range(12):
        one, pixels = painted[n % 4], painted[n % 4].micrograph.pixels.copy()
        pixels[0, 0] = 100 + n
        micrograph = replace(one.micrograph, name=f"{n}.tif", pixels=pixels)
        many.append(PaintedMicrograph(micrograph, one.labels))
    payoff = card_of(many).payoff
    assert (payoff.painted, payoff.left_out) == (12, 8)
    assert payoff.points[-1].images == 7


def test_a_training_measures_it_as_the_instant_classifier_does(painted):
    same = {"encoder": "tf_efficientnet_lite0", "weights": "imagenet"}  # random ones would differ
    trained = card_of(painted, finetuning(epochs=1, **same)).payoff
    assert trained == card_of(painted, instant(**same)).payoff


def test_it_is_measured_where_validation_images_are_held_out(painted, two_phases):
    validation = [two_phases(seed) for seed in (7, 8)]
    payoff = card_of(painted, validation=validation).payoff
    assert payoff == card_of(painted).payoff


def test_of_a_model_to_go_on_from_only_a_known_encoder_can_be_replaced(painted):
    """The encoder has learnt from the images that would be left out."""
    made = drain(finetune(painted, TABLE, finetuning(epochs=1))).segmenter
    assert card_of(painted, start=made).payoff is None


def test_a_short_training_leaves_fewer_images_out(painted):
    """A clock that runs fast: each look at it takes a second."""
    seconds = iter(range(1_000_000))
    settings = finetuning(minutes=1.0, epochs=1)
    payoff = card_of(painted, settings, clock=lambda: float(next(seconds))).payoff
    assert payoff is None or payoff.left_out < 4


def test_of_a_model_to_go_on_from_the_encoder_is_not_asked(painted):
    """With the default encoder, whose first weights are at hand, strokes count as never seen."""
    settings = instant(encoder=FinetuneSettings().encoder, weights="imagenet")
    made = drain(finetune(painted, TABLE, settings)).segmenter
    again = card_of(painted, settings, start=made).payoff
    assert [one.images for one in again.points] == [1, 2, 3]


@pytest.mark.parametrize("settings", [instant(), finetuning(epochs=1)])
def test_stop_ends_it_and_leaves_the_model_without(painted, settings):

    def sent(job):
        answer = None
        while True:
            progress = job.send(answer)
            answer = Control.STOP if progress.stage == DOING else None

    with pytest.raises(StopIteration) as end:
        sent(finetune(painted, TABLE, settings, keep_early=True))
    assert end.value.value.segmenter.card.payoff is None


def test_it_stands_in_the_file_and_older_files_lack_it(painted, tmp_path):
    made = drain(finetune(painted, TABLE, instant())).segmenter
    path = tmp_path / "m.safetensors"
    write_segmenter(path, made)
    assert read_card(path, "segmenter").payoff == made.card.payoff
    older = made.card.model_dump(mode="json", exclude={"payoff"})
    assert ModelCard.model_validate(older).payoff is None


def test_parts_of_one_panorama_teach_nothing_on_each_other(painted):
    """Two parts agree on what the whole images contradict."""
    images = [
        with_labels(one, lambda labels: np.copyto(labels, np.array([0, 2, 1], np.uint8)[labels]))
        for one in painted[:2]
    ]
    parts = [replace(p, micrograph=replace(p.micrograph, part_of=Path("a.tif"))) for p in images]
    payoff = card_of([*parts, *painted[2:]]).payoff
    assert payoff.painted == payoff.left_out == 3
    assert [one.images for one in payoff.points] == [1, 2]
    assert payoff.points[-1].score < 25
    assert card_of(parts).payoff is None


def test_parts_of_one_panorama_are_one_image(painted, two_phases):
    """Three panoramas with two parts each, and one image."""
    parts = [
        PaintedMicrograph(
            replace(one.micrograph, name=f"{n}", part_of=Path(f"{n % 3}.tif")), one.labels
        )
        for n, one in enumerate(two_phases(seed) for seed in range(10, 16))
    ]
    payoff = card_of([*parts, painted[0]]).payoff
    assert payoff.painted == payoff.left_out == 4
    assert [one.images for one in payoff.points] == [1, 2, 3]


def test_more_parts_of_the_same_panoramas_are_no_more_observations(painted):
    """Each part is there twice: scores stay about the same, and so has their error to."""
    parts = [
        PaintedMicrograph(
            replace(one.micrograph, name=f"{copy}-{n}", part_of=Path(f"{n}.tif")), one.labels
        )
        for copy in range(2)
        for n, one in enumerate(painted)
    ]
    once, twice = card_of(parts[:4]).payoff, card_of(parts).payoff
    assert (twice.painted, twice.left_out) == (once.painted, once.left_out) == (4, 4)
    assert twice.reach == pytest.approx(once.reach, rel=0.3)
