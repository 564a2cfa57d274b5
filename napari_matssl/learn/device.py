"""Choice of device and number format, and diagnosis of unused GPUs."""

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn

from napari_matssl.errors import DeviceError, one_line
from napari_matssl.learn.device_errors import device_errors
from napari_matssl.learn.folded import fold
from napari_matssl.learn.mixed_precision import compute_fast
from napari_matssl.learn.nvidia import (
    Fault,
    explain_no_answer,
    explain_no_cuda,
    explain_no_kernels,
    find_nvidia,
    has_kernels,
)
from napari_matssl.learn.ranks import ALONE, Ranks


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
    ranks
        The processes that compute together, each on its own device.
    """

    device: torch.device
    dtype: torch.dtype
    reason: str
    ranks: Ranks = ALONE

    def autocast(self) -> AbstractContextManager[object]:
        """Return mixed precision where it is faster, else nothing."""
        if self.dtype is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def place(self, network: nn.Module) -> nn.Module:
        """Move a network to the device, channels last: 2 to 4 times faster on a CPU.

        Raises
        ------
        OutOfMemoryError, DeviceError, ComputeError
            If the device has no room for it or can't be used.
        """
        if self.device.type == "cpu" and self.dtype is not torch.float32:
            compute_fast(network)
        with device_errors(f"moving the network to {self.device}"):
            return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def place_to_segment(self, network: nn.Module) -> nn.Module:
        """Place a network that only segments from now on; on a processor, a faster copy of it.

        Raises
        ------
        OutOfMemoryError, DeviceError, ComputeError
            As of :meth:`place`.
        """
        placed = self.place(network)
        if self.device.type != "cpu":
            return placed
        with device_errors("preparing the network"):
            return fold(placed, self.dtype)

    def place_images(self, images: torch.Tensor) -> torch.Tensor:
        """Move images ``(N, C, H, W)`` to the device, channels last."""
        with device_errors(f"moving images to {self.device}"):
            return images.to(self.device, memory_format=torch.channels_last)

    def move(self, tensor: torch.Tensor) -> torch.Tensor:
        """Move any other tensor to the device.

        Like :meth:`place_images`, this returns when the copy is made: callers drop the source at
        once, and a copy that is still under way then reads memory that is used for something else
        (on Apple GPUs, without an error).
        """
        with device_errors(f"moving data to {self.device}"):
            return tensor.to(self.device)

    def describe(self) -> str:
        """One line for logs and badges."""
        name = str(self.device)
        if self.device.type == "cuda":
            name = f"{torch.cuda.get_device_name(self.device)} ({self.device})"
        together = f"; {self.ranks.size} processes" if self.ranks.size > 1 else ""
        return f"{name}, {str(self.dtype).removeprefix('torch.')} ({self.reason}){together}"


def choose_compute(name: str = "auto", ranks: Ranks = ALONE) -> Compute:
    """Choose the device by name, and the number format by what it can.

    Parameters
    ----------
    name
        ``"auto"`` takes the first CUDA GPU that this build of PyTorch has kernels for, else an
        Apple GPU, else the CPU.
    ranks
        Of several on a machine, each takes a GPU of its own.

    Raises
    ------
    DeviceError
        If `name` is no device, or that device isn't there or can't be used.
    """
    if ranks.size > 1 and torch.cuda.is_available() and name != "cpu":
        name = f"cuda:{ranks.local}"
    if name == "auto":
        device, found = _best_device()
        reason = found.reason
    else:
        device, reason = _named_device(name), "as asked for"
    return Compute(device, fastest_dtype(device), reason, ranks)


def _best_device() -> tuple[torch.device, Fault]:
    """Return the default device, why it is taken, and what would allow a faster one."""
    left_out: list[Fault] = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        fault = cuda_fault(index)
        if fault is None:
            reasons = ["a CUDA GPU was found", *(one.reason for one in left_out)]
            return torch.device("cuda", index), Fault("; ".join(reasons))
        left_out.append(fault)
    if torch.backends.mps.is_available():
        return torch.device("mps"), Fault("an Apple GPU was found")
    return torch.device("cpu"), left_out[0] if left_out else no_cuda()


def cuda_fault(index: int) -> Fault | None:
    """Return why this build of PyTorch can't compute on a CUDA GPU; None if it can."""
    try:
        name = torch.cuda.get_device_name(index)
        capability = torch.cuda.get_device_capability(index)
        built_for = torch.cuda.get_arch_list()
    except (RuntimeError, AssertionError) as error:
        return explain_no_answer(index, one_line(str(error).split("\n")[0]))
    if torch.version.hip is not None or has_kernels(capability, built_for):
        return None
    return explain_no_kernels(name, capability, built_for)


def _named_device(name: str) -> torch.device:
    remedy = '"napari-matssl device" explains it. Use auto or cpu.'
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(
            f"There is no device {name!r}.",
            "Choose auto, cpu, cuda, cuda:1 or mps.",
            settings="device",
        ) from None
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            found = f"{count} GPU(s) found" if count else no_cuda().reason
            raise DeviceError(
                f"The device {name!r} isn't there: {found}.", remedy, settings="device"
            )
        if device.index is None:
            device = torch.device("cuda", torch.cuda.current_device())
        fault = cuda_fault(device.index)
        if fault is not None:
            raise DeviceError(
                f"The device {name!r} can't be used: {fault.reason}.", remedy, settings="device"
            )
    elif device.type == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceError(
                f"The device {name!r} isn't there: no Apple GPU found.", remedy, settings="device"
            )
    elif device.type != "cpu":
        raise DeviceError(f"The device {name!r} isn't supported.", remedy, settings="device")
    return device


@lru_cache(maxsize=1)
def no_cuda() -> Fault:
    """Why CUDA can't be used here; found out once per process, by asking the driver."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    return explain_no_cuda(find_nvidia(), torch.version.cuda, hidden)


@dataclass(frozen=True)
class DeviceReport:
    """The device in use, for users.

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
    """Find the default device, and what keeps a GPU from being used."""
    device, found = _best_device()
    return DeviceReport(
        name=_device_name(device),
        number_format=str(fastest_dtype(device)).removeprefix("torch."),
        reason=found.reason,
        remedy=found.remedy,
        command=found.command,
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
    show what a processor supports, and stay with float32 there.
    """
    if device.type == "cuda":
        with torch.cuda.device(device):  # or the answer is about the current one
            if torch.cuda.is_bf16_supported(including_emulation=False):
                return torch.bfloat16
    if device.type == "cpu":
        can: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        if can.get("amx_bf16") or can.get("avx512_bf16"):
            return torch.bfloat16
    return torch.float32


_SEEDING = threading.RLock()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generators inside the block only; initialisers take no other.

    All threads share them: one that builds a network waits for another that does, such as that of
    the live preview, else both would get other weights than their seeds stand for.
    """
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
