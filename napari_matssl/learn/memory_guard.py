"""An error where the computer's memory runs out, before Linux ends the program.

On a GPU, torch raises an error that smaller batches answer. On a processor, Linux hands out more
memory than there is and kills who uses it. So what a step keeps for its gradients is watched.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch
from torch import Tensor

_SPARE = 256 << 20
"""Bytes that other programs may need at the same time."""


@contextmanager
def memory_guard(device: torch.device) -> Iterator[None]:
    """Watch the memory while losses are computed inside the block.

    Nothing is watched on GPUs, nor on other systems than Linux, which raise errors themselves.

    Raises
    ------
    MemoryError
        If the next tensor might not fit: one is taken to be as large as the last that was kept,
        with as much again to compute it.
    """
    if device.type != "cpu" or sys.platform != "linux":
        yield
        return
    with torch.autograd.graph.saved_tensors_hooks(_keep, _unchanged):
        yield


def _keep(tensor: Tensor) -> Tensor:
    if free_bytes() < 2 * tensor.nbytes + _SPARE:
        raise MemoryError("what a step keeps for its gradients fills the memory")
    return tensor


def _unchanged(tensor: Tensor) -> Tensor:
    return tensor


def free_bytes() -> int:
    """Return how much memory is free, that on disk included."""
    return int(psutil.virtual_memory().available) + int(psutil.swap_memory().free)
