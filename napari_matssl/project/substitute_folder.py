"""A substitute folder for strokes and masks of images in a read-only folder."""

import shutil
import tempfile
import zlib
from pathlib import Path
from typing import Final

from napari_matssl.files import unwritable
from napari_matssl.project.own_folder import FOLDER
from napari_matssl.project.presence import OPEN

_THEIRS_ALONE: Final = (OPEN, "labels-backup", "labels-before-import")


def folder_in(place: Path, images: Path) -> Path:
    """Name the folder, inside a place that may serve several, for one folder of images."""
    return place / f"{images.name or 'images'}-{key_of(images)}"


def key_of(images: Path) -> str:
    """Return eight letters by which a folder of images is known."""
    return f"{zlib.crc32(str(images.absolute()).encode(errors='replace')):08x}"


def begin_elsewhere(images: Path, own: Path) -> None:
    """Copy what others have painted and segmented there, unless `own` has been begun before.

    Raises
    ------
    OutputError
        If that can't be written.
    """
    theirs = images / FOLDER
    try:
        if own.is_dir():
            return
        with tempfile.TemporaryDirectory(prefix=".matssl-", dir=own.parent) as room:
            copy = Path(room) / "copy"
            copy.mkdir()
            for path in sorted(theirs.rglob("*")) if theirs.is_dir() else ():
                place = path.relative_to(theirs)
                if path.is_file() and path.name[0] != "." and place.parts[0] not in _THEIRS_ALONE:
                    (copy / place.parent).mkdir(parents=True, exist_ok=True)
                    # The permissions of the original aren't copied.
                    shutil.copyfile(path, copy / place)
            copy.rename(own)
    except OSError as error:
        raise unwritable(own, error) from error
