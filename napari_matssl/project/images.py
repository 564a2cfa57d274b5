"""Images of class ids in a folder, ``<stem>.png`` each: painted labels, or masks."""

import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.files import Stamp, stamp_of, unwritable
from napari_matssl.labels.classes import ClassTable
from napari_matssl.labels.counting import count_values
from napari_matssl.labels.pairing import stem_of
from napari_matssl.labels.stored import read_labels
from napari_matssl.micrograph.writing import write_mask


class IdImages:
    """The images of class ids in one folder. May be read from several threads.

    Parameters
    ----------
    folder
        Need not exist; it is made by the first writing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._counts: dict[Path, tuple[Stamp, dict[int, int]]] = {}
        self._named: tuple[Stamp | None, dict[str, Path]] = (None, {})
        self._lock = threading.Lock()

    def path(self, stem: str) -> Path:
        """Where the image of a stem is, or would be.

        Parameters
        ----------
        stem
            As :func:`~napari_matssl.labels.pairing.stem_of` gives it; the file's own name may be
            in another Unicode form.
        """
        path = self.folder / f"{stem}.png"
        if stem.isascii() or path.exists():
            return path
        return self._other_forms().get(stem, path)

    def _other_forms(self) -> dict[str, Path]:
        """List the files whose names are in another Unicode form than their stems."""
        stamp = stamp_of(self.folder)
        known, names = self._named
        if stamp is None or stamp != known:
            names = {stem_of(p): p for p in self.files() if stem_of(p) != p.stem}
            self._named = stamp, names
        return names

    def files(self) -> list[Path]:
        """All images of the folder by name; a killed program's hidden leftovers are none."""
        return sorted(p for p in self.folder.glob("*.png") if p.name[0] != "." and p.is_file())

    def read(self, path: Path) -> NDArray[np.uint8] | None:
        """Read an image ``(H, W)``; None if there is none.

        Raises
        ------
        InputError
            If the file can't be read or holds anything but class ids.
        """
        try:
            ids = read_labels(path)
        except InputError:
            if path.exists():
                raise
            return None  # never there, or removed this moment by another thread
        if ids.max(initial=0) > 255:
            raise InputError(
                f"{path} holds values up to {ids.max()}; class ids go to 254.",
                "Take the file away, or put back a copy of it.",
            )
        return ids.astype(np.uint8, copy=False)

    def write(self, path: Path, ids: NDArray[np.uint8], table: ClassTable) -> None:
        """Write an image, atomically."""
        write_mask(path, ids, table)

    def remove(self, path: Path) -> None:
        """Remove an image, if there is one.

        Raises
        ------
        OutputError
            If the system forbids it.
        """
        try:
            path.unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise unwritable(path, error) from error

    def counts(self, path: Path) -> dict[int, int]:
        """Count the pixels of each id but 0; an image that isn't there has none.

        Counted anew only after the file has changed.

        Raises
        ------
        InputError
            As :meth:`read`.
        """
        stamp = stamp_of(path)
        if stamp is None:
            return {}
        with self._lock:
            known = self._counts.get(path)
        if known is not None and known[0] == stamp:
            return dict(known[1])
        ids = self.read(path)
        counts = {} if ids is None else count_values(ids)
        counts.pop(0, None)
        with self._lock:
            self._counts[path] = (stamp, counts)
        return dict(counts)

    def use_of(self, class_id: int) -> Iterator[tuple[Path, int]]:
        """List the images that have a class, and how many pixels of it."""
        for path in self.files():
            pixels = self.counts(path).get(class_id, 0)
            if pixels:
                yield path, pixels

    def erase(self, class_id: int, table: ClassTable) -> None:
        """Set a class to 0 in all images; an image of which nothing is left goes.

        Parameters
        ----------
        class_id
            The class.
        table
            Gives colours to the classes that stay.
        """
        for path, _ in list(self.use_of(class_id)):
            ids = self.read(path)
            if ids is None:  # somebody has removed it meanwhile
                continue
            kept = np.where(ids == class_id, np.uint8(0), ids)
            if kept.any():
                self.write(path, kept, table)
            else:
                self.remove(path)

    def back_up(self, backup: Path) -> None:
        """Make `backup` a copy of this folder; without any image here, leave it as it is.

        The copy is complete before the old one goes: a crash leaves one of them, under its own
        name or a hidden one beside it.

        Raises
        ------
        OutputError
            If the copy can't be written.
        """
        try:
            files = self.files()
            wanted = {p.name: _written(p) for p in files}
            if not files or wanted == {p.name: _written(p) for p in IdImages(backup).files()}:
                return
            place = Path(tempfile.mkdtemp(prefix=f".{backup.name}-", dir=backup.parent))
            new, old = place / "new", place / "old"
            new.mkdir()
            for path in files:
                shutil.copy2(path, new)
            if backup.exists():
                backup.rename(old)
            new.rename(backup)
            for leftover in backup.parent.glob(f".{backup.name}-*"):
                shutil.rmtree(leftover)
        except OSError as error:
            raise unwritable(backup, error) from error


def _written(path: Path) -> tuple[int, int]:
    """Give what a copy of a file has in common with it."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size
