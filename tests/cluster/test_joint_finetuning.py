"""Fine-tuning in two processes comes to what one process comes to."""

import pytest
import rank_programs
import torch
from rank_programs import difference, in_ranks

from napari_matssl.samples.scribbles import scribble

CASES = (
    {},
    {"architecture": "unet++", "freeze_batch_norm": False, "dropout": 0.3},
    {"architecture": "unet++", "augment": False, "batch_size": 3},
)


@pytest.fixture(scope="module")
def painted(two_phases):
    """Strokes on two images; a part of each crop is unpainted, and some have one class alone."""
    images = [two_phases(seed) for seed in (1, 2)]
    return [
        type(one)(one.micrograph, scribble(one.labels, seed=3, width=5, share=0.2))
        for one in images
    ]


@pytest.fixture(scope="module")
def steps(tmp_path_factory, painted):
    """What each case's step comes to: of one process, and of two."""
    folder = tmp_path_factory.mktemp("steps")
    first, second = in_ranks(folder, rank_programs.finetuning_steps, painted, CASES)
    assert (first.status, second.status) == (0, 0), first.err + second.err
    return rank_programs.finetuning_steps(painted, CASES), first.result, second.result


@pytest.mark.parametrize("number", range(len(CASES)), ids=map(str, CASES))
def test_loss_and_gradients_are_those_of_the_joint_batch(steps, number):
    (loss, gradients, _), (joint_loss, joint_gradients, joint), (_, _, others) = (
        found[number] for found in steps
    )
    assert joint_loss == pytest.approx(loss, rel=1e-5)
    assert difference(gradients, joint_gradients) < 2e-5
    for name, tensor in joint.items():
        assert torch.equal(tensor, others[name]), name
