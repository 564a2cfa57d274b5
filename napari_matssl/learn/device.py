"""Which device computes, in which number format, and what would bring a faster one."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn

from napari_matssl.errors import ComputeError, DeviceError, OutOfMemoryError
from napari_matssl.learn.nvidia import Fault, explain_no_cuda, find_nvidia


@dataclass(frozen=True)
class Compute:
    """A device and the number format that is fastest on it.

    Parameters
    ----------
    device
        Where tensors live.
    dtype
        Format of convolutions and matrix products under :meth:`autocast`; float32 means none.
    reason
        Why this device, for people.
    """

    device: torch.device
    dtype: torch.dtype
    reason: str

    def autocast(self) -> AbstractContextManager[object]:
        """Mixed precision where it pays, nothing elsewhere."""
        if self.dtype is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def place(self, network: nn.Module) -> nn.Module:
        """Move a network to the device, channels last: 2 to 4 times faster on a CPU."""
        if self.device.type == "cpu" and self.dtype is not torch.float32:
            keep_depthwise_precise(network)
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def place_images(self, images: torch.Tensor) -> torch.Tensor:
        """Move images ``(N, C, H, W)`` to the device, channels last."""
        return images.to(self.device, memory_format=torch.channels_last, non_blocking=True)

    def describe(self) -> str:
        """One line for logs and badges."""
        name = str(self.device)
        if self.device.type == "cuda":
            name = f"{torch.cuda.get_device_name(self.device)} ({self.device})"
        return f"{name}, {str(self.dtype).removeprefix('torch.')} ({self.reason})"


def choose_compute(name: str = "auto") -> Compute:
    """Choose the device by name, and the number format by what it can.

    Parameters
    ----------
    name
        ``"auto"`` takes a CUDA GPU, else an Apple GPU, else the CPU.

    Raises
    ------
    DeviceError
        If `name` is no device, or that device isn't there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            device, reason = torch.device("cuda"), "a CUDA GPU was found"
        elif torch.backends.mps.is_available():
            device, reason = torch.device("mps"), "an Apple GPU was found"
        else:
            device, reason = torch.device("cpu"), no_cuda().reason
    else:
        device, reason = _named_device(name), "as asked for"
    return Compute(device, fastest_dtype(device), reason)


def _named_device(name: str) -> torch.device:
    remedy = 'Use --device auto or cpu; "napari-matssl device" tells more.'
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(
            f"There is no device {name!r}.", "Choose auto, cpu, cuda, cuda:1 or mps."
        ) from None
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            found = f"{count} GPU(s) found" if count else no_cuda().reason
            raise DeviceError(f"The device {name!r} isn't there: {found}.", remedy)
    elif device.type == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceError(f"The device {name!r} isn't there: no Apple GPU found.", remedy)
    elif device.type != "cpu":
        raise DeviceError(f"The device {name!r} isn't supported.", remedy)
    return device


@lru_cache(maxsize=1)
def no_cuda() -> Fault:
    """Why CUDA can't be used here; found out once per process, by asking the driver."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    return explain_no_cuda(find_nvidia(), torch.version.cuda, hidden)


@dataclass(frozen=True)
class DeviceReport:
    """What computes here, for people.

    Parameters
    ----------
    name
        ``"NVIDIA RTX A2000"``, ``"CPU, 2 cores"`` or ``"Apple GPU"``.
    number_format
        ``"bfloat16"`` or ``"float32"``.
    reason
        Why this device.
    remedy
        What would bring a faster one, a plain sentence; empty if there is nothing to mend.
    command
        A line for a terminal that does it; empty if there is none.
    """

    name: str
    number_format: str
    reason: str
    remedy: str
    command: str


def diagnose() -> DeviceReport:
    """Find out what computes here when nobody chooses, and what stands in a GPU's way."""
    compute = choose_compute()
    fault = no_cuda() if compute.device.type == "cpu" else Fault(compute.reason)
    return DeviceReport(
        name=_device_name(compute.device),
        number_format=str(compute.dtype).removeprefix("torch."),
        reason=compute.reason,
        remedy=fault.remedy,
        command=fault.command,
    )


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    # Not os.cpu_count(): batch systems and containers grant fewer.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"CPU, {cores} core{'s' * (cores != 1)}"


def fastest_dtype(device: torch.device) -> torch.dtype:
    """Choose between float32 and bfloat16, by what the hardware has instructions for.

    bfloat16 wins by 3 to 4 times with AMX and by 1.8 times with AVX-512. Nothing is timed: a busy
    program beside this one must not change what comes out. Versions of PyTorch before 2.11 don't
    tell what a processor can, and stay with float32 there.
    """
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    if device.type == "cpu":
        can: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        if can.get("amx_bf16") or can.get("avx512_bf16"):
            return torch.bfloat16
    return torch.float32


def keep_depthwise_precise(network: nn.Module) -> None:
    """Compute depthwise convolutions in float32 under a CPU's mixed precision.

    Their backward pass in bfloat16 is 2 to 15 times slower than in float32: a training step of
    U-Net++ on EfficientNet-Lite0 takes 1.19 s with, 0.80 s without.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            module.__class__ = _precise(type(module))  # type: ignore[arg-type]


@lru_cache(maxsize=32)
def _precise(kind: type[nn.Conv2d]) -> type[nn.Conv2d]:
    """Make the float32 variant of a class of convolutions."""
    if hasattr(kind, "is_precise"):
        return kind

    def forward(self: nn.Conv2d, images: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):
            return kind.forward(self, images.float()).to(images.dtype)

    return type(f"Precise{kind.__name__}", (kind,), {"forward": forward, "is_precise": True})


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device's memory is full."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text
    )


@contextmanager
def device_errors(doing: str) -> Iterator[None]:
    """Turn torch's RuntimeErrors inside the block into :class:`ComputeError`.

    A full memory becomes an :class:`OutOfMemoryError`. AssertionErrors are turned too: some timm
    encoders use them to refuse a size of image.
    """
    try:
        yield
    except (RuntimeError, MemoryError, AssertionError) as error:
        if is_out_of_memory(error):
            raise OutOfMemoryError(
                f"Out of memory while {doing}, even with the smallest batch and tile.",
                "Close other programs, or use smaller images, a smaller encoder or --device cpu.",
            ) from error
        reason = str(error).strip() or type(error).__name__
        raise ComputeError(
            f"The computation failed while {doing}: {reason.splitlines()[0]}",
            "Try --device cpu; the log holds the details.",
        ) from error


def free_memory(compute: Compute) -> None:
    """Give cached memory back to the GPU."""
    if compute.device.type == "cuda":
        torch.cuda.empty_cache()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generators inside the block only; initialisers know no other."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
