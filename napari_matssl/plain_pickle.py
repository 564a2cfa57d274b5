"""Pickles of plain values, read without running what they hold.

A pickle is a program for a small machine that builds objects. The machine here has only the steps
that plain values are made of; what the objects in a file become, readers of a format tell.
"""

import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any, ClassVar


class RefusedError(Exception):
    """The file asks for something that none of its kind needs."""


class Values(dict[Any, Any]):
    """A dict that may get attributes, as an OrderedDict may."""


class PlainUnpickler(pickle._Unpickler):
    """Reads a pickle of plain values; a subclass names what else there may be (``find_class``).

    The pure-Python unpickler: it has no array that a number in the file could make huge. Sets and
    nested keys, whose hashes can take for ever, and objects of other kinds are left out.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {}
    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, program: bytes | io.BytesIO) -> None:
        super().__init__(
            program if isinstance(program, io.BytesIO) else io.BytesIO(program), encoding="utf-8"
        )

    def find_class(self, module: str, name: str) -> Any:
        """Refuse what the file names."""
        raise RefusedError(f"it names {module}.{name}")

    def _put(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise RefusedError("it changes what is no dict")
        target.update(values_of(zip(pairs[::2], pairs[1::2], strict=True)))

    def load_item(self) -> None:
        """Set one item of a dict."""
        value, key = self.stack.pop(), self.stack.pop()
        self._put([key, value])

    def load_items(self) -> None:
        """Set items of a dict."""
        self._put(self.pop_mark())

    def load_new_dict(self) -> None:
        """Make a dict of what lies on the stack."""
        pairs = self.pop_mark()
        self.append(values_of(zip(pairs[::2], pairs[1::2], strict=True)))


_LEFT_OUT = {
    pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET, pickle.BYTEARRAY8, pickle.NEXT_BUFFER,
    pickle.READONLY_BUFFER, pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.INST, pickle.OBJ,
    pickle.NEWOBJ, pickle.NEWOBJ_EX,
}  # fmt: skip

PlainUnpickler.dispatch.update(
    {
        code: step
        for code, step in pickle._Unpickler.dispatch.items()
        if bytes([code]) not in _LEFT_OUT
    }
)
PlainUnpickler.dispatch[pickle.SETITEM[0]] = PlainUnpickler.load_item
PlainUnpickler.dispatch[pickle.SETITEMS[0]] = PlainUnpickler.load_items
PlainUnpickler.dispatch[pickle.DICT[0]] = PlainUnpickler.load_new_dict


def values_of(pairs: Any = ()) -> Values:
    """Make a dict of pairs, or of a dict.

    Raises
    ------
    RefusedError
        If a key is neither a text nor a number.
    """
    found = Values()
    for key, value in pairs.items() if isinstance(pairs, Mapping) else pairs or ():
        if not isinstance(key, str | int):
            raise RefusedError("it has a key that is no name")
        found[key] = value
    return found
