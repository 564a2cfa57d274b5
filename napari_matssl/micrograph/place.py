"""Where the field of a micrograph was taken."""

from dataclasses import dataclass
from typing import Final

ALL: Final = "all"
"""Name of the group of fields that nobody has divided into groups."""


@dataclass(frozen=True)
class Place:
    """Specimen, section, and the group that is summarised together; empty where unknown."""

    specimen: str = ""
    section: str = ""
    group: str = ALL
