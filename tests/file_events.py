"""What happens while a file is opened or replaced: another program, a slow disk, a full one.

Python reports both to its audit hooks before the system carries them out, whoever asks for them.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

_PLACE = {"open": 0, "os.rename": 1}
"""Which argument of an event is the path: of a renaming, the one that is replaced."""


@dataclass
class _Watcher:
    event: str
    pattern: str
    then: Callable[[str], object]
    times: float


_BOUND_S = 60
_ALL = 1000  # more than a test has files

_watchers: list[_Watcher] = []
_thread = threading.local()


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if not _watchers or event not in _PLACE or getattr(_thread, "inside", False):
        return
    given = arguments[_PLACE[event]]
    if not isinstance(given, str | os.PathLike):
        return
    path = os.fsdecode(given)
    for one in tuple(_watchers):
        if one.event == event and one.times > 0 and fnmatchcase(path, one.pattern):
            one.times -= 1
            _thread.inside = True
            try:
                one.then(path)
            finally:
                _thread.inside = False


sys.addaudithook(_audit)


@contextmanager
def when_file_is(
    step: Literal["opened", "replaced"],
    pattern: str,
    then: Callable[[str], object],
    times: float = float("inf"),
) -> Iterator[None]:
    """Call a function right before a file is opened, or put in its place.

    Parameters
    ----------
    step
        Replacing is the last step of writing a whole file.
    pattern
        Of the file's whole path, with ``*``.
    then
        Gets the path. Runs in the thread that opens or replaces the file, which waits for it. What
        it opens itself is not watched; what it raises is what the system reports.
    times
        How often at most.
    """
    event = {"opened": "open", "replaced": "os.rename"}[step]
    watcher = _Watcher(event, pattern, then, times)
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


class SlowDisk:
    """Files that are opened, or replaced, only when they may be.

    Attributes
    ----------
    names
        Of the files, in the order in which threads came to them.
    threads
        Those that came.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.threads: list[threading.Thread] = []
        self._free = threading.Semaphore(0)

    def come(self, path: str) -> None:
        """Wait; a file that is opened several times in a row is waited for once."""
        name = os.path.basename(path)
        if self.names[-1:] != [name]:
            self.names.append(name)
            self.threads.append(threading.current_thread())
            self._free.acquire(timeout=_BOUND_S)

    def let(self, files: int) -> None:
        """Let so many files more be read or written."""
        self._free.release(files)

    def go_on(self) -> None:
        """Let all files be read or written from now on."""
        self.let(_ALL)


@contextmanager
def slow_disk(pattern: str, step: Literal["opened", "replaced"] = "opened") -> Iterator[SlowDisk]:
    """Have whoever opens or replaces such files wait until they may."""
    disk = SlowDisk()
    with when_file_is(step, pattern, disk.come):
        try:
            yield disk
        finally:
            disk.go_on()
