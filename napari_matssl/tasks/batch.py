"""Parts of jobs over many images, which leave out those that can't be used."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from napari_matssl.errors import InputError, MatSSLError, OutOfMemoryError
from napari_matssl.progress import Skipped

_LONGEST_NAME = 255


def left_out(skipped: Skipped) -> str:
    """Return the line on an image that is left out."""
    return f"Left out: {skipped.reason}"


def none_left(first: MatSSLError | None, count: int) -> MatSSLError:
    """Return the error for a batch of which nothing is left."""
    if first is None or count == 1:
        return first or InputError("There is no image to segment.", "Name images or their folder.")
    return first.reworded(f"None of the {count} images can be used. The first: {first.what}")


@contextmanager
def memory_errors(name: str) -> Iterator[None]:
    """Turn a full memory into an error that names the image.

    Raises
    ------
    OutOfMemoryError
        If the memory is full.
    """
    try:
        yield
    except MemoryError as error:
        raise OutOfMemoryError(
            f"{name} doesn't fit into the memory.", "Cut it into parts, or close other programs."
        ) from error


def check_output_names(path: Path, out: Path, endings: Sequence[str]) -> None:
    """Refuse an image whose results couldn't be written under their names.

    Parameters
    ----------
    path
        The image.
    out
        Folder of the results, which exists.
    endings
        What is added to the image's stem.

    Raises
    ------
    InputError
        If a name gets too long for the file system by what is added to it, or a folder has it.
    """
    names = [f"{path.stem}{ending}" for ending in endings]
    longest = max(names, key=lambda name: len(os.fsencode(name)), default="")
    if len(os.fsencode(longest)) > _most_bytes(out):
        raise InputError(
            f"{path} has too long a name: {longest} couldn't be written.", "Shorten the name."
        )
    for name in names:
        if (out / name).exists() and not (out / name).is_file():
            raise InputError(
                f"{path} can't be segmented into {out}: {name} there is no file.",
                "Move it away, or choose another folder.",
            )


def _most_bytes(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # not available on every system
        return _LONGEST_NAME
