"""Which way strata lie, in images whose answer is known."""

import numpy as np
import pytest
from scipy import ndimage

from napari_matssl.micrograph.image import InfoBar, Micrograph
from napari_matssl.micrograph.strata import find_strata
from napari_matssl.samples import make_sample

SIDE = 160


def micrograph(grey, **facts):
    return Micrograph("a.tif", np.clip(grey, 0, 255).astype(np.uint8), **facts)


def noise(seed=0, shape=(SIDE, SIDE), spread=20.0):
    return 120 + np.random.default_rng(seed).normal(0, spread, shape)


def stratified(seed=0, shape=(SIDE, SIDE)):
    """Layers one above the other, with wavy borders and noise."""
    rows = np.arange(shape[0])[:, None]
    waves = 4 * np.sin(np.arange(shape[1]) / 9 + seed)
    depth = (rows + waves) / shape[0]
    return noise(seed, shape) + np.where(depth < 0.3, -60, np.where(depth < 0.6, 50, 0))


def grains(seed=0, shape=(SIDE, SIDE), count=600):
    """Grains of random grey values: what lies nearest to one of `count` points."""
    random = np.random.default_rng(seed)
    seeds = np.ones(shape, dtype=bool)
    seeds[random.integers(0, shape[0], count), random.integers(0, shape[1], count)] = False
    place = ndimage.distance_transform_edt(seeds, return_distances=False, return_indices=True)
    return random.uniform(60, 200, shape)[tuple(place)] + random.normal(0, 8, shape)


def test_strata_one_above_the_other_and_side_by_side():
    for seed in range(3):
        grey = stratified(seed)
        assert find_strata([micrograph(grey)]) == "rows"
        assert find_strata([micrograph(grey[::-1])]) == "rows"
        assert find_strata([micrograph(grey.T)]) == "columns"
        assert find_strata([micrograph(255 - grey.T)]) == "columns"


@pytest.mark.parametrize("make", [noise, grains])
def test_without_strata_there_is_no_direction(make):
    for seed in range(5):
        assert find_strata([micrograph(make(seed))]) == "any"
        assert find_strata([micrograph(make(seed, (160, 240)))]) == "any"


@pytest.mark.parametrize("axis", [0, 1])
def test_a_mild_fall_of_light_is_no_stratum(axis):
    light = np.linspace(0.95, 1.05, SIDE)
    light = light[:, None] if axis == 0 else light[None]
    assert find_strata([micrograph(noise() * light)]) == "any"
    assert find_strata([micrograph(grains() * light)]) == "any"


def test_a_chessboard_of_bands_both_ways_has_no_way():
    bands = np.where(np.arange(SIDE) // 20 % 2, 40, -40)
    assert find_strata([micrograph(noise() + bands[:, None] + bands[None])]) == "any"


def test_a_scratch_or_a_bright_row_is_no_stratum():
    grey = grains()
    grey[80] = 255
    assert find_strata([micrograph(grey)]) == "any"
    hot = noise().astype(np.float32)  # a pixel that the detector counted twice over
    hot[3, 4] = 1e6
    assert find_strata([Micrograph("hot.tif", hot)]) == "any"
    buried = stratified().astype(np.float32)
    buried[3, 4] = 1e6
    assert find_strata([Micrograph("hot.tif", buried)]) == "rows"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("pixels", [np.full((64, 64), 7, np.uint8), np.zeros((64, 64, 3))])
def test_a_constant_image_has_no_way(pixels):
    assert find_strata([Micrograph("dark.tif", pixels)]) == "any"


def test_a_few_other_images_do_not_change_what_most_of_a_set_shows():
    sections = [micrograph(stratified(seed)) for seed in range(3)]
    others = [micrograph(noise(seed)) for seed in range(5)]
    assert find_strata([*sections, *others[:2]]) == "rows"
    assert find_strata([*sections, *others]) == "any"


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_the_range_of_grey_values_makes_no_difference(dtype):
    for grey, expected in ((stratified(), "rows"), (stratified().T, "columns"), (noise(), "any")):
        assert find_strata([Micrograph("a.tif", (40 * grey).astype(dtype))]) == expected


def test_colour_images_are_looked_at_by_their_luminance():
    flat = np.full((SIDE, SIDE), 120.0)
    for grey, expected in ((stratified(), "rows"), (stratified().T, "columns"), (noise(), "any")):
        colour = np.stack([flat, grey, flat], axis=2)
        assert find_strata([micrograph(colour)]) == expected


def test_the_info_bar_is_no_stratum():
    grey = np.vstack([noise(), np.full((30, SIDE), 255)])
    assert find_strata([micrograph(grey)]) == "rows"
    assert find_strata([micrograph(grey, info_bar=InfoBar(SIDE, "test"))]) == "any"


def test_large_images_have_the_same_strata():
    for grey, expected in ((stratified(), "rows"), (stratified().T, "columns"), (grains(), "any")):
        large = np.kron(grey, np.ones((14, 14)))  # 2240 px
        assert find_strata([micrograph(large)]) == expected


def test_a_single_row_of_pixels_can_only_have_strata_side_by_side():
    assert find_strata([micrograph(noise(shape=(1, 64)))]) == "columns"


def samples(material, count=6, side=256):
    return [make_sample(material, seed, (side, side)).micrograph for seed in range(count)]


def test_coatings_have_strata():
    found = samples("coating")
    assert find_strata(found) == "rows"
    assert all(find_strata([one]) == "rows" for one in found)


@pytest.mark.parametrize("material", ["dual-phase", "grains", "inclusions"])
def test_a_set_of_another_material_has_none(material):
    assert find_strata(samples(material)) == "any"


@pytest.mark.parametrize("material", ["dual-phase", "grains", "inclusions"])
def test_a_single_micrograph_of_another_material_has_none(material):
    """Uneven light, of 5 to 16 % in these samples, is no stratum either."""
    found = [find_strata([one]) for one in samples(material, 5, 384)]
    assert found == ["any"] * len(found)
