"""Training crops: what a network is shown of the painted micrographs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from own_scale import prepare_by_itself
from torch.nn import functional

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.painted import IGNORE_INDEX, PaintedMicrograph
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.crops import CropSampler, PreparedImage, vary_grey_values
from napari_matssl.micrograph.image import InfoBar, Micrograph
from napari_matssl.micrograph.intensity_scaling import IntensityScaling
from napari_matssl.settings import FinetuneSettings, IntensityScalingSettings

CARD = ModelCard(
    encoder="resnet18", channels="grey", intensity_scaling=IntensityScalingSettings(),
    classes=numbered_table([1, 2]), unlabelled=0,
)  # fmt: skip


def prepared(unit, targets, mean=0.0, std=1.0):
    unit = np.asarray(unit, dtype=np.float32)
    unit = unit[None] if unit.ndim == 2 else unit
    channels = np.full(len(unit), mean, np.float32), np.full(len(unit), std, np.float32)
    return PreparedImage(unit, np.asarray(targets, np.uint8), IntensityScaling(0.0, 1.0, *channels))


def noise(side=80, classes=2, seed=0, channels=1):
    random = np.random.default_rng(seed)
    shape = (channels, side, side)
    return prepared(random.random(shape), random.integers(0, classes, (side, side)))


def sampler(images, seed=0, strata="any", **values):
    settings = FinetuneSettings(**{"crop_size": 64, "batch_size": 4, **values})
    return CropSampler(images, settings, np.random.default_rng(seed), strata)


@pytest.mark.parametrize("augment", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_batches_have_the_shape_a_network_takes(augment, channels):
    batch = sampler([noise(channels=channels)], augment=augment).batch()
    assert batch.images.shape == (4, 3, 64, 64)
    assert batch.images.dtype is torch.float32
    assert batch.targets.shape == (4, 64, 64)
    assert batch.targets.dtype is torch.uint8


@pytest.mark.parametrize("augment", [True, False])
def test_the_seed_decides_which_crops_are_seen(augment):
    images = [noise(seed=1), noise(seed=2)]
    first, same, other = (
        [drawn.batch() for _ in range(3)]
        for drawn in (sampler(images, seed, augment=augment) for seed in (5, 5, 6))
    )
    assert all(torch.equal(a.images, b.images) for a, b in zip(first, same, strict=True))
    assert all(torch.equal(a.targets, b.targets) for a, b in zip(first, same, strict=True))
    assert not all(torch.equal(a.images, b.images) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("augment", [True, False])
def test_what_lies_outside_the_image_is_unpainted(augment):
    image = noise(side=40)
    batch = sampler([image], augment=augment, zoom=1).batch()
    painted = (batch.targets != IGNORE_INDEX).sum(dim=(1, 2))
    assert painted.tolist() == [40 * 40] * len(painted)
    assert bool(torch.isfinite(batch.images).all())


def test_images_are_standardised_by_their_own_grey_values():
    flat = np.full((64, 64), 0.6)
    targets = np.zeros((64, 64))
    images = [prepared(flat, targets, mean=0.2, std=0.5), prepared(flat, targets + 1, 0.6, 0.1)]
    for augment in (True, False):
        batch = sampler(images, augment=augment, zoom=1, batch_size=2, grey_changes=0).batch()
        for one, target in zip(batch.images, batch.targets, strict=True):
            expected = {0: 0.8, 1: 0.0}[int(target[0, 0])]
            torch.testing.assert_close(one, torch.full_like(one, expected), atol=1e-5, rtol=0)


def test_plain_crops_show_the_same_with_their_grey_values_unchanged():
    image = noise()
    varied = sampler([image], zoom=1.0).batch()
    assert varied.plain.shape == varied.images.shape
    assert not torch.equal(varied.plain, varied.images)
    same = sampler([image], zoom=1.0, grey_changes=0).batch()
    assert torch.equal(same.plain, same.images)
    assert torch.equal(same.plain[:1], varied.plain[:1])  # drawn before grey values are varied
    plain = sampler([image], augment=False).batch()
    assert torch.equal(plain.plain, plain.images)


@pytest.mark.parametrize("augment", [True, False])
@pytest.mark.parametrize("strata", ["any", "rows", "columns"])
def test_pseudo_labels_lie_where_their_pixels_are(augment, strata):
    image = noise(side=100, classes=3)
    likely = replace(image, proposed=(image.targets + 1) % 3)
    batch = sampler([likely], augment=augment, strata=strata, batch_size=8).batch()
    inside = batch.targets != IGNORE_INDEX
    assert inside.any()
    assert torch.equal(batch.proposed[inside], (batch.targets[inside] + 1) % 3)
    assert bool((batch.proposed[~inside] == IGNORE_INDEX).all())


def test_without_pseudo_labels_every_pixel_is_ignored():
    assert bool((sampler([noise()]).batch().proposed == IGNORE_INDEX).all())


def test_a_rare_class_is_seen_about_as_often_as_a_common_one():
    targets = np.zeros((400, 400))
    targets[203:206, 301:304] = 1
    drawn = sampler([prepared(np.zeros((400, 400)), targets)], crop_size=32, zoom=1)
    crops = torch.cat([drawn.batch().targets for _ in range(50)])
    with_rare = (crops == 1).flatten(1).any(1).float().mean()
    assert 0.4 < with_rare < 0.65


def test_a_rare_class_is_seen_wherever_it_is_among_the_images():
    rare = prepared(
        np.zeros((64, 64)), np.where(np.arange(64) < 2, 2, IGNORE_INDEX)[None].repeat(64, 0)
    )
    drawn = sampler([noise(), noise(seed=1), rare], crop_size=32)
    crops = torch.cat([drawn.batch().targets for _ in range(30)])
    assert 0.2 < (crops == 2).flatten(1).any(1).float().mean() < 0.5


def test_every_crop_of_a_sparsely_painted_image_holds_paint():
    targets = np.full((300, 300), IGNORE_INDEX)
    targets[0, :20], targets[299, 280:] = 0, 1  # at the very corners
    drawn = sampler([prepared(np.zeros((300, 300)), targets)], crop_size=32)
    crops = torch.cat([drawn.batch().targets for _ in range(20)])
    assert bool((crops != IGNORE_INDEX).flatten(1).any(1).all())


def test_image_and_labels_stay_aligned_under_flips_turns_and_zoom():
    targets = np.kron(np.random.default_rng(0).integers(0, 3, (12, 12)), np.ones((16, 16)))
    drawn = sampler([prepared(targets / 2, targets)], zoom=2, batch_size=40, grey_changes=0)
    batch = drawn.batch()
    classes = batch.targets.float()[:, None]
    low = -functional.max_pool2d(-classes, 7, stride=1, padding=3)
    inside = (low == functional.max_pool2d(classes, 7, stride=1, padding=3)) & (classes < 3)
    inside[..., :4, :] = inside[..., -4:, :] = inside[..., :4] = inside[..., -4:] = False
    assert inside.float().mean() > 0.3
    grey = batch.images[:, :1]
    assert (grey[inside] - classes[inside] / 2).abs().max() < 0.02


def test_crops_are_zoomed_turned_and_mirrored():
    across = (np.arange(400) / 400)[None].repeat(400, 0)
    drawn = sampler(
        [prepared(across, np.zeros((400, 400)))], zoom=2, batch_size=100, grey_changes=0
    )
    grey = drawn.batch().images[:, 0]
    by_column = (grey[:, :, -1] - grey[:, :, 0]).mean(1) * 400 / 63
    by_row = (grey[:, -1] - grey[:, 0]).mean(1) * 400 / 63
    directions = [(by_column > 0.3), (by_column < -0.3), (by_row > 0.3), (by_row < -0.3)]
    assert all(d.float().mean() > 0.1 for d in directions)
    magnification = torch.maximum(by_column.abs(), by_row.abs())
    assert 0.45 < magnification.min() < 0.65
    assert 1.6 < magnification.max() < 2.1


EVERY_WAY = {(turns, mirrored) for turns in range(4) for mirrored in (False, True)}


@pytest.mark.parametrize(
    ("strata", "expected"),
    [
        ("any", EVERY_WAY),
        ("rows", {(0, False), (0, True)}),  # left and right change places
        ("columns", {(0, False), (2, True)}),  # above and below do
    ],
)
@pytest.mark.parametrize("zoom", [1, 2])
def test_layers_keep_their_order_in_every_crop(strata, expected, zoom):
    """Grey values grow to the right and, ten times as fast, downwards: this shows the way."""
    rows, columns = np.mgrid[:200, :200]
    drawn = sampler(
        [prepared((10 * rows + columns) / 2200, rows >= 100)],
        strata=strata, zoom=zoom, batch_size=60, grey_changes=0,
    )  # fmt: skip
    batch = drawn.batch()
    found = set()
    for one, target in zip(batch.images[:, 0].numpy(), batch.targets.numpy(), strict=True):
        inner = np.where(target == IGNORE_INDEX, np.nan, one)
        upright = [
            (turns, mirrored)
            for turns, mirrored in EVERY_WAY
            if _grows(_undone(inner, turns, mirrored))
        ]
        assert len(upright) == 1
        found.update(upright)
        turned = _undone(target, *upright[0])
        painted = turned[:, (turned != IGNORE_INDEX).all(axis=0)].astype(int)
        assert (np.diff(painted, axis=0) >= 0).all()  # labels go with their image
    assert found == expected


def _undone(grey, turns, mirrored):
    """The crop before it was turned and then mirrored left to right."""
    return np.rot90(grey[:, ::-1] if mirrored else grey, -turns)


def _grows(grey):
    down, right = np.nanmean(np.diff(grey, axis=0)), np.nanmean(np.diff(grey, axis=1))
    return down > 0 and right > 0 and down > 5 * right


def test_patches_of_the_paper_are_never_turned_nor_mirrored():
    rows, columns = np.mgrid[:128, :128]
    grey = (10 * rows + columns) / 1400
    batch = sampler([prepared(grey, rows >= 64)], augment=False).batch()
    assert all(_grows(one) for one in batch.images[:, 0].numpy())


def test_grey_values_vary_for_each_crop_by_itself_and_stay_near_the_range():
    units = torch.rand(8, 1, 32, 32)
    varied = vary_grey_values(units, np.random.default_rng(0))
    assert varied.shape == units.shape
    assert bool(torch.isfinite(varied).all())
    assert varied.min() > -1
    assert varied.max() < 2
    changes = (varied - units).mean((1, 2, 3))
    assert changes.std() > 0.03
    assert torch.equal(varied, vary_grey_values(units, np.random.default_rng(0)))
    twice = vary_grey_values(units, np.random.default_rng(0), strength=2)
    assert (twice - units).mean((1, 2, 3)).std() > 1.5 * changes.std()


def test_without_augmentation_every_painted_pixel_is_seen_once_per_epoch():
    shape = (100, 130)
    number = np.arange(100 * 130).reshape(shape)
    targets = np.where(number % 3 == 0, IGNORE_INDEX, number % 2)
    drawn = sampler([prepared(number / number.size, targets)], augment=False, batch_size=3)
    assert drawn.steps_per_epoch == 2
    for _ in range(2):  # epochs
        seen = []
        for batch in (drawn.batch() for _ in range(2)):
            painted = batch.targets != IGNORE_INDEX
            numbers = (batch.images[:, 0] * number.size).round().long()
            assert torch.equal(numbers[painted] % 2, batch.targets[painted].long())
            seen += numbers[painted].tolist()
        assert sorted(seen) == number[targets != IGNORE_INDEX].tolist()


def test_patches_without_paint_are_left_out():
    targets = np.full((256, 256), IGNORE_INDEX)
    targets[70:80, 130:140] = 1
    drawn = sampler([prepared(np.zeros((256, 256)), targets)], augment=False)
    assert drawn.steps_per_epoch == 1
    assert drawn.batch().images.shape[0] == 1


def test_memory_is_halved_first_by_the_batch_then_by_the_crop():
    drawn = sampler([noise(side=300)], crop_size=256, batch_size=4)
    shapes = []
    while drawn.halve():
        shapes.append(tuple(drawn.batch().targets.shape))
    assert shapes == [(2, 256, 256), (1, 256, 256), (1, 128, 128), (1, 64, 64)]


@pytest.mark.parametrize("augment", [True, False])
def test_halved_crops_of_any_size_still_suit_the_network(augment):
    drawn = sampler([noise(side=300)], crop_size=224, batch_size=1, augment=augment)
    while drawn.halve():
        assert drawn.batch().targets.shape[1] % 32 == 0


def test_the_info_bar_is_cut_off():
    pixels = np.random.default_rng(0).integers(0, 100, (90, 80)).astype(np.uint8)
    pixels[70:] = 255
    labels = np.ones((90, 80), np.uint8)
    one = PaintedMicrograph(Micrograph("a.tif", pixels, info_bar=InfoBar(70, "test")), labels)
    image = prepare_by_itself(one, CARD)
    assert image.unit.shape == (1, 70, 80)
    assert image.targets.shape == (70, 80)
    assert image.scaling.high < 100


def test_image_and_labels_are_magnified_together(two_phases):
    one = two_phases(size=(101, 140))
    image = prepare_by_itself(one, CARD.model_copy(update={"scale": 0.5}))
    assert image.unit.shape == (1, 50, 70)
    assert image.targets.shape == (50, 70)
    bright = image.unit[0] > 0.5
    assert np.mean(bright == (image.targets == 1)) > 0.95


@pytest.mark.parametrize("row", [100, 101])
def test_a_stroke_one_pixel_wide_is_not_lost_when_the_image_is_made_smaller(row):
    labels = np.zeros((200, 200), np.uint8)
    labels[row, 20:180] = 1
    pixels = np.random.default_rng(0).integers(0, 255, (200, 200)).astype(np.uint8)
    one = PaintedMicrograph(Micrograph("a.tif", pixels), labels)
    image = prepare_by_itself(one, CARD.model_copy(update={"scale": 0.5}))
    assert (image.targets == 0).sum() >= 60


@pytest.mark.parametrize("bad", [np.full((40, 40), 7, np.uint8), np.full((40, 40), np.nan)])
def test_a_constant_or_broken_image_is_an_error_that_names_it(bad):
    one = PaintedMicrograph(Micrograph("dark.tif", bad), np.ones((40, 40), np.uint8))
    with pytest.raises(InputError, match=r"dark\.tif"):
        prepare_by_itself(one, CARD)


def test_labels_painted_where_there_is_no_number_are_not_learnt(two_phases):
    painted = two_phases()
    pixels = painted.micrograph.pixels.astype(np.float32)
    pixels[20:30] = np.nan
    micrograph = replace(painted.micrograph, pixels=pixels, analysable=np.isfinite(pixels))
    ready = prepare_by_itself(replace(painted, micrograph=micrograph), CARD)
    assert (ready.targets == 255).all(axis=1).nonzero()[0].tolist() == list(range(20, 30))
    assert np.isfinite(ready.unit).all()
