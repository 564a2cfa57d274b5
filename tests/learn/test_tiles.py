"""Tiles: cutting and blending must not be seen in the result."""

import numpy as np
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from napari_matssl.learn.tiles import Blender, Enlarger, plan_rows, spans

STRIDE = 32


def padded(side):
    return -(-side // STRIDE) * STRIDE


def cut_and_blend(image, tile, overlap):
    """Send an image through tiles as prediction does, with the identity for a network."""
    channels, height, width = image.shape
    margins = ((0, 0), (0, padded(height) - height), (0, padded(width) - width))
    whole = np.pad(image, margins, mode="symmetric")
    rows = plan_rows(whole.shape[1], whole.shape[2], (tile, tile), overlap, STRIDE)
    blender = Blender(channels, whole.shape[2], torch.device("cpu"))
    result, done = [], 0
    for number, row in enumerate(rows):
        for part in row:
            r, c = part.rows, part.columns
            blender.add(part, torch.from_numpy(whole[:, r.start : r.stop, c.start : c.stop]))
        last = number + 1 == len(rows)
        finished = height if last else min(rows[number + 1][0].rows.first, height)
        result.append(blender.rows(done, finished)[:, :, :width].numpy().copy())
        blender.drop(finished)
        done = finished
    return np.concatenate(result, axis=1)


sizes = st.integers(1, 300)


@given(sizes, sizes, st.integers(1, 200), st.integers(0, 150))
@example(300, 300, 32, 128)
@example(257, 33, 64, 0)
@settings(max_examples=60, deadline=None)
def test_tiles_and_merge_of_the_identity_return_the_image(height, width, tile, overlap):
    image = np.random.default_rng(0).random((2, height, width), dtype=np.float32)
    np.testing.assert_allclose(cut_and_blend(image, tile, overlap), image, atol=1e-6)


@given(st.integers(1, 60), st.integers(1, 400), st.integers(0, 300))
@settings(max_examples=100, deadline=None)
def test_weights_add_up_to_one_and_tiles_keep_to_the_networks_grid(blocks, tile, overlap):
    length = blocks * STRIDE
    total = np.zeros(length)
    plan = spans(length, tile, overlap, STRIDE)
    for span in plan:
        assert span.start % STRIDE == span.stop % STRIDE == 0
        assert 0 <= span.start < span.stop <= length
        assert span.weights.min() >= 0
        total[span.start : span.stop] += span.weights
    np.testing.assert_allclose(total, 1, atol=1e-6)
    most = padded(tile) * 1.5 + 2 * padded(overlap) + STRIDE
    assert max(s.stop - s.start for s in plan) <= most  # memory is bounded by the tile


@given(st.integers(6, 60), st.integers(64, 256), st.integers(32, 128))
@settings(max_examples=60, deadline=None)
def test_pixels_count_only_where_the_network_saw_their_surroundings(blocks, tile, overlap):
    length = blocks * STRIDE
    for span in spans(length, tile, overlap, STRIDE):
        counted = np.flatnonzero(span.weights > 0)
        if span.start > 0:
            assert counted[0] >= overlap - 16
        if span.stop < length:
            assert len(span.weights) - 1 - counted[-1] >= overlap - 16


def enlarge(image, target, heights):
    """Make rows of the given numbers, one after another; the last are the rest."""
    enlarger = Enlarger(image.shape[1:], target)
    result, row = [], 0
    while row < target[0]:
        stop = min(row + heights.pop(0), target[0]) if heights else target[0]
        first, last = enlarger.needed(row, stop)
        assert enlarger.known(last) >= stop
        assert enlarger.known(last - 1) < stop
        result.append(enlarger.make(torch.from_numpy(image[:, first:last]), row, stop).numpy())
        row = stop
    return np.concatenate(result, axis=1)


sides = st.integers(1, 40)


@given(
    source=st.tuples(sides, sides),
    target=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    heights=st.lists(st.integers(1, 15), max_size=6),
)
@example(source=(20, 10), target=(18, 9), heights=[7])
@example(source=(20, 10), target=(20, 10), heights=[1, 4])
@example(source=(20, 10), target=(40, 20), heights=[1])
@settings(max_examples=100, deadline=None)
def test_bands_are_resampled_as_if_they_were_one_image(source, target, heights):
    image = np.random.default_rng(0).random((2, *source), dtype=np.float32)
    whole = functional.interpolate(
        torch.from_numpy(image)[None], size=target, mode="bilinear", align_corners=False
    )[0].numpy()
    result = enlarge(image, target, heights)
    assert result.shape == whole.shape
    np.testing.assert_allclose(result, whole, atol=1e-4)


@given(st.integers(200, 400), st.integers(32, 128), st.integers(0, 64), st.integers(0, 199))
@settings(max_examples=40, deadline=None)
def test_tiles_that_are_left_out_above_change_nothing_below(height, tile, overlap, top):
    image = np.random.default_rng(0).random((1, padded(height), 64), dtype=np.float32)
    whole, rest = (Blender(1, 64, torch.device("cpu"), first) for first in (0, top))
    for row in plan_rows(image.shape[1], 64, (tile, tile), overlap, STRIDE):
        for part in row:
            seen = torch.from_numpy(image[:, part.rows.start : part.rows.stop])
            whole.add(part, seen)
            if part.rows.last > top:
                rest.add(part, seen)
    assert torch.equal(whole.rows(top, height), rest.rows(top, height))
