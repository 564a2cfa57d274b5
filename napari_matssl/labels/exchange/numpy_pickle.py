"""Arrays in a pickle of NumPy's (``np.save`` of a dict), read without running it."""

import io
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.files import check_regular, unreadable_file
from napari_matssl.plain_pickle import PlainUnpickler, RefusedError

LARGEST_FILE = 256 << 20
"""No such file of one image is larger, bytes."""

_REMEDY = "Save the masks as PNG or TIFF in its program, and give these files."
_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")


def read_dict(path: Path) -> dict[str, Any]:
    """Read a dict that ``np.save`` has written.

    Returns
    -------
    Its values by name: numbers, texts and lists as they are, arrays as :class:`StoredArray`.

    Raises
    ------
    InputError
        If it is missing, too large, damaged, holds another thing than a dict, or more than plain
        values and arrays.
    """
    if check_regular(path) > LARGEST_FILE:
        raise InputError(f"{path} is larger than {LARGEST_FILE >> 20} MB.", _REMEDY)
    try:
        with path.open("rb") as file:
            raw = io.BytesIO(file.read(LARGEST_FILE + 1))
    except OSError as error:
        raise unreadable_file(path, error) from error
    try:
        found = _read(raw)
    except Exception as error:  # hostile bytes make the machine raise whatever they like
        reason = str(error) if isinstance(error, RefusedError) else type(error).__name__
        raise InputError(
            f"{path} is no readable dict of NumPy arrays ({reason}).", _REMEDY
        ) from error
    return found


@dataclass
class StoredArray:
    """An array as a pickle holds it.

    Parameters
    ----------
    state
        Of NumPy's: version, shape, type, whether columns come first, bytes.
    """

    state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take what the pickle has on it."""
        self.state = state

    def numbers(self) -> NDArray[np.generic]:
        """Return its numbers.

        Raises
        ------
        RefusedError
            If it isn't an array of plain numbers, or has fewer bytes than its shape needs.
        """
        if len(self.state) != 5:
            raise RefusedError("an array has no numbers")
        _, shape, kind, by_columns, raw = self.state
        if not isinstance(kind, _Type) or kind.plain is None or not isinstance(raw, bytes):
            raise RefusedError("an array isn't one of plain numbers")
        sides = tuple(shape) if isinstance(shape, tuple | list) else (-1,)
        if not all(isinstance(side, int) and side >= 0 for side in sides):
            raise RefusedError("an array has an impossible shape")
        if prod(sides) * kind.plain.itemsize != len(raw):
            raise RefusedError("an array has another size than its numbers")
        return np.frombuffer(raw, kind.plain).reshape(sides, order="F" if by_columns else "C")


@dataclass
class _Type:
    """A type of numbers; None where it is another."""

    code: str
    plain: np.dtype[Any] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.code in _CODES:
            self.plain = np.dtype(self.code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1] if len(state) > 1 else None
        if self.plain is not None and order in ("<", ">"):
            self.plain = self.plain.newbyteorder(order)


_CODES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")


class _Machine(PlainUnpickler):
    """Reads arrays as they are stored; single numbers, which nobody asks for, become None."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a stand-in for what the file names."""
        if module in _MODULES and name == "_reconstruct":
            return lambda *_: StoredArray()
        if module in _MODULES and name == "scalar":
            return lambda *_: None
        if (module, name) == ("numpy", "ndarray"):
            return None
        if (module, name) == ("numpy", "dtype"):
            return lambda code, *_: _Type(str(code))
        return super().find_class(module, name)


def _read(raw: io.BytesIO) -> dict[str, Any]:
    version = np.lib.format.read_magic(raw)
    reading = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in reading:
        raise RefusedError(f"it is of version {version[0]}.{version[1]}")
    shape, _, kind = reading[version](raw)
    if kind.hasobject is False or shape != ():
        raise RefusedError("it is one array")
    machine = _Machine(raw)
    whole = machine.load()
    numbers = whole.state[-1] if isinstance(whole, StoredArray) and whole.state else None
    if not isinstance(numbers, list) or len(numbers) != 1 or not isinstance(numbers[0], dict):
        raise RefusedError("it holds no dict")
    found: dict[str, Any] = numbers[0]
    return found
