"""Errors of devices, and release of their memory."""

import errno
import logging
from functools import partial

import torch

from napari_matssl.errors import (
    ComputeError,
    DeviceError,
    MatSSLError,
    OutOfMemoryError,
    TurningErrors,
    one_line,
)

log = logging.getLogger(__name__)

_FULL = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "failed to allocate",  # Metal
    "invalid buffer size",  # Metal, for more than the largest buffer
    "bad_alloc",
    "out_of_memory",
    "allocation_failed",  # cuDNN 9
    "alloc_failed",  # cuBLAS, cuDNN, cuSOLVER, cuFFT
    # Both libraries make their handles when they are first used: it fails where nothing is free.
    "cublas_status_not_initialized",
    "cudnn_status_not_initialized",
    "unable to find a valid cudnn algorithm",  # none fits into the memory that is free
)
"""Texts of RuntimeErrors for a full memory, in lower case."""

_UNUSABLE = (
    "no kernel image is available",
    "device kernel image is invalid",
    "no binary for gpu",
    "ptx was compiled with an unsupported toolchain",
    "devices are busy or unavailable",
    "driver version is insufficient",
    "no cuda gpus are available",
    "driver initialization failed",
    "not compiled with cuda",
)
"""Texts of RuntimeErrors for a GPU that can't compute at all, in lower case."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that a memory is full: the device's or the computer's."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _FULL)


def device_errors(doing: str) -> TurningErrors:
    """Turn torch's errors inside the block into errors that a user can act on.

    A full memory becomes an :class:`OutOfMemoryError`, a GPU that can't compute at all a
    :class:`DeviceError`, anything else a :class:`ComputeError`. AssertionErrors are turned too:
    some timm encoders use them to refuse a size of image.

    The new error holds the old one, and that the frames in which it was raised, with all their
    tensors. So memory is free again only after the ``except`` clause that catches it has been left.
    """
    return TurningErrors(partial(_turned, doing=doing))


def _turned(error: BaseException, doing: str) -> MatSSLError | None:
    """Return what an error means for a user; None for one that has nothing to do with a device."""
    if not isinstance(error, RuntimeError | MemoryError | AssertionError | OSError):
        return None
    if is_out_of_memory(error):
        return OutOfMemoryError(
            f"Out of memory while {doing}, even with the smallest batch and tile.",
            "Close other programs, or use smaller images, a smaller encoder or the processor.",
            settings="device=cpu",
        )
    if isinstance(error, OSError):
        return None
    reason = _first_line(error)
    if any(words in reason.lower() for words in _UNUSABLE):
        return DeviceError(
            f"The GPU can't be used, as was found while {doing}: {reason}",
            '"napari-matssl device" explains it. Use the processor.',
            settings="device=cpu",
        )
    return ComputeError(
        f"The computation failed while {doing}: {reason}",
        "The log holds the details. Try the processor.",
        settings="device=cpu",
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return one_line(lines[0]) if lines else type(error).__name__


def free_memory(device: torch.device) -> None:
    """Release cached memory of a GPU, for other programs and for larger pieces.

    A GPU that has failed answers this, too, with its failure, which was reported before.
    """
    try:
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.empty_cache()
        elif device.type == "mps":
            torch.mps.empty_cache()
    except RuntimeError as error:
        log.warning("the memory of %s can't be given back", device, exc_info=error)
