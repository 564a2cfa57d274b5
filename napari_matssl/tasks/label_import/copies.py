"""Copies of the label images that an import changes, in a folder for each import."""

from contextlib import suppress
from itertools import count
from pathlib import Path
from shutil import copyfile, rmtree

from napari_matssl.errors import OutputError
from napari_matssl.files import atomic_write, unwritable


def new_folder(place: Path) -> Path:
    """Make a folder for the copies of an import, beside those of the imports before.

    Raises
    ------
    OutputError
        If it can't be made.
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
        last = max((int(path.name) for path in _numbered(place)), default=0)
        for number in count(last + 1):
            with suppress(FileExistsError):  # another window imports at this moment, too
                (place / str(number)).mkdir()
                break
    except OSError as error:
        raise unwritable(place, error) from error
    return place / str(number)


def remove_others(folder: Path) -> None:
    """Remove the copies of other imports; what can't be removed goes with the next import."""
    for path in _numbered(folder.parent):
        if path != folder:
            remove(path)


def remove(folder: Path) -> None:
    """Remove the copies of an import, as far as that can be done."""
    rmtree(folder, ignore_errors=True)


def copy(path: Path, backup: Path) -> None:
    """Copy a label image, atomically.

    Raises
    ------
    OutputError
        If that can't be done.
    """
    with atomic_write(backup) as temporary:
        try:
            copyfile(path, temporary)
        except OSError as error:
            raise OutputError(
                f"{path} can't be copied to {backup}: {error.strerror}.",
                "Free some space, or see whether the folder can be written.",
            ) from error


def _numbered(place: Path) -> list[Path]:
    """List the folders with copies, one for each import."""
    return [path for path in place.glob("*") if path.name.isdecimal()]
