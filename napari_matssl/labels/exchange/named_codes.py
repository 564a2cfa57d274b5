"""Classes of masks with their colours or grey values, as users give them: ``"ferrite=1"``."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from napari_matssl.errors import SettingsError

Code = TypeVar("Code", str, int)


def named_codes(
    given: Sequence[str], read: Callable[[str], Code | None], what: str, remedy: str
) -> dict[str, Code]:
    """Read a name and a code for each class.

    Parameters
    ----------
    given
        Each with an equals sign before the code; the name may hold some, too.
    read
        Makes the code of its text; None if it is none.
    what
        What the codes are, in one word or two.
    remedy
        What they look like.

    Raises
    ------
    SettingsError
        If one is in another form, or a name or a code stands twice.
    """
    found: dict[str, Code] = {}
    for one in given:
        before, _, text = one.rpartition("=")
        name, code = before.strip(), read(text.strip())
        if not name or code is None:
            raise SettingsError(f"{one!r} is no class with its {what}.", remedy)
        if name in found or code in found.values():
            raise SettingsError(f"{one!r} stands twice.", f"Give each class and each {what} once.")
        found[name] = code
    return found
