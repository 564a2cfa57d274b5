"""Channels that are hidden while training."""

import numpy as np
import pytest
import torch

from napari_matssl.learn.channel_dropout import ChannelDropout


def layer(share, seed=0):
    dropout = ChannelDropout()
    dropout.share, dropout.random = share, np.random.default_rng(seed)
    return dropout


def test_whole_channels_of_single_images_are_hidden_and_the_mean_stays():
    maps = torch.ones(20, 500, 3, 2)
    seen = layer(0.2)(maps)
    assert seen.shape == maps.shape
    per_channel = seen.flatten(2)
    assert torch.equal(per_channel.min(dim=2).values, per_channel.max(dim=2).values)
    assert seen.unique().tolist() == pytest.approx([0.0, 1.25])
    hidden = (per_channel[:, :, 0] == 0).float()
    assert hidden.mean() == pytest.approx(0.2, abs=0.02)
    assert not torch.equal(hidden[0], hidden[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nothing_is_hidden_in_evaluation_or_with_share_0(dtype):
    maps = torch.randn(2, 8, 4, 4).to(dtype)
    assert layer(0.5).eval()(maps) is maps
    assert layer(0.0)(maps) is maps
    assert layer(0.5)(maps).dtype is dtype


def test_its_own_generator_decides():
    maps = torch.ones(4, 50, 1, 1)
    first, same, other = layer(0.5, 3)(maps), layer(0.5, 3)(maps), layer(0.5, 4)(maps)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
