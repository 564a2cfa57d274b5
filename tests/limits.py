"""Limits that the system itself sets: rights of files, and their sizes."""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import pytest

T = TypeVar("T")

_VERSION_3 = 0x20080522
"""Of the calls that get and set what a thread of Linux may do beyond the rights of files."""


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Have the system refuse to write files of more bytes than that."""
    resource = pytest.importorskip("resource", reason="limits of file sizes are a matter of POSIX")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def held_to_rights(call: Callable[[], T]) -> T:
    """Call a function where the rights of files count, also if the tests run as root.

    Only the thread that calls it gives up what root may do, and ends with it.
    """
    if not hasattr(os, "geteuid"):
        pytest.skip("folders that can't be written are made by other means than on POSIX")

    def call_without_privileges() -> T:
        if os.geteuid() == 0:
            _drop_privileges()
        return call()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call_without_privileges).result()


def _drop_privileges() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("root may read and write everything")
    libc = ctypes.CDLL(None, use_errno=True)
    this_thread = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, of 32 bits each, twice
    if libc.capset(this_thread, nothing) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
