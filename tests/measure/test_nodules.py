"""Nodularity of graphite of known forms, and who is left out."""

import numpy as np
import pytest

from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.measure.field import field_of_mask
from napari_matssl.measure.nodules import (
    ParticleKind,
    label_kinds,
    measure_nodules,
    size_classes,
)
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.settings.nodules import NoduleSettings

TABLE = ClassTable(
    classes=(
        LabelClass(id=1, name="matrix", colour="#000000"),
        LabelClass(id=2, name="graphite", colour="#ff0000"),
        LabelClass(id=3, name="scratch", colour="#00ff00", exclude=True),
    )
)


def field_of(mask, pixel=(1.0, 1.0)):
    size = None if pixel is None else PixelSize(pixel[1], pixel[0], "test")
    return field_of_mask("iron.png", mask.astype(np.uint8), TABLE, size)


def measure(mask, pixel=(1.0, 1.0), **settings):
    field = field_of(mask, pixel)
    return measure_nodules(field, "graphite", NoduleSettings(**settings))


def iron(discs=(), flakes=(), shape=(600, 800)):
    """Discs (row, column, diameter) and lying flakes (row, column, length, width)."""
    row, column = np.indices(shape)
    mask = np.ones(shape, dtype=np.uint8)
    for y, x, diameter in discs:
        mask[np.hypot(row - y, column - x) <= diameter / 2] = 2
    for y, x, length, width in flakes:
        mask[y : y + width, x : x + length] = 2
    return mask


GRID = [(60 + 60 * i, 60 + 60 * j, 24) for i in range(9) for j in range(12)]


def test_discs_are_nodules_and_flakes_are_not():
    mask = iron(GRID[:80], [(y - 4, x - 12, 40, 8) for y, x, _d in GRID[80:100]])
    found = measure(mask)
    assert (found.nodules, found.left_out) == (80, 0)
    assert found.by_number == pytest.approx(80)
    disc, flake = (mask[48:73, 48:73] == 2).sum(), 320
    assert found.by_area == pytest.approx(100 * 80 * disc / (80 * disc + 20 * flake))
    assert found.mean_diameter == pytest.approx(24, abs=0.5)
    assert found.remarks == ()


def test_particles_at_the_edge_and_small_ones_are_left_out():
    mask = iron([*GRID[:60], (0, 400, 30), (300, 798, 24), (590, 100, 8), (590, 140, 7)])
    found = measure(mask)
    assert (found.nodules, found.left_out) == (60, 4)
    assert found.by_number == 100
    labels, kinds = label_kinds(field_of(mask), found)
    assert labels.max() == 64
    assert kinds[2, 400] == kinds[300, 799] == ParticleKind.AT_EDGE
    assert kinds[590, 100] == ParticleKind.TOO_SMALL
    assert kinds[60, 60] == ParticleKind.NODULE
    assert kinds[90, 90] == 0


def test_the_smallest_size_is_a_setting():
    mask = iron(GRID)
    assert measure(mask, smallest_um=20.0).nodules == 108
    found = measure(mask, smallest_um=30.0)
    assert (found.nodules, found.left_out, found.by_number) == (0, 108, None)
    assert measure(mask, (0.3, 0.3), smallest_um=10.0).left_out == 108
    assert measure(mask, (0.2, 0.2), smallest_um=0.0, smallest_px=30).left_out == 108
    assert measure(mask, (0.2, 0.2), smallest_um=0.0, smallest_px=20).left_out == 0


def test_form_limits_are_settings():
    ovals = np.repeat(iron(GRID[:30]), 2, axis=1)  # twice as long as wide, to a pixel
    assert measure(ovals, aspect_ratio=1.9).nodules == 0
    assert measure(ovals, aspect_ratio=2.2).nodules == 30
    assert measure(ovals, aspect_ratio=2.2, circularity=0.95).nodules == 0


def test_pixels_that_are_not_square_make_nodules_of_ovals():
    ovals = np.repeat(iron(GRID), 2, axis=1)
    found = measure(ovals, (1.0, 0.5))
    assert found.nodules == 108
    assert found.mean_diameter == pytest.approx(24, abs=0.5)


def test_uncalibrated_images_get_no_figure_in_um():
    found = measure(iron(GRID), None)
    assert (found.nodules, found.by_number) == (108, 100)
    assert (found.per_mm2, found.size_class, found.size_classes) == (None, None, ())
    assert any("no pixel size" in remark for remark in found.remarks)


def test_few_nodules_are_remarked():
    assert measure(iron(GRID[:30])).remarks == (
        "iron.png, graphite: 30 nodules are fewer than 50.",
    )
    assert measure(iron(GRID[:50])).remarks == ()


def test_size_classes_go_by_the_largest_dimension():
    sizes = np.array([1200, 1000, 999, 500, 250, 249, 120, 60, 59, 30, 15, 14.9])
    assert size_classes(sizes).tolist() == [1, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8]
    found = measure(iron([*GRID[:40], (500, 700, 70)]))
    assert found.size_class == 5  # of the largest
    assert found.size_classes == (0, 0, 0, 0, 1, 0, 40, 0)


def test_specks_that_were_not_analysed_leave_nodules_whole():
    mask = iron(GRID)
    plain = measure(mask)
    for y, x, _diameter in GRID[:70]:
        mask[y, x] = 3
    found = measure(mask)
    assert (found.nodules, found.left_out, found.remarks) == (108, 0, ())
    assert found.per_mm2 == pytest.approx(plain.per_mm2)


def test_nodules_that_spots_alone_cut_are_remarked():
    mask = iron(GRID)
    mask[54:66, 60:180] = 3
    found = measure(mask)
    assert (found.nodules, found.left_out) == (105, 4)
    assert found.remarks == (
        "iron.png, graphite: 4 particles are left out because of nothing but spots that weren't"
        " analysed.",
    )


def scattered(rng):
    """Discs of 30 px that don't overlap, anywhere over the edge; how many have their middle in."""
    row, column = np.indices((41, 41)) - 20
    disc, wide = np.hypot(row, column) <= 15, np.hypot(row, column) <= 17
    mask, drawn = np.ones((340, 340), dtype=np.uint8), 0
    for y, x in rng.integers(0, 300, (24, 2)):
        place = mask[y : y + 41, x : x + 41]
        if not (place[wide] == 2).any():
            place[disc] = 2
            drawn += 1
    return mask[20:-20, 20:-20], drawn


@pytest.mark.parametrize("excluded", [None, np.s_[140:160, 100:], np.s_[200:]])
def test_leaving_out_at_the_edge_does_not_lower_the_number_per_area(excluded):
    rng, counts, truth = np.random.default_rng(0), [], []
    for _ in range(60):
        mask, drawn = scattered(rng)
        if excluded is not None:
            mask[excluded] = 3
        counts.append(measure(mask).per_mm2)
        truth.append(drawn / 0.09)
    assert np.mean(counts) == pytest.approx(np.mean(truth), rel=0.08)
    # Without the correction a fifth or more would be missing.
    assert np.mean(counts) > 150


def test_large_nodules_that_the_edge_cuts_more_often_are_in_the_mean_diameter():
    row, column = np.indices((600, 600))
    field = np.ones((600, 600), dtype=np.uint8)
    for y, x in np.ndindex(10, 10):  # every other one is large
        wide = 40 if (y + x) % 2 else 12
        field[np.hypot(row - 60 * y - 30, column - 60 * x - 30) <= wide / 2] = 2
    plain, weighed = [], []
    for top, left in np.ndindex(12, 12):
        found = measure(field[5 * top + 100 :, 5 * left + 100 :][:240, :240])
        inside = found.particles.kinds == ParticleKind.NODULE
        plain.append(np.sqrt(4 / np.pi * found.particles.area[inside]).mean())
        weighed.append(found.mean_diameter)
    assert np.mean(weighed) == pytest.approx((40 + 12) / 2, rel=0.015)  # a ratio of few
    assert np.mean(plain) < 0.93 * (40 + 12) / 2


def test_a_nodule_counts_once_over_all_its_places_in_a_round_field():
    """Its number per area, over all places at equal distances, times their area."""
    row, column = np.indices((150, 150)) - 75
    outside = np.hypot(row, column) > 70
    step, total = 7, 0.0
    for down in range(-72, 73, step):
        for right in range(-72, 73, step):
            mask = np.where(np.hypot(row - down, column - right) <= 20, 2, 1)
            mask[outside] = 3
            total += measure(mask).per_mm2 / 1e6 * step**2
    assert total == pytest.approx(1, rel=0.1)


def test_no_graphite():
    found = measure(np.ones((50, 50)))
    assert (found.nodules, found.left_out, found.by_number, found.mean_diameter) == (
        0,
        0,
        None,
        None,
    )
    assert found.per_mm2 == 0


def test_everything_is_graphite():
    found = measure(np.full((50, 50), 2))
    assert (found.nodules, found.left_out) == (0, 1)
