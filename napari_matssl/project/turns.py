"""Taking turns with other programs of this computer at changing what belongs to a folder."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LONGEST_WAIT_S: Final = 2.0
"""Whoever holds a folder for longer is stuck, and isn't waited for."""

_AGAIN_S: Final = 0.005


@contextlib.contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Have a folder for this program alone meanwhile.

    The lock is the system's, on the folder itself: it leaves no file, and goes with its process.
    Where there is none, and after waiting in vain, all goes on without.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # writing will report it
        yield
        return
    try:
        end = time.monotonic() + LONGEST_WAIT_S
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    break
                time.sleep(_AGAIN_S)
            except OSError:  # the file system has no locks
                break
        yield
    finally:
        os.close(handle)
