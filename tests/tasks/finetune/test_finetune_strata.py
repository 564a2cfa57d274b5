"""What a model shows of strata in images that were painted in strokes."""

import math
from dataclasses import replace

import numpy as np
import pytest

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.labels.unbroken import UnbrokenClass
from napari_matssl.learn.device import choose_compute
from napari_matssl.micrograph.image import InfoBar, Micrograph
from napari_matssl.progress import drain
from napari_matssl.tasks.finetune.strata import MOST_IMAGES, MOST_PIXELS, find_unbroken_strata
from napari_matssl.tasks.finetune.training_set import scan

TABLE = numbered_table([1, 2])
COMPUTE = choose_compute("cpu")


def cross_section(number=0, **facts):
    """A white stratum between black ones, a component above it; strokes in the three strata."""
    pixels = np.zeros((80, 96), dtype=np.uint8)
    pixels[40:60] = 255
    pixels[10:18, 10:20] = 255
    strokes = np.zeros_like(pixels)
    strokes[30:33, 20:60] = strokes[65:68, 20:60] = 1
    strokes[50:53, 20:60] = 2
    return PaintedMicrograph(Micrograph(f"{number}.tif", pixels, **facts), strokes)


@pytest.fixture(scope="module")
def levels(grey_level_segmenter):
    return grey_level_segmenter(TABLE, (0, 255))


def found(segmenter, painted):
    return drain(look(segmenter, painted))


def look(segmenter, painted):
    data = scan(painted, (), segmenter.card, "own")
    return find_unbroken_strata(segmenter.network, segmenter.card, data, COMPUTE)


def test_strata_are_found_despite_a_detached_component_on_unpainted_pixels(levels):
    rule = UnbrokenClass(class_id=1, inside=2, outside=1, images=2)
    both = [cross_section(0), cross_section(1, info_bar=InfoBar(70, "test"))]
    found_rules = found(levels, both)
    assert found_rules == (rule, rule.model_copy(update={"class_id": 2, "inside": 1, "outside": 2}))


def test_a_painted_detached_component_rules_out_unbroken_strata(levels):
    one = cross_section()
    one.labels[13:15, 13:16] = 2
    assert found(levels, [cross_section(), one]) == ()


def test_what_is_painted_overrules_the_model(levels):
    one = cross_section()
    one.labels[9:19, 9:21] = 1  # the detached component was corrected
    one.labels[40:60, 30:34] = 1  # and a gap through the stratum painted
    assert found(levels, [cross_section(), one]) == ()


def test_of_many_images_eight_are_looked_at_and_stop_doesnt_keep_from_it(levels):
    seen = []
    job = look(levels, [cross_section(i) for i in range(30)])
    rules = drain(job, seen.append, lambda: True)
    assert len(seen) == MOST_IMAGES
    assert rules[0].images == MOST_IMAGES


def enlarged(one, factor):
    pixels, labels = (
        np.kron(array, np.ones((factor, factor), np.uint8))
        for array in (one.micrograph.pixels, one.labels)
    )
    return PaintedMicrograph(replace(one.micrograph, pixels=pixels), labels)


def test_panoramas_are_not_looked_at(levels):
    factor = math.ceil(math.sqrt(MOST_PIXELS / cross_section().labels.size)) + 1
    panorama, seen = enlarged(cross_section(), factor), []
    assert drain(look(levels, [panorama, panorama]), seen.append) == ()
    assert seen == []
