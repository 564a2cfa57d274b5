"""Classical filters, against calculations made another way."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_matssl.learn.filters import FEATURES, LEVELS, filter_maps

SIGMAS = (0.7, 1.4)
VALUE, GRADIENT, LARGER, SMALLER = range(4)


def maps_of(grey):
    """The maps of one grey image ``(H, W)``, each ``(FEATURES, h, w)``."""
    images = torch.from_numpy(np.asarray(grey, dtype=np.float32))[None, None]
    return [one[0].numpy() for one in filter_maps(images)]


def noise(shape=(96, 128), seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape)


def averaged(grey, level):
    """Mean over squares of `level` px; those at the edges are as large as the image lets them."""
    rows, columns = (range(0, side, level) for side in grey.shape)
    return np.array([[grey[r : r + level, c : c + level].mean() for c in columns] for r in rows])


@pytest.mark.parametrize("number", range(len(LEVELS)))
@pytest.mark.parametrize("width", range(len(SIGMAS)))
def test_grey_values_are_smoothed_as_scipy_does(number, width):
    grey = noise((161, 192))
    level, sigma = LEVELS[number], SIGMAS[width]
    expected = ndimage.gaussian_filter(averaged(grey, level), sigma, mode="nearest")
    found = maps_of(grey)[number][4 * width + VALUE]
    assert found.shape == expected.shape
    # The Gaussian ends at 3 sigma here, at 4 in scipy.
    np.testing.assert_allclose(found, expected, atol=0.01 * np.abs(expected).max())


def test_smoothing_neither_brightens_nor_darkens():
    for one in maps_of(np.full((64, 64), 0.7)):
        for width in range(len(SIGMAS)):
            np.testing.assert_allclose(one[4 * width + VALUE], 0.7, atol=1e-5)
            np.testing.assert_allclose(one[4 * width + GRADIENT : 4 * width + 4], 0, atol=1e-5)


@pytest.mark.parametrize("width", range(len(SIGMAS)))
def test_gradient_and_curvatures_of_a_quadratic_are_the_exact_ones(width):
    a, b, c, d, e = 0.011, -0.004, 0.006, 0.03, -0.02
    y, x = np.mgrid[-24:25, -32:33].astype(float)
    grey = 0.5 * a * y**2 + 0.5 * b * x**2 + c * x * y + d * y + e * x
    # Smoothing shifts a quadratic by a constant, so its derivatives stay.
    gradient = np.hypot(a * y + c * x + d, b * x + c * y + e)
    smaller, larger = np.linalg.eigvalsh([[a, c], [c, b]])
    inner = (slice(6, -6), slice(6, -6))
    found = maps_of(grey)[0][4 * width : 4 * width + 4]
    np.testing.assert_allclose(found[GRADIENT][inner], gradient[inner], atol=2e-5)
    np.testing.assert_allclose(found[LARGER][inner], larger, atol=2e-5)
    np.testing.assert_allclose(found[SMALLER][inner], smaller, atol=2e-5)


def test_a_linear_classifier_also_gets_the_squares():
    for one in maps_of(noise()):
        half = FEATURES // 2
        np.testing.assert_allclose(one[half:], one[:half] ** 2, rtol=1e-6)


@pytest.mark.parametrize("shape", [(96, 128), (65, 97), (33, 40)])
def test_a_level_has_a_pixel_for_every_pixel_that_it_covers(shape):
    found = filter_maps(torch.zeros(2, 3, *shape))
    expected = [(2, FEATURES, -(-shape[0] // step), -(-shape[1] // step)) for step in LEVELS]
    assert [tuple(one.shape) for one in found] == expected
    assert all(one.dtype is torch.float32 for one in found)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_thin_line_is_a_ridge_and_a_step_is_an_edge(sign):
    line, step = np.zeros((64, 64)), np.zeros((64, 64))
    line[:, 30], step[:, 32:] = sign, sign
    # Across a bright line the curvature is negative, along it there is none.
    ridge, flat = (SMALLER, LARGER) if sign > 0 else (LARGER, SMALLER)
    fine = maps_of(line)[0]
    across, along = fine[ridge][32], fine[flat][32]
    assert np.abs(across).argmax() == 30
    assert np.sign(across[30]) == -sign
    assert abs(along[30]) < 0.01 * abs(across[30])
    assert abs(fine[GRADIENT][32, 30]) < 1e-6
    edge = maps_of(step)[0][GRADIENT][32]
    assert set(np.flatnonzero(edge > 0.9 * edge.max())) == {31, 32}


def test_features_turn_and_mirror_with_the_image():
    grey = noise((64, 64))
    turned = maps_of(np.rot90(grey)[:, ::-1])
    for one, other in zip(maps_of(grey), turned, strict=True):
        np.testing.assert_allclose(np.rot90(one, axes=(1, 2))[:, :, ::-1], other, atol=1e-5)


def test_channels_of_colour_are_averaged():
    colour = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    grey = colour.mean(dim=1, keepdim=True)
    for one, other in zip(filter_maps(colour), filter_maps(grey), strict=True):
        torch.testing.assert_close(one, other)


def test_images_of_a_batch_do_not_mix():
    images = torch.randn(3, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    for together, alone in zip(filter_maps(images), filter_maps(images[1:2]), strict=True):
        torch.testing.assert_close(together[1:2], alone)


def test_mixed_precision_does_not_blur_the_difference_of_neighbours():
    """A gentle ramp has no curvature; bfloat16 would round it to steps."""
    ramp = torch.linspace(1, 3, 128)[None, None, None].repeat(1, 1, 64, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = filter_maps(ramp)[0][0]
    assert found[[LARGER, SMALLER], 8:-8, 8:-8].abs().max() < 1e-4


def test_filters_of_an_exported_network_are_the_same_at_any_size():
    example = torch.zeros(1, 3, 64, 96)
    traced = torch.jit.trace(lambda images: tuple(filter_maps(images)), example, check_trace=False)
    images = torch.from_numpy(noise((2, 3, 160, 96))).float()
    for found, expected in zip(traced(images), filter_maps(images), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
