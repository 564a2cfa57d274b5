"""Loading torch into a process that has a window."""

import ctypes
import gc
import importlib.util
import logging
import os
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
    with _without_triton(), sleeping_threads(), _without_collections():
        _load_libraries()
        import napari_matssl.learn.encoders  # noqa: F401 - all neighbours of torch are loaded here
        from napari_matssl.learn.threads import leave_a_core

        leave_a_core()


def _load_libraries() -> None:
    """Load torch's shared libraries as importing it would, but without holding Python's lock.

    An import holds it meanwhile, for half a second, in which the window stands still.
    """
    found = importlib.util.find_spec("torch")
    suffix = {"linux": "so", "darwin": "dylib"}.get(sys.platform)
    if "torch" in sys.modules or found is None or found.origin is None or suffix is None:
        return
    folder = Path(found.origin).parent / "lib"
    dlopen = ctypes.CDLL(None).dlopen  # a call through ctypes lets other threads run
    dlopen.argtypes, dlopen.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
    for name, how in (("libtorch_global_deps", os.RTLD_GLOBAL), ("libtorch", os.RTLD_LOCAL)):
        dlopen(os.fsencode(folder / f"{name}.{suffix}"), os.RTLD_NOW | how)


@contextmanager
def _without_collections() -> Iterator[None]:
    """Collect no garbage inside the block.

    Half a million objects come into being; Python would look through all of them several times,
    during which every other thread stands still. Afterwards they count as old, so that the next
    small collection doesn't look through them either.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if gc.get_freeze_count() == 0:  # else objects that other code has frozen would be released
            gc.freeze()
            gc.unfreeze()
        if was_on:
            gc.enable()


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
