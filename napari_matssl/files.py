"""Writing files so that a crash leaves the old one or none, never half a one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_matssl.errors import OutputError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same folder; move it over `path` when the block succeeds.

    The temporary name keeps the suffix of `path`, because image writers choose the format by it.

    Raises
    ------
    OutputError
        If the folder can't be created or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem[:60]}-", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
    except OSError as error:
        raise unwritable(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only the owner can read
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Find out now, not after an hour of training, whether `path` can be written.

    Raises
    ------
    OutputError
        If `path` is a folder, or its folder can't be created or written.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder.", "Give the name of a file to write.")
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
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise unwritable(folder, error) from error


def unwritable(path: Path, error: OSError) -> OutputError:
    """Say why `path` can't be written."""
    reason = error.strerror or str(error)
    return OutputError(f"Can't write {path}: {reason}.", "Choose another place for the output.")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
