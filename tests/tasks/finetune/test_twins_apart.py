"""Near copies of what is learnt among the images that are held out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import finetuning, instant

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import drain
from napari_matssl.tasks.finetune.job import finetune
from napari_matssl.tasks.finetune.planning import make_plan
from napari_matssl.tasks.finetune.twins_apart import find_twins_apart

TABLE = numbered_table([1, 2])


@pytest.fixture(scope="module")
def fields(two_phases):
    return [two_phases(seed, (192, 256)) for seed in range(6)]


def second_shot(one, name, change=lambda pixels: pixels):
    """Brighten a field and add noise, so that no pixel stays."""
    random = np.random.default_rng(0)
    pixels = 0.8 * one.micrograph.pixels + 30 + random.normal(0, 6, one.labels.shape)
    values = change(pixels.clip(0, 255).astype(np.uint8))
    return PaintedMicrograph(Micrograph(name, values), change(one.labels))


def cropped(pixels):
    return pixels[21:171, 30:230]


def smaller(pixels):
    height, width = pixels.shape
    return np.asarray(Image.fromarray(pixels).resize((width * 3 // 4, height * 3 // 4), 0))


CHANGES = [lambda pixels: pixels, np.rot90, np.fliplr, cropped, smaller]


@pytest.mark.parametrize("change", CHANGES, ids=["as it is", "turned", "mirrored", "cut", "small"])
def test_a_second_shot_of_a_learnt_field_is_found_among_validation_images(fields, change):
    shot = second_shot(fields[1], "shot.tif", lambda pixels: np.ascontiguousarray(change(pixels)))
    plan = make_plan(fields[:3], TABLE, finetuning(), [fields[4], shot])
    (twin,) = drain(find_twins_apart(plan))
    assert (twin.name, twin.like) == ("shot.tif", "steel-1.tif")


def test_fields_of_one_material_are_no_twins(fields):
    assert drain(find_twins_apart(make_plan(fields[:4], TABLE, finetuning(), fields[4:]))) == ()


def test_what_is_held_out_together_is_not_compared(fields):
    images = [
        replace(one, micrograph=replace(one.micrograph, part_of=Path("large.tif")))
        for one in (fields[0], second_shot(fields[0], "again.tif"))
    ]
    assert drain(find_twins_apart(make_plan([*images, fields[1]], TABLE, finetuning()))) == ()


@pytest.mark.parametrize("validated", [True, False])
def test_twins_are_told_and_stand_in_the_card(fields, validated):
    shots, said = [second_shot(fields[n], f"shot-{n}.tif") for n in (0, 1)], []

    def run(apart):
        split = (fields[:2], apart) if validated else ([*fields[:2], *apart], ())
        job = finetune(split[0], TABLE, instant(), split[1])
        return drain(job, lambda p: said.append(p.message)).segmenter.card.held_out

    held_out = run(shots)
    assert held_out.twins
    assert "some of them show fields that were learnt from" in held_out.limits_in_words()
    (line,) = (one for one in said if "under another name" in one)
    assert "shot-0.tif ~ steel-0.tif (" in line
    said.clear()
    assert not run(fields[2:4]).twins
    assert not any("under another name" in one for one in said)
