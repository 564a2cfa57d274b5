"""Temporary files: their names, and sweeping away those that killed programs left."""

import contextlib
import os
import secrets
import shutil
import time
import zlib
from pathlib import Path
from platform import node

_TEMPORARY = ".matssl-tmp-"
_A_DAY_S = 86400.0
_CLOCKS_S = 60.0  # that of a disk on a network may be off


def _this_system() -> str:
    """Name what numbers the processes that this one sees, in 8 letters.

    Containers have the host name of their computer, or of each other, but processes of their own;
    computers that were set up from one image may share a name, too.
    """
    parts = [node()]
    with contextlib.suppress(OSError):  # on Linux alone
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        parts.append(os.readlink("/proc/self/ns/pid"))
    return f"{zlib.crc32(' '.join(parts).encode(errors='replace')):08x}"


_HERE = _this_system()


def temporary_name() -> str:
    """Make up a name by which others find out whether this process has left the file."""
    return f"{_TEMPORARY}{_HERE}-{os.getpid()}-{secrets.token_hex(4)}"


def sweep_temporaries(folder: Path) -> None:
    """Remove what programs of ours that were killed left in a folder; others' stays for a day."""
    try:
        names = [name for name in os.listdir(folder) if name.startswith(_TEMPORARY)]
    except OSError:
        return  # writing will report it
    for name in names:
        with contextlib.suppress(OSError):
            path = folder / name
            if _is_left_over(name, path):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()


def _is_left_over(name: str, path: Path) -> bool:
    """Whether the writer of a temporary has ended: by its process here, by its age elsewhere."""
    host, _, rest = name.removeprefix(_TEMPORARY).partition("-")
    process = rest.partition("-")[0]
    if host == _HERE and process.isdecimal():
        return not is_running(int(process))
    return time.time() - path.stat().st_mtime > _A_DAY_S


def is_running(process: int, since: float | None = None) -> bool:
    """Whether a process of this machine is alive.

    Parameters
    ----------
    process
        Its number, which the system gives to others once it has ended.
    since
        When it was known to be there, in seconds since 1970; None takes whoever has the number.
    """
    from psutil import AccessDenied, NoSuchProcess, Process

    try:
        begun = Process(process).create_time()
    except AccessDenied:
        return True
    except (NoSuchProcess, OverflowError, ValueError):  # no process has such a number
        return False
    return since is None or begun < since + _CLOCKS_S
