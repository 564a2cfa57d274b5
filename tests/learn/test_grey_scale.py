"""Intensity scalings on a common grey scale."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.crops import prepare
from napari_matssl.learn.grey_scale import (
    common_scale,
    fit_scaling,
    fit_scalings,
    labelled_pixels,
    reference_of,
    scale_of,
)
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.intensity_scaling import fit_intensity_scaling
from napari_matssl.micrograph.panorama import Panorama
from napari_matssl.project.panorama_parts import part_of
from napari_matssl.settings import IntensityScalingSettings

TABLE = numbered_table([1, 2])
CARD = ModelCard(
    encoder="resnet18", channels="grey", intensity_scaling=IntensityScalingSettings(), classes=TABLE
)


def half_bright(fraction, seed=0, shape=(200, 200), dtype=np.uint8):
    """A bright phase in the lower rows, of this fraction."""
    random = np.random.default_rng(seed)
    bright = np.arange(shape[0])[:, None] >= round((1 - fraction) * shape[0])
    bright = np.broadcast_to(bright, shape)
    grey = np.where(bright, 170, 90) + random.normal(0, 10, shape)
    labels = np.where(bright, 2, 1).astype(np.uint8)
    return PaintedMicrograph(Micrograph(f"{seed}.tif", grey.round().astype(dtype)), labels)


def with_reference(painted, card=CARD, exposure="matched"):
    scalings, scale = fit_scalings([one.micrograph for one in painted], card, exposure)
    images = [prepare(*pair, card) for pair in zip(painted, scalings, strict=True)]
    pixels = labelled_pixels(images, len(TABLE), 0)
    reference = reference_of(images, pixels, scale, exposure == "same")
    return card.model_copy(update={"grey_reference": reference})


def test_one_painted_image_has_the_scaling_of_its_own():
    one = half_bright(0.3).micrograph
    scalings, scale = fit_scalings([one], CARD, "matched")
    own = fit_intensity_scaling(one, CARD.intensity_scaling, "grey")
    assert scale == scale_of(own)
    assert scalings[0].low == own.low
    np.testing.assert_allclose(scalings[0].mean, own.mean, rtol=1e-5)
    np.testing.assert_allclose(scalings[0].std, own.std, rtol=1e-5)


def test_several_painted_images_share_a_scale():
    images = [half_bright(f, seed).micrograph for seed, f in enumerate((0.1, 0.4))]
    scalings, scale = fit_scalings(images, CARD, "matched")
    assert scalings[0].low == scalings[1].low == scale.low
    own = [scale_of(fit_intensity_scaling(one, CARD.intensity_scaling, "grey")) for one in images]
    assert own[0].middle < scale.middle < own[1].middle
    assert scale == common_scale(own)


@pytest.mark.parametrize(
    ("card", "exposure", "dtypes"),
    [
        (CARD, "own", (np.uint8, np.uint8)),
        (CARD, "matched", (np.uint8, np.uint16)),
        (
            CARD.model_copy(
                update={"intensity_scaling": IntensityScalingSettings(kind="imagenet")}
            ),
            "matched",
            (np.uint8, np.uint8),
        ),
    ],
)
def test_some_images_have_no_common_scale(card, exposure, dtypes):
    images = [half_bright(0.3, seed, dtype=d).micrograph for seed, d in enumerate(dtypes)]
    scalings, scale = fit_scalings(images, card, exposure)
    assert scale is None
    own = fit_intensity_scaling(images[0], card.intensity_scaling, "grey")
    assert (scalings[0].low, scalings[0].high) == (own.low, own.high)


@pytest.mark.parametrize("exposure", ["matched", "same"])
@pytest.mark.parametrize("fraction", [0.1, 0.8])
def test_an_image_of_another_composition_keeps_the_grey_values_of_its_phases(exposure, fraction):
    card = with_reference([half_bright(0.25)], exposure=exposure)
    other = half_bright(fraction, seed=5)
    seen = fit_scaling(other.micrograph, card).scaling
    standard = seen.standardise(seen.unit(other.micrograph.specimen))[0]
    painted = half_bright(0.25)
    own = fit_intensity_scaling(painted.micrograph, CARD.intensity_scaling, "grey")
    expected = own.standardise(own.unit(painted.micrograph.specimen))[0]
    for value in (1, 2):
        there = standard[other.labels == value].mean()
        assert there == pytest.approx(expected[painted.labels == value].mean(), abs=0.12)


def test_by_its_own_mean_the_grey_values_of_phases_shift_with_the_composition():
    card = with_reference([half_bright(0.25)]).model_copy(update={"grey_reference": None})
    other = half_bright(0.8, seed=5)
    seen = fit_scaling(other.micrograph, card)
    assert seen.match is None
    standard = seen.scaling.standardise(seen.scaling.unit(other.micrograph.specimen))[0]
    assert standard[other.labels == 2].mean() < 0.7  # 1.7 in the painted image


def test_of_a_panorama_windows_from_all_over_it_are_looked_at():
    card = with_reference([half_bright(0.25)])
    large = half_bright(0.7, seed=6, shape=(2100, 1900))
    found = fit_scaling(large.micrograph, card)
    assert found.match is not None
    assert found.match.fractions[1] == pytest.approx(0.7, abs=0.1)
    assert found.scaling.low == pytest.approx(card.grey_reference.scale.low, abs=4)


def as_panorama(micrograph):
    pixels, reads = micrograph.pixels, []

    def read(start, stop):
        reads.append(start)
        return pixels[start:stop]

    sample = replace(micrograph, pixels=pixels[::2, ::2])
    return Panorama("large.tif", pixels.shape, read, sample, Path("large.tif")), reads


@pytest.mark.parametrize("matched", [False, True])
def test_parts_of_a_panorama_have_the_grey_scale_of_the_whole(matched):
    card = with_reference([half_bright(0.25)]) if matched else CARD
    panorama, reads = as_panorama(half_bright(0.3, seed=6, shape=(1200, 1100)).micrograph)
    of_whole = fit_scaling(panorama, card)
    expected = of_whole.scaling
    parts = [part_of(panorama, slice(a, a + 300), slice(0, 400)).micrograph for a in (0, 850)]
    read = len(reads)
    for part in parts:
        scaled = fit_scaling(part, card)
        assert scaled.match == of_whole.match
        found = scaled.scaling
        assert (found.low, found.high) == (expected.low, expected.high)
        np.testing.assert_array_equal(found.mean, expected.mean)
        np.testing.assert_array_equal(found.std, expected.std)
    assert len(reads) == read, "the whole is looked through once"


def test_parts_that_are_learnt_from_are_on_the_scale_that_their_panorama_is_segmented_on():
    panorama, _ = as_panorama(half_bright(0.3, seed=6, shape=(1200, 1100)).micrograph)
    part = part_of(panorama, slice(0, 300), slice(0, 400)).micrograph
    scalings, scale = fit_scalings([part], CARD, "matched")
    own = fit_intensity_scaling(panorama, CARD.intensity_scaling, CARD.channels)
    assert scale == scale_of(own)
    np.testing.assert_allclose(scalings[0].mean, own.mean, rtol=1e-5)


def test_what_is_no_number_does_not_count():
    card = with_reference([half_bright(0.25, dtype=np.float32)])
    other = half_bright(0.6, seed=7, dtype=np.float32).micrograph
    holes = np.ones(other.pixels.shape, bool)
    holes[20:90, 30:160] = False
    pixels = np.where(holes, other.pixels, np.nan)
    found = fit_scaling(replace(other, pixels=pixels, analysable=holes), card)
    assert found.match is not None
    left = 0.6 * 200 * 200 / holes.sum()
    assert found.match.fractions[1] == pytest.approx(left, abs=0.05)


def test_an_image_full_of_single_pixels_that_are_no_numbers_is_matched_all_the_same():
    card = with_reference([half_bright(0.25, dtype=np.float32)])
    other = half_bright(0.6, seed=9, dtype=np.float32).micrograph
    holes = np.ones(other.pixels.shape, bool)
    holes[::2] = False
    card = card.model_copy(update={"scale": 0.5})
    pixels = np.where(holes, other.pixels, np.nan)
    found = fit_scaling(replace(other, pixels=pixels, analysable=holes), card)
    assert found.match is not None
    assert np.isfinite(found.match.distance)


def test_a_narrow_panorama_is_matched():
    card = with_reference([half_bright(0.25)])
    narrow = half_bright(0.5, seed=10, shape=(10, 220_000)).micrograph
    found = fit_scaling(narrow, card)
    assert found.match is not None
    assert np.isfinite(found.match.distance)


def test_an_image_without_labels_takes_no_part_in_the_reference():
    bare = half_bright(0.4, seed=1)
    bare = PaintedMicrograph(bare.micrograph, np.zeros_like(bare.labels))
    card = CARD.model_copy(update={"unlabelled": 0})
    reference = with_reference([bare, half_bright(0.25)], card).grey_reference
    assert np.isfinite(reference.usual_distance)
    assert np.isfinite(reference.usual_gap)


def test_of_many_painted_images_some_give_the_reference():
    card = with_reference([half_bright(0.25, seed) for seed in range(49)])
    assert fit_scaling(half_bright(0.8, seed=60).micrograph, card).match.fractions[1] > 0.7


def test_a_colour_image_keeps_its_tint_out_and_its_phases_in_place():
    colour = CARD.model_copy(update={"channels": "rgb"})

    def tinted(one, tint):
        pixels = one.micrograph.pixels[..., None] + np.array(tint)
        rgb = np.clip(pixels, 0, 255).astype(np.uint8)
        return PaintedMicrograph(replace(one.micrograph, pixels=rgb), one.labels)

    card = with_reference([tinted(half_bright(0.25), (0, 0, 0))], colour)
    other = tinted(half_bright(0.8, seed=8), (12, 0, -12))
    seen = fit_scaling(other.micrograph, card).scaling
    standard = seen.standardise(seen.unit(other.micrograph.specimen))
    means = standard[:, other.labels == 2].mean(axis=1)
    assert np.ptp(means) < 0.1
    painted = fit_intensity_scaling(half_bright(0.25).micrograph, CARD.intensity_scaling, "grey")
    grey = painted.standardise(painted.unit(half_bright(0.25).micrograph.specimen))[0]
    assert means.mean() == pytest.approx(grey[half_bright(0.25).labels == 2].mean(), abs=0.15)


def test_labels_near_a_boundary_are_certain_of_no_class():
    one = half_bright(0.5)
    card = CARD
    scalings, _ = fit_scalings([one.micrograph], card, "matched")
    image = prepare(one, scalings[0], card)
    pixels = labelled_pixels([image], 2, 0)[0]
    rows = pixels.positions // 200
    near = np.abs(rows - 99.5) < 3
    assert near.any()
    assert (pixels.probabilities[near].max(axis=1) == 0.5).all()
    assert (pixels.probabilities[np.abs(rows - 99.5) > 4].max(axis=1) == 1).all()
