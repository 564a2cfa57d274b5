"""What is decided before the first step, and how often labels and images are looked at for it."""

import re
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import finetuning as chosen
from tiny import instant
from torch import nn

from napari_matssl.errors import InputError, SettingsError
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.counting import count_values
from napari_matssl.labels.painted import PaintedMicrograph, to_targets
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.segmenter import Segmenter, write_segmenter
from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.micrograph.intensity_scaling import fit_intensity_scaling
from napari_matssl.progress import drain
from napari_matssl.settings import IntensityScalingSettings
from napari_matssl.tasks import learnt_images
from napari_matssl.tasks.finetune.held_out import unseen
from napari_matssl.tasks.finetune.job import finetune
from napari_matssl.tasks.finetune.planning import choose_strata, make_plan

TABLE = numbered_table([1, 2])


def strokes(one):
    """All but a few rows is unpainted."""
    labels = np.where(np.arange(len(one.labels))[:, None] % 40 < 3, one.labels, 0)
    return PaintedMicrograph(one.micrograph, labels.astype(np.uint8))


def cross_section():
    pixels = np.zeros((80, 96), dtype=np.uint8)
    pixels[40:60] = 255
    return PaintedMicrograph(Micrograph("strata.tif", pixels), (1 + pixels // 255).astype(np.uint8))


@pytest.fixture
def calls():
    """How often an image or its labels are gone through, wherever that is asked for."""
    watched = {one.__code__ for one in (count_values, to_targets, fit_intensity_scaling)}
    counts = Counter()

    def count(frame, event, _given):
        if event == "call" and frame.f_code in watched:
            counts[frame.f_code.co_name] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    yield counts
    sys.setprofile(before)


@pytest.mark.parametrize("architecture", ["auto", "pixel-classifier"])
@pytest.mark.parametrize("strata", ["any", "rows"])
def test_every_image_and_its_labels_are_looked_at_once(two_phases, calls, architecture, strata):
    """Three images to learn from, one to validate on; with strata, the model looks at all again.

    Those to learn from are looked at once more, as each is left out.
    """
    images = [strokes(two_phases(seed)) for seed in range(4)]
    settings = chosen(architecture=architecture, strata=strata, validations=2)
    result = drain(finetune(images[:3], TABLE, settings, images[3:]))
    assert result.validation is not None
    assert calls == {"count_values": 4, "to_targets": 4 + 3, "fit_intensity_scaling": 4 + 3}


def test_a_plan_changes_no_more_and_holds_what_the_run_needs(two_phases):
    images = [strokes(two_phases(seed)) for seed in range(3)]
    plan = make_plan(images, TABLE, chosen(val_fraction=0.4, dropout=0.3))
    assert len(plan.data.painted) == len(plan.data.images) == 2
    assert len(plan.data.validation) == 1
    assert plan.card.architecture == "guided-unet++"
    assert plan.dropout == plan.card.settings["dropout"] == 0.3
    assert (plan.strata, plan.start) == ("any", None)
    with pytest.raises(AttributeError):
        plan.dropout = 0.0


def test_images_to_validate_on_that_are_given_spare_the_others(two_phases):
    images = [strokes(two_phases(seed)) for seed in range(3)]
    plan = make_plan(images[:2], TABLE, chosen(val_fraction=0.4), images[2:])
    assert len(plan.data.images) == 2
    assert [one.painted for one in plan.data.validation] == images[2:]


def test_nothing_to_validate_on_is_reported_before_any_network_is_built(two_phases):
    blank = PaintedMicrograph(two_phases(3).micrograph, 0 * two_phases(3).labels)
    with pytest.raises(InputError, match=r"Nothing is painted.*validate on \(steel-3\.tif\)"):
        make_plan([two_phases(1)], TABLE, chosen(), [blank])


def test_the_direction_of_strata_comes_from_settings_or_images():
    for strata in ("any", "rows", "columns"):
        assert choose_strata([cross_section()], chosen(strata=strata)) == strata
    assert choose_strata([cross_section()], chosen()) == "rows"


def model(architecture, encoder="test_efficientnet"):
    card = ModelCard(
        encoder=encoder,
        architecture=architecture,
        channels="grey",
        intensity_scaling=IntensityScalingSettings(),
        classes=TABLE,
    )
    return Segmenter(nn.Identity(), card)


@pytest.mark.parametrize(
    ("start", "wanted", "found"),
    [
        ("segformer", "auto", "segformer"),
        ("segformer", "segformer", "segformer"),
        ("segformer", "pixel-classifier", "pixel-classifier"),
        ("cs-unet", "auto", "cs-unet"),
        ("pixel-classifier", "cs-unet", "cs-unet"),
        ("guided-unet++", "unet++", "guided-unet++"),
    ],
)
def test_a_model_that_is_gone_on_from_has_its_network(two_phases, start, wanted, found):
    plan = make_plan([strokes(two_phases(0))], TABLE, chosen(architecture=wanted), (), model(start))
    assert plan.card.architecture == found


@pytest.mark.parametrize(
    ("start", "wanted"),
    [("unet++", "segformer"), ("segformer", "unet++"), ("segformer", "cs-unet")],
)
def test_a_model_is_not_gone_on_from_as_another_network(two_phases, start, wanted):
    with pytest.raises(SettingsError, match=f"is a {re.escape(start)}, not a {wanted}") as caught:
        make_plan([strokes(two_phases(0))], TABLE, chosen(architecture=wanted), (), model(start))
    assert "begin with an encoder" in str(caught.value)


def part(one, panorama):
    """Return an image as if it were a part of a panorama."""
    return replace(one, micrograph=replace(one.micrograph, part_of=Path(panorama)))


@pytest.mark.parametrize("seed", range(4))
def test_parts_of_one_panorama_are_never_divided(two_phases, seed):
    images = [part(strokes(two_phases(n)), f"{n % 3}.tif") for n in range(9)]
    data = make_plan(images, TABLE, chosen(val_fraction=0.4, seed=seed)).data
    learnt = {one.micrograph.part_of for one in data.painted}
    validated = {one.painted.micrograph.part_of for one in data.validation}
    assert len(data.painted) == 6
    assert len(data.validation) == 3
    assert not learnt & validated


def copied(one, name):
    micrograph = replace(one.micrograph, name=name)
    return PaintedMicrograph(replace(micrograph, pixels=micrograph.pixels.copy()), one.labels)


@pytest.mark.parametrize("seed", range(4))
def test_copies_of_an_image_are_never_divided(two_phases, seed):
    images = [copied(strokes(two_phases(n // 2)), f"{n}.tif") for n in range(4)]
    data = make_plan(images, TABLE, chosen(val_fraction=0.5, seed=seed)).data
    validated = {one.painted.micrograph.pixels_sha256 for one in data.validation}
    assert len(data.painted) == len(data.validation) == 2
    assert not validated & {one.micrograph.pixels_sha256 for one in data.painted}


def test_a_copy_of_what_is_learnt_from_is_not_validated_on(two_phases):
    images = [strokes(two_phases(seed)) for seed in (1, 2)]
    with pytest.raises(InputError, match=r"also there to learn from: b\.tif \(steel-1\.tif\)"):
        make_plan(images, TABLE, chosen(), [copied(images[0], "b.tif")])


def of_a_file(one, path, **facts):
    return replace(one, micrograph=replace(one.micrograph, path=path, **facts))


@pytest.mark.parametrize("what", ["page", "part", "saved anew"])
def test_what_shares_its_origin_with_a_learnt_image_is_not_validated_on(two_phases, tmp_path, what):
    """A model was trained on one page, on one part, or on another file of the same pixels."""
    paths = [tmp_path / name for name in ("a.tif", "b.png", "c.png")]
    for path in paths:
        path.write_bytes(path.name.encode())
    first, second, new = (strokes(two_phases(seed)) for seed in range(3))
    new = of_a_file(new, paths[2])
    if what == "page":
        first, second = (
            of_a_file(one, paths[0], page=n, pages=3) for n, one in ((1, first), (2, second))
        )
    elif what == "part":
        first, second = part(first, paths[0]), part(second, paths[0])
    else:
        first, second = of_a_file(first, paths[0]), of_a_file(copied(first, "b.png"), paths[1])
    card = make_plan([first], TABLE, chosen()).card
    start = Segmenter(nn.Identity(), card)
    with pytest.raises(InputError, match="or other pages or parts of the same"):
        make_plan([new], TABLE, chosen(), [second], start)
    data = make_plan([second, new], TABLE, chosen(val_fraction=0.5), (), start).data
    assert [one.painted for one in data.validation] == [new]


def test_a_panorama_is_read_once_for_its_checksum(two_phases, tmp_path, monkeypatch):
    path, read = tmp_path / "large.tif", []
    path.write_bytes(b"rows")
    monkeypatch.setattr(learnt_images, "checksum_of", lambda one: read.append(one) or "0" * 64)
    card = make_plan([part(strokes(two_phases(n)), path) for n in range(3)], TABLE, chosen()).card
    assert [one.origin_sha256 for one in card.training_images] == ["0" * 64] * 3
    assert read == [path]


def test_images_of_a_model_that_gives_its_encoder_are_not_held_out(two_phases, tmp_path):
    images = [strokes(two_phases(seed)) for seed in range(4)]
    made = drain(finetune(images[:2], TABLE, chosen(epochs=1))).segmenter
    path = tmp_path / "model.safetensors"
    write_segmenter(path, made)
    settings = chosen(weights=str(path), encoder=made.card.encoder, epochs=1)
    with pytest.raises(InputError, match=r"has learnt steel-1\.tif"):
        make_plan(images[2:], TABLE, settings, images[1:2])
    plan = make_plan(images[1:], TABLE, settings)
    assert unseen(plan, range(3)) == [1, 2]
    assert [one.name for one in plan.card.earlier_images] == ["steel-0.tif"]


def at(um, one):
    return replace(one, micrograph=replace(one.micrograph, pixel_size=PixelSize(um, um, "test")))


def test_the_pixel_size_of_validation_images_is_looked_at_before_training(two_phases):
    learnt, apart = at(1.0, strokes(two_phases(1))), strokes(two_phases(2))
    with pytest.raises(InputError, match=r"steel-2\.tif has 100 µm/px"):
        make_plan([learnt], TABLE, chosen(), [at(100, apart)])
    assert "steel-2.tif: 3 µm/px" in make_plan([learnt], TABLE, chosen(), [at(3.0, apart)]).remark
    assert make_plan([learnt], TABLE, chosen(), [at(1.5, apart)]).remark == ""


def test_a_single_panorama_cannot_be_divided(two_phases):
    images = [part(strokes(two_phases(n)), "large.tif") for n in range(3)]
    with pytest.raises(InputError, match="A single painted image can't be divided"):
        make_plan(images, TABLE, chosen(val_fraction=0.4))


def with_rare_class(one):
    """Paint a third class on some of an image's strokes."""
    labels = one.labels.copy()
    labels[:3, :20] = 3
    return PaintedMicrograph(one.micrograph, labels)


@pytest.mark.parametrize("seed", range(5))
def test_an_image_that_alone_shows_a_class_is_learnt_from(two_phases, seed):
    images = [strokes(two_phases(n)) for n in range(5)]
    images[seed] = with_rare_class(images[seed])
    for drawn in range(8):
        wanted = chosen(val_fraction=0.4, seed=drawn)
        plan = make_plan(images, numbered_table([1, 2, 3]), wanted)
        assert images[seed] in plan.data.painted
        assert len(plan.data.validation) == 2
        assert not plan.remark


def test_of_two_images_that_share_a_class_one_is_learnt_from(two_phases):
    images = [strokes(two_phases(n)) for n in range(3)]
    images[:2] = map(with_rare_class, images[:2])
    for drawn in range(6):
        plan = make_plan(images, numbered_table([1, 2, 3]), chosen(val_fraction=0.7, seed=drawn))
        assert any(3 in one.labels for one in plan.data.painted)


def test_fewer_images_to_validate_on_than_wanted_are_reported(two_phases):
    images = [strokes(two_phases(n)) for n in range(3)]
    images[0] = with_rare_class(images[0])
    images[1] = PaintedMicrograph(
        images[1].micrograph, np.where(with_rare_class(images[1]).labels == 3, 4, images[1].labels)
    )
    plan = make_plan(images, numbered_table([1, 2, 3, 4]), chosen(val_fraction=0.6))
    assert [one.painted for one in plan.data.validation] == images[2:]
    assert "Only 1 of 2 images are kept apart" in plan.remark
    messages = []
    job = finetune(images, numbered_table([1, 2, 3, 4]), instant(val_fraction=0.6))
    drain(job, lambda progress: messages.append(progress.message))
    assert plan.remark in messages


def test_images_that_each_show_a_class_alone_cannot_be_divided(two_phases):
    images = [with_rare_class(strokes(two_phases(n))) for n in range(2)]
    images[1] = PaintedMicrograph(
        images[1].micrograph, np.where(images[1].labels == 3, 4, images[1].labels)
    )
    with pytest.raises(InputError, match=r"each alone shows a class, of class \d, class \d, which"):
        make_plan(images, numbered_table([1, 2, 3, 4]), chosen(val_fraction=0.4))
