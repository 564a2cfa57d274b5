"""Losses: what is unpainted must not teach anything."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_matssl.labels.painted import IGNORE_INDEX
from napari_matssl.learn.losses import (
    as_painted,
    entropy,
    masked_cross_entropy,
    masked_dice,
    segmentation_loss,
)

LOSSES = [
    masked_dice,
    masked_cross_entropy,
    lambda x, t: masked_cross_entropy(x, t, 0.5),
    lambda x, t: segmentation_loss(x, t, 1.0, 0.5),
]


def logits(seed=0, shape=(2, 3, 6, 7)):
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return torch.from_numpy(values).requires_grad_()


def targets(seed=0, shape=(2, 6, 7), values=(0, 1, 2, IGNORE_INDEX)):
    return torch.from_numpy(np.random.default_rng(seed).choice(values, shape).astype(np.uint8))


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def dice_by_hand(x, t):
    """Equation 3 for each class that is painted, then their mean."""
    p = softmax(x.astype(np.float64))
    painted = t != IGNORE_INDEX
    losses = []
    for k in range(x.shape[1]):
        y = (t == k)[painted]
        if y.any():
            pk = p[:, k][painted]
            losses.append(1 - 2 * (y * pk).sum() / (y.sum() + pk.sum()))
    return np.mean(losses)


@given(seed=st.integers(0, 1000), absent=st.booleans())
@settings(max_examples=20, deadline=None)
def test_dice_agrees_with_equation_3_over_painted_pixels(seed, absent):
    x, t = (
        logits(seed),
        targets(seed, values=(0, 2, IGNORE_INDEX) if absent else (0, 1, 2, IGNORE_INDEX)),
    )
    expected = dice_by_hand(x.detach().numpy(), t.numpy())
    assert masked_dice(x, t).item() == pytest.approx(expected, rel=1e-5)


def test_cross_entropy_is_the_mean_over_painted_pixels():
    x, t = logits(), targets()
    p = softmax(x.detach().numpy())
    picked = [p[n, t[n, i, j], i, j] for n, i, j in np.argwhere(t.numpy() != IGNORE_INDEX)]
    assert masked_cross_entropy(x, t).item() == pytest.approx(-np.log(picked).mean(), rel=1e-5)


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_rare_classes_weigh_more_per_pixel_by_the_balance(balance):
    x, t = logits(), targets(values=(0, 0, 0, 0, 0, 2, 2, IGNORE_INDEX))
    p, t_ = softmax(x.detach().numpy().astype(np.float64)), t.numpy()
    total = weight = 0.0
    for n, i, j in np.argwhere(t_ != IGNORE_INDEX):
        k = t_[n, i, j]
        w = float((t_ == k).sum()) ** -balance
        total -= w * np.log(p[n, k, i, j])
        weight += w
    result = masked_cross_entropy(x, t, balance).item()
    assert result == pytest.approx(total / weight, rel=1e-5)


def test_the_weight_of_cross_entropy_is_taken():
    x, t = logits(), targets()
    dice, cross_entropy = masked_dice(x, t).item(), masked_cross_entropy(x, t, 0.5).item()
    assert segmentation_loss(x, t, 0.0, 0.5).item() == pytest.approx(dice)
    assert segmentation_loss(x, t, 0.5, 0.5).item() == pytest.approx(dice + 0.5 * cross_entropy)


@pytest.mark.parametrize("loss", LOSSES)
def test_unpainted_pixels_give_exactly_zero_gradient(loss):
    x, t = logits(), targets()
    loss(x, t).backward()
    painted = (t != IGNORE_INDEX)[:, None].expand_as(x)
    assert bool((x.grad[~painted] == 0).all())
    assert bool((x.grad[painted] != 0).any())


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_without_paint_costs_nothing_and_teaches_nothing(loss):
    x = logits()
    value = loss(x, torch.full((2, 6, 7), IGNORE_INDEX, dtype=torch.uint8))
    value.backward()
    assert value.item() == 0
    assert bool((x.grad == 0).all())


@pytest.mark.parametrize("loss", LOSSES)
def test_a_perfect_prediction_costs_nothing_a_wrong_one_much(loss):
    t = targets(values=(0, 1, 2))
    right = 30 * torch.nn.functional.one_hot(t.long(), 3).permute(0, 3, 1, 2).float()
    assert loss(right, t).item() < 1e-5
    assert loss(right.roll(1, 1), t).item() > 0.99


def test_half_precision_logits_are_summed_in_full_precision():
    x = torch.zeros(1, 2, 600, 600, dtype=torch.bfloat16)
    t = torch.zeros(1, 600, 600, dtype=torch.uint8)
    assert masked_dice(x, t).item() == pytest.approx(1 - 2 * 0.5 / 1.5, rel=1e-4)


def test_entropy_is_that_of_the_classes_averaged_over_the_pixels_asked_for():
    x = logits(3)
    where = targets(3) == IGNORE_INDEX
    p = softmax(x.detach().numpy().astype(np.float64))
    by_hand = -(p * np.log(p)).sum(axis=1)[where.numpy()].mean()
    assert entropy(x, where).item() == pytest.approx(by_hand, abs=1e-5)
    undecided = entropy(torch.zeros(1, 4, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool))
    assert undecided.item() == pytest.approx(np.log(4))


def test_entropy_of_no_pixels_is_nothing_and_teaches_nothing():
    x = logits(3)
    loss = entropy(x, torch.zeros(2, 6, 7, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert not x.grad.any()


def test_less_entropy_makes_a_network_surer_of_what_it_takes_a_pixel_for():
    x = torch.tensor([0.4, -0.3]).reshape(1, 2, 1, 1).requires_grad_()
    entropy(x, torch.ones(1, 1, 1, dtype=torch.bool)).backward()
    first, second = x.grad.flatten().tolist()
    assert first < 0 < second


def test_logits_are_shifted_from_how_often_classes_occur_to_how_often_they_are_painted():
    logits = torch.zeros(1, 2, 1, 5)
    targets = torch.tensor([[[0, 0, 0, 1, IGNORE_INDEX]]])
    frequencies = torch.tensor([0.9, 0.1])
    shifted = as_painted(logits, targets, 0.0, frequencies)
    # 3 and 1 painted pixels: shares 0.75 and 0.25
    expected = torch.tensor([0.75 / 0.9, 0.25 / 0.1]).log()
    torch.testing.assert_close(shifted[0, :, 0, 0], expected)
    halfway = as_painted(logits, targets, 0.5, frequencies)
    roots = torch.tensor([3**0.5, 1.0])
    expected = (roots / roots.sum() / frequencies).log()
    torch.testing.assert_close(halfway[0, :, 0, 4], expected)


def test_a_model_of_true_frequencies_is_right_however_often_classes_are_painted():
    """Logits that hold the frequencies alone: the loss can't be lowered by leaning to a class."""
    frequencies = torch.tensor([0.98, 0.02])
    targets = torch.tensor([[[0] * 50 + [1] * 50]])

    def loss(lean):
        logits = frequencies.log() + torch.tensor([0.0, lean])
        logits = logits[None, :, None, None].expand(1, 2, 1, 100)
        return float(masked_cross_entropy(as_painted(logits, targets, 0.0, frequencies), targets))

    assert loss(0.0) < loss(0.3)
    assert loss(0.0) < loss(-0.3)
    assert loss(0.0) == pytest.approx(np.log(2), abs=1e-4)


def test_the_loss_without_frequencies_is_as_before():
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.randint(0, 3, (2, 4, 4), generator=torch.Generator().manual_seed(1))
    plain = segmentation_loss(logits, targets, 1.0, 0.5)
    expected = masked_dice(logits, targets) + masked_cross_entropy(logits, targets, 0.5)
    torch.testing.assert_close(plain, expected)
    other = segmentation_loss(logits, targets, 1.0, 0.5, torch.tensor([0.8, 0.1, 0.1]))
    assert float(other) != pytest.approx(float(plain), abs=1e-3)
