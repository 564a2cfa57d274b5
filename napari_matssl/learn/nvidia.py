"""Diagnosis of NVIDIA GPUs that PyTorch can't use, and remedies. Needs no torch itself."""

import logging
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

INSTALL_TORCH = (
    "python -m pip install uv && "
    "python -m uv pip install --reinstall torch torchvision --torch-backend=auto"
)
"""Installs the build of PyTorch that fits the driver."""

INSTALL_TORCH_FOR_OLD_CARDS = INSTALL_TORCH.replace("=auto", "=cu126")
"""Installs the newest build of PyTorch for CUDA 12.6, which still has kernels for older cards."""

OLDEST_DRIVERS = {11: 450, 12: 525, 13: 580}
"""Major version of the oldest driver for each major version of CUDA, as NVIDIA lists them."""

_NVIDIA_SMI = ("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
_PROC = Path("/proc/driver/nvidia")
_PATIENCE = 10.0  # seconds; nvidia-smi hangs when a driver is half broken


@dataclass(frozen=True)
class NvidiaGPU:
    """An NVIDIA GPU, whether PyTorch can use it or not.

    Parameters
    ----------
    name
        ``"NVIDIA RTX A2000"``.
    driver
        Version of its driver, such as ``"535.183.01"``; empty if unknown.
    complaint
        Complaint of the driver's own tool; empty if there is none.
    """

    name: str
    driver: str = ""
    complaint: str = ""


@dataclass(frozen=True)
class Fault:
    """Why there is no CUDA.

    Parameters
    ----------
    reason
        A few words.
    remedy
        A plain sentence; empty if there is nothing to mend.
    command
        A line for a terminal that mends it; empty if there is none.
    """

    reason: str
    remedy: str = ""
    command: str = ""


def find_nvidia(command: Sequence[str] = _NVIDIA_SMI, proc: Path = _PROC) -> NvidiaGPU | None:
    """Look for an NVIDIA GPU without CUDA: by nvidia-smi, else by Linux's driver.

    Parameters
    ----------
    command
        Prints name and driver version, separated by a comma, a line per GPU.
    proc
        Folder in which the driver describes itself.

    Returns
    -------
    The first GPU; None if there is no sign of any.
    """
    if shutil.which(command[0]) is None:
        return _from_proc(proc)
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # no console on Windows
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.debug("nvidia-smi", exc_info=error)
        return NvidiaGPU("NVIDIA GPU", complaint="nvidia-smi doesn't answer")
    lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
    first = lines[0].strip() if lines else ""
    if done.returncode == 0 and "," in first:
        name, driver = (part.strip() for part in first.rsplit(",", 1))
        return NvidiaGPU(name, driver)
    if first.lower().startswith("no devices"):
        return None
    return NvidiaGPU("NVIDIA GPU", complaint=first or "nvidia-smi fails without a word")


def _from_proc(proc: Path) -> NvidiaGPU | None:
    def first(pattern: str, files: str) -> str:
        for path in sorted(proc.glob(files)):
            match = re.search(pattern, path.read_text(encoding="utf-8", errors="replace"))
            if match:
                return match[1].strip()
        return ""

    if not proc.is_dir():
        return None
    name = first(r"Model:(.+)", "gpus/*/information") or "NVIDIA GPU"
    return NvidiaGPU(name, first(r"\s(\d+\.\d+(?:\.\d+)?)\s", "version"))


def explain_no_cuda(gpu: NvidiaGPU | None, cuda: str | None, visible: str | None) -> Fault:
    """Return why PyTorch finds no CUDA GPU.

    Parameters
    ----------
    gpu
        As :func:`find_nvidia` found it.
    cuda
        Version of CUDA that PyTorch is built with, such as ``"13.2"``; None if without.
    visible
        The environment variable ``CUDA_VISIBLE_DEVICES``; None if it isn't set.
    """
    if gpu is None:
        return Fault("no NVIDIA GPU was found")
    if gpu.complaint:
        return Fault(
            f"the NVIDIA driver is out of order: {gpu.complaint}",
            "Restart the computer; if that doesn't help, install NVIDIA's current driver.",
        )
    if cuda is None:
        return Fault(
            f"the {gpu.name} is not used: this PyTorch is built without CUDA",
            f"Install a PyTorch with CUDA by the command, {_WHERE}.",
            INSTALL_TORCH,
        )
    if visible is not None and visible.strip() in ("", "-1"):
        return Fault(
            f"the {gpu.name} is hidden: CUDA_VISIBLE_DEVICES is set to {visible!r}",
            "Take that environment variable away, then restart the program.",
        )
    oldest = OLDEST_DRIVERS.get(_major(cuda), 0)
    if gpu.driver and _major(gpu.driver) < oldest:
        return Fault(
            f"the {gpu.name} is not used: its driver {gpu.driver} is too old for the CUDA {cuda} "
            "of this PyTorch",
            f"Update the NVIDIA driver to version {oldest} or newer and restart the computer; or "
            f"install a PyTorch for this driver by the command, {_WHERE}.",
            INSTALL_TORCH,
        )
    return Fault(
        f"PyTorch can't use the {gpu.name}, though its driver and CUDA {cuda} fit",
        "Restart the computer; if that doesn't help, install PyTorch anew by the command, "
        f"{_WHERE}.",
        INSTALL_TORCH,
    )


def has_kernels(capability: tuple[int, int], built_for: Sequence[str]) -> bool:
    """Whether a build of PyTorch has code that a GPU can run.

    Machine code (``sm_86``) runs on GPUs of the same major version from that minor version on, with
    the ending ``a`` on just that version. Intermediate code (``compute_90``) is translated for
    any GPU from that version on (CUDA C++ Programming Guide, "Application compatibility").

    Parameters
    ----------
    capability
        Compute capability of the GPU, such as (8, 6).
    built_for
        As ``torch.cuda.get_arch_list()`` gives it; a list without a word of this kind, of a build
        for other makers' GPUs, proves nothing, and the GPU counts as usable.
    """
    known = False
    for word in built_for:
        match = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", word)
        if match is None:
            continue
        known = True
        version = (int(match[2]), int(match[3]))
        if match[4] == "a":
            runs = capability == version
        elif match[1] == "sm" or match[4] == "f":
            runs = capability[0] == version[0] and capability[1] >= version[1]
        else:
            runs = capability >= version
        if runs:
            return True
    return not known


def explain_no_kernels(name: str, capability: tuple[int, int], built_for: Sequence[str]) -> Fault:
    """Return the line on a GPU that a build of PyTorch has no code for.

    Parameters
    ----------
    name
        The GPU's.
    capability, built_for
        As for :func:`has_kernels`.
    """
    reason = (
        f"the {name} is not used: this PyTorch has no kernels for its compute capability "
        f"{capability[0]}.{capability[1]}"
    )
    versions = [re.search(r"_(\d+)(\d)", word) for word in built_for]
    oldest = min(((int(v[1]), int(v[2])) for v in versions if v), default=capability)
    old = capability < oldest
    which = "for CUDA 12.6, which serves older cards," if old else "that is newer"
    return Fault(
        reason,
        f"Install a PyTorch {which} by the command, {_WHERE}.",
        INSTALL_TORCH_FOR_OLD_CARDS if old else INSTALL_TORCH,
    )


def explain_no_answer(index: int, complaint: str) -> Fault:
    """Return the line on a GPU that PyTorch finds but can't use."""
    return Fault(
        f"the GPU cuda:{index} doesn't answer: {complaint or 'without a word'}",
        "Close other programs that use it, or restart the computer.",
    )


def _major(version: str) -> int:
    match = re.match(r"\d+", version)
    return int(match[0]) if match else 0


_WHERE = "in a terminal with this Python environment active, then restart the program"
