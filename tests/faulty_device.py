"""Devices that fail or keep a job waiting, by torch's own hooks; no GPU is needed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from napari_matssl.learn.folded import SIDE as CHECKED
from napari_matssl.learn.pixel_classifier import PixelClassifier
from napari_matssl.learn.unet import UnetPlusPlus

LOST = RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be ...")
FULL = torch.OutOfMemoryError("CUDA out of memory")


def _trains(optimiser: torch.optim.Optimizer) -> bool:
    """Whether it takes the steps of a training; L-BFGS fits the pixel classifier before them."""
    return not isinstance(optimiser, torch.optim.LBFGS)


@contextmanager
def watched_networks(watch: Callable[[nn.Module, Tensor], None]) -> Iterator[None]:
    """Call `watch` with each module that is about to compute, and what it gets."""
    hook = register_module_forward_pre_hook(lambda module, given: watch(module, given[0]))
    try:
        yield
    finally:
        hook.remove()


def makes_a_mask(module: nn.Module, images: Tensor) -> bool:
    """Whether a U-Net++ is about to segment, and not only to be compared with its folded copy."""
    return isinstance(module, UnetPlusPlus) and not module.training and images.shape[-1] > CHECKED


@contextmanager
def memory_for(images: int) -> Iterator[list[torch.Size]]:
    """Take batches of at most so many images to learn from; gives the shapes that were refused."""
    refused: list[torch.Size] = []

    def check(module: nn.Module, batch: Tensor) -> None:
        if isinstance(module, nn.Conv2d) and module.training and len(batch) > images:
            refused.append(batch.shape)
            raise torch.OutOfMemoryError("CUDA out of memory")

    with watched_networks(check):
        yield refused


@contextmanager
def failing_fits(error: Exception) -> Iterator[None]:
    """Fail in each fit of a pixel classifier."""

    def check(optimiser: torch.optim.Optimizer, *_: object) -> None:
        if not _trains(optimiser):
            raise error

    hook = register_optimizer_step_pre_hook(check)
    try:
        yield
    finally:
        hook.remove()


class HeldFits:
    """Fits of pixel classifiers, each of which waits before its first step.

    Attributes
    ----------
    waiting
        Set when one has begun to wait.
    go_on
        To be set; from then on none waits.
    begun, segmented
        How many were begun, and how many images their classifiers segmented afterwards.
    """

    def __init__(self) -> None:
        self.waiting, self.go_on = threading.Event(), threading.Event()
        self.begun = self.segmented = 0
        self._mapped = False  # images since the last fit; one fit takes several optimisers

    def check(self, optimiser: torch.optim.Optimizer, *_: object) -> None:
        if not _trains(optimiser) and self._mapped:
            self._mapped = False
            self.begun += 1
            self.waiting.set()
            self.go_on.wait(60)

    def count(self, module: nn.Module, _images: Tensor) -> None:
        self._mapped = True
        self.segmented += isinstance(module, PixelClassifier)


@contextmanager
def held_fits() -> Iterator[HeldFits]:
    """Have fits of pixel classifiers wait, as on a device that others use."""
    held = HeldFits()
    hook = register_optimizer_step_pre_hook(held.check)
    try:
        with watched_networks(held.count):
            yield held
    finally:
        held.go_on.set()
        hook.remove()


@contextmanager
def failing_after(steps: int, error: Exception = LOST) -> Iterator[None]:
    """Fail in each step of an optimiser after so many of them."""
    steps_before = count()

    def check(optimiser: torch.optim.Optimizer, *_: object) -> None:
        if _trains(optimiser) and next(steps_before) >= steps:
            raise error

    hook = register_optimizer_step_pre_hook(check)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def diverging_after(steps: int) -> Iterator[None]:
    """Leave weights that are no numbers after so many steps."""
    steps_before = count(1)

    def ruin(optimiser: torch.optim.Optimizer, *_: object) -> None:
        if _trains(optimiser) and next(steps_before) == steps:
            for group in optimiser.param_groups:
                for weights in group["params"]:
                    weights.data.fill_(float("nan"))

    hook = register_optimizer_step_post_hook(ruin)
    try:
        yield
    finally:
        hook.remove()
