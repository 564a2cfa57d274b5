"""When a run ends, and its learning rate."""

import math

import pytest

from napari_matssl.learn.schedule import Budget, on_own_time, rate_factor
from napari_matssl.progress import Control, Progress, drain


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_run_of_steps_ends_with_the_last_one_however_long_it_takes(clock):
    budget = Budget(4, None, clock)
    clock.now += 1e6
    assert [budget.fraction(n) for n in range(6)] == [0, 0.25, 0.5, 0.75, 1, 1]


def test_a_run_of_minutes_ends_with_the_time_however_few_steps(clock):
    budget = Budget(None, 60, clock)
    assert budget.fraction(10_000) == 0
    clock.now += 15
    assert budget.fraction(0) == pytest.approx(0.25)
    clock.now += 100
    assert budget.fraction(0) == 1


def test_of_steps_and_time_the_first_to_end_ends_the_run(clock):
    budget = Budget(10, 60, clock)
    clock.now += 6
    assert budget.fraction(5) == 0.5
    clock.now += 54
    assert budget.fraction(5) == 1


def test_time_is_kept_for_what_follows_the_last_step(clock):
    budget = Budget(None, 60, clock)
    budget.reserve = 20
    clock.now += 40
    assert budget.fraction(0) == 1


def test_a_reserve_longer_than_the_budget_ends_the_run_without_an_error(clock):
    budget = Budget(None, 60, clock)
    budget.reserve = 70
    clock.now += 1
    assert budget.fraction(0) == 1


def test_a_resumed_run_has_only_the_rest_of_its_time(clock):
    budget = Budget(None, 60, clock)
    budget.spent_before = 45
    clock.now += 10
    assert budget.elapsed == 55
    assert budget.fraction(0) == pytest.approx(55 / 60)


def test_the_rate_warms_up_then_follows_half_a_cosine_to_the_floor():
    factors = [rate_factor(f, warmup=0.2, floor=0.1) for f in (0.1, 0.2, 0.6, 1.0)]
    assert factors == pytest.approx([0.5, 1.0, 0.55, 0.1])


def test_the_paper_pretraining_rate_ends_at_its_floor():
    floor = 1e-4 / 0.1
    assert 0.1 * rate_factor(0.0, 0.0, floor) == pytest.approx(0.1)
    assert 0.1 * rate_factor(1.0, 0.0, floor) == pytest.approx(1e-4)
    quarter = 1e-4 + (0.1 - 1e-4) * (1 + math.cos(math.pi / 4)) / 2
    assert 0.1 * rate_factor(0.25, 0.0, floor) == pytest.approx(quarter)


def test_without_cosine_the_rate_stays():
    assert {rate_factor(f, 0.0, cosine=False) for f in (0.0, 0.5, 1.0)} == {1.0}


def test_the_first_step_of_a_warm_up_learns_something():
    assert rate_factor(0.0, warmup=0.1) > 0


def test_time_between_the_steps_of_a_job_costs_no_budget():
    now = [0.0]
    budget = Budget(None, 10.0, clock=lambda: now[0])

    def job():
        for _ in range(3):
            now[0] += 1
            received.append((yield Progress("working", budget.fraction(0), 1)))
        return "done"

    received, shares = [], []
    outer = on_own_time(job(), budget)

    def wait(progress):
        shares.append(progress.step)
        now[0] += 100

    assert drain(outer, wait, lambda: len(shares) >= 2) == "done"
    assert shares == pytest.approx([0.1, 0.2, 0.3])
    assert received == [None, Control.STOP, Control.STOP]


def test_closing_a_job_on_its_own_time_closes_the_job():
    closed = []

    def job():
        try:
            while True:
                yield Progress("working", 0, 1)
        finally:
            closed.append(True)

    outer = on_own_time(job(), Budget(None, 10.0))
    next(outer)
    outer.close()
    assert closed
