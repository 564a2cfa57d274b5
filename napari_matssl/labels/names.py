"""Names in one Unicode form for comparison, and valid names of classes."""

import unicodedata

LONGEST_NAME = 100
"""Characters that the name of a class may have."""

_NEVER = {"Cc", "Cs", "Zl", "Zp"}  # control characters, surrogates, line separators
_TURNING = set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSEEN = set("\u00ad\u200b\u2060\ufeff")  # invisible: two names that look alike would differ


def composed(name: str) -> str:
    """Give a name in the one form in which names are compared (NFC).

    "Gefüge" may be stored with an ü or with a u and two dots, which look the same; file systems
    and archives turn one into the other.
    """
    return unicodedata.normalize("NFC", name)


def class_name(name: str) -> str:
    """Return the name of a class in that form, without white space around it.

    Raises
    ------
    ValueError
        If it is empty, too long, or holds line breaks or other characters that steer.
    """
    plain = composed(name).strip()
    if not plain:
        raise ValueError("a class needs a name of at least 1 character")
    if len(plain) > LONGEST_NAME:
        raise ValueError(
            f'the class name "{plain[:20]}..." has {len(plain)} characters, '
            f"at most {LONGEST_NAME} are allowed"
        )
    never = _TURNING | _UNSEEN
    strange = next((c for c in plain if unicodedata.category(c) in _NEVER or c in never), None)
    if strange is not None:
        shown = plain.encode("unicode_escape").decode("ascii")
        raise ValueError(
            f'the class name "{shown}" holds a line break or another control character '
            f"(U+{ord(strange):04X})"
        )
    return plain


def few(names: list[str] | tuple[str, ...], most: int = 3) -> str:
    """Name the first of many: ``"a.png, b.png, c.png and 4 more"``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
