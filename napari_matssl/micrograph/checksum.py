"""Checksums of files and of folders that are one image."""

import hashlib
from pathlib import Path

from napari_matssl.files import unreadable_file


def checksum_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of all names and contents of a folder, as hexadecimals.

    Raises
    ------
    InputError
        If it can't be read.
    """
    try:
        if not path.is_dir():
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        whole = hashlib.sha256()
        for one in sorted(path.rglob("*")):
            if one.is_file():
                whole.update(one.relative_to(path).as_posix().encode(errors="surrogateescape"))
                with one.open("rb") as file:
                    whole.update(hashlib.file_digest(file, "sha256").digest())
        return whole.hexdigest()
    except OSError as error:
        raise unreadable_file(path, error) from error
