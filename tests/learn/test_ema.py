"""The moving average of weights."""

import copy

import torch
from torch import nn

from napari_matssl.learn.ema import snapshot, start_ema


def network(value):
    made = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.fill_(value)
    return made


def test_the_average_follows_the_weights_slowly():
    trained = network(0.0)
    average = start_ema(trained, 0.9)
    with torch.no_grad():
        trained[0].weight.fill_(1.0)
    expected = 0.0
    for update in range(1, 200):
        average.update_parameters(trained)
        decay = min(0.9, update / (update + 9))
        expected = decay * expected + (1 - decay)
        torch.testing.assert_close(average.module[0].weight, torch.full((2, 2), expected))
    assert expected > 0.99
    assert bool((trained[0].weight == 1).all())  # the network that learns is left alone


def test_a_random_start_soon_has_no_effect():
    trained = network(1000.0)
    average = start_ema(trained, 0.999)
    with torch.no_grad():
        trained[0].weight.fill_(0.0)
    for _ in range(50):
        average.update_parameters(trained)
    assert average.module[0].weight.max() < 1.0


def test_batch_norm_statistics_are_copied():
    trained = network(0.0)
    average = start_ema(trained, 0.99)
    trained[1].running_mean.fill_(5.0)
    trained[1].num_batches_tracked.fill_(7)
    average.update_parameters(trained)
    assert bool((average.module[1].running_mean == 5).all())
    assert average.module[1].num_batches_tracked == 7


def test_without_a_decay_it_is_a_copy_of_the_last_weights():
    trained = network(0.0)
    average = start_ema(trained, 0.0)
    with torch.no_grad():
        trained[0].weight.fill_(0.3)
    average.update_parameters(trained)
    assert torch.equal(average.module[0].weight, trained[0].weight)


def test_a_snapshot_does_not_change_with_the_network():
    trained = network(1.0)
    kept = snapshot(trained)
    before = copy.deepcopy(trained.state_dict())
    with torch.no_grad():
        trained[0].weight.zero_()
    assert kept.keys() == before.keys()
    assert all(torch.equal(kept[name], before[name]) for name in before)
