"""The random views that contrastive pretraining compares."""

import pytest
import torch

from napari_matssl.learn.ranks import drawing
from napari_matssl.learn.views import blur, jitter_colour, luminance, make_view
from napari_matssl.settings import PretrainSettings

STILL = {"jitter_probability": 0, "grey_probability": 0, "blur_probability": 0}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def draws(seed=0):
    return drawing(seeded(seed))


def patches(count=4, channels=1, side=40, seed=0):
    """Smooth patches, so that resampling leaves them recognisable."""
    rough = torch.rand(count, channels, 5, 5, generator=seeded(seed))
    return torch.nn.functional.interpolate(rough, size=(side, side), mode="bilinear")


def view(images, seed=0, mean=0.0, std=1.0, **values):
    settings = PretrainSettings(**{"view_size": 40, **values})
    shape = (len(images), images.shape[1])
    return make_view(images, torch.full(shape, mean), torch.full(shape, std), settings, draws(seed))


@pytest.mark.parametrize("channels", [1, 3])
def test_views_have_three_channels_and_the_size_asked_for(channels):
    views = view(patches(channels=channels), view_size=64)
    assert views.shape == (4, 3, 64, 64)
    assert bool(torch.isfinite(views).all())


@pytest.mark.parametrize("channels", [1, 3])
def test_the_seed_decides_and_another_seed_gives_another_view(channels):
    images = patches(channels=channels)
    assert torch.equal(view(images, 1), view(images, 1))
    assert not torch.equal(view(images, 1), view(images, 2))


def test_two_views_in_a_row_differ_and_so_do_the_views_within_a_batch():
    images = patches(1).expand(4, -1, -1, -1)
    settings, draw = PretrainSettings(view_size=40), draws()
    ones = torch.ones(4, 1)
    first, second = (make_view(images, 0 * ones, ones, settings, draw) for _ in range(2))
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])


def test_with_everything_off_a_view_is_the_standardised_patch_perhaps_flipped():
    images = patches(16)
    views = view(images, mean=0.4, std=0.2, crop_area_min=1, **STILL)
    flips = 0
    for image, one in zip((images - 0.4) / 0.2, views, strict=True):
        flipped = torch.allclose(one, image.flip(2).expand(3, -1, -1), atol=1e-4)
        flips += flipped
        assert flipped or torch.allclose(one, image.expand(3, -1, -1), atol=1e-4)
    assert 0 < flips < 16


def test_a_view_shows_a_part_of_the_patch_of_at_least_the_smallest_area():
    side = 64
    across = torch.arange(side).float() / side
    ramps = torch.stack([across.expand(side, side), across[:, None].expand(side, side)])
    images = ramps[:, None].repeat_interleave(30, 0)  # 30 ramps along x, then 30 along y
    views = view(images, view_size=64, crop_area_min=0.2, **STILL)[:, 0]
    seen_x = (views[:30].amax((1, 2)) - views[:30].amin((1, 2))).clamp(max=1)
    seen_y = (views[30:].amax((1, 2)) - views[30:].amin((1, 2))).clamp(max=1)
    smallest = (0.2 * 3 / 4) ** 0.5  # the shorter side of the longest shape
    for seen in (seen_x, seen_y):
        assert seen.min() > smallest - 0.05
        assert seen.min() < 0.7  # some are cut closely
        assert seen.max() > 0.8  # some hardly


def test_grey_images_stay_grey():
    views = view(patches(), jitter_probability=1, blur_probability=1)
    assert torch.equal(views[:, 0], views[:, 1])
    assert torch.equal(views[:, 0], views[:, 2])


def test_colour_is_dropped_by_the_settings():
    views = view(patches(channels=3), grey_probability=1)
    torch.testing.assert_close(views[:, 0], views[:, 2])
    coloured = view(patches(channels=3), grey_probability=0)
    assert not torch.allclose(coloured[:, 0], coloured[:, 2], atol=0.01)


def test_grey_images_can_have_imagenets_three_means():
    images = patches(2)
    settings = PretrainSettings(view_size=40, crop_area_min=1, **STILL)
    mean = torch.tensor([[0.1, 0.2, 0.3]]).expand(2, -1)
    views = make_view(images, mean, torch.ones(2, 3), settings, draws())
    torch.testing.assert_close(views[:, 0] - views[:, 2], torch.full((2, 40, 40), 0.2))


def test_jitter_changes_brightness_and_contrast_within_its_bounds():
    images = 0.3 + 0.2 * patches(200)
    settings = PretrainSettings(jitter=0.1, jitter_probability=1)
    ratio = jitter_colour(images, settings, draws()).mean((1, 2, 3)) / images.mean((1, 2, 3))
    assert 0.89 < ratio.min() < 0.92
    assert 1.08 < ratio.max() < 1.11


def test_jitter_keeps_to_its_probability():
    images = patches(400)
    settings = PretrainSettings(jitter_probability=0.25)
    changed = (jitter_colour(images, settings, draws()) != images).flatten(1).any(1)
    assert 0.17 < changed.float().mean() < 0.33


def test_hue_jitter_keeps_a_grey_pixel_grey_and_turns_a_red_one():
    colours = torch.tensor([[0.5, 0.5, 0.5], [0.8, 0.3, 0.3]])[:, :, None, None]
    settings = PretrainSettings(jitter=0, hue_jitter=0.4, jitter_probability=1)
    grey, red = jitter_colour(colours.expand(-1, -1, 4, 4), settings, draws(3))[:, :, 0, 0]
    assert grey.max() - grey.min() < 1e-4
    assert (red - colours[1, :, 0, 0]).abs().max() > 0.05


def test_blur_keeps_the_mean_and_lowers_the_contrast_of_each_image_by_itself():
    fine = torch.rand(8, 3, 64, 64, generator=seeded())
    blurred = blur(fine, 1.0, draws(1))
    spread = blurred.std((1, 2, 3)) / fine.std((1, 2, 3))
    torch.testing.assert_close(blurred.mean((2, 3)), fine.mean((2, 3)), atol=0.02, rtol=0)
    assert spread.min() < 0.4
    assert spread.max() <= 1.0
    assert len({round(float(s), 4) for s in spread}) == 8
    torch.testing.assert_close(blur(fine, 0.0, draws(1)), fine)


def test_luminance_weighs_colours_as_bt709():
    red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None]
    assert luminance(red).item() == pytest.approx(0.2125)
    assert luminance(torch.ones(1, 3, 2, 2)).mean().item() == pytest.approx(1.0)
