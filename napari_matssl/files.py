"""Files as the rest of the package meets them: regular ones are read, whole ones are written.

Reading refuses what isn't a regular file (a named pipe would be waited for without end) and what is
larger than its kind ever is. Writing goes through a temporary file, so that a crash leaves the old
file or none, never half a one.
"""

import contextlib
import errno
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import EllipsisType
from typing import Any, NamedTuple

from napari_matssl.errors import InputError, MatSSLError, OutputError
from napari_matssl.temporaries import sweep_temporaries, temporary_name

LONGEST_TEXT = 64 << 20
"""No class table, split, record or settings file is larger, bytes."""

_NOT_SUPPORTED = {
    errno.EBADF,  # on Windows, of a file that is open for reading
    errno.EINVAL,
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
}
"""What a file system reports that can't flush single files."""


class Stamp(NamedTuple):
    """Identity of a file's content at a path; time stamps alone are coarse."""

    mtime_ns: int
    size: int
    inode: int
    device: int


class OvertakenError(Exception):
    """A file was changed by another program since it was read."""


def stamp_of(path: Path) -> Stamp | None:
    """Return the stamp of a file or folder; None where there is none.

    Raises
    ------
    InputError
        If the system doesn't report it.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise unreadable_file(path, error) from error
    return Stamp(status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev)


def check_regular(path: Path, error: type[MatSSLError] = InputError) -> int:
    """Check that `path` is a regular file, and return its size in bytes.

    Named pipes and devices have no end: they are refused before they are opened.

    Raises
    ------
    InputError
        Or the `error` given: if there is no such file, or it is of another kind.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as missing:
        raise missing_file(path, error) from missing
    except (OSError, ValueError) as unreadable:
        raise unreadable_file(path, unreadable, error) from unreadable
    if stat.S_ISDIR(status.st_mode):
        raise error(f"{path} is a folder, not a file.", "Name a file in it.")
    if not stat.S_ISREG(status.st_mode):
        raise error(f"{path} is a pipe or a device, not a file.", "Name a file on a disk.")
    return status.st_size


def read_json(path: Path, remedy: str, error: type[MatSSLError] = InputError) -> Any:
    """Read a JSON file; a key that stands twice in one object is an error.

    Parameters
    ----------
    path
        The file, in UTF-8, with or without a byte order mark.
    remedy
        What such a file looks like, or what else to do.
    error
        Kind of error to raise.

    Raises
    ------
    InputError
        Or the `error` given: if it is missing, no regular file, too large, not UTF-8, or no JSON.
    """
    check_regular(path, error)
    try:
        with path.open("rb") as file:
            raw = file.read(LONGEST_TEXT + 1)
    except OSError as unreadable:
        raise unreadable_file(path, unreadable, error) from unreadable
    if len(raw) > LONGEST_TEXT:
        most = LONGEST_TEXT >> 20
        raise error(f"{path} is larger than {most} MB, too large for what it is.", remedy)
    try:
        return json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_each_key_once)
    except UnicodeDecodeError as strange:
        raise error(f"{path} is not text in UTF-8 ({strange.reason}).", remedy) from strange
    except RecursionError as deep:
        raise error(f"{path} is nested too deeply to be meant.", remedy) from deep
    except ValueError as broken:
        raise error(f"{path} is not a readable JSON file ({broken}).", remedy) from broken


def write_json(
    path: Path, data: Mapping[str, Any], expected: Stamp | EllipsisType | None = ...
) -> None:
    """Write plain values as JSON that people can read, atomically.

    Parameters
    ----------
    path, expected
        As for :func:`atomic_write`.
    data
        Bytes of names of files that are no UTF-8 are escaped.

    Raises
    ------
    OutputError
        If the file can't be written.
    OvertakenError
        If another file is there than expected.
    """
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    with atomic_write(path, expected) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def missing_file(path: Path, error: type[MatSSLError] = InputError) -> MatSSLError:
    """Name a file that isn't there."""
    return error(f"There is no {path}.", "Check the name and the folder.")


def unreadable_file(
    path: Path, reason: OSError | ValueError, error: type[MatSSLError] = InputError
) -> MatSSLError:
    """Return why the system doesn't allow a file to be read."""
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return error(f"{path} can't be read: {words}.", "Check the name, the rights and the disk.")


def damaged_file(
    path: Path | str,
    detail: str,
    remedy: str,
    error: type[MatSSLError] = InputError,
    settings: str = "",
) -> MatSSLError:
    """Return the error for a file that holds something else than its writer has put there."""
    details = f": {detail}" if detail else ""
    return error(f"{path} is damaged or incomplete{details}.", remedy, settings=settings)


@contextmanager
def atomic_write(path: Path, expected: Stamp | EllipsisType | None = ...) -> Iterator[Path]:
    """Yield a temporary path in the same folder; move it over `path` when the block succeeds.

    The temporary name keeps the suffix of `path`, because image writers choose the format by it.
    What a file system lacks (rights of files, flushing) is done without; what it fails to flush
    replaces nothing. What killed programs left in the folder is swept away.

    Parameters
    ----------
    path
        The file to write.
    expected
        Stamp of the file that may be replaced, None for no file; left out: whatever is there.

    Raises
    ------
    OutputError
        If the folder can't be created or written.
    OvertakenError
        If another file is there than expected; it stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_temporaries(path.parent)
        temporary = _new_temporary(path)
        rights = temporary.stat().st_mode
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from error
    try:
        yield temporary
        _flush(temporary)
        with contextlib.suppress(OSError):  # a replaced file keeps its permissions
            rights = path.stat().st_mode
        with contextlib.suppress(OSError):  # safetensors creates its own file, readable by one user
            temporary.chmod(stat.S_IMODE(rights))
        if expected is not ... and stamp_of(path) != expected:
            raise OvertakenError(path)
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Have a file written to its disk, where that can be asked for.

    A network drive may report only now that it is full or gone: the old file has to stay then.
    """
    try:
        with path.open("rb") as written:
            os.fsync(written.fileno())
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise


@contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder inside another one, which is removed with all that is in it.

    What killed programs left is swept away as their files are.

    Raises
    ------
    OutputError
        If it can't be made.
    """
    made = folder / temporary_name()
    try:
        made.mkdir(parents=True)
    except (OSError, ValueError) as error:
        raise unwritable(made, error) from error
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def check_writable(path: Path) -> None:
    """Find out now, not after an hour of training, whether `path` can be written.

    Raises
    ------
    OutputError
        If `path` is a folder, its name is too long, or its folder can't be created or written.
    """
    if not path.name:
        raise OutputError("The name of the output is empty.", "Give the name of a file to write.")
    kind = stat.S_IFREG
    try:  # Path.is_dir tells nothing of a name that is too long, from Python 3.14 on
        kind = stat.S_IFMT(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from error
    if kind == stat.S_IFDIR:
        raise OutputError(f"{path} is a folder.", "Give the name of a file to write.")
    if kind != stat.S_IFREG:
        raise OutputError(f"{path} is a pipe or a device.", "Give the name of a file to write.")
    check_writable_folder(path.parent)


def check_writable_folder(folder: Path) -> None:
    """Create `folder` if need be and make sure that files can be made in it.

    Raises
    ------
    OutputError
        If that is not so.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sweep_temporaries(folder)
        _new_temporary(folder / "x").unlink()
    except (OSError, ValueError) as error:
        raise unwritable(folder, error) from error


def check_room(folder: Path, wanted: int) -> None:
    """Check that so many bytes fit on the disk of a folder that exists.

    Raises
    ------
    OutputError
        If they don't; nothing where the system doesn't report it.
    """
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(folder).free
        if free < wanted:
            raise OutputError(
                f"The disk of {folder} has {free / 1e6:,.0f} MB left, and about "
                f"{wanted / 1e6:,.0f} MB are needed.",
                "Make room, or choose another place for the output.",
            )


def unwritable(path: Path, error: OSError | ValueError) -> OutputError:
    """Return why `path` can't be written."""
    reason = getattr(error, "strerror", None) or str(error)
    return OutputError(f"Can't write {path}: {reason}.", "Choose another place for the output.")


def _new_temporary(path: Path) -> Path:
    """Make an empty file beside `path`, with the rights that any new file gets."""
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= 16 else ""
    temporary = path.with_name(f"{temporary_name()}{suffix}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    return temporary


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f'"{twice}" stands there twice')
    return found
