"""Windows that have a folder open: a small file each below ``matssl/open``."""

import getpass
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from platform import node
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_matssl.errors import MatSSLError, one_line
from napari_matssl.files import read_json, write_json
from napari_matssl.temporaries import is_running

OPEN: Final = "open"
"""Name of the folder of these files, in the folder that holds all that belongs to a project."""

BEAT_S: Final = 60.0
"""How often a file is touched to show that its window is still there."""

STALE_S: Final = 180.0
"""A file that was touched longer ago is a window's that was killed, or lost its network."""

_LOG = logging.getLogger(__name__)
_Word = Annotated[str, Field(max_length=100)]


class Holder(BaseModel):
    """A window that has a folder open.

    Parameters
    ----------
    user, host, process
        Whose it is, and where.
    since
        Seconds since 1970.
    """

    model_config = ConfigDict(frozen=True)

    user: _Word
    host: _Word
    process: int
    since: Annotated[float, Field(ge=0, le=2**33)]

    def __str__(self) -> str:
        """Return ``anna on lab-pc has had it open since 09:12``."""
        since = datetime.fromtimestamp(self.since)
        today = since.date() == datetime.now().date()
        when = f"{since:%H:%M}" if today else f"{since:%Y-%m-%d %H:%M}"
        place = "this computer" if self.host == node() else one_line(self.host)
        return f"{one_line(self.user)} on {place} has had it open since {when}"


class Presence:
    """One window's file among those of all that have a folder open.

    It forbids nothing: whatever several windows write is merged. Where it can't be written, the
    others aren't informed, and all else works.

    Parameters
    ----------
    folder
        The folder of images.
    own
        The folder that holds all that belongs to the project. While there is none, nobody has
        painted, and no file is written.
    check
        Raises a MatSSLError if `own` isn't in the folder any more that was opened.
    clock
        Seconds; tells when the file is touched again.
    """

    def __init__(
        self,
        folder: Path,
        own: Path,
        check: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._own, self._check, self._clock = folder, own, check, clock
        self._me = Holder(user=_user(), host=node()[:100], process=os.getpid(), since=time.time())
        self._path = own / OPEN / f"{os.getpid()}-{secrets.token_hex(4)}.json"
        self._beat: float | None = None
        self._open = False
        self._lock = threading.Lock()

    def enter(self) -> tuple[str, ...]:
        """Show that the folder is open here; a line for each other window that has it open."""
        lines = tuple(
            f"{self._folder}: {other}. Strokes of both are merged." for other in self.others()
        )
        with self._lock:
            self._open = True
        self.keep_up()
        return lines

    def keep_up(self) -> None:
        """Show that the folder is still open here; may be called often, from any thread."""
        with self._lock:
            now = self._clock()
            if not self._open or (self._beat is not None and now - self._beat < BEAT_S):
                return
            try:
                self._check()
                if self._own.is_dir():
                    self._touch()
                    self._beat = now
            except (MatSSLError, OSError) as error:  # images can be viewed all the same
                _LOG.info("Others can't see that the folder is open here: %s", error)
                self._beat = now

    def leave(self) -> None:
        """Take the file away: the window closes the folder."""
        with self._lock:
            self._open = False
            if self._beat is None:
                return
            self._beat = None
            try:
                self._path.unlink(missing_ok=True)
                self._path.parent.rmdir()
            except OSError as error:  # another window has it open, or the folder became read-only
                _LOG.info("%s stays: %s", self._path.parent, error)

    def _touch(self) -> None:
        try:
            os.utime(self._path)
        except FileNotFoundError:
            write_json(self._path, self._me.model_dump(mode="json"))

    def others(self) -> list[Holder]:
        """List the other windows; files of those that are gone are swept."""
        found = []
        for path in sorted(self._path.parent.glob("*.json")):
            if path == self._path or path.name[0] == ".":
                continue
            try:
                holder = Holder.model_validate(read_json(path, "It may be deleted."))
                is_stale = _is_stale(holder, time.time() - path.stat().st_mtime)
            except (MatSSLError, OSError, ValidationError) as error:
                _LOG.info("%s describes no window: %s", path, error)
                continue
            if not is_stale:
                found.append(holder)
                continue
            with suppress(OSError):  # the folder may be read-only
                path.unlink()
        return sorted(found, key=lambda holder: holder.since)


def _is_stale(holder: Holder, age_s: float) -> bool:
    here = holder.host == node()[:100]
    return age_s > STALE_S or (here and not is_running(holder.process))


def _user() -> str:
    try:
        return getpass.getuser()[:100]
    except (KeyError, OSError, ImportError):  # an account without a name, as in containers
        return "somebody"
