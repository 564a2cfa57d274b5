"""Training in two processes comes to what one process comes to."""

import pytest
import rank_programs
import torch
from rank_programs import difference, in_ranks
from tiny import pretraining

from napari_matssl.learn.card_files import read_card

METHODS = ("matssl", "stages", "simclr", "mocov2", "densecl")
CASES = (
    *({"method": method} for method in METHODS),
    {"batch_size": 5},  # shares of two and three patches
)


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """What each case's first step comes to: of one process, and of two."""
    folder = tmp_path_factory.mktemp("steps")
    first, second = in_ranks(folder, rank_programs.pretraining_steps, CASES)
    assert (first.status, second.status) == (0, 0), first.err + second.err
    return rank_programs.pretraining_steps(CASES), first.result, second.result


@pytest.mark.parametrize("number", range(len(CASES)), ids=map(str, CASES))
def test_loss_gradients_and_statistics_are_those_of_the_joint_batch(steps, number):
    alone, first, second = (found[number] for found in steps)
    (loss, gradients, statistics, _), (joint_loss, joint_gradients, joint, _) = alone, first
    assert joint_loss == pytest.approx(loss, rel=1e-5)
    # Changing the weights by 1e-7 of their size changes gradients by 1.6e-5 of theirs.
    assert difference(gradients, joint_gradients) < 2e-5
    for name, tensor in statistics.items():
        torch.testing.assert_close(joint[name], tensor, rtol=1e-5, atol=1e-5)
    for name, tensor in first[-1].items():
        if "key_" not in name:  # statistics of the keys' groups are of no use after their step
            assert torch.equal(tensor, second[-1][name]), name


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
@pytest.mark.parametrize("method", ["matssl", "mocov2"])
def test_a_checkpoint_is_resumed_by_another_number_of_processes(tmp_path, before, after, method):
    settings, path = pretraining(epochs=3, method=method), tmp_path / "e.checkpoint.safetensors"

    def run(name, size, *given):
        ended = in_ranks(tmp_path / name, rank_programs.pretraining_run, *given, size=size)
        assert [one.status for one in ended] == [0] * size, ended[0].err
        return ended[0].result

    whole, steps, _, _ = run("whole", 1, settings)
    begun, _, complete, _ = run("begun", before, settings, path, False, (before - 1, 3))
    assert not complete
    assert len(begun) == 1
    card = read_card(path)
    assert (card.batch_size, card.planned_steps, card.step) == (4, 6, 2)
    losses, all_steps, complete, _ = run("resumed", after, settings, path, True)
    assert complete
    assert all_steps == steps == 6
    assert losses == pytest.approx(whole, rel=1e-3)


def test_the_time_of_the_first_process_ends_all_at_the_same_step(tmp_path):
    settings = pretraining(epochs=None, minutes=0.5)
    first, second = in_ranks(
        tmp_path, rank_programs.pretraining_run, settings, None, False, None, True
    )
    (losses, steps, complete, tensors), other = first.result, second.result
    assert complete
    assert steps > 3
    assert other[:3] == (losses, steps, complete)
    assert all(torch.equal(tensor, other[3][name]) for name, tensor in tensors.items())


def test_stop_sent_to_one_process_stops_all_at_the_same_step(tmp_path):
    settings = pretraining(epochs=100)
    first, second = in_ranks(
        tmp_path, rank_programs.pretraining_run, settings, None, False, (1, 11)
    )
    assert first.result[:3] == second.result[:3]
    assert first.result[1] == 11
    assert not first.result[2]


def test_an_error_of_one_process_is_told_by_the_first(tmp_path):
    first, second = in_ranks(tmp_path, rank_programs.failing_rank, "b.tif is damaged.")
    assert "Process 2 of the 2 of this run has ended: b.tif is damaged." in first.err
    assert first.status == second.status == 1
