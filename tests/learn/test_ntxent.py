"""The contrastive loss, against a calculation that can be followed by hand."""

import math

import numpy as np
import pytest
import torch

from napari_matssl.learn.ntxent import nt_xent


def by_hand(first, second, temperature):
    """Equation by equation, in float64 and with loops."""
    z = np.concatenate([first, second]).astype(np.float64)
    pairs = len(first)

    def similarity(i, j):
        return z[i] @ z[j] / (np.linalg.norm(z[i]) * np.linalg.norm(z[j]))

    losses = []
    for i in range(2 * pairs):
        partner = (i + pairs) % (2 * pairs)
        others = [math.exp(similarity(i, k) / temperature) for k in range(2 * pairs) if k != i]
        losses.append(-math.log(math.exp(similarity(i, partner) / temperature) / sum(others)))
    return sum(losses) / len(losses)


def embeddings(pairs, width, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(2, pairs, width)).astype(np.float32)


@pytest.mark.parametrize(
    ("pairs", "width", "temperature"), [(2, 3, 0.5), (3, 4, 0.07), (5, 2, 0.2)]
)
def test_loss_agrees_with_the_hand_calculation(pairs, width, temperature):
    first, second = embeddings(pairs, width)
    loss = nt_xent(torch.from_numpy(first), torch.from_numpy(second), temperature)
    assert loss.item() == pytest.approx(by_hand(first, second, temperature), rel=1e-5)


def test_gradient_agrees_with_finite_differences():
    first, second = embeddings(3, 4)
    tensors = [torch.from_numpy(x).requires_grad_() for x in (first, second)]
    nt_xent(*tensors, 0.5).backward()
    step = 1e-6
    for which, values in enumerate((first, second)):
        for place in np.ndindex(values.shape):
            ends = []
            for sign in (1, -1):
                moved = [first.astype(np.float64), second.astype(np.float64)]
                moved[which][place] += sign * step
                ends.append(by_hand(*moved, 0.5))
            slope = (ends[0] - ends[1]) / (2 * step)
            assert tensors[which].grad[place].item() == pytest.approx(slope, rel=1e-3, abs=1e-5)


def test_perfect_views_of_unlike_patches_give_the_known_value():
    pairs = 4
    views = torch.eye(pairs)
    expected = math.log(1 + (2 * pairs - 2) * math.exp(-1 / 0.5))
    assert nt_xent(views, views, 0.5).item() == pytest.approx(expected, rel=1e-6)
    assert nt_xent(views, views).item() < 1e-4  # at 0.07 nothing is left to learn


def test_equal_embeddings_cost_as_much_as_chance():
    same = torch.ones(4, 3)
    assert nt_xent(same, same, 0.07).item() == pytest.approx(math.log(7), rel=1e-5)


def test_partners_must_be_alike_not_just_anything():
    views = torch.eye(4)
    assert nt_xent(views, views.roll(1, 0)).item() > 10


def test_swapping_the_views_or_scaling_an_embedding_changes_nothing():
    first, second = (torch.from_numpy(x) for x in embeddings(4, 5))
    loss = nt_xent(first, second).item()
    assert nt_xent(second, first).item() == pytest.approx(loss, rel=1e-6)
    factors = torch.tensor([[0.1], [3.0], [7.0], [100.0]])
    assert nt_xent(first * factors, second / factors).item() == pytest.approx(loss, rel=1e-4)


def test_half_precision_embeddings_are_compared_in_full_precision():
    first, second = (torch.from_numpy(x).bfloat16() for x in embeddings(4, 5))
    loss = nt_xent(first, second)
    assert loss.dtype is torch.float32
    assert loss.item() == pytest.approx(nt_xent(first.float(), second.float()).item(), rel=1e-6)


@pytest.mark.parametrize(("first", "second"), [((1, 4), (1, 4)), ((3, 4), (2, 4)), ((4,), (4,))])
def test_one_pair_or_unequal_views_are_an_error(first, second):
    with pytest.raises(ValueError, match="N >= 2"):
        nt_xent(torch.ones(first), torch.ones(second))
