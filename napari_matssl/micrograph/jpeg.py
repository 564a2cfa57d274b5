"""Opening JPEG files: what belongs to the picture is kept, and its rows are counted.

Decoders fill up what is missing of a JPEG with one colour, without a word.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_matssl.micrograph.bounds import check_extent
from napari_matssl.micrograph.damage import damaged, rows_missing
from napari_matssl.micrograph.orientation import of_exif

START = b"\xff\xd8"
"""First bytes of every JPEG."""

_BLOCK = 8
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset(range(0xD0, 0xD9)) | {0x01}
# All application segments but JFIF's and Adobe's.
_NOT_SEEN = frozenset((*range(0xE1, 0xEE), 0xEF, 0xFE))
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_MOST_SCANS = 64  # programs write about ten, each of which covers the whole image
_LONGEST_COUNTED = 4 << 20  # longest scan whose blocks are counted, bytes
_WINDOW = 16  # longest code, bits


@dataclass(frozen=True)
class _Component:
    name: int
    across: int
    down: int


@dataclass
class _Scan:
    """What has been read up to the first scan, and where its coded data begin."""

    frame: int = 0
    height: int = 0
    width: int = 0
    components: dict[int, _Component] = field(default_factory=dict)
    codes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    interval: int = 0
    tables: list[tuple[int, int, int]] = field(default_factory=list)  # component, DC and AC table
    start: int = 0


@dataclass(frozen=True)
class Jpeg:
    """A JPEG file, looked through up to its pixels.

    Parameters
    ----------
    raw
        The file without its notes.
    orientation
        As EXIF has it.
    """

    raw: bytes
    orientation: int
    _scan: _Scan

    def check_rows(self, path: Path, pixels: NDArray[np.generic]) -> None:
        """Check that all rows were there, if the last ones are of one colour.

        Raises
        ------
        InputError
            If some were missing.
        """
        tail = pixels[-_BLOCK:]
        if self._scan.height > _BLOCK and (tail != tail[-1, -1]).any():
            return
        found = _count_units(self.raw, self._scan)
        if found is None:
            return
        units, across, unit_height = found
        rows = units // across * unit_height
        if rows < self._scan.height:
            raise rows_missing(path, rows, self._scan.height)


def read_jpeg(path: Path, label: bool) -> Jpeg:
    """Read a JPEG file up to its pixels.

    Raises
    ------
    InputError
        If there are none, or they are too large.
    """
    raw = path.read_bytes()
    scan, kept, exif, xmp = _Scan(), [START], b"", b""
    for marker, body, place in _segments(raw):
        if marker in _FRAMES and not scan.frame:
            _read_frame(path, scan, marker, body)
        elif marker == 0xC4:
            _read_codes(scan, body)
        elif marker == 0xDD and len(body) >= 2:
            scan.interval = struct.unpack(">H", body[:2])[0]
        elif marker == 0xE1 and body.startswith(_EXIF):
            exif = exif or body[len(_EXIF) :]
        elif marker == 0xE1 and body.startswith(_XMP):
            xmp = xmp or body
        if marker == 0xDA:
            scan.start = sum(len(part) for part in kept) + 4 + len(body)
            scan.tables = [
                (body[1 + 2 * n], body[2 + 2 * n] >> 4, body[2 + 2 * n] & 15)
                for n in range(min(body[0] if body else 0, (len(body) - 4) // 2))
            ]
            kept.append(raw[place:])
            break
        if marker not in _NOT_SEEN:
            kept.append(raw[place : place + 4 + len(body)])
    if not scan.start or not scan.frame:
        raise damaged(path, "its header or its pixels are missing")
    check_extent(path, scan.width, scan.height, len(scan.components), len(raw), label)
    scans = raw.count(b"\xff\xda", raw.rfind(kept[-1]))
    if scans > _MOST_SCANS:
        raise damaged(path, f"it is made of {scans:,} scans")
    return Jpeg(b"".join(kept), of_exif(exif, xmp), scan)


def _segments(raw: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Walk the parts before the pixels: marker, content and where each begins."""
    place = len(START)
    while place + 4 <= len(raw):
        if raw[place] != 0xFF:
            place += 1  # decoders skip such bytes, too
            continue
        marker = raw[place + 1]
        if marker == 0xFF or marker in _BARE or marker == 0:
            place += 1 if marker == 0xFF else 2
            continue
        length = struct.unpack_from(">H", raw, place + 2)[0]
        if marker == 0xD9 or length < 2:
            return
        yield marker, raw[place + 4 : place + 2 + length], place
        place += 2 + length


def _read_frame(path: Path, scan: _Scan, marker: int, body: bytes) -> None:
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        raise damaged(path, "its header is broken")
    scan.frame = marker
    scan.height, scan.width, count = struct.unpack(">HHB", body[1:6])
    for n in range(count):
        name, sampling, _ = body[6 + 3 * n : 9 + 3 * n]
        scan.components[name] = _Component(name, sampling >> 4, sampling & 15)


def _read_codes(scan: _Scan, body: bytes) -> None:
    """Keep tables of codes by kind (0 DC, 1 AC) and number: 16 counts, then the symbols."""
    while len(body) >= 17:
        size = 17 + sum(body[1:17])
        scan.codes[body[0] >> 4, body[0] & 15] = body[1:size]
        body = body[size:]


def _count_units(raw: bytes, scan: _Scan) -> tuple[int, int, int] | None:
    """Count the units (blocks, or groups of them) in the first scan.

    Returns
    -------
    Units, units per row, height of a unit in px; None for kinds of JPEG that aren't counted.
    """
    parts = _coded_parts(raw, scan.start)
    sizes = scan.components
    if parts is None or scan.frame not in (0xC0, 0xC1, 0xC2) or not scan.tables:
        return None
    if any(
        name not in sizes or 0 in (sizes[name].across, sizes[name].down) for name, *_ in scan.tables
    ):
        return None
    most_across = max(one.across for one in sizes.values())
    most_down = max(one.down for one in sizes.values())
    alone = len(scan.tables) == 1
    first = sizes[scan.tables[0][0]]
    width, height = _BLOCK * most_across, _BLOCK * most_down
    if alone:  # a scan of one component isn't interleaved
        width, height = width // first.across, height // first.down
    across, down = -(-scan.width // width), -(-scan.height // height)
    blocks = []
    for name, dc, ac in scan.tables:
        times = 1 if alone else sizes[name].across * sizes[name].down
        coded = scan.codes.get((0, dc)), scan.codes.get((1, ac))
        if coded[0] is None or (scan.frame != 0xC2 and coded[1] is None):
            return None
        tables = (
            _steps(coded[0], True),
            None if scan.frame == 0xC2 else _steps(coded[1] or b"", False),
        )
        blocks += [tables] * times
    wanted, units = across * down, 0
    for part in parts:
        most = min(scan.interval or wanted, wanted - units)
        found = _units_in(part, blocks, most)
        units += found
        if found < most or units >= wanted:
            break
    return units, across, height


def _coded_parts(raw: bytes, start: int) -> list[bytes] | None:
    """Cut coded data at their restart marks, up to any other mark; None if there is too much."""
    data = np.frombuffer(raw, np.uint8)[start : start + _LONGEST_COUNTED + 1]
    marks = np.flatnonzero((data[:-1] == 0xFF) & (data[1:] != 0))
    parts, begin = [], 0
    for mark in marks:
        kind = int(data[mark + 1])
        if kind == 0xFF:
            continue
        parts.append(bytes(data[begin:mark]).replace(b"\xff\0", b"\xff"))
        begin = int(mark) + 2
        if not 0xD0 <= kind <= 0xD7:
            return parts
    if len(data) > _LONGEST_COUNTED:
        return None
    return [*parts, bytes(data[begin:]).replace(b"\xff\0", b"\xff")]


def _steps(table: bytes, dc: bool) -> tuple[array[int], array[int]]:
    """Tabulate for each 16 bits how far the code and its value reach, and coefficients passed.

    A code that doesn't exist reaches 0 bits. The end of a block passes 64 coefficients.
    """
    reach, passed = np.zeros(1 << _WINDOW, np.int16), np.zeros(1 << _WINDOW, np.int16)
    place, at = 0, 16
    for length in range(1, 17):
        for symbol in table[at : at + table[length - 1]]:
            span = 1 << (_WINDOW - length)
            size = symbol & 15
            reach[place : place + span] = length + size
            passed[place : place + span] = 1 if dc else (64 if symbol == 0 else (symbol >> 4) + 1)
            place += span
        at += table[length - 1]
    return array("h", reach.tobytes()), array("h", passed.tobytes())


def _units_in(
    part: bytes,
    blocks: list[tuple[tuple[array[int], array[int]], tuple[array[int], array[int]] | None]],
    most: int,
) -> int:
    """Count whole units in a part of coded data, at most so many."""
    padded = np.frombuffer(part + b"\xff\xff\xff", np.uint8).astype(np.uint32)
    three = padded[:-2] << 16 | padded[1:-1] << 8 | padded[2:]
    shifted = (three[:, None] >> np.arange(8, 0, -1, dtype=np.uint32)) & 0xFFFF
    window = array("H", shifted.astype(np.uint16).tobytes())
    bits, place, units = 8 * len(part), 0, 0
    while units < most:
        for (reach, _), ac in blocks:
            if place >= bits or not (step := reach[window[place]]):
                return units
            place += step
            if ac is None:
                continue
            ac_reach, passed, coefficient = *ac, 1
            while coefficient < 64:
                if place >= bits:
                    return units
                code = window[place]
                if not (step := ac_reach[code]):
                    return units
                place += step
                coefficient += passed[code]
        if place > bits:
            return units
        units += 1
    return units
