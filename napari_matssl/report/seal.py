"""Checksums of the parts of a report, by which a changed table is found.

They are no signature: whoever has the program can make a new report with other figures, and it will
have a checksum of its own. What fixes a report is its checksum on a page that somebody has signed.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What has become of something that was sealed."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    MISSING = "not found"


@dataclass(frozen=True)
class Finding:
    """What was found of one part of a report, or of one file that it names.

    Parameters
    ----------
    kind
        ``"part"``, or the role of a file.
    name
        Of the part or file.
    state
        What has become of it.
    """

    kind: str
    name: str
    state: State


@dataclass(frozen=True)
class Seal:
    """The checksums of all parts.

    Parameters
    ----------
    parts
        Name and SHA-256 of each, in the order of the report.
    """

    parts: tuple[tuple[str, str], ...]

    @property
    def checksum(self) -> str:
        """SHA-256 of all of it, 64 hexadecimal digits."""
        lines = "".join(f"{name}\t{sha256}\n" for name, sha256 in self.parts)
        return hashlib.sha256(lines.encode("utf-8", "backslashreplace")).hexdigest()

    def compare(self, now: "Seal") -> list[Finding]:
        """Tell what has become of each part, and of those that are there now."""
        before, after = dict(self.parts), dict(now.parts)
        findings = [Finding("part", name, _state(sha, after.get(name))) for name, sha in self.parts]
        added = (name for name in after if name not in before)
        return [*findings, *(Finding("part", name, State.CHANGED) for name in added)]


def grouped(checksum: str) -> str:
    """Write a checksum in groups of eight digits, which people can compare."""
    return " ".join(checksum[n : n + 8] for n in range(0, len(checksum), 8))


def digest(lines: Iterable[str]) -> str:
    """Return the SHA-256 of some lines, 64 hexadecimal digits."""
    made = hashlib.sha256()
    for line in lines:
        made.update(line.encode("utf-8", "backslashreplace") + b"\n")
    return made.hexdigest()


def _state(before: str, after: str | None) -> State:
    if after is None:
        return State.MISSING
    return State.UNCHANGED if before == after else State.CHANGED
