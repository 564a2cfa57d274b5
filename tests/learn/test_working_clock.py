"""Time in which a job could work."""

import time

import pytest
import torch

from napari_matssl.learn import working_clock
from napari_matssl.learn.device import Compute
from napari_matssl.learn.schedule import Budget, on_own_time
from napari_matssl.learn.working_clock import MOST_STRETCH, WorkingClock
from napari_matssl.progress import Progress, drain


class Machine:
    """A machine on which the thread gets a share of a processor."""

    def __init__(self):
        self.passed, self.worked = 50.0, 7.0

    def run(self, seconds, share):
        self.passed += seconds
        self.worked += share * seconds

    def clock(self):
        return WorkingClock(lambda: self.passed, lambda: self.worked)


@pytest.fixture
def machine():
    return Machine()


@pytest.mark.parametrize(
    ("share", "counted"),
    [
        (1.0, 60.0),
        (0.86, 60.0),  # it waits for other threads of its own at times
        (0.425, 30.0),
        (0.1, 60 / MOST_STRETCH),
        (0.0, 60 / MOST_STRETCH),
    ],
)
def test_seconds_of_work_count_and_at_least_a_third_of_all(machine, share, counted):
    clock = machine.clock()
    machine.run(60, share)
    assert clock() == pytest.approx(counted)
    assert clock.stretch == pytest.approx(60 / counted)


def test_work_never_counts_for_more_than_the_time_that_passed(machine):
    clock = machine.clock()
    machine.run(10, 1.3)
    assert clock() == pytest.approx(10)


def test_another_thread_counts_from_where_it_is(machine):
    clock = machine.clock()
    machine.run(10, 1)
    before = clock()
    machine.worked = 0.5  # a thread that has just begun
    machine.passed += 3
    assert clock() == pytest.approx(before + 1)


def test_it_only_ever_grows(machine):
    clock = machine.clock()
    seen = []
    for share in (1, 0, 0.4, 2):
        machine.run(1, share)
        seen.append(clock())
    assert seen == sorted(seen)
    assert seen[0] > 0


@pytest.mark.parametrize(("share", "told"), [(1.0, 0), (0.95, 0), (0.5, 1)])
def test_a_busy_machine_is_told_once(machine, share, told):
    budget = Budget(None, 600, machine.clock())

    def job():
        for _ in range(10):
            machine.run(10, share)
            yield Progress("fine-tuning", 0, 1)

    seen = []
    drain(on_own_time(job(), budget), seen.append)
    messages = [one for one in seen if one.message]
    assert len(messages) == told
    assert all(one.passing for one in messages)  # after the training, nothing takes longer


def test_a_run_on_a_gpu_spends_the_time_that_passes(monkeypatch):
    gpu = Compute(torch.device("meta"), torch.float32, "pretended")
    monkeypatch.setattr(working_clock, "choose_compute", lambda _: gpu)
    assert working_clock.clock_for("auto") is time.monotonic


def test_a_run_on_a_processor_spends_what_it_works():
    assert isinstance(working_clock.clock_for("cpu"), WorkingClock)


def test_a_real_thread_that_works_is_counted():
    clock = WorkingClock()
    sum(range(3_000_000))
    assert clock() > 0
