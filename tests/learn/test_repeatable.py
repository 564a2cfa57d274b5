"""PyTorch's switch for deterministic algorithms: on inside, untouched outside."""

import os

import pytest
import torch
from graphics_cards import Cards

from napari_matssl.errors import DeviceError
from napari_matssl.learn.losses import masked_cross_entropy
from napari_matssl.learn.repeatable import repeatable_algorithms, repeatably
from napari_matssl.progress import Control, Progress

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


@pytest.fixture(autouse=True)
def no_workspace(monkeypatch):
    monkeypatch.delenv(WORKSPACE, raising=False)


def state():
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        os.environ.get(WORKSPACE),
    )


@pytest.fixture
def cuda(monkeypatch):
    """A GPU that PyTorch reports; nothing is computed on it."""
    Cards(monkeypatch, [("NVIDIA RTX A2000", (8, 6))], ["sm_86"])


def job(seen):
    """A job of two steps that looks at the switch whenever it computes."""
    try:
        for step in (1, 2):
            seen.append(state())
            if (yield Progress("test", step, 2)) is Control.STOP:
                return "stopped"
        seen.append(state())
        return "done"
    finally:
        seen.append("closed")


ON, OFF = (True, False, ":4096:8"), (False, False, None)


def test_the_switch_is_on_while_the_job_computes_and_only_then(cuda):
    seen = []
    running = repeatably(job(seen), "cuda", wanted=True)
    next(running)
    assert state() == OFF  # another thread's work, another plugin's
    next(running)
    assert state() == OFF
    with pytest.raises(StopIteration) as end:
        next(running)
    assert end.value.value == "done"
    assert seen == [ON, ON, ON, "closed"]
    assert state() == OFF


def test_stop_and_closing_reach_the_job(cuda):
    running = repeatably(job([]), "cuda", wanted=True)
    next(running)
    with pytest.raises(StopIteration) as end:
        running.send(Control.STOP)
    assert end.value.value == "stopped"
    seen = []
    running = repeatably(job(seen), "cuda", wanted=True)
    next(running)
    running.close()
    assert seen[-1] == "closed"
    assert state() == OFF


@pytest.mark.parametrize(("kind", "wanted"), [("cuda", False), ("cpu", True), ("cpu", False)])
def test_nothing_is_switched_where_it_is_not_wanted_or_needed(cuda, kind, wanted):
    seen = []
    list(repeatably(job(seen), kind, wanted))
    assert seen[:-1] == [OFF] * 3


def test_an_apple_gpu_makes_no_such_promise(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(DeviceError, match="Apple GPU"):
        next(repeatably(job([]), "mps", wanted=True))


def test_settings_of_others_come_back_after_an_error(monkeypatch):
    monkeypatch.setenv(WORKSPACE, ":16:8")
    torch.use_deterministic_algorithms(True, warn_only=True)

    def fail():
        with repeatable_algorithms():
            assert state() == (True, False, ":16:8")
            raise KeyError

    try:
        with pytest.raises(KeyError):
            fail()
        assert state() == (True, True, ":16:8")
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("balance", [0.0, 0.5])
def test_the_loss_is_the_same_by_the_algorithm_that_repeats_it(balance):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 8, 8, generator=generator)
    targets = torch.randint(0, 3, (2, 8, 8), generator=generator).to(torch.uint8)
    targets[:, :2] = 255
    plain = masked_cross_entropy(logits, targets, balance)
    with repeatable_algorithms():
        again = masked_cross_entropy(logits, targets, balance)
    torch.testing.assert_close(again, plain)
