"""The step that all trainings share."""

import sys

import pytest
import torch
from torch import nn

from napari_matssl.errors import ComputeError, DivergedError, OutOfMemoryError
from napari_matssl.learn import memory_guard
from napari_matssl.learn.device import Compute
from napari_matssl.learn.schedule import Budget
from napari_matssl.learn.trainer import Trainer

EXACT = Compute(torch.device("cpu"), torch.float32, "exact")
FULL = torch.OutOfMemoryError("CUDA out of memory")


class Numbers:
    """Twelve examples, in batches that can be halved down to two."""

    def __init__(self, batch_size):
        self.batch_size = batch_size

    @property
    def steps_per_epoch(self):
        return 12 // self.batch_size

    def halve(self):
        if self.batch_size == 2:
            return False
        self.batch_size //= 2
        return True


class Lesson:
    """A network of one number that is taught to be zero."""

    def __init__(self, most=100, epochs=2, rate=lambda done: 1.0, batch_size=4):
        self.most, self.batches, self.followed = most, Numbers(batch_size), []
        self.weight = nn.Parameter(torch.tensor([1.0]))
        self.factor = torch.tensor(1.0)
        self.budget = Budget(None, None)
        groups = [{"params": [self.weight], "lr": 0.1}]
        self.trainer = Trainer(
            torch.optim.SGD(groups), EXACT, self.batches, self.budget, epochs=epochs, rate=rate,
            follow=lambda: self.followed.append(self.weight.item()), doing="practising",
            remedy="Practise less.",
        )  # fmt: skip

    def losses(self):
        if self.batches.batch_size > self.most:
            raise FULL
        loss = self.weight.square().sum() * self.factor
        return loss + 7 * self.weight.sum(), loss

    def advance(self, fraction=0.0):
        return self.trainer.advance(fraction, self.losses)


def test_a_step_follows_the_first_loss_and_returns_the_second():
    lesson = Lesson()
    assert lesson.advance() == 1.0
    assert lesson.weight.item() == pytest.approx(1 - 0.1 * (2 + 7))
    assert lesson.trainer.step == 1
    assert lesson.followed == [lesson.weight.item()]


def test_the_rate_is_a_share_of_each_groups_highest():
    lesson = Lesson(rate=lambda done: 1 - done)
    rates = []
    for fraction in (0.0, 0.5, 0.25):
        lesson.advance(fraction)
        rates.append(lesson.trainer.optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([0.1, 0.05, 0.075])


def test_epochs_become_steps_and_time_alone_does_not():
    assert Lesson(epochs=2).budget.steps == 6
    assert Lesson(epochs=None).budget.steps is None


@pytest.mark.skipif(sys.platform != "linux", reason="other systems raise errors themselves")
def test_a_first_step_that_the_memory_cant_hold_is_halved(monkeypatch):
    lesson = Lesson(batch_size=4)

    def losses():
        examples = lesson.weight.expand(lesson.batches.batch_size << 20).contiguous()
        loss = examples.square().mean()  # keeps 4 MiB for each example
        return loss, loss

    free = (256 + 24) << 20  # enough for two examples, not for four
    monkeypatch.setattr(memory_guard, "free_bytes", lambda: free)
    assert lesson.trainer.advance(0.0, losses) is None
    assert lesson.trainer.shrunk == "Out of memory: batches of 2 now."
    assert lesson.trainer.advance(0.0, losses) is not None


def test_where_memory_is_short_steps_are_smaller_and_more():
    lesson = Lesson(most=4, batch_size=4)
    for _ in range(3):
        lesson.advance()
    lesson.most = 2
    before = lesson.weight.item()
    assert lesson.advance() is None
    assert lesson.weight.item() == before
    assert lesson.trainer.shrunk == "Out of memory: batches of 2 now."
    assert lesson.budget.steps == 3 + 6  # half of the run is left, in steps half as large
    assert lesson.advance() is not None


def test_what_cannot_be_smaller_is_an_error():
    lesson = Lesson(most=1, batch_size=2)
    with pytest.raises(OutOfMemoryError, match="while practising"):
        lesson.advance()


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_moves_no_weight(factor):
    lesson = Lesson()
    lesson.factor = torch.tensor(factor)
    with pytest.raises(DivergedError, match=r"at step 1: training has diverged.*Practise less"):
        lesson.advance()
    assert lesson.weight.item() == 1.0
    assert lesson.followed == []


def test_a_failing_device_is_reported_with_what_was_done():
    lesson = Lesson()
    with pytest.raises(ComputeError, match="while practising"):
        lesson.trainer.advance(0.0, lambda: torch.zeros(2) @ torch.zeros(3))
    assert lesson.trainer.step == 0
