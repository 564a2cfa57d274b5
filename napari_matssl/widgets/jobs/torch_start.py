"""Loading torch into a process that has a window."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_matssl.openmp import sleeping_threads

log = logging.getLogger(__name__)

_MAPS = Path("/proc/self/maps")


def start_torch() -> None:
    """Import torch for the calling thread, which is to leave a core to the window.

    What torch and its neighbours find while they are loaded, environment variables and modules,
    is as it was afterwards: the process is not ours alone.
    """
    with _without_triton(), sleeping_threads():
        import napari_matssl.learn.encoders  # noqa: F401 - all neighbours of torch are loaded here
        from napari_matssl.learn.threads import leave_a_core

        leave_a_core()


@contextmanager
def _without_triton() -> Iterator[None]:
    """Do without triton inside the block where Mesa's OpenGL driver has loaded its own LLVM.

    torch and torchvision import torch's compiler, that imports triton, and triton's LLVM finds the
    symbols of Mesa's: the process dies. Nothing here compiles, so nothing is lost. All of them do
    so while they are loaded, so that triton can be imported afterwards by who really needs it.
    """
    if "triton" in sys.modules or not _has_llvm():
        yield
        return
    log.info("triton is left out: its LLVM would clash with that of the OpenGL driver")
    sys.modules["triton"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if sys.modules.get("triton", log) is None:
            del sys.modules["triton"]


def _has_llvm() -> bool:
    return _MAPS.exists() and "libLLVM" in _MAPS.read_text(errors="replace")
