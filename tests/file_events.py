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
    then: Callable[[], object]
    times: float


_watchers: list[_Watcher] = []
_thread = threading.local()


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if not _watchers or event not in _PLACE or getattr(_thread, "inside", False):
        return
    given = arguments[_PLACE[event]]
    if not isinstance(given, str | os.PathLike):
        return
    path = os.fspath(given)
    for one in tuple(_watchers):
        if one.event == event and one.times > 0 and fnmatchcase(path, one.pattern):
            one.times -= 1
            _thread.inside = True
            try:
                one.then()
            finally:
                _thread.inside = False


sys.addaudithook(_audit)


@contextmanager
def when_file_is(
    step: Literal["opened", "replaced"],
    pattern: str,
    then: Callable[[], object],
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
        Runs in the thread that opens or replaces the file, which waits for it. What it opens
        itself is not watched; what it raises is what the system reports.
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
