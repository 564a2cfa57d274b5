"""Reproducible results on a GPU."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

import torch

from napari_matssl.errors import DeviceError
from napari_matssl.learn.device import choose_compute
from napari_matssl.progress import Control, Job, Result

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
_FIXED = ":4096:8"  # one of the two values with which NVIDIA promises repeatable products


def repeatably(job: Job[Result], device: str, wanted: bool) -> Job[Result]:
    """Run a job by deterministic algorithms, if that is wanted.

    A processor needs nothing for it. On a CUDA GPU, PyTorch's switch is on while the job computes
    and as it was before whenever the job yields, for it holds for the whole process.

    Parameters
    ----------
    job
        Not begun yet.
    device
        As the settings name it.
    wanted
        What the settings want; False runs the job as it is.

    Raises
    ------
    DeviceError
        If the device is an Apple GPU, whose algorithms PyTorch gives no such promise for.
    """
    kind = choose_compute(device).device.type if wanted else "cpu"
    if kind == "mps":
        raise DeviceError(
            "An Apple GPU doesn't give the same results each time.",
            "Use the processor, or do without repeatable runs.",
            settings="device=cpu deterministic",
        )
    if kind == "cpu":
        return (yield from job)
    control: Control | None = None
    with closing(job):
        while True:
            with repeatable_algorithms():
                try:
                    progress = job.send(control)
                except StopIteration as end:
                    result: Result = end.value
                    return result
            control = yield progress


@contextmanager
def repeatable_algorithms() -> Iterator[None]:
    """Restrict torch to deterministic algorithms inside the block.

    An operation that has none raises a RuntimeError which names it. cuBLAS needs a workspace of
    fixed size besides; its environment variable is set inside the block, unless the user has set
    it. torch looks at it once, at the first product that is to be deterministic.
    """
    before = torch.are_deterministic_algorithms_enabled()
    only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
    workspace = os.environ.get(_WORKSPACE)
    os.environ.setdefault(_WORKSPACE, _FIXED)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=only_warned)
        if workspace is None:
            del os.environ[_WORKSPACE]
