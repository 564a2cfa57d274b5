"""A mask that grows on disk by bands of rows, and survives what ends the program."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError, OutputError
from napari_matssl.files import read_json, unwritable, write_json
from napari_matssl.temporaries import is_running

NOTES: Final = ".json"
"""Ending that is added to the name of a growing mask."""


@dataclass(frozen=True)
class Resumed:
    """What an earlier run has left.

    Parameters
    ----------
    rows
        Rows of the mask that are done.
    counts
        What was counted in them, as it was given with the last of them.
    why_anew
        Why rows that are there don't count, in a clause; empty if there are none, or they do.
    """

    rows: int = 0
    counts: Mapping[str, Any] | None = None
    why_anew: str = ""


def rows_so_far(path: Path, width: int) -> NDArray[np.uint8]:
    """Map the rows of a growing mask that are there, ``(h, W)``; none where it is gone."""
    try:
        rows = path.stat().st_size // width
        return np.memmap(path, np.uint8, "r", shape=(rows, width))
    except (OSError, ValueError):  # no file, or no row in it
        return np.empty((0, width), np.uint8)


class GrowingMask:
    """One byte per pixel in a file, and beside it a JSON file with how many rows are done.

    Rows are on disk before the JSON file counts them. Whoever goes on has the same `key`.

    Parameters
    ----------
    path
        Of the pixels; the JSON file has the same name and ``.json`` behind it.
    size
        Height and width of the mask.
    key
        What the mask is made of, by names for people: ``{"the image": checksum}``.

    Raises
    ------
    OutputError
        If another program is making this mask, or the file can't be written.
    """

    def __init__(self, path: Path, size: tuple[int, int], key: Mapping[str, str]) -> None:
        self._path, self._size, self._key = path, size, dict(key)
        self._notes = path.with_name(path.name + NOTES)
        self.resumed = self._resume()
        self.rows = self.resumed.rows
        try:
            if not self.rows:
                path.unlink(missing_ok=True)  # whoever has it open keeps a file of its own
            self._file = path.open("r+b" if self.rows else "w+b", buffering=0)
        except OSError as error:
            raise unwritable(path, error) from error
        self._note(self.resumed.counts or {})

    def add(self, rows: NDArray[np.uint8], counts: Mapping[str, Any]) -> None:
        """Add rows ``(h, W)``, with what was counted in all that are there then.

        Raises
        ------
        OutputError
            If they can't be written.
        """
        try:
            self._file.seek(self.rows * self._size[1])
            self._file.write(np.ascontiguousarray(rows).data)
            os.fsync(self._file.fileno())
        except OSError as error:
            raise unwritable(self._path, error) from error
        self.rows += len(rows)
        self._note(counts)

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Read rows that were added, ``(h, W)``."""
        width = self._size[1]
        self._file.seek(start * width)
        raw = self._file.read((stop - start) * width)
        return np.frombuffer(raw, np.uint8).reshape(-1, width)

    def leave(self) -> None:
        """Close the file; what is done stays for whoever goes on."""
        self._file.close()
        if not self.rows:
            self.remove()

    def remove(self) -> None:
        """Remove the files, as the mask is kept elsewhere now."""
        self._file.close()
        self._notes.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)

    def _resume(self) -> Resumed:
        """Find out how far another run has come with the same mask."""
        if not self._notes.exists():
            return Resumed()
        try:
            found = read_json(self._notes, "Remove it.")
            rows, key = int(found["rows"]), dict(found["key"])
            process, counts = int(found["process"]), dict(found["counts"])
            there = self._path.stat().st_size if self._path.exists() else 0
            written = self._notes.stat().st_mtime
        except (InputError, KeyError, TypeError, ValueError, OSError):
            return Resumed(why_anew="its notes are damaged")
        if process != os.getpid() and is_running(process, written):
            raise OutputError(
                f"{self._path} is being written by another program (process {process}).",
                f"Wait until it has ended; if it has nothing to do with it, remove {self._notes}.",
            )
        if not rows:
            return Resumed()
        changed = [name for name in self._key if key.get(name) != self._key[name]]
        if changed:
            return Resumed(why_anew=f"{' and '.join(changed)} changed since")
        if not 0 < rows <= self._size[0] or there < rows * self._size[1]:
            return Resumed(why_anew="rows of it are missing")
        return Resumed(rows, counts)

    def _note(self, counts: Mapping[str, Any]) -> None:
        notes = {
            "rows": self.rows,
            "key": self._key,
            "counts": dict(counts),
            "process": os.getpid(),
        }
        write_json(self._notes, notes)
