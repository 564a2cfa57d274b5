"""A value in a file of a project that several windows may edit."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Generic, TypeVar

from napari_matssl.errors import OutputError
from napari_matssl.files import OvertakenError, Stamp, stamp_of
from napari_matssl.project.own_folder import Place

T = TypeVar("T")

_TRIES: Final = 20
"""How often an edit is made anew because another window was quicker."""


class SharedFile(Generic[T]):
    """A value and its file; an edit is made on what is on disk, and is there before it shows here.

    The value is replaced as a whole and never changed, so that other threads may read it while one
    edits.

    Parameters
    ----------
    place
        The folder.
    path
        The file in it; need not exist.
    read
        Reads the value from the file, or makes one up where there is none.
    write
        Writes a value over the file with a stamp; raises an OvertakenError if another is there.

    Attributes
    ----------
    value
        As it was last read or written.
    """

    def __init__(
        self,
        place: Place,
        path: Path,
        read: Callable[[Path], T],
        write: Callable[[T, Path, Stamp | None], None],
    ) -> None:
        self._place, self._path, self._read, self._write = place, path, read, write
        self._stamp = stamp_of(path)
        self.value = read(path)

    def look_again(self) -> None:
        """Take up the file if another window or program has written it.

        A file that is gone leaves what is known of it.

        Raises
        ------
        InputError
            If it is damaged now.
        """
        with self._place.lock:
            stamp = stamp_of(self._path)
            if stamp not in (None, self._stamp):
                self.value = self._read(self._path)
            self._stamp = stamp

    def change(self, change: Callable[[T], T]) -> None:
        """Change the value as it is on disk now.

        Raises
        ------
        InputError
            If the file is damaged now.
        OutputError
            If it can't be written.
        """
        with self._place.editing():
            for _ in range(_TRIES):
                self.look_again()
                changed = change(self.value)
                if changed == self.value:
                    return
                try:
                    with self._place.saving():
                        self._write(changed, self._path, self._stamp)
                except OvertakenError:
                    continue  # another window wrote it after it was read
                self._stamp = stamp_of(self._path)
                self.value = changed
                return
        raise OutputError(
            f"{self._path} is written by other programs without a pause.",
            "Close one of them and try again.",
        )

    def begin(self) -> None:
        """Write the value as it is where there is no file yet."""
        with self._place.editing():
            self.look_again()
            if self._stamp is None:
                with suppress(OvertakenError):
                    # Another window has written it; the next look reads that.
                    self._write(self.value, self._path, None)
            self.look_again()
