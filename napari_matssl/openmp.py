"""Threads of OpenMP that wait asleep, so that busy programs don't stop them.

PyTorch divides each operation among threads of OpenMP. By default a thread that has finished its
part spins, expecting the next within milliseconds. Where other programs want the processor, too, it
thereby takes from its own siblings the time in which they would finish: on a busy machine training
was several times slower that way than with threads that sleep (benchmarks/NOTES.md).

OpenMP's libraries read their environment variables once, when they are loaded or first used. So
these have to be set before torch is imported; this module needs neither torch nor numpy.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_SWITCHES = {
    "GOMP_SPINCOUNT": "0",  # GNU's libgomp, which PyTorch brings along on Linux
    "KMP_BLOCKTIME": "0",  # LLVM's and Intel's, of PyTorch for macOS and Windows
}
# Microsoft's vcomp has no such switch, and PyTorch doesn't use it.

_POLICY = "OMP_WAIT_POLICY"
"""The standard's own variable, which decides for all libraries."""


def switches() -> dict[str, str]:
    """Return the environment variables for sleeping threads that the user hasn't set."""
    if _POLICY in os.environ:
        return {}
    return {name: value for name, value in _SWITCHES.items() if name not in os.environ}


@contextmanager
def sleeping_threads() -> Iterator[None]:
    """Make threads of libraries that are first used inside the block wait asleep.

    The environment is as it was afterwards, for other programs that this process starts.
    """
    given = switches()
    os.environ.update(given)
    try:
        yield
    finally:
        for name in given:
            os.environ.pop(name, None)
