"""Docstrings as they are written here, for the page of the site that is made of them.

Types stand in the signatures alone, so what is returned or yielded is described without one, which
numpydoc would take for the type. Names of Sphinx's roles become code.
"""

import re
from typing import Any

from griffe import Class, Extension, Function

_WITHOUT_TYPE = re.compile(r"^(Returns|Yields)\n-+\n((?:.+\n?)+)", re.MULTILINE)
_ROLE = re.compile(r":\w+:`~?([\w.]+)`")


class Docstrings(Extension):
    """Put types where numpydoc wants them."""

    def on_function_instance(self, *, func: Function, **_given: Any) -> None:
        """Describe what a function returns and yields by its annotation."""
        if func.docstring is not None:
            text = _in_code(func.docstring.value)
            found = {"Returns": str(func.returns or "None"), "Yields": "Progress"}
            func.docstring.value = _WITHOUT_TYPE.sub(lambda one: _typed(one, found), text)

    def on_class_instance(self, *, cls: Class, **_given: Any) -> None:
        """Write names as code."""
        if cls.docstring is not None:
            cls.docstring.value = _in_code(cls.docstring.value)


def _in_code(text: str) -> str:
    return _ROLE.sub(lambda role: f"`{role[1].rpartition('.')[2]}`", text)


def _typed(section: re.Match[str], types: dict[str, str]) -> str:
    title, lines = section[1], section[2].splitlines()
    text = "\n".join(f"    {line}" for line in lines)
    return f"{title}\n{'-' * len(title)}\n{types[title]}\n{text}\n"
