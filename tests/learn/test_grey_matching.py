"""Grey scales on which an image is a mixture of the painted classes."""

import numpy as np
import pytest
from scipy import ndimage

from napari_matssl.learn.grey_fitting import KnownPixels, fit_reference
from napari_matssl.learn.grey_matching import _Search, match
from napari_matssl.learn.grey_reference import GreyReference, GreyScale
from napari_matssl.learn.grey_words import describe, describe_some

DARK, BRIGHT, NOISE = 90.0, 170.0, 12.0


def field(fraction, seed=0, side=256):
    """Two phases that differ by grey level alone: grey values and where the bright one is."""
    random = np.random.default_rng(seed)
    blobs = ndimage.gaussian_filter(random.standard_normal((side, side)), 8, mode="wrap")
    bright = (
        np.zeros(blobs.shape, bool) if fraction == 0 else blobs >= np.quantile(blobs, 1 - fraction)
    )
    grey = np.where(bright, BRIGHT, DARK) + random.normal(0, NOISE, blobs.shape)
    return grey, bright


def own_scale(grey):
    low, high = np.percentile(grey, (0.1, 99.9))
    inside = np.clip(grey, low, high)
    return GreyScale(low=low, high=high, middle=inside.mean(), spread=inside.std())


def known(bright):
    positions = np.arange(bright.size)
    flat = bright.ravel()
    inner = ndimage.minimum_filter(bright, 7) | ndimage.minimum_filter(~bright, 7)
    likely = np.stack([~flat, flat], 1).astype(np.float32)
    likely[~inner.ravel()] = 0.5
    return KnownPixels(positions, likely)


def fraction_inside(bright):
    """Fraction of the bright phase among pixels that are none of a boundary."""
    likely = known(bright).probabilities
    return likely[likely.max(axis=1) > 0.9, 1].mean()


@pytest.fixture(scope="module")
def painted():
    """A field with a fifth of bright phase, as the reference of a model, and its scale."""
    grey, bright = field(0.2)
    scale = own_scale(grey)
    return fit_reference([grey], [known(bright)], scale), scale


def find(reference, grey, own=None, usable=None):
    usable = np.ones(grey.shape, bool) if usable is None else usable
    return match(reference, describe_some(grey, usable), own or own_scale(grey))


@pytest.mark.parametrize("fraction", [0.0, 0.02, 0.1, 0.5, 0.8])
def test_the_scale_does_not_depend_on_the_fractions(painted, fraction):
    reference, scale = painted
    grey, bright = field(fraction, seed=1)
    found = find(reference, grey)
    assert found.scale.middle == pytest.approx(scale.middle, abs=0.15 * scale.spread)
    assert found.scale.spread == pytest.approx(scale.spread, rel=0.12)
    assert found.fractions[1] == pytest.approx(fraction_inside(bright), abs=0.08)


def test_no_scale_is_sought_where_none_could_be_clearly_better(painted, monkeypatch):
    def search(*_changes):
        raise AssertionError("it was searched")

    monkeypatch.setattr(_Search, "run", search)
    reference, scale = painted
    assert find(reference, field(0.2)[0]).scale == scale
    with pytest.raises(AssertionError, match="it was searched"):
        find(reference, field(0.8, seed=1)[0])


def test_by_its_own_mean_and_spread_such_a_field_would_be_far_off(painted):
    _, scale = painted
    own = own_scale(field(0.8, seed=1)[0])
    assert own.middle - scale.middle > scale.spread


@pytest.mark.parametrize("contrast", [0.75, 1.3])
@pytest.mark.parametrize("offset", [-20, 20])
@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.8])
def test_another_exposure_is_undone(painted, contrast, offset, fraction):
    reference, scale = painted
    grey, bright = field(fraction, seed=2)
    found = find(reference, (grey - 128) * contrast + 128 + offset)
    assert found.fractions[1] == pytest.approx(fraction_inside(bright), abs=0.08)
    black = (DARK - 128) * contrast + 128 + offset
    on_scale = (black - found.scale.middle) / found.scale.spread
    assert on_scale == pytest.approx((DARK - scale.middle) / scale.spread, abs=0.2)
    assert found.contrast == pytest.approx(contrast, rel=0.15)


def test_values_of_16_bits_in_another_range_are_matched(painted):
    reference, _ = painted
    grey, _ = field(0.5, seed=3)
    scaled = reference.model_copy(
        update={"scale": GreyScale(low=0, high=60_000, middle=25_000, spread=9_000)}
    )
    per = scaled.scale.spread / reference.scale.spread
    values = (grey - reference.scale.middle) * per + scaled.scale.middle
    assert find(scaled, values).fractions[1] == pytest.approx(0.5, abs=0.12)


def test_an_image_unlike_any_class_keeps_its_own_scale_at_a_distance(painted):
    reference, _ = painted
    rows, _ = np.mgrid[:256, :256]
    own = own_scale(rows * 1.0)
    found = find(reference, rows * 1.0, own)
    near = find(reference, field(0.3, seed=4)[0])
    assert found.distance > 5 * near.distance


def test_where_the_own_scale_is_as_good_it_stays(painted):
    reference, scale = painted
    own = scale.moved(0.0, 1.0).model_copy(update={"low": scale.low - 9})
    assert find(reference, field(0.2, seed=5)[0], own).scale == own


def test_a_small_difference_is_none(painted):
    reference, scale = painted
    own = scale.moved(0.02, 1.0)
    assert find(reference, field(0.2, seed=5)[0], own).scale in (scale, own)


def test_a_painted_image_is_seen_on_the_scale_that_it_was_learnt_on(painted):
    reference, scale = painted
    assert find(reference, field(0.2)[0], scale.moved(0.02, 1.0)).scale == scale


def test_nothing_is_matched_to_painted_images_without_a_common_scale():
    (dark, first), (light, second) = field(0.2), field(0.4, seed=11)
    light = 0.8 * light + 50  # another exposure
    pixels = [known(first), known(second)]
    scale = own_scale(np.concatenate([dark, light]))
    reference = fit_reference([dark, light], pixels, scale)
    grey, _ = field(0.8, seed=12)
    assert find(reference, grey).scale in (scale, own_scale(grey))
    one = fit_reference([dark], pixels[:1], own_scale(dark))
    assert find(one, grey + 20).scale not in (own_scale(dark), own_scale(grey + 20))


def test_of_a_series_of_one_exposure_the_scale_is_that_of_the_painted_images(painted):
    reference, scale = painted
    same = reference.model_copy(update={"same_exposure": True})
    grey, _ = field(0.8, seed=6)
    assert find(same, grey + 25).scale == scale


def test_a_single_grey_phase_has_a_rival(painted):
    reference, _ = painted
    grey, _ = field(0.0, seed=7)
    found = find(reference, grey + 40)
    assert found.rival is not None
    assert abs(found.rival[1] - found.fractions[1]) > 0.9
    assert find(reference, field(0.5, seed=7)[0]).rival is None


def test_pixels_that_do_not_count_do_not_matter(painted):
    reference, _ = painted
    grey, _ = field(0.5, seed=8)
    usable = np.ones(grey.shape, bool)
    usable[:60] = False
    hidden = grey.copy()
    hidden[:60] = 5000
    own = own_scale(grey[60:])
    there = find(reference, hidden, own, usable)
    assert there.fractions[1] == pytest.approx(0.5, abs=0.12)


def test_a_class_that_is_nowhere_painted_explains_nothing():
    grey, bright = field(0.2)
    pixels = known(bright)
    third = np.zeros((len(pixels.positions), 1), np.float32)
    wider = KnownPixels(pixels.positions, np.concatenate([pixels.probabilities, third], axis=1))
    reference = fit_reference([grey], [wider], own_scale(grey))
    found = find(reference, field(0.5, seed=9)[0])
    assert found.fractions[2] == 0
    assert found.fractions[1] == pytest.approx(0.5, abs=0.12)


def test_a_reference_survives_its_file(painted):
    reference, _ = painted
    assert GreyReference.model_validate_json(reference.model_dump_json()) == reference


@pytest.mark.parametrize(
    "wrong", [{"reach": 0}, {"width": (1, 0, 1)}, {"histograms": ((0.5, 0.5),) * 3}]
)
def test_a_reference_that_cannot_be_is_refused(painted, wrong):
    reference, _ = painted
    with pytest.raises(ValueError, match=r"validation error"):
        GreyReference.model_validate({**reference.model_dump(), **wrong})


def test_a_scale_without_a_range_is_refused():
    with pytest.raises(ValueError, match="no range"):
        GreyScale(low=1, high=1, middle=1, spread=1)


@pytest.mark.parametrize("shape", [(40, 60), (1, 30), (9, 2), (300, 200)])
def test_pixels_are_described_as_the_whole_image_filtered_would_describe_them(shape):
    values = np.random.default_rng(0).normal(90, 20, shape).astype(np.float32)
    positions = np.arange(values.size, dtype=np.int64)
    if values.size > 5000:
        positions = np.sort(np.random.default_rng(1).choice(positions, 5000, replace=False))
    found = describe(values, positions)
    fine, coarse = (ndimage.gaussian_filter(values, width, mode="nearest") for width in (1.4, 3.0))
    slopes = [
        np.gradient(fine, axis=axis) if shape[axis] > 1 else np.zeros_like(fine) for axis in (0, 1)
    ]
    for column, plane in enumerate((fine, coarse, np.hypot(*slopes))):
        assert found[:, column] == pytest.approx(plane.ravel()[positions], rel=1e-5, abs=1e-4)
