"""Printing in a terminal: streams whose reader may end, characters that can't be shown."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from napari_matssl.errors import OutputError, printable

if TYPE_CHECKING:
    from rich.console import Console

_READER_GONE = (errno.EPIPE, errno.EIO)  # a pipe without reader, a closed terminal


class Outlet:
    """A standard stream whose reader may end: ``| head`` doesn't end a training.

    Parameters
    ----------
    stream
        Standard output or standard error; None where the program was started without.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text; drop it if the reader has ended."""
        if self._stream is not None:
            with self._ignoring_closed_readers(self._stream):
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        if self._stream is not None:
            with self._ignoring_closed_readers(self._stream):
                self._stream.flush()

    @staticmethod
    @contextmanager
    def _ignoring_closed_readers(stream: TextIO) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _READER_GONE:
                raise OutputError(
                    f"Can't write to {stream.name}: {error.strerror}.", "Make room."
                ) from error
            # Else the buffered text would fail once more when the program ends.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def print_line(text: str = "") -> None:
    """Print a line on standard output."""
    print(text, file=Outlet(sys.stdout), flush=True)


def print_error(text: str) -> None:
    """Print a line on standard error."""
    print(text, file=Outlet(sys.stderr), flush=True)


def console(stderr: bool = False) -> "Console":
    """Return a console for tables; it takes no text for markup."""
    from rich.console import Console

    outlet: Any = Outlet(sys.stderr if stderr else sys.stdout)
    return Console(file=outlet, markup=False, emoji=False, highlight=False)


def printable_lines(text: str) -> str:
    """Make a text of several lines printable."""
    return "\n".join(map(printable, text.split("\n")))
