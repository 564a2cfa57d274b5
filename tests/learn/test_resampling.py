"""Resampling and blurring by matrices, beside torch's and torchvision's own."""

import pytest
import torch
from torch.nn import functional
from torchvision.transforms.v2.functional import gaussian_blur

from napari_matssl.learn.resampling import apply_separable, blurring, resampling


def noise(count=3, channels=2, side=64):
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("target", [96, 64, 40, 17])
def test_whole_images_are_resampled_as_torch_does_without_aliasing(target):
    images = noise()
    lines = resampling(torch.zeros(3), torch.full((3,), 64.0), 64, target)
    expected = functional.interpolate(
        images, size=(target, target), mode="bilinear", antialias=True
    )
    torch.testing.assert_close(apply_separable(images, lines, lines), expected, atol=1e-5, rtol=0)


def test_each_image_is_cut_at_its_own_place():
    images = noise(2, 1)
    starts, lengths = torch.tensor([8.0, 20.0]), torch.tensor([32.0, 44.0])
    rows = resampling(starts, lengths, 64, 16)
    whole = resampling(torch.zeros(2), torch.full((2,), 64.0), 64, 64)
    resampled = apply_separable(images, rows, whole)
    # Inside, a cut is what the cut alone gives; at its edges the surroundings count, too.
    alone = functional.interpolate(
        images[:1, :, 8:40], size=(16, 64), mode="bilinear", antialias=True
    )
    torch.testing.assert_close(resampled[0, :, 1:-1], alone[0, :, 1:-1], atol=1e-5, rtol=0)
    assert not torch.allclose(resampled[0], resampled[1], atol=0.1)


def test_white_noise_loses_as_much_contrast_as_antialiasing_takes():
    images = torch.randn(8, 1, 256, 256, generator=torch.Generator().manual_seed(1))
    lines = resampling(torch.zeros(8), torch.full((8,), 256.0), 256, 128)
    spread = float(apply_separable(images, lines, lines).std())
    # A triangle of two pixels' half-width weighs by 1, 3, 3, 1 eighths, along both axes.
    assert spread == pytest.approx(20 / 64, rel=0.03)


def test_each_line_is_blurred_by_its_own_gaussian_as_torchvision_does():
    images = noise(3, 1)
    sigma = torch.tensor([0.0, 0.7, 2.0])
    lines = blurring(sigma, 3, 64)
    blurred = apply_separable(images, lines, lines)
    torch.testing.assert_close(blurred[0], images[0])
    for image, one, s in zip(images[1:], blurred[1:], sigma[1:].tolist(), strict=True):
        expected = gaussian_blur(image, [7, 7], [s, s])
        torch.testing.assert_close(one, expected, atol=1e-5, rtol=0)
