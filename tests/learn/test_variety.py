"""Images that cover a folder's variety."""

import tracemalloc

import numpy as np
import pytest
import torch

from napari_matssl.errors import InputError
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.encoders import LITE0, build_encoder
from napari_matssl.learn.start_weights import load_start_weights
from napari_matssl.learn.variety import distances, embed, farthest_first
from napari_matssl.micrograph.image import InfoBar, Micrograph
from napari_matssl.samples import make_sample
from napari_matssl.settings import IntensityScalingSettings

SCALING = IntensityScalingSettings()


@pytest.fixture(scope="module")
def encoder():
    network = build_encoder(LITE0)
    load_start_weights(network, LITE0, "imagenet")
    return network.eval()


def described(encoder, micrograph):
    return embed(encoder, micrograph, choose_compute("cpu"), SCALING)


def crop(material, seed, size=160):
    pixels = make_sample(material, seed).micrograph.pixels[:size, :size]
    return Micrograph(f"{material} {seed}", pixels)


def test_images_of_one_material_are_nearer_than_those_of_another(encoder):
    images = [crop(m, seed) for m in ("dual-phase", "grains") for seed in (1, 2, 3)]
    apart = distances([described(encoder, one) for one in images])
    same = [apart[i, j] for i in range(6) for j in range(6) if i != j and i // 3 == j // 3]
    other = [apart[i, j] for i in range(3) for j in range(3, 6)]
    assert max(same) < min(other)


def test_a_folder_of_many_images_takes_little_memory():
    described = list(np.random.default_rng(0).normal(size=(300, 400)).astype(np.float32))
    tracemalloc.start()
    apart = distances(described)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 10e6  # a difference of every figure of every pair would be 288 MB
    assert apart[0, 0] == 0
    assert apart[np.triu_indices(300, 1)].mean() == pytest.approx(np.sqrt(2), rel=0.01)


def test_exposure_and_info_bar_make_no_other_image(encoder):
    image = crop("dual-phase", 1)
    brighter = Micrograph("brighter", (image.pixels * 0.7 + 60).astype(np.uint8))
    bar = np.vstack([image.pixels, np.full((20, image.width), 255, np.uint8)])
    with_bar = Micrograph("bar", bar).with_info_bar(InfoBar(image.height, "by hand"))
    other = crop("grains", 1)
    apart = distances([described(encoder, one) for one in (image, brighter, with_bar, other)])
    assert max(apart[0, 1], apart[0, 2]) < 0.3 * apart[0, 3]


def test_colour_images_can_be_compared_with_grey_ones(encoder):
    grey = crop("dual-phase", 1)
    colour = Micrograph("colour", np.repeat(grey.pixels[..., None], 3, axis=2))
    assert np.isfinite(described(encoder, colour)).all()
    assert described(encoder, colour).shape == described(encoder, grey).shape


def test_a_constant_image_is_refused_by_name(encoder):
    with pytest.raises(InputError, match="flat"):
        described(encoder, Micrograph("flat", np.zeros((64, 64), np.uint8)))


def on_a_line(*places):
    return np.abs(np.subtract.outer(places, places)).astype(float)


def test_the_most_typical_image_comes_first_and_then_the_farthest():
    assert farthest_first(on_a_line(0, 4, 5, 6, 20)) == [2, 4, 0, 1, 3]


def test_painted_images_count_as_covered():
    assert farthest_first(on_a_line(0, 4, 5, 6, 20), [4]) == [0, 3, 1, 2]
    assert farthest_first(on_a_line(0, 1), [0, 1]) == []


def test_equal_images_keep_their_order():
    alike = distances([np.ones(3, np.float32)] * 4)
    assert farthest_first(alike) == [0, 1, 2, 3]
    assert not alike.any()


def test_no_image_is_more_than_twice_as_far_as_it_need_be():
    # The bound of Gonzalez, against all triples.
    random = np.random.default_rng(0)
    points = random.normal(size=(12, 2))
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    greedy = apart[farthest_first(apart)[:3]].min(axis=0).max()
    triples = torch.combinations(torch.arange(12), 3).numpy()
    best = min(apart[list(triple)].min(axis=0).max() for triple in triples)
    assert greedy <= 2 * best
