"""The folder of all that belongs to a project, and making sure it is the one that was opened."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final

from napari_matssl.errors import OutputError
from napari_matssl.files import stamp_of
from napari_matssl.project.turns import in_turn

FOLDER: Final = "matssl"
"""Name of the folder, among the images, that holds all that belongs to a project."""

RECORD_FILE: Final = "project.json"
"""Name of the record in that folder."""

ELSEWHERE: Final = (
    "Make room or get the right to write there, or copy the micrographs to a folder of your own "
    "and open that."
)
"""What to do where nothing can be saved."""


class Place:
    """A project's own folder, into which its parts write.

    Parameters
    ----------
    own
        Need not exist; its parent has to.

    Attributes
    ----------
    lock
        Held by whoever changes anything in the folder.
    """

    def __init__(self, own: Path) -> None:
        self.own = own
        self.record_path = own / RECORD_FILE
        self.lock = threading.RLock()
        self._identity = _identity(own.parent)
        self._record = stamp_of(self.record_path)
        self._depth = 0

    @contextmanager
    def editing(self) -> Iterator[None]:
        """Change what is on disk, without other threads or programs doing so meanwhile."""
        with self.lock:
            self._depth += 1
            try:
                with in_turn(self.own.parent) if self._depth == 1 else nullcontext():
                    yield
            finally:
                self._depth -= 1

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Write something into the folder that was opened, and into no other in its place."""
        self.check()
        try:
            yield
        except OutputError as error:
            raise OutputError(error.what, ELSEWHERE) from error
        self._record = stamp_of(self.record_path)

    def check(self) -> None:
        """Check that the own folder is still in the folder that was opened.

        A disk that was taken out and put back may number its folders anew: a folder that holds
        the record as it was last is the same.

        Raises
        ------
        OutputError
            If it is gone, or another one has its name.
        """
        now, record = _identity(self.own.parent), stamp_of(self.record_path)
        if now != self._identity:
            known = self._record
            if now is None or known is None or record is None or known[:2] != record[:2]:
                raise OutputError(
                    f"The folder {self.own.parent} is gone or was replaced since it was opened.",
                    "Put it back, then everything is saved there, or open it where it is now.",
                )
            self._identity = now
        self._record = record


def _identity(folder: Path) -> tuple[int, int] | None:
    """Device and number of a folder; None where there is none."""
    try:
        status = folder.stat()
    except (OSError, ValueError):  # unmounted, removed, or on a network that is down
        return None
    return status.st_dev, status.st_ino
