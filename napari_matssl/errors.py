"""Errors for users: what was wrong, where, and what to do about it.

Every error that reaches a user is a :class:`MatSSLError`. None of them is a ``RuntimeError``,
because the workers of graphical front ends treat those as their own.
"""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

_NO_UNICODE = re.compile("[\ud800-\udfff]")
_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(32), 127)} | {10: "\\n", 9: "\\t", 13: "\\r"}


def one_line(text: str) -> str:
    """Return a text as one line: line breaks and control characters are escaped."""
    return printable(text.strip())


def printable(text: str) -> str:
    """Return a text with control characters and undecodable bytes escaped."""
    return _NO_UNICODE.sub(_escaped, text.translate(_ESCAPED))


def _escaped(surrogate: re.Match[str]) -> str:
    """Escape a surrogate, which stands for a byte that is no UTF-8 or for half a pair."""
    code = ord(surrogate[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def add_settings(text: str, settings: str, name_of: Callable[[str], str]) -> str:
    """Append a front end's names of the settings that a text is about.

    Parameters
    ----------
    settings
        Their names, each with the value that helps if there is one: ``"device=cpu minutes"``.
    name_of
        Gives the front end's name of a setting; empty for one that it lacks.
    """
    named = []
    for one in settings.split():
        name, _, value = one.partition("=")
        if shown := name_of(name):
            named.append(f"{shown} {value}".strip())
    return f"{text.removesuffix('.')} ({', '.join(named)})." if named else text


def without_frames(error: "_Error") -> "_Error":
    """Take off an error what it went through, for whoever keeps it.

    The frames lead on to those of Qt's calls, and keep what these were given: an event, at whose
    place in memory Qt makes the next one, is then taken for that.
    """
    one: BaseException | None = error
    while one is not None:
        one.__traceback__ = None
        one = one.__cause__ or one.__context__
    return error


class MatSSLError(Exception):
    """Base of all errors with a message meant for the user.

    Parameters
    ----------
    what
        What is wrong and where: it names the file, layer or class.
    remedy
        What the user can do about it.
    settings
        The settings by which it can be done, as :func:`add_settings` takes them. The message
        names none: a setting is an option here and a control there.
    """

    def __init__(self, what: str, remedy: str = "", *, settings: str = "") -> None:
        self.what = one_line(what)
        self.remedy = one_line(remedy)
        self.settings = settings
        super().__init__(f"{self.what} {self.remedy}".strip())

    def __reduce__(self) -> tuple[Any, ...]:
        """Cross to another process whole, whatever arguments its kind takes."""
        return _again, (type(self), self.__dict__)

    def reworded(self, what: str = "", remedy: str = "", settings: str = "") -> Self:
        """Return the same error with another text; empty parts stay."""
        given = {"what": what, "remedy": remedy, "settings": settings}
        changed = {name: text for name, text in given.items() if text}
        return _again(type(self), {**self.__dict__, **changed})


_Error = TypeVar("_Error", bound=MatSSLError)


def _again(kind: type[_Error], facts: dict[str, Any]) -> _Error:
    """Make an error of what one of its kind holds."""
    error = kind.__new__(kind)
    error.__dict__.update(facts)
    MatSSLError.__init__(error, facts["what"], facts["remedy"], settings=facts["settings"])
    return error


class InputError(MatSSLError):
    """An image, a label image, a class table or a split can't be used."""


class StackError(InputError):
    """A file holds several images, and none of them was chosen.

    Parameters
    ----------
    what, remedy
        As for any error.
    pages
        How many there are to choose from.
    """

    def __init__(self, what: str, remedy: str, pages: int) -> None:
        super().__init__(what, remedy, settings="page")
        self.pages = pages


class OutputError(MatSSLError):
    """A result can't be written where it was asked for."""


class UnwrittenError(OutputError):
    """A result couldn't be written; it is kept in memory until it is written elsewhere.

    Parameters
    ----------
    what, remedy
        As for any error.
    write
        Writes the result to another file and returns what the job would have returned; raises
        another UnwrittenError if that can't be done either.
    """

    def __init__(self, what: str, remedy: str, write: Callable[[Path], Any]) -> None:
        super().__init__(what, remedy)
        self.write = write


class SettingsError(MatSSLError):
    """A setting is out of its bounds, unknown, or contradicts another."""


class ModelFileError(MatSSLError):
    """A model or encoder file is of the wrong kind, damaged, or too new."""


class WeightsError(MatSSLError):
    """Start weights can't be had or don't fit the network."""


class DeviceError(MatSSLError):
    """The device that was asked for isn't there."""


class ComputeError(MatSSLError):
    """A computation failed on the device: out of memory, numbers that are not finite."""


class DivergedError(ComputeError):
    """A loss isn't finite: the weights that gave it are worth nothing."""


class OutOfMemoryError(ComputeError):
    """The device's memory is full; less at a time may do."""


class StoppedError(MatSSLError):
    """A job was stopped before it had made anything worth keeping; nothing was written."""


class TurningErrors(AbstractContextManager[None]):
    """Turn errors inside a block into errors for users, which hold the former ones.

    Not by ``contextlib.contextmanager``: its frame and the former error hold each other. On Python
    3.13, what fills a memory would stay there until somebody collects garbage.

    Parameters
    ----------
    turned
        Returns what an error means for a user; None leaves it as it is.
    """

    def __init__(self, turned: Callable[[BaseException], MatSSLError | None]) -> None:
        self._turned = turned

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        turned = None if error is None else self._turned(error)
        if turned is not None:
            try:
                raise turned from error
            finally:
                del turned  # else this frame and the error would hold each other
