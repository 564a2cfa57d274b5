"""Images of class ids in a folder, ``<stem>.png`` each: painted labels, or masks."""

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import EllipsisType

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.export.banded_png import BandedPng
from napari_matssl.export.mask_pyramid import write_mask_pyramid
from napari_matssl.export.masks import write_labels, write_mask
from napari_matssl.files import OvertakenError, Stamp, stamp_of, unwritable
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.counting import count_values
from napari_matssl.labels.pairing import stem_of
from napari_matssl.labels.provenance import MaskFacts, read_mask_facts
from napari_matssl.labels.reading_labels import read_labels
from napari_matssl.labels.sparse_ids import read_sparse
from napari_matssl.project.merging_strokes import Version

PYRAMID = ".tif"
"""Suffix of masks of panoramas."""


class IdImages:
    """The images of class ids in one folder. May be read from several threads.

    Parameters
    ----------
    folder
        Need not exist; it is made by the first writing.
    pyramids
        Whether images of panoramas are ``<stem>.tif``, tiled, with smaller copies.
    """

    def __init__(self, folder: Path, pyramids: bool = False) -> None:
        self.folder = folder
        self._pyramids = pyramids
        self._counts: dict[Path, tuple[Stamp, dict[int, int]]] = {}
        self._named: tuple[Stamp | None, dict[str, Path]] = (None, {})
        self._lock = threading.Lock()
        self._packer, self._packed = BandedPng(), Path()
        self._noted = {path: Version(stamp_of(path), None) for path in self.files()}

    def path(self, stem: str) -> Path:
        """Return where the image of a stem is, or would be.

        Parameters
        ----------
        stem
            As :func:`~napari_matssl.labels.pairing.stem_of` gives it; the file's own name may be
            in another Unicode form.
        """
        path = self.folder / f"{stem}.png"
        if self._pyramids and pyramid_beside(path).is_file():
            return pyramid_beside(path)
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
        found = [*self.folder.glob("*.png")]
        if self._pyramids:
            found += self.folder.glob(f"*{PYRAMID}")
        return sorted(p for p in found if p.name[0] != "." and p.is_file())

    def read(self, path: Path) -> NDArray[np.uint8] | None:
        """Read an image ``(H, W)``; None if there is none.

        Raises
        ------
        InputError
            If the file can't be read or holds anything but class ids.
        """
        sparse = read_sparse(path) if path.is_file() else None
        if sparse is not None:
            return sparse
        try:
            ids = read_labels(path)
        except InputError:
            if path.exists():
                raise
            return None  # it never existed, or another thread has just removed it
        if ids.max(initial=0) > 255:
            raise InputError(
                f"{path} holds values up to {ids.max()}; class ids go to 254.",
                "Take the file away, or put back a copy of it.",
            )
        return ids.astype(np.uint8, copy=False)

    def version(self, path: Path) -> Version:
        """Read an image with the stamp that goes with it.

        Raises
        ------
        InputError
            As :meth:`read`.
        """
        while True:
            stamp = stamp_of(path)
            ids = self.read(path)
            if stamp_of(path) == stamp:
                return Version(stamp, ids, stamp_of(_erasure(path)))

    def noted(self, path: Path) -> Version:
        """Return what was read or written here last; of what was neither, as it stood at first."""
        with self._lock:
            return self._noted.get(path, Version(None, None))

    def note(self, path: Path, version: Version) -> None:
        """Keep what was read or written; pixels for the last image only, stamps for all."""
        with self._lock:
            for other, known in self._noted.items():
                self._noted[other] = Version(known.stamp, None)
            self._noted[path] = version

    def write(
        self,
        path: Path,
        ids: NDArray[np.uint8],
        table: ClassTable,
        expected: Stamp | EllipsisType | None = ...,
        facts: MaskFacts | None = None,
    ) -> Stamp | None:
        """Write an image and its metadata, over the file that is `expected` there.

        Without any class in it, the file is removed.

        Returns
        -------
        Stamp of the file; None if there is none now.

        Raises
        ------
        OutputError
            If it can't be written or removed.
        OvertakenError
            If another file is there than expected.
        """
        if ids.any():
            if path.suffix == PYRAMID:
                read, size = (lambda start, stop: ids[start:stop]), (ids.shape[0], ids.shape[1])
                write_mask_pyramid(path, read, size, table, facts or MaskFacts(), expected)
            elif facts is None:
                write_labels(path, ids, table, self._packer_of(path), expected)
            else:
                write_mask(path, ids, table, expected, facts)
            with suppress(OSError):  # an old mark counts no more once there is a file
                _erasure(path).unlink(missing_ok=True)
        elif expected is not ... and stamp_of(path) != expected:
            raise OvertakenError(path)
        else:
            self._erase(path)
        stamp = stamp_of(path)
        self.note(path, Version(stamp, ids))
        return stamp

    def _erase(self, path: Path) -> None:
        """Remove an image and leave word that this was meant, for other windows that show it."""
        if stamp_of(path) is not None:
            try:
                _erasure(path).touch()
            except OSError as error:
                raise unwritable(path, error) from error
        self.remove(path)

    def prepare(self, path: Path, ids: NDArray[np.uint8], wanted: Callable[[], bool]) -> None:
        """Pack an image that will be written with changes soon, as long as that is `wanted`."""
        self._packer_of(path).prepare(ids, wanted)

    def _packer_of(self, path: Path) -> BandedPng:
        """Return the packer of a file; one is kept, for the image that is painted on."""
        with self._lock:
            if path != self._packed:
                self._packer, self._packed = BandedPng(), path
            return self._packer

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
        self.note(path, Version(None, None))

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

    def remove_with(self, class_id: int) -> None:
        """Remove the images that have a class."""
        for path, _ in list(self.use_of(class_id)):
            self.remove(path)

    def replace(self, class_id: int, by: int, table: ClassTable) -> None:
        """Change the id of a class's pixels in all images.

        Parameters
        ----------
        class_id
            The class.
        by
            Another class; or 0, and then an image of which nothing is left goes.
        table
            Gives colours to the classes that stay.
        """
        for path, _ in list(self.use_of(class_id)):
            replaced = False
            while not replaced:
                version = self.version(path)
                if version.ids is None:  # another program has removed it
                    break
                kept = np.where(version.ids == class_id, np.uint8(by), version.ids)
                with suppress(OvertakenError):  # another program has painted on it
                    self.write(path, kept, table, version.stamp, read_mask_facts(path))
                    replaced = True

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
            try:
                new.mkdir()
                for path in files:
                    shutil.copy2(path, new)
            except OSError:  # the disk is full, and half a backup only takes up space
                shutil.rmtree(place, ignore_errors=True)
                raise
            if backup.exists():
                backup.rename(old)
            new.rename(backup)
            for leftover in backup.parent.glob(f".{backup.name}-*"):
                shutil.rmtree(leftover)
        except OSError as error:
            raise unwritable(backup, error) from error


def pyramid_beside(path: Path) -> Path:
    """Return the path that an image would have if it is that of a panorama."""
    return path.with_suffix(PYRAMID) if path.suffix == ".png" else path


def _erasure(path: Path) -> Path:
    """Return the path of the marker that an image was erased, not lost."""
    return path.with_name(f".{path.name}.erased")


def _written(path: Path) -> tuple[int, int]:
    """Return what a copy of a file has in common with it."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size
