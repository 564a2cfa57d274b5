"""Loading torch into a process that has a window."""

import logging
import sys
from pathlib import Path

log = logging.getLogger(__name__)

_MAPS = Path("/proc/self/maps")


def start_torch() -> None:
    """Import torch for the calling thread, which is to leave a core to the window."""
    _keep_triton_out()
    from napari_matssl.learn.threads import leave_a_core

    leave_a_core()


def _keep_triton_out() -> None:
    """Do without triton where Mesa's OpenGL driver has loaded its own LLVM.

    torchvision imports torch's compiler, that imports triton, and triton's LLVM finds the symbols
    of Mesa's: the process dies. Nothing here compiles, so nothing is lost.
    """
    if "triton" in sys.modules or not _MAPS.exists():
        return
    if "libLLVM" in _MAPS.read_text(errors="replace"):
        log.info("triton is left out: its LLVM would clash with that of the OpenGL driver")
        sys.modules["triton"] = None  # type: ignore[assignment]
