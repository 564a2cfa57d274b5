"""How fine the structure in a micrograph is."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_matssl.micrograph import structure_size
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.structure_size import correlation_length


def blobs(width: float, side: int = 400, noise: float = 0.0) -> Micrograph:
    """Two phases of blobs of some width, with noise that differs from pixel to pixel."""
    random = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(random.normal(size=(side, side)), width, mode="wrap")
    grey = np.where(smooth > 0, 160.0, 80.0) + random.normal(0, 1, (side, side)) * noise
    return Micrograph("blobs.tif", grey.clip(0, 255).astype(np.uint8))


def test_length_grows_with_the_structure() -> None:
    lengths = [correlation_length(blobs(width), 60) for width in (2, 4, 8)]
    assert lengths[1] == pytest.approx(2 * lengths[0], abs=1)
    assert lengths[2] == pytest.approx(4 * lengths[0], abs=2)


def test_in_a_random_two_phase_structure_it_is_a_third_of_the_mean_chord() -> None:
    """Stripes whose widths are drawn as in Debye's random structure: mean chord 40 px."""
    random = np.random.default_rng(3)
    ends = np.cumsum(random.exponential(40, 4000)).astype(int)
    line = np.repeat(np.arange(4000) % 2, np.diff(ends, prepend=0))
    pixels = np.tile((80 + 80 * line).astype(np.uint8), (64, 1))
    found = correlation_length(Micrograph("random.tif", pixels), 60)
    assert found == pytest.approx(0.35 * 40, abs=3)


def test_noise_from_pixel_to_pixel_does_not_count() -> None:
    assert correlation_length(blobs(6, noise=40), 60) == pytest.approx(
        correlation_length(blobs(6), 60), abs=2
    )


def test_the_shorter_direction_counts() -> None:
    stripes = np.zeros((300, 300), dtype=np.uint8)
    stripes[:, np.arange(300) // 10 % 2 == 1] = 200
    found = correlation_length(Micrograph("stripes.tif", stripes), 60)
    assert found == correlation_length(Micrograph("turned.tif", stripes.T.copy()), 60)
    assert 2 <= found <= 4  # the covariance of stripes of 10 px falls by a fifth per pixel


def test_texture_within_strata_is_not_the_structure() -> None:
    random = np.random.default_rng(1)
    grey = np.repeat([50.0, 200.0], 200)[:, None] + random.normal(0, 15, (400, 400))
    assert correlation_length(Micrograph("layers.tif", grey.clip(0, 255).astype(np.uint8)), 60) > 40


def test_what_cannot_be_analysed_does_not_count() -> None:
    whole = blobs(3)
    analysable = np.ones((400, 400), dtype=bool)
    analysable[:, :100] = False
    pixels = np.where(analysable, whole.pixels.astype(np.float32), np.nan).astype(np.float32)
    holed = Micrograph("holed.tif", pixels, analysable=analysable)
    assert correlation_length(holed, 60) == pytest.approx(correlation_length(whole, 60), abs=1)


@pytest.mark.parametrize("shape", [(64, 64), (3, 500), (1, 1)])
def test_a_constant_image_has_the_longest(shape: tuple[int, int]) -> None:
    assert correlation_length(Micrograph("flat.tif", np.full(shape, 7, np.uint8)), 20) == 20


def test_colour_counts_as_luminance() -> None:
    grey = blobs(4)
    colour = Micrograph("colour.tif", np.repeat(grey.pixels[:, :, None], 3, axis=2))
    assert correlation_length(colour, 60) == correlation_length(grey, 60)


def test_a_micrograph_is_measured_once_until_it_is_gone(monkeypatch) -> None:
    rows = []
    covariance = structure_size._covariance
    monkeypatch.setattr(
        structure_size, "_covariance", lambda lines, lag: rows.append(lag) or covariance(lines, lag)
    )
    one, same = blobs(4), blobs(4)
    first = correlation_length(one, 60)
    work = len(rows)
    assert correlation_length(one, 60) == first
    assert len(rows) == work
    assert correlation_length(one, 2) == 2 < first
    assert correlation_length(same, 60) == first
    assert len(rows) > 2 * work
    other = replace(one, pixels=blobs(8).pixels)
    assert correlation_length(other, 60) > first
    seen = weakref.ref(one)
    del one
    assert seen() is None, "it is kept although nobody else does"
