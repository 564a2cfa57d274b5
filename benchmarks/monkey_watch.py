"""Whether a window stands still, for benchmarks/monkey.py: its own doing, or a busy machine's."""

import faulthandler
import os
import sys
import threading
import time
from pathlib import Path

BEAT_MS = 50
LOOK_S = 1.5
"""After so long a stall it is noted where the window's thread is."""

STUCK_S = 60.0
"""After so long the process ends in any case, even if Python's lock is held."""


def resident_gb() -> float:
    """Memory of this process, GB; 0 where the system doesn't tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


def waited_s() -> float:
    """How long the main thread has been ready to run while others had the processors, s."""
    try:
        return int(Path(f"/proc/self/task/{os.getpid()}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


class Heart:
    """Beat with the event loop; keep the longest pauses.

    A pause is counted without the time in which the window's thread was ready to run and other
    programs had the processors.
    """

    def __init__(self, hang_s: float, on_hang) -> None:
        from qtpy.QtCore import QTimer

        self._hang_s, self._on_hang = hang_s, on_hang
        self.what = "start"
        self.longest = self.longest_own = 0.0
        self.during = ""
        self._last, self._waited = time.monotonic(), waited_s()
        self._timer = QTimer()
        self._timer.timeout.connect(self._beat)
        self._timer.start(BEAT_MS)
        threading.Thread(target=self._look, daemon=True).start()

    def _beat(self) -> None:
        now, waited = time.monotonic(), waited_s()
        pause = now - self._last - BEAT_MS / 1000
        own = pause - (waited - self._waited)
        self._last, self._waited = now, waited
        self.longest = max(self.longest, pause)
        if own > self.longest_own:
            self.longest_own, self.during = own, self.what
        faulthandler.dump_traceback_later(STUCK_S, exit=True)
        if own > self._hang_s:
            self._on_hang(f"stood still for {own:.1f} s of its own, {pause:.1f} s in all")

    def _look(self) -> None:
        """Note where the threads are, once per long pause."""
        noted = 0.0
        while True:
            time.sleep(0.25)
            if time.monotonic() - self._last > LOOK_S and noted != self._last:
                noted = self._last
                print(f"PAUSE of over {LOOK_S} s during {self.what}", file=sys.stderr, flush=True)
                faulthandler.dump_traceback(all_threads=True)
