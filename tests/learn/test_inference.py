"""Segmenting one micrograph, tile by tile."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from own_scale import prepare_by_itself
from PIL import Image
from torch import nn

from napari_matssl.errors import ComputeError, InputError
from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.unbroken import UnbrokenClass
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.crops import CropSampler
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.grey_scale import fit_scaling
from napari_matssl.learn.inference import segment, segment_rows
from napari_matssl.learn.losses import segmentation_loss
from napari_matssl.learn.magnification import magnification, rescale
from napari_matssl.learn.networks import build_network
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.micrograph.image import InfoBar, Micrograph, PixelSize
from napari_matssl.micrograph.reading import read_micrograph
from napari_matssl.progress import Control, drain
from napari_matssl.settings import FinetuneSettings, IntensityScalingSettings, PredictSettings

TABLE = numbered_table([1, 2])
COMPUTE = choose_compute("cpu")


def run(segmenter, micrograph, probabilities=False, on_progress=None, **values):
    settings = PredictSettings(**{"device": "cpu", "magnifications": "one", **values})
    network = COMPUTE.place(segmenter.network.eval())
    job = segment(network, segmenter.card, micrograph, COMPUTE, settings, probabilities)
    return drain(job, on_progress)


@pytest.fixture(scope="module")
def levels(grey_level_segmenter):
    """Class 1 is black, class 2 white."""
    return grey_level_segmenter(TABLE, (0, 255))


@pytest.fixture(scope="module")
def trained(two_phases):
    """U-Net++ on EfficientNet-Lite0 after a few steps: it separates the phases, more or less."""
    settings = FinetuneSettings(crop_size=64, batch_size=4)
    card = ModelCard(
        kind="segmenter",
        encoder="tf_efficientnet_lite0",
        channels="grey",
        intensity_scaling=IntensityScalingSettings(),
        classes=TABLE,
    )
    image = prepare_by_itself(two_phases(9, (160, 160)), card)
    sampler = CropSampler([image], settings, np.random.default_rng(0))
    network = build_network(card.encoder, len(TABLE))
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(15):
        batch = sampler.batch()
        loss = segmentation_loss(network(batch.images), batch.targets, 1.0, 0.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.train()
    with torch.no_grad():  # statistics of batch norm lag behind
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.3
        for _ in range(10):
            network(sampler.batch().images)
    return Segmenter(network.eval(), card)


def black_and_white(height, width, block=8):
    """Square blocks, different in all directions."""
    blocks = np.random.default_rng(0).integers(0, 2, (height // block + 1, width // block + 1))
    blocks[0, 0], blocks[-1, -1] = 0, 1
    return np.kron(blocks, np.ones((block, block)))[:height, :width].astype(np.uint8) * 255


def truth(pixels):
    return np.where(pixels > 0, 2, 1)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (100, 131), (255, 64), (32, 300)])
@pytest.mark.parametrize(("tile", "overlap"), [(1024, 128), (32, 32), (64, 0), (32, 128)])
def test_the_mask_has_the_micrographs_size_and_each_pixel_is_in_its_place(
    levels, size, tile, overlap
):
    pixels = black_and_white(*size)
    mask = run(levels, Micrograph("a.tif", pixels), tile=tile, tile_overlap=overlap).mask
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, truth(pixels))


@pytest.mark.parametrize("scale", [0.5, 2.0, 0.77])
@pytest.mark.parametrize("size", [(33, 40), (97, 131), (256, 160)])
def test_magnified_images_give_masks_of_their_own_size(grey_level_segmenter, scale, size):
    segmenter = grey_level_segmenter(TABLE, (0, 255), scale=scale)
    pixels = black_and_white(*size, block=16)
    micrograph = Micrograph("a.tif", pixels)
    whole = run(segmenter, micrograph).mask
    assert whole.shape == size
    assert np.mean(whole == truth(pixels)) > 0.95  # all but edges of blocks
    for tile, overlap in ((64, 32), (64, 128), (32, 0)):
        tiled = run(segmenter, micrograph, tile=tile, tile_overlap=overlap).mask
        assert np.mean(tiled != whole) <= 0.001, (tile, overlap)


def test_the_tiles_do_not_show_in_the_mask_of_a_real_network(trained, two_phases):
    micrograph = two_phases(3, (832, 800)).micrograph
    whole = run(trained, micrograph, tile=1024)
    steps = []
    tiled = run(trained, micrograph, tile=256, tile_overlap=256, on_progress=steps.append)
    assert len(steps) == 9
    assert 0.05 < np.mean(whole.mask == 2) < 0.95
    assert np.mean(whole.mask != tiled.mask) <= 0.001


def test_the_tiles_of_the_defaults_do_not_show_in_the_mask_of_a_real_network(trained, two_phases):
    micrograph = two_phases(4, (1536, 1600)).micrograph
    whole = run(trained, micrograph, tile=2048)
    steps = []
    tiled = run(trained, micrograph, on_progress=steps.append)
    assert len(steps) == 4
    assert 0.05 < np.mean(whole.mask == 2) < 0.95
    assert np.mean(whole.mask != tiled.mask) <= 0.001


@pytest.mark.parametrize("size", [(160, 128), (97, 200)])
@pytest.mark.parametrize("tile", [1024, 64])
def test_two_magnifications_are_averaged(trained, two_phases, size, tile):
    micrograph = two_phases(3, size).micrograph
    values = {"probabilities": True, "tile": tile, "tile_overlap": 128}
    both = run(trained, micrograph, magnifications="two", **values)
    larger = Segmenter(trained.network, trained.card.model_copy(update={"scale": 1.6}))
    single = [run(one, micrograph, **values).probabilities for one in (trained, larger)]
    expected = np.mean([p.astype(float) for p in single], axis=0)
    assert np.abs(single[0].astype(float) - single[1]).max() > 20  # they have something to average
    assert np.abs(both.probabilities - expected).max() <= 1
    decided = np.abs(expected[0] - expected[1]) > 2
    found = both.mask[decided]
    np.testing.assert_array_equal(found, (expected.argmax(0) + 1)[decided])


@pytest.mark.parametrize(("share", "looks"), [(None, 2), (0.02, 2), (0.89, 2), (0.9, 1), (1.0, 1)])
def test_models_of_strokes_look_twice_those_of_full_labels_once(trained, two_phases, share, looks):
    card = trained.card.model_copy(update={"painted_share": share})
    steps = []
    micrograph = two_phases(3, (96, 96)).micrograph
    run(
        Segmenter(trained.network, card),
        micrograph,
        magnifications="auto",
        on_progress=steps.append,
    )
    assert len(steps) == looks


def test_a_pixel_classifier_looks_once(trained, two_phases):
    micrograph = two_phases(3, (96, 96)).micrograph
    card = trained.card.model_copy(update={"architecture": "pixel-classifier"})
    steps = []
    once = run(
        Segmenter(trained.network, card), micrograph, magnifications="two", on_progress=steps.append
    )
    assert len(steps) == 1
    np.testing.assert_array_equal(once.mask, run(trained, micrograph).mask)


def test_two_magnifications_leave_the_info_bar_out_and_give_every_row(levels):
    pixels = black_and_white(100, 60, block=16)
    micrograph = Micrograph("a.tif", pixels, info_bar=InfoBar(83, "test"))
    for tile in (1024, 32):
        mask = run(levels, micrograph, magnifications="two", tile=tile, tile_overlap=32).mask
        assert (mask[83:] == 0).all()
        assert np.mean(mask[:83] == truth(pixels[:83])) > 0.95


def test_stop_in_the_second_magnification_gives_no_mask_either(levels):
    settings = PredictSettings(magnifications="two", device="cpu")
    micrograph = Micrograph("a.tif", black_and_white(64, 64))
    job = segment(levels.network, levels.card, micrograph, COMPUTE, settings)
    assert [next(job).step, next(job).step] == [1, 2]
    with pytest.raises(StopIteration) as end:
        job.send(Control.STOP)
    assert end.value.value is None


@pytest.mark.parametrize(("table", "rest"), [(TABLE, 0), (numbered_table([0, 1]), 255)])
def test_the_info_bar_is_not_analysed(grey_level_segmenter, table, rest):
    segmenter = grey_level_segmenter(table, (0, 255))
    micrograph = Micrograph("a.tif", black_and_white(100, 60), info_bar=InfoBar(83, "test"))
    result = run(segmenter, micrograph, probabilities=True)
    assert result.mask.shape == (100, 60)
    assert (result.mask[83:] == rest).all()
    np.testing.assert_array_equal(result.mask[:83], truth(micrograph.specimen) - 2 + table.ids[1])
    assert (result.probabilities[:, 83:] == 0).all()


@pytest.mark.parametrize(("table", "rest"), [(TABLE, 0), (numbered_table([0, 1]), 255)])
@pytest.mark.parametrize("scale", [1.0, 0.7])
def test_what_is_no_number_is_not_analysed_and_does_not_spread(
    grey_level_segmenter, table, rest, scale
):
    pixels = black_and_white(96, 80, 16).astype(np.float32)
    pixels[10:14], pixels[50, 60] = np.nan, np.inf
    analysable = np.isfinite(pixels)
    segmenter = grey_level_segmenter(table, (0, 255), scale=scale)
    mask = run(segmenter, Micrograph("a", pixels, analysable=analysable)).mask
    assert (mask == rest).tolist() == (~analysable).tolist()
    whole = run(segmenter, Micrograph("a", black_and_white(96, 80, 16).astype(np.float32))).mask
    far = np.ones_like(analysable)
    far[6:18], far[46:55, 56:65] = False, False
    np.testing.assert_array_equal(mask[far], whole[far])


def test_grey_values_in_the_info_bar_do_not_change_the_mask(trained, two_phases):
    pixels = two_phases(4, (128, 96)).micrograph.pixels.copy()
    masks = []
    for bar in (0, 255):
        pixels[100:] = bar
        micrograph = Micrograph("a.tif", pixels.copy(), info_bar=InfoBar(100, "test"))
        masks.append(run(trained, micrograph).mask)
    np.testing.assert_array_equal(*masks)


def test_a_temperature_makes_probabilities_cautious_and_leaves_the_mask(levels):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70)).astype(np.uint8)
    micrograph = Micrograph("a.tif", pixels)
    card = levels.card.model_copy(update={"temperature": 10.0})
    plain, cautious = (
        run(one, micrograph, probabilities=True) for one in (levels, replace(levels, card=card))
    )
    np.testing.assert_array_equal(plain.mask, cautious.mask)
    sure, less = (one.probabilities.max(axis=0).astype(int) for one in (plain, cautious))
    assert (less <= sure).all()
    assert less.mean() < sure.mean() - 20
    sums = cautious.probabilities.astype(int).sum(axis=0)
    assert abs(sums - 255).max() <= 1


def test_probabilities_are_those_of_the_mask(levels):
    pixels = black_and_white(50, 70)
    pixels[:, :9] = 150
    result = run(levels, Micrograph("a.tif", pixels), probabilities=True)
    assert result.probabilities.shape == (2, 50, 70)
    assert result.probabilities.dtype == np.uint8
    np.testing.assert_array_equal(result.probabilities.argmax(0) + 1, result.mask)
    total = result.probabilities.astype(int).sum(0)
    assert total.min() >= 254
    assert total.max() <= 256
    assert run(levels, Micrograph("a.tif", pixels)).probabilities is None


@pytest.mark.parametrize("channels", ["grey", "rgb"])
@pytest.mark.parametrize("kind", ["grey", "rgb", "16 bit", "float", "negative float", "bool-like"])
def test_images_of_every_kind_are_segmented(grey_level_segmenter, channels, kind):
    pixels = black_and_white(40, 56)
    stored = {
        "grey": pixels,
        "rgb": np.repeat(pixels[..., None], 3, axis=2),
        "16 bit": pixels.astype(np.uint16) * 257,
        "float": pixels / np.float64(255),
        "negative float": pixels.astype(np.float32) - 1000,
        "bool-like": (pixels > 0).astype(np.uint8) * 255,
    }[kind]
    segmenter = grey_level_segmenter(TABLE, (0, 255), channels=channels)
    mask = run(segmenter, Micrograph("a.tif", stored)).mask
    np.testing.assert_array_equal(mask, truth(pixels))


def test_an_rgba_file_is_segmented(levels, tmp_path):
    pixels = black_and_white(40, 56)
    rgba = np.repeat(pixels[..., None], 4, axis=2)
    rgba[..., 3] = np.random.default_rng(0).integers(0, 256, (40, 56))
    Image.fromarray(rgba).save(tmp_path / "a.png")
    mask = run(levels, read_micrograph(tmp_path / "a.png")).mask
    np.testing.assert_array_equal(mask, truth(pixels))


@pytest.mark.parametrize(
    "stored",
    [
        lambda p: p.astype(np.uint16) * 257,
        lambda p: p.astype(np.uint16) + 3000,
        lambda p: p.astype(np.float32) / 255,
        lambda p: p.astype(np.float64) * -0.5 * -3 - 7,
    ],
)
def test_the_bit_depth_and_the_brightness_knob_do_not_change_the_mask(trained, two_phases, stored):
    pixels = two_phases(5, (128, 96)).micrograph.pixels
    masks = [run(trained, Micrograph("a.tif", p)).mask for p in (pixels, stored(pixels))]
    assert np.mean(masks[0] != masks[1]) <= 0.001


def not_finite(value):
    pixels = black_and_white(40, 50).astype(np.float32)
    pixels[3, 4] = value
    return pixels


@pytest.mark.parametrize(
    ("pixels", "complaint"),
    [
        (np.full((40, 50), 9, np.uint8), "constant"),
        (np.zeros((40, 50), np.float32), "constant"),
        (not_finite(np.nan), "not finite"),
        (not_finite(np.inf), "not finite"),
    ],
)
@pytest.mark.parametrize("kind", ["standardise", "imagenet"])
def test_constant_and_broken_images_are_errors_that_name_them(trained, pixels, complaint, kind):
    card = trained.card.model_copy(
        update={"intensity_scaling": IntensityScalingSettings(kind=kind)}
    )
    with pytest.raises(InputError, match=complaint) as caught:
        run(Segmenter(trained.network, card), Micrograph("dark field.tif", pixels))
    assert "dark field.tif" in caught.value.what


def test_a_single_nan_in_a_panorama_is_found(levels):
    pixels = np.random.default_rng(0).random((3000, 3000), dtype=np.float32)
    pixels[1501, 1501] = np.nan
    settings = PredictSettings(tile=32, tile_overlap=0)
    with pytest.raises(InputError, match="not finite"):
        next(segment(levels.network, levels.card, Micrograph("a.tif", pixels), COMPUTE, settings))


class SmallMemory(nn.Module):
    """Fails as a full GPU does on inputs of more than `most` pixels."""

    def __init__(self, network, most):
        super().__init__()
        self.network, self.most = network, most

    def forward(self, images):
        if images.shape[-1] * images.shape[-2] > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")
        return self.network(images)


def test_out_of_memory_halves_the_tile_with_a_message_and_the_same_mask(levels):
    pixels = black_and_white(300, 260)
    limited = Segmenter(SmallMemory(levels.network, 160 * 160), levels.card)
    steps = []
    micrograph = Micrograph("a.tif", pixels)
    mask = run(limited, micrograph, on_progress=steps.append, tile=512, tile_overlap=32).mask
    np.testing.assert_array_equal(mask, truth(pixels))
    messages = [p.message for p in steps if p.message]
    assert messages == [
        "a.tif: out of memory, tiles of 256 px now",
        "a.tif: out of memory, tiles of 128 px now",
        "a.tif: out of memory, tiles of 64 px now",
    ]


def test_out_of_memory_helps_a_magnified_image_too(grey_level_segmenter):
    segmenter = grey_level_segmenter(TABLE, (0, 255), scale=2.0)
    limited = Segmenter(SmallMemory(segmenter.network, 330 * 330), segmenter.card)
    micrograph = Micrograph("a.tif", black_and_white(400, 300))
    mask = run(limited, micrograph).mask  # in the end the overlap is wider than the tile
    assert np.mean(mask != run(segmenter, micrograph).mask) <= 0.001


def test_memory_that_never_suffices_is_a_clear_error(levels):
    limited = Segmenter(SmallMemory(levels.network, 0), levels.card)
    with pytest.raises(ComputeError, match=r"segmenting a\.tif") as caught:
        run(limited, Micrograph("a.tif", black_and_white(64, 64)))
    assert "Out of memory" in caught.value.what


@pytest.mark.parametrize("scale", [1.0, 0.6])
def test_rows_from_any_one_on_are_those_of_the_whole_image(trained, two_phases, scale):
    micrograph = two_phases(3, (300, 128)).micrograph
    card = trained.card.model_copy(update={"scale": scale})
    settings = PredictSettings(tile=64, tile_overlap=32, magnifications="two", device="cpu")
    network = COMPUTE.place(trained.network.eval())

    def rows_from(begin):
        bands = []
        scaling = fit_scaling(micrograph, card).scaling
        assert drain(
            segment_rows(network, card, micrograph, COMPUTE, settings, scaling, bands.append, begin)
        )
        return torch.cat(bands, dim=1)

    whole = rows_from(0)
    assert whole.shape == (2, 300, 128)
    for begin in (1, 63, 64, 150, 299):
        assert torch.equal(rows_from(begin), whole[:, begin:]), begin


def test_stop_gives_no_half_mask(levels):
    micrograph = Micrograph("a.tif", black_and_white(200, 200))
    settings = PredictSettings(tile=32, tile_overlap=0)
    job = segment(levels.network, levels.card, micrograph, COMPUTE, settings)
    assert next(job).total > 4
    with pytest.raises(StopIteration) as end:
        job.send(Control.STOP)
    assert end.value.value is None


@pytest.mark.parametrize(
    ("trained_um", "image_um", "expected"),
    [(0.1, 0.1, 0.5), (0.1, 0.2, 1.0), (0.1, None, 0.5), (None, 0.2, 0.5)],
)
def test_an_image_of_another_pixel_size_is_magnified_to_the_models(
    trained, trained_um, image_um, expected
):
    card = trained.card.model_copy(update={"scale": 0.5, "pixel_size_um": trained_um})
    size = None if image_um is None else PixelSize(image_um, image_um, "test")
    micrograph = Micrograph("a", np.zeros((32, 32), np.uint8), pixel_size=size)
    assert magnification(card, micrograph) == pytest.approx(expected)


def test_a_pixel_size_that_must_be_wrong_is_refused(trained):
    card = trained.card.model_copy(update={"pixel_size_um": 0.1})
    wrong = Micrograph(
        "b.tif", np.zeros((32, 32), np.uint8), pixel_size=PixelSize(100.0, 100.0, "test")
    )
    with pytest.raises(InputError, match=r"b\.tif.*100 µm/px.*0\.1 µm/px"):
        magnification(card, wrong)


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3)])
def test_rescaling_keeps_what_is_where_and_does_not_alias(shape):
    rows = np.linspace(0, 200, 40)[:, None].repeat(50, 1)
    pixels = rows.astype(np.uint8) if len(shape) == 2 else rows[..., None].repeat(3, 2)
    half = rescale(pixels, 0.5)
    assert half.shape == (20, 25, *shape[2:])
    assert np.abs(half.reshape(20, 25, -1)[..., 0] - rows[::2, ::2] - 2.5).max() < 4
    assert rescale(pixels, 1.0) is pixels
    checkers = np.indices((40, 40)).sum(0) % 2 * 255.0
    assert np.abs(rescale(checkers, 0.5) - 127.5).max() < 30


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_previews_of_the_tiles_cover_the_specimen_and_look_like_the_mask(scale):
    network = build_network("test_efficientnet", 2, seed=3).eval()
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 255, (21, 25)), np.ones((10, 10))).astype(np.uint8)
    micrograph = Micrograph("steps.tif", pixels, info_bar=InfoBar(200, "test"))
    card = ModelCard(
        kind="segmenter",
        encoder="test_efficientnet",
        channels="grey",
        intensity_scaling=IntensityScalingSettings(),
        classes=numbered_table([3, 7]),
        scale=scale,
    )
    settings = PredictSettings(tile=32, tile_overlap=32, magnifications="one", device="cpu")
    shown = np.zeros(pixels.shape, np.uint8)
    times = np.zeros(pixels.shape, int)
    job = segment(network, card, micrograph, COMPUTE, settings, show=True)
    previews = []
    result = drain(job, lambda p: previews.append(p.preview))
    assert len(previews) > 3
    for preview in previews:
        rows, columns = preview.ids.shape
        area = np.s_[preview.top : preview.top + rows, preview.left : preview.left + columns]
        shown[area] = preview.ids
        times[area] += 1
    assert times[:200].min() == 1
    assert times[200:].max() == 0
    assert (shown[:200] == result.mask[:200]).mean() > 0.85
    silent = drain(segment(network, card, micrograph, COMPUTE, settings))
    np.testing.assert_array_equal(silent.mask, result.mask)


def layered(**facts):
    """Black above and below a white stratum, with a white component above; 2 is white."""
    pixels = np.zeros((80, 96), dtype=np.uint8)
    pixels[40:60] = 255
    pixels[10:18, 10:20] = 255
    return Micrograph("a.tif", pixels, **facts)


@pytest.mark.parametrize("tile", [1024, 32])
def test_detached_components_in_strata_are_merged_unless_they_shall_stay(levels, tile):
    rule = UnbrokenClass(class_id=1, inside=2, outside=1, images=2)
    knows = Segmenter(levels.network, levels.card.model_copy(update={"unbroken": (rule,)}))
    micrograph = layered()
    values = {"tile": tile, "tile_overlap": 32, "probabilities": True}
    as_found = run(levels, micrograph, **values)
    assert as_found.mask[14, 14] == 2
    closed = run(knows, micrograph, **values)
    assert (closed.mask[10:18, 10:20] == 1).all()
    assert (closed.mask[40:60] == 2).all()
    np.testing.assert_array_equal(closed.probabilities, as_found.probabilities)
    kept = run(knows, micrograph, detached_components="keep", **values)
    np.testing.assert_array_equal(kept.mask, as_found.mask)


def test_islands_are_closed_above_the_info_bar_alone(levels):
    rule = UnbrokenClass(class_id=1, inside=2, outside=1, images=2)
    knows = Segmenter(levels.network, levels.card.model_copy(update={"unbroken": (rule,)}))
    mask = run(knows, layered(info_bar=InfoBar(70, "test"))).mask
    assert (mask[70:] == 0).all()
    assert (mask[:40] == 1).all()
    assert (mask[60:70] == 1).all()
