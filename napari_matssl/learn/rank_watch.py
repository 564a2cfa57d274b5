"""A watch over the other ranks: where one has ended, the others end as well, with one line.

A rank that waits for another in a sum would wait for ever, or fail with a line about sockets. So
each rank counts up a number in the store that the process group was made with, once a second, and
looks at the numbers of the others.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_matssl.errors import MatSSLError, one_line

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

BEAT_S = 1.0

SILENT_S = 40.0
"""A rank whose number stands still for so long has ended; less, and a busy machine could be why."""

SUSPECT_S = 8.0
"""The same, once a sum over the ranks has failed."""

GRACE_S = 6.0
"""What a rank gets to end by itself, after another has."""

FAILED = 2
"""Exit status of a rank that the watch ends, that of errors which a user can mend."""

_LEFT, _ENDED = b"left", b"ended "


class LostRankError(MatSSLError):
    """Another rank of the run has ended; this one can't go on alone."""


class RankWatch:
    """Watch the other ranks from a thread of its own, once all have made theirs and :meth:`start`.

    Parameters
    ----------
    store
        Of the process group; a connection of its own is made to it.
    rank, size
        Of this process.
    report
        Prints the last line of this process, which the watch then ends.
    """

    def __init__(self, store: "Store", rank: int, size: int, report: Callable[[str], None]) -> None:
        self._store, self._rank, self._size, self._report = store.clone(), rank, size, report
        self._keys = [f"matssl/{number}" for number in range(size)]
        self._seen: dict[int, tuple[bytes, float]] = {}
        self._found: LostRankError | None = None
        self._suspicious, self._leaving, self._known = (threading.Event() for _ in range(3))
        self._thread = threading.Thread(target=self._watch, name="rank watch", daemon=True)
        self._store.add(self._keys[rank], 1)

    def start(self) -> None:
        """Begin; each rank has to have a number in the store."""
        self._thread.start()

    @property
    def speaks(self) -> bool:
        """Whether this is the first rank that hasn't ended, which tells of those that have."""
        alive = [n for n, (beat, _) in self._seen.items() if not beat.startswith(_ENDED)]
        lost = self._silent(SUSPECT_S)
        return self._rank == min((n for n in alive if n not in lost), default=self._rank)

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Turn the error of a sum that another rank doesn't take part in into one of that rank.

        Raises
        ------
        LostRankError
            If another rank has ended.
        """
        try:
            yield
        except RuntimeError as error:
            self._suspicious.set()
            if self._known.wait(SUSPECT_S + 3 * BEAT_S) and self._found is not None:
                raise self._found from error
            raise

    def leave(self, reason: str = "") -> None:
        """End the watch; the others learn the reason, if there is one."""
        self._leaving.set()
        self._thread.join()
        try:
            value = _ENDED.decode() + one_line(reason) if reason else _LEFT.decode()
            self._store.set(self._keys[self._rank], value)
        except RuntimeError:
            pass  # the first rank, which holds the store, has ended before

    def _watch(self) -> None:
        while self._found is None and not self._leaving.wait(BEAT_S):
            self._found = self._look()
        if self._found is None:
            return
        self._known.set()
        if not self._leaving.wait(GRACE_S):
            if self.speaks:
                self._report(f"error: {self._found}")
            os._exit(FAILED)

    def _look(self) -> LostRankError | None:
        """Look at all ranks; return what has happened to one."""
        try:
            self._store.add(self._keys[self._rank], 1)
            beats = self._store.multi_get(self._keys)
        except RuntimeError:
            return self._lost("The first process, or its machine,", "")
        now = time.monotonic()
        for number, beat in enumerate(beats):
            if number not in self._seen or self._seen[number][0] != beat:
                self._seen[number] = beat, now
            if beat.startswith(_ENDED):
                reason = beat.removeprefix(_ENDED).decode(errors="replace")
                return self._lost(f"Process {number + 1}", reason)
        limit = SUSPECT_S if self._suspicious.is_set() else SILENT_S
        silent = self._silent(limit)
        if silent:
            return self._lost(f"Process {silent[0] + 1}", "")
        return None

    def _silent(self, limit: float) -> list[int]:
        now = time.monotonic()
        return [
            number
            for number, (beat, since) in self._seen.items()
            if number != self._rank and beat != _LEFT and now - since > limit
        ]

    def _lost(self, which: str, reason: str) -> LostRankError:
        why = f": {reason}" if reason else " without a word: it was killed, or its machine failed."
        return LostRankError(f"{which} of the {self._size} of this run has ended{why}")
