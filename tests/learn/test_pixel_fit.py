"""Fitting the pixel classifier: against scikit-learn, by hand, and on textures."""

import numpy as np
import pytest
import torch
from own_scale import prepare_by_itself
from torch import nn
from torch.nn import functional

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.painted import IGNORE_INDEX, PaintedMicrograph
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.device import Compute
from napari_matssl.learn.filters import filter_maps
from napari_matssl.learn.guided_unet import GuidedUnetPlusPlus
from napari_matssl.learn.pixel_classifier import PixelClassifier
from napari_matssl.learn.pixel_features import sample
from napari_matssl.learn.pixel_fit import class_frequencies, classify, fit
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.samples import scribble
from napari_matssl.settings import IntensityScalingSettings

TINY = "test_efficientnet"
EXACT = Compute(torch.device("cpu"), torch.float32, "exact")
TABLE = numbered_table([1, 2, 3])


def prepared(grey, targets):
    """Of a grey ``(H, W)`` or colour image and its targets: channels, 255 where unpainted."""
    pixels = np.clip(grey, 0, 255).astype(np.uint8)
    labels = np.where(targets == IGNORE_INDEX, 0, targets + 1).astype(np.uint8)
    one = PaintedMicrograph(Micrograph("a.tif", pixels), labels)
    channels = "rgb" if pixels.ndim == 3 else "grey"
    card = ModelCard(
        encoder=TINY, channels=channels, intensity_scaling=IntensityScalingSettings(),
        classes=numbered_table(range(1, 9)), unlabelled=0,
    )  # fmt: skip
    return prepare_by_itself(one, card)


def textures(seed=0, size=(96, 128), columns=(0.4, 0.7)):
    """Fine stripes, coarse spots and faint noise of about equal mean, side by side; the truth."""
    random = np.random.default_rng(seed)
    truth = np.zeros(size, dtype=np.uint8)
    for share in columns:
        truth[:, int(share * size[1]) :] += 1
    stripes = np.where(np.arange(size[0])[:, None] // 2 % 2, 45, -45)
    spots = random.choice([-40, 40], (-(-size[0] // 8), -(-size[1] // 8)))
    coarse = np.kron(spots, np.ones((8, 8)))[: size[0], : size[1]]
    grey = 120 + np.choose(truth, [stripes, coarse, 0]) + random.normal(0, 6, size)
    return grey, truth


def strokes(truth, seed=0, width=3):
    """A line within each class; all else is unpainted."""
    painted = scribble(truth + 1, seed=seed, width=width, share=0.05)
    return np.where(painted == 0, IGNORE_INDEX, painted.astype(int) - 1)


def fitted(*images, classes=3, seed=0):
    network = PixelClassifier(TINY, classes).eval()
    fit(network.encoder, network.heads, images, EXACT, seed)
    return network


def whole(image):
    """What the network sees of a prepared image, mirrored up to multiples of 32."""
    values = image.scaling.standardise(image.unit)
    beyond = [(0, -side % 32) for side in values.shape[1:]]
    values = np.pad(values, ((0, 0), *beyond), mode="symmetric")
    return torch.from_numpy(values)[None].expand(1, 3, -1, -1)


def logits(network, image):
    """Of every pixel of a prepared image: ``(K, H, W)``."""
    height, width = image.targets.shape
    with torch.no_grad():
        return network(whole(image))[0, :, :height, :width].numpy()


def state(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


# ---- what it learns ----


def test_textures_of_equal_brightness_are_separated_by_strokes_on_another_image():
    grey, truth = textures(0)
    network = fitted(prepared(grey, strokes(truth)))
    unseen, right = textures(5, columns=(0.3, 0.6))
    found = logits(network, prepared(unseen, right)).argmax(axis=0)
    assert (found == right).mean() > 0.85


def test_phases_of_different_brightness_are_separated_to_the_pixel(two_phases):
    def image(seed, labels):
        one = two_phases(seed)
        return prepared(one.micrograph.pixels, labels(one.labels.astype(int) - 1))

    network = fitted(image(1, strokes), classes=2)
    unseen = image(4, lambda truth: truth)
    assert (logits(network, unseen).argmax(axis=0) == unseen.targets).mean() > 0.97


@pytest.mark.parametrize("size", [(70, 90), (96, 128), (33, 150)])
def test_sizes_that_the_encoder_cannot_take_are_mirrored_not_shifted(size):
    """A border is found where it is painted."""
    random = np.random.default_rng(0)
    truth = np.zeros(size, dtype=np.uint8)
    truth[:, 47:] = 1
    grey = 100 + 60 * truth + random.normal(0, 5, size)
    image = prepared(grey, truth.astype(int))
    found = logits(fitted(image, classes=2), image).argmax(axis=0)
    assert (found == truth).mean() > 0.99
    assert (found[:, 46] == 0).mean() > 0.95
    assert (found[:, 47] == 1).mean() > 0.95


@pytest.mark.parametrize("size", [(70, 90), (96, 128)])
def test_classify_gives_the_likeliest_class_of_each_pixel(size):
    image = prepared(*textures(size=size))
    network = fitted(image)
    found = classify(network.encoder, network.heads, image, EXACT)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, logits(network, image).argmax(axis=0))
    guided = GuidedUnetPlusPlus(TINY, 3).eval()
    fit(guided.encoder, guided.heads, [image], EXACT, 0)
    nn.init.normal_(guided.segmentation_head[0].weight)
    before = classify(guided.encoder, guided.heads, image, EXACT)
    nn.init.normal_(guided.segmentation_head[0].weight, std=9.0)
    np.testing.assert_array_equal(
        before, classify(guided.encoder, guided.heads, image, EXACT)
    )  # of the classifier alone


def test_strokes_one_pixel_wide_are_enough():
    grey, truth = textures(0)
    targets = np.full(truth.shape, IGNORE_INDEX)
    for channel, column in enumerate((20, 70, 110)):
        targets[8:88, column] = channel
    image = prepared(grey, targets)
    found = logits(fitted(image), image).argmax(axis=0)
    assert (found == truth).mean() > 0.8


def test_a_class_of_a_single_pixel_is_learnt_and_does_no_harm():
    grey, truth = textures(0, columns=(0.5,))
    grey[40:48, 90:98] = 250
    targets = strokes(truth)
    targets[36:52, 86:102] = IGNORE_INDEX
    targets[44, 94] = 2
    image = prepared(grey, targets)
    found = logits(fitted(image), image)
    assert np.isfinite(found).all()
    channels = found.argmax(axis=0)
    assert channels[44, 94] == 2
    others = np.ones(truth.shape, dtype=bool)
    others[30:58, 80:108] = False
    assert (channels == truth)[others].mean() > 0.85


def test_images_of_several_sizes_and_without_paint_go_together():
    first, second, unpainted = (
        textures(n, size) for n, size in enumerate([(96, 128), (64, 160), (70, 80)])
    )
    # Each image has strokes of some of the classes only.
    one, two = strokes(first[1]), strokes(second[1])
    one[one == 2], two[two == 0] = IGNORE_INDEX, IGNORE_INDEX
    blank = np.full(unpainted[1].shape, IGNORE_INDEX)
    network = fitted(
        prepared(first[0], one), prepared(second[0], two), prepared(unpainted[0], blank)
    )
    unseen, right = textures(7)
    assert (logits(network, prepared(unseen, right)).argmax(axis=0) == right).mean() > 0.8


def test_phases_of_colour_images_are_separated_by_colour():
    """Red and blue of the same mean: only the encoder sees colour."""
    random = np.random.default_rng(0)
    truth = np.zeros((96, 96), dtype=np.uint8)
    truth[:, 48:] = 1
    red = np.where(truth == 0, 180, 80)
    colour = np.stack([red, np.full_like(red, 130), 260 - red], axis=2)
    image = prepared(colour + random.normal(0, 8, colour.shape), strokes(truth))
    found = logits(fitted(image, classes=2), image).argmax(axis=0)
    assert (found == truth).mean() > 0.9


@pytest.mark.parametrize("painted", [(0, 2), (1, 4), (3, 0)])
def test_an_unpainted_class_is_never_found(painted):
    grey, truth = textures(0, columns=(0.5,))
    targets = strokes(truth)
    targets = np.where(
        targets == IGNORE_INDEX, IGNORE_INDEX, np.array(painted)[np.minimum(targets, 1)]
    )
    network = fitted(prepared(grey, targets), classes=5)
    random = np.random.default_rng(1)
    strange = [
        random.uniform(0, 255, (96, 96)),
        np.kron(random.choice([0, 255], (6, 6)), np.ones((16, 16))),
        np.outer(np.linspace(0, 1, 96), np.linspace(0, 255, 96)),
        np.where(np.arange(96 * 96).reshape(96, 96) == 4000, 255, 0),
    ]
    for other in (grey, *strange):
        image = prepared(other, np.zeros(other.shape, int))
        assert set(np.unique(logits(network, image).argmax(axis=0))) <= set(painted)


def test_the_encoder_and_the_images_stay_as_they_are():
    grey, truth = textures(0)
    image = prepared(grey, strokes(truth))
    unit, targets = image.unit.copy(), image.targets.copy()
    network = PixelClassifier(TINY, 3).eval()
    before = state(network.encoder)
    fit(network.encoder, network.heads, [image], EXACT, 0)
    after = network.encoder.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert np.array_equal(image.unit, unit)
    assert np.array_equal(image.targets, targets)


def test_the_seed_decides_which_pixels_are_drawn():
    """Dense labels, of which only some pixels are used."""
    grey, truth = textures(0)
    image = prepared(grey, truth.astype(int))
    first, same, other = (state(fitted(image, seed=seed)) for seed in (3, 3, 4))
    assert all(torch.equal(tensor, same[name]) for name, tensor in first.items())
    assert not torch.equal(first["heads.context.0.weight"], other["heads.context.0.weight"])


def test_what_a_classifier_was_fitted_to_before_makes_no_difference():
    grey, truth = textures(0)
    image = prepared(grey, strokes(truth))
    network = fitted(prepared(*map(np.fliplr, (grey, strokes(truth, seed=2)))))
    fit(network.encoder, network.heads, [image], EXACT, 0)
    fresh, again = state(fitted(image)), state(network)
    assert all(torch.equal(tensor, again[name]) for name, tensor in fresh.items())


# ---- the regression itself ----


def few_pixels():
    """An odd size, three classes of quite different numbers of painted pixels."""
    grey, truth = textures(2, size=(70, 90))
    targets = np.full(truth.shape, IGNORE_INDEX)
    targets[10:60, 5:13], targets[10:50, 45:48], targets[10:40, 75:77] = 0, 1, 2
    assert all(set(truth[targets == k]) == {k} for k in range(3))
    return prepared(grey + np.random.default_rng(9).normal(0, 25, grey.shape), targets)


def expert(network, image, name):
    """One expert at the painted pixels: features scaled to spread 1, its weights for those, bias.

    Shapes ``(n, C)``, ``(C, K)``, ``(K,)``.
    """
    images = whole(image)
    with torch.no_grad():
        maps = (
            network.heads.pick(network.encoder(images))
            if name == "context"
            else filter_maps(images)
        )
    large = [functional.interpolate(m, size=images.shape[2:], mode="bilinear")[0] for m in maps]
    height, width = image.targets.shape
    features = torch.cat(large)[:, :height, :width].double().numpy()
    features = features[:, image.targets != IGNORE_INDEX].T
    heads = getattr(network.heads, name)
    weight = torch.cat([head.weight[:, :, 0, 0].T for head in heads]).detach().double().numpy()
    bias = sum(head.bias.detach().double().numpy() for head in heads)
    mean, spread = features.mean(axis=0), features.std(axis=0, ddof=1).clip(min=1e-4)
    return (features - mean) / spread, weight * spread[:, None], bias + mean @ weight


def softmax(values):
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def slopes(scaled, weight, bias, targets):
    """Gradient of the cross-entropy, in which each class weighs alike."""
    share = 1 / np.bincount(targets)[targets] / len(np.unique(targets))
    error = (softmax(scaled @ weight + bias) - np.eye(weight.shape[1])[targets]) * share[:, None]
    return scaled.T @ error, error.sum(axis=0)


def penalty(scaled, weight, bias, targets):
    """The factor of the squared weights at whose optimum these weights are."""
    slope, _ = slopes(scaled, weight, bias, targets)
    return -float((slope * weight).sum() / (2 * (weight**2).sum()))


def test_the_classical_expert_is_scikit_learns_logistic_regression():
    linear = pytest.importorskip("sklearn.linear_model")
    image = few_pixels()
    scaled, weight, bias = expert(fitted(image), image, "filters")
    targets = image.targets[image.targets != IGNORE_INDEX].astype(int)
    l2 = penalty(scaled, weight, bias, targets)
    assert 0.003 < l2 < 3
    share = 1 / np.bincount(targets)[targets] / 3
    other = linear.LogisticRegression(C=1 / (2 * l2), tol=1e-8, max_iter=5000)
    other.fit(scaled, targets, sample_weight=share)
    np.testing.assert_allclose(weight, other.coef_.T, atol=0.02 * np.abs(weight).max())
    found = softmax(scaled @ weight + bias)
    np.testing.assert_allclose(found, other.predict_proba(scaled), atol=0.01)


def test_the_encoders_expert_is_at_the_optimum_of_a_logistic_regression():
    """Where the slope of the cross-entropy is opposite to the weights, by one factor for all."""
    image = few_pixels()
    scaled, weight, bias = expert(fitted(image), image, "context")
    targets = image.targets[image.targets != IGNORE_INDEX].astype(int)
    for _ in range(200):  # its bias also holds the frequencies, which the regression leaves out
        probabilities = softmax(scaled @ weight + bias)
        means = np.array([probabilities[targets == k].mean(axis=0) for k in range(3)])
        bias = bias + np.log(1 / 3) - np.log(means.mean(axis=0))
    l2 = penalty(scaled, weight, bias, targets)
    slope, level = slopes(scaled, weight, bias, targets)
    assert np.abs(level).max() < 1e-6
    assert 0.03 < l2 < 30
    np.testing.assert_allclose(slope, -2 * l2 * weight, atol=0.02 * np.abs(slope).max())


def test_how_much_of_a_class_is_painted_makes_little_difference():
    """Ten times the strokes on the same phase must not move the border."""
    random = np.random.default_rng(0)
    truth = np.zeros((96, 96), dtype=np.uint8)
    truth[:, 48:] = 1
    grey = 100 + 40 * truth + random.normal(0, 20, truth.shape)
    shares = []
    for rows in (6, 60):
        targets = np.full(truth.shape, IGNORE_INDEX)
        targets[10:16, 10:40], targets[10 : 10 + rows, 56:86] = 0, 1
        image = prepared(grey, targets)
        shares.append((logits(fitted(image, classes=2), image).argmax(axis=0) == 1).mean())
    assert shares == pytest.approx([0.5, 0.5], abs=0.06)


def test_a_class_that_is_rare_outside_of_the_strokes_is_found_less():
    """The same strokes, beside an unpainted area of the first phase or of both."""
    random = np.random.default_rng(0)
    margins = []
    for border in (24, 96):
        truth = np.zeros((96, 192), dtype=np.uint8)
        truth[:, :48] = 1
        truth[:, 192 - border :] = 1
        truth[:, 168:] = 0 if border == 24 else 1
        grey = 100 + 40 * truth + random.normal(0, 20, truth.shape)
        targets = np.full(truth.shape, IGNORE_INDEX)
        targets[20:76, 10:30], targets[20:76, 60:80] = 1, 0
        image = prepared(grey, targets)
        found = logits(fitted(image, classes=2), image)
        margins.append((found[1] - found[0])[targets != IGNORE_INDEX].mean())
    assert margins[0] < margins[1] - 0.2


# ---- how frequent classes are ----


def test_frequencies_are_those_of_expectation_maximisation_by_hand():
    likelihoods = np.array([[4.0, 1.0], [1.0, 1.0], [1.0, 3.0], [6.0, 2.0]])
    found = torch.from_numpy(np.log(likelihoods)).float()
    # 4/5, 1/2, 1/4, 3/4 of a pixel are class 0 while both are taken for equally frequent.
    once = (0.8 + 0.5 + 0.25 + 0.75) / 4
    assert class_frequencies(found, 1).tolist() == pytest.approx([once, 1 - once])
    odds = once / (1 - once)
    shares = [ratio * odds / (ratio * odds + 1) for ratio in (4, 1, 1 / 3, 3)]
    twice = sum(shares) / 4
    assert class_frequencies(found, 2).tolist() == pytest.approx([twice, 1 - twice])


def test_frequencies_converge_to_those_of_a_true_mixture():
    random = np.random.default_rng(0)
    truth = random.random(40_000) < 0.12
    values = random.normal(np.where(truth, 1.5, -0.5), 1)
    densities = -0.5 * (values[:, None] - np.array([1.5, -0.5])) ** 2
    found = class_frequencies(torch.from_numpy(densities).float(), 100)
    assert found.tolist() == pytest.approx([0.12, 0.88], abs=0.01)
    few = class_frequencies(torch.from_numpy(densities).float(), 2)
    assert found[0] + 0.01 < few[0] < 0.5


def test_equal_logits_leave_all_classes_equally_frequent():
    level = torch.randn(500, 1, generator=torch.Generator().manual_seed(0)).expand(-1, 4)
    for steps in (0, 1, 20):
        assert class_frequencies(level, steps).tolist() == pytest.approx([0.25] * 4)


def test_no_class_vanishes_altogether():
    certain = torch.tensor([[100.0, 0.0, -100.0]]).repeat(50, 1)
    found = class_frequencies(certain, 10)
    assert float(found.sum()) == pytest.approx(1)
    assert float(found.min()) > 0.99e-5
    assert float(found[0]) > 0.999


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 5), (64, 33)])
def test_places_at_the_border_take_the_outermost_pixels(size):
    """As by padding_mode="border", which PyTorch before 2.13 lacks on Apple GPUs."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(2, 3, *size, generator=generator)
    grid = torch.rand(2, 500, 1, 2, generator=generator) * 2 - 1
    grid[:, :4, 0] = torch.tensor([(-1.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (0.999, -0.999)])
    expected = functional.grid_sample(maps, grid, padding_mode="border", align_corners=False)
    torch.testing.assert_close(sample(maps, grid), expected, atol=2e-6, rtol=0)


def test_no_network_samples_in_a_way_that_apple_gpus_lack(monkeypatch):
    used = set()
    original = functional.grid_sample

    def watched(*given, padding_mode="zeros", **named):
        used.add(padding_mode)
        return original(*given, padding_mode=padding_mode, **named)

    monkeypatch.setattr(functional, "grid_sample", watched)
    grey, truth = textures()
    fitted(prepared(grey, strokes(truth)))
    assert used == {"zeros"}
