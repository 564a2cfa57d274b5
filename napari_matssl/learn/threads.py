"""The number of processor cores of a job."""

import os

import torch


def leave_a_core() -> None:
    """Compute with one thread fewer than there are cores, so that a window stays alive.

    Holds for the thread that calls it and what it computes.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(max(1, (cores or 1) - 1))
