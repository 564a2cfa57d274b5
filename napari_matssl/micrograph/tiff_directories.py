"""The directories of a TIFF file, walked with bounds before anything else reads them."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from napari_matssl.errors import InputError
from napari_matssl.micrograph.damage import damaged

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of every TIFF."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
_WHOLE = {1: "B", 3: "H", 4: "I", 16: "Q"}
_MOST_DIRECTORIES = 20_000
_MOST_ENTRIES = 4096
_MOST_VALUES = 1 << 20  # of an entry that lists strips or tiles
_PLACES = (273, 279, 324, 325)  # tags with the places and sizes of strips and tiles


@dataclass(frozen=True)
class Entry:
    """One entry of a directory: its type, how many values it has, and the first of them.

    `first` is None where the values are no whole numbers, or stand beyond the file's end.
    """

    kind: int
    count: int
    first: int | None


@dataclass(frozen=True)
class Directory:
    """One page of a TIFF: where its directory stands in the file, and its entries by code."""

    place: int
    entries: Mapping[int, Entry]

    def number(self, code: int, otherwise: int) -> int:
        """Return the first value of an entry, if it is there and a whole number."""
        entry = self.entries.get(code)
        return otherwise if entry is None or entry.first is None else entry.first

    def count(self, code: int) -> int:
        """Return how many values an entry has; 0 where it isn't there."""
        entry = self.entries.get(code)
        return 0 if entry is None else entry.count

    @property
    def width(self) -> int:
        """Columns."""
        return self.number(256, 0)

    @property
    def height(self) -> int:
        """Rows."""
        return self.number(257, 0)

    @property
    def samples(self) -> int:
        """Channels."""
        return self.number(277, 1)

    @property
    def bits(self) -> int:
        """Bits of the first channel."""
        return self.number(258, 1)

    @property
    def depth(self) -> int:
        """Planes of a volume that lies in one page."""
        return self.number(32997, 1)

    @property
    def is_thumbnail_or_mask(self) -> bool:
        """Whether it is marked as a smaller copy or as a transparency mask."""
        return bool(self.number(254, 0) & 0b101) or self.number(255, 0) == 2


def read_directories(path: Path) -> list[Directory]:
    """Read the directories of a TIFF's pages, as they follow one another.

    Raises
    ------
    InputError
        If there is none, they run in a circle, there are too many, or one is larger than the file.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        start = file.read(16)
        order = "<" if start[:2] == b"II" else ">"
        big = start[2:4] in (b"+\0", b"\0+")
        if len(start) < (16 if big else 8):
            raise damaged(path, "it ends within its header")
        place = struct.unpack_from(order + ("Q" if big else "I"), start, 8 if big else 4)[0]
        found: dict[int, Directory] = {}
        while place:
            if place in found:
                raise damaged(path, "its list of pages runs in a circle")
            if len(found) >= _MOST_DIRECTORIES:
                raise InputError(
                    f"{path} lists more than {_MOST_DIRECTORIES:,} pages.",
                    "Save the plane you want as an image of its own.",
                )
            read = _read_directory(path, file, place, size, order, big)
            if read is None:  # the chain leaves the file; earlier pages may be intact
                break
            found[place], place = read
    if not found:
        raise damaged(path, "it lists no page")
    return list(found.values())


def _read_directory(
    path: Path, file: BinaryIO, place: int, size: int, order: str, big: bool
) -> tuple[Directory, int] | None:
    """Read one directory, and where the next is; None if it isn't within the file."""
    head, each = (8, 20) if big else (2, 12)
    if place < 8 or place + head > size:
        return None
    file.seek(place)
    count = struct.unpack(order + ("Q" if big else "H"), file.read(head))[0]
    if count > _MOST_ENTRIES:
        return None
    raw = file.read(count * each + (8 if big else 4))
    if len(raw) < count * each:
        return None
    entries: dict[int, Entry] = {}
    asked = 0
    for n in range(count):
        code, entry, extent = _read_entry(raw[n * each : (n + 1) * each], file, size, order, big)
        entries.setdefault(code, entry)
        asked += extent
        if code in _PLACES and entry.count > _MOST_VALUES:
            raise damaged(path, f"a page claims to lie in {entry.count:,} pieces")
    if asked > 2 * size + 65_536:
        raise damaged(path, "a page claims more notes than the file holds")
    rest = raw[count * each :].ljust(8 if big else 4, b"\0")
    return Directory(place, entries), struct.unpack(order + ("Q" if big else "I"), rest)[0]


def _read_entry(
    raw: bytes, file: BinaryIO, size: int, order: str, big: bool
) -> tuple[int, Entry, int]:
    """Read one entry, and how many bytes of the file its values take."""
    code, kind, count = struct.unpack_from(order + ("HHQ" if big else "HHI"), raw)
    value = raw[12:] if big else raw[8:]
    each = _SIZES.get(kind, 0)
    extent = each * count
    if extent > len(value):
        place = struct.unpack(order + ("Q" if big else "I"), value)[0]
        if place + extent > size:
            return code, Entry(kind, count, None), 0
        if kind in _WHOLE:
            file.seek(place)
            value = file.read(each)
    else:
        extent = 0
    if kind not in _WHOLE or not count or len(value) < each:
        return code, Entry(kind, count, None), extent
    return code, Entry(kind, count, struct.unpack(order + _WHOLE[kind], value[:each])[0]), extent
