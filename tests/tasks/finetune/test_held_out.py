"""What a fine-tuning finds out about its own error."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import finetuning, instant

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.inference import looks_twice
from napari_matssl.learn.pixel_fit import fit_to
from napari_matssl.learn.segmenter import write_segmenter
from napari_matssl.progress import Control, drain
from napari_matssl.samples import scribble
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.evaluate import evaluate
from napari_matssl.tasks.finetune import held_out
from napari_matssl.tasks.finetune.job import finetune
from napari_matssl.tasks.finetune.origins import count_origins

TABLE = numbered_table([1, 2])


@pytest.fixture(scope="module")
def painted(two_phases):
    """Three images with strokes of both phases."""
    return [
        PaintedMicrograph(p.micrograph, scribble(p.labels, seed=n, width=3, share=0.05))
        for n, p in enumerate(map(two_phases, (1, 2, 3)))
    ]


@pytest.fixture(scope="module")
def made(painted):
    return drain(finetune(painted, TABLE, instant())).segmenter


def card_of(painted, settings=None, **more):
    return drain(finetune(painted, TABLE, settings or instant(), **more)).segmenter.card


def renamed(one, name, labels=None):
    micrograph = replace(one.micrograph, name=name)
    return PaintedMicrograph(micrograph, one.labels if labels is None else labels)


def another(one, n):
    """Return an image that differs from another in a pixel."""
    pixels = one.micrograph.pixels.copy()
    pixels[0, 0] = 100 + n
    return PaintedMicrograph(replace(one.micrograph, name=f"{n}.png", pixels=pixels), one.labels)


def test_each_painted_image_is_left_out_once(made, painted):
    held_out = made.card.held_out
    assert held_out.source == "left-out"
    assert not held_out.stand_in
    assert not held_out.boundaries
    assert [one.name for one in held_out.images] == [one.micrograph.name for one in painted]
    for counts, one in zip(held_out.counts, painted, strict=True):
        assert counts.sum(axis=1).tolist() == [(one.labels == c).sum() for c in (1, 2)]
    assert held_out.pixel_accuracy > 0.9
    assert held_out.in_words() == "3 left-out painted images"
    assert held_out.limits_in_words() == "strokes keep away from boundaries"


def test_an_image_that_the_others_teach_wrongly_shows_it(painted):
    swapped = painted[2].labels.copy()
    swapped[painted[2].labels == 1], swapped[painted[2].labels == 2] = 2, 1
    held_out = card_of([*painted[:2], renamed(painted[2], "c.png", swapped)]).held_out
    wrong = held_out.counts[2]
    assert wrong[0, 1] + wrong[1, 0] > 0.9 * wrong.sum()


def test_a_class_that_only_the_left_out_image_shows_is_not_counted_in_it(painted):
    table = numbered_table([1, 2, 3])
    labels = painted[0].labels.copy()
    labels[:4, :8] = 3
    images = [renamed(painted[0], "a.png", labels), *painted[1:]]
    held_out = drain(finetune(images, table, instant())).segmenter.card.held_out
    assert held_out.counts[:, 2].sum() == 0


def test_one_painted_image_tells_nothing(painted):
    assert card_of(painted[:1]).held_out is None


def part(one, panorama="large.tif", **more):
    """Return an image as if it were a part of a panorama."""
    micrograph = replace(one.micrograph, part_of=Path("steel") / panorama)
    return replace(one, micrograph=micrograph, **more)


def test_parts_of_one_panorama_alone_tell_nothing(painted):
    card = card_of([part(one) for one in painted])
    assert card.held_out is None
    assert card.payoff is None


def test_pages_of_one_file_are_of_one_origin(painted):
    assert count_origins(painted, range(3)) == 3
    pages = [
        replace(one, micrograph=replace(one.micrograph, path=Path("a.tif"), page=n, pages=3))
        for n, one in enumerate(painted, 1)
    ]
    assert count_origins(pages, range(3)) == 1


def copied(one, name):
    """Return an image as if its file were there again, under another name."""
    micrograph = replace(one.micrograph, name=name)
    return PaintedMicrograph(replace(micrograph, pixels=micrograph.pixels.copy()), one.labels)


def test_a_copy_under_another_name_is_of_one_origin_with_its_image(painted):
    pair = [copied(painted[0], "a.tif"), copied(painted[0], "a - Copy.tif")]
    assert count_origins(pair, range(2)) == 1
    card = card_of(pair)
    assert card.held_out is None
    assert card.payoff is None
    held_out = card_of([*pair, *painted[1:]]).held_out
    assert len(held_out.images) == 3


def test_parts_of_one_panorama_are_left_out_together_and_are_one_image(painted):
    """Two parts agree on what the whole images teach wrongly: neither learns from the other."""
    swapped = [np.array([0, 2, 1], np.uint8)[one.labels] for one in painted[:2]]
    parts = [part(one, labels=labels) for one, labels in zip(painted, swapped, strict=False)]
    held_out = card_of([*parts, painted[2]]).held_out
    assert [one.name for one in held_out.images] == ["large.tif", painted[2].micrograph.name]
    panorama = held_out.counts[0]
    assert panorama.sum() == sum((labels > 0).sum() for labels in swapped)
    assert panorama[0, 1] + panorama[1, 0] > 0.9 * panorama.sum()


def test_parts_leave_room_for_images_of_other_origin(painted):
    many = [part(another(painted[n % 3], n)) for n in range(12)]
    images = card_of([*many, painted[0]]).held_out.images
    assert [one.name for one in images] == ["large.tif", painted[0].micrograph.name]


def test_a_part_of_a_panorama_that_a_model_has_seen_is_not_left_out(painted, two_phases):
    before = drain(finetune([part(painted[0])], TABLE, instant())).segmenter
    more = [part(painted[0]), part(painted[1]), painted[2]]
    images = card_of(more, start=before).held_out.images
    assert [one.name for one in images] == [painted[2].micrograph.name]


def test_two_validation_parts_of_one_panorama_are_one_image(painted, two_phases):
    validation = [part(two_phases(seed)) for seed in (7, 8)]
    card = card_of(painted, finetuning(epochs=1), validation=validation)
    assert card.held_out.source == "left-out"


def test_of_many_images_eight_are_left_out(painted):
    many = [another(painted[n % 3], n) for n in range(12)]
    assert len(card_of(many).held_out.images) == 8


@pytest.mark.parametrize(("settings", "others"), [(instant(), 11), (finetuning(epochs=1), 7)])
def test_an_instant_model_of_many_images_is_judged_by_what_learnt_from_all_others(
    painted, monkeypatch, settings, others
):
    """A classifier of seven images mistakes more than the model, and corrected it for that."""
    learnt = []

    def counted(heads, looked, *rest):
        learnt.append(len(looked))
        return fit_to(heads, looked, *rest)

    monkeypatch.setattr(held_out, "fit_to", counted)
    card_of([another(painted[n % 3], n) for n in range(12)], settings)
    assert learnt == [others] * 8


def test_the_instant_classifier_stands_in_for_a_network(painted):
    card = card_of(painted, finetuning(epochs=1))
    assert card.held_out.stand_in
    assert len(card.held_out.images) == 3
    assert card.temperature == 1


def test_two_validation_images_count_instead_with_the_network_itself(painted, two_phases):
    validation = [two_phases(seed) for seed in (7, 8)]
    result = drain(finetune(painted, TABLE, finetuning(epochs=1), validation))
    held_out = result.segmenter.card.held_out
    assert held_out.source == "validation"
    assert not held_out.stand_in
    assert held_out.boundaries
    assert (held_out.counts.sum(axis=0) == result.validation.confusion).all()


def test_validation_images_are_looked_at_as_masks_are_made(painted, two_phases):
    """From strokes, a network looks at two magnifications, at one while it trains."""
    validation = [two_phases(seed) for seed in (7, 8)]
    segmenter = drain(finetune(painted, TABLE, finetuning(epochs=1), validation)).segmenter
    card = segmenter.card
    assert looks_twice(card, PredictSettings())
    result = drain(evaluate(segmenter, validation, PredictSettings(device="cpu")))
    assert (card.held_out.counts.sum(axis=0) == result.scores.confusion).all()
    assert card.metrics["val_miou"] == pytest.approx(result.scores.miou)
    quick = PredictSettings(device="cpu", magnifications="one")
    other = drain(evaluate(segmenter, validation, quick)).scores.confusion
    assert (other != result.scores.confusion).any()


def test_images_that_a_model_has_seen_are_not_left_out(made, painted, two_phases):
    new = two_phases(9)
    strokes = scribble(new.labels, seed=9, width=3, share=0.05)
    more = [*painted, PaintedMicrograph(new.micrograph, strokes)]
    images = card_of(more, start=made).held_out.images
    assert [one.name for one in images] == [new.micrograph.name]


def test_stop_ends_it_and_leaves_the_model_without(painted):
    def sent(job):
        answer = None
        while True:
            progress = job.send(answer)
            answer = Control.STOP if progress.stage == "leaving images out" else None

    job = finetune(painted, TABLE, instant())
    with pytest.raises(StopIteration) as end:
        sent(job)
    assert end.value.value.segmenter.card.held_out is None


def test_the_figures_stand_in_the_file_and_older_files_lack_them(made, tmp_path):
    path = tmp_path / "m.safetensors"
    write_segmenter(path, made)
    card = read_card(path, "segmenter")
    assert (card.held_out.counts == made.card.held_out.counts).all()
    assert card.temperature == made.card.temperature
    older = made.card.model_dump(mode="json", exclude={"held_out", "temperature"})
    read = ModelCard.model_validate(older)
    assert read.held_out is None
    assert read.temperature == 1


def test_counts_of_other_classes_are_refused(made):
    wrong = made.card.held_out.model_dump(mode="json")
    wrong["images"][0]["counts"] = [[1]]
    with pytest.raises(ValueError, match="other classes"):
        ModelCard.model_validate(made.card.model_dump(mode="json") | {"held_out": wrong})
    assert np.isfinite(made.card.temperature)
