"""Opening GIF files: their frames are found and their pixels counted before they are decoded."""

import struct
from dataclasses import dataclass
from pathlib import Path

from napari_matssl.micrograph.bounds import check_extent
from napari_matssl.micrograph.damage import damaged, rows_missing

START = b"GIF8"
"""First bytes of every GIF."""

_MOST_FRAMES = 20_000


@dataclass(frozen=True)
class Frame:
    """One picture: its size in px, and its data as they are packed."""

    left: int
    top: int
    width: int
    height: int
    interlaced: bool
    bits: int
    data: bytes


def read_frames(path: Path, label: bool) -> list[Frame]:
    """Find the frames of a GIF, and check that the first has a plausible size.

    Raises
    ------
    InputError
        If there is none, or it is damaged or too large.
    """
    raw = path.read_bytes()
    if len(raw) < 13:
        raise damaged(path, "it ends within its header")
    width, height, flags = struct.unpack_from("<HHB", raw, 6)
    check_extent(path, width, height, 1, len(raw), label)
    frames = _frames(path, raw, 13 + _colours(flags))
    if not frames:
        raise damaged(path, "it holds no picture")
    first = frames[0]
    whole = (first.left, first.top, first.width, first.height) == (0, 0, width, height)
    if len(frames) == 1 and not whole:
        raise damaged(path, f"it holds {first.width} x {first.height} of {width} x {height} pixels")
    return frames


def check_rows(path: Path, frame: Frame) -> None:
    """Check that all pixels of a frame are there.

    Raises
    ------
    InputError
        If some are missing.
    """
    wanted = frame.width * frame.height
    given = _unpacked_bytes(frame.data, frame.bits, wanted)
    if given >= wanted:
        return
    if frame.interlaced:
        raise damaged(path, f"it holds {100 * given // wanted} % of its pixels")
    raise rows_missing(path, given // frame.width, frame.height)


def _colours(flags: int) -> int:
    """Bytes of the table of colours that flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _frames(path: Path, raw: bytes, place: int) -> list[Frame]:
    frames: list[Frame] = []
    while place < len(raw) and raw[place] in (0x21, 0x2C):
        if raw[place] == 0x21:  # an extension
            place = _blocks(raw, place + 2, None)
            continue
        if place + 11 > len(raw):
            break
        left, top, width, height, flags = struct.unpack_from("<HHHHB", raw, place + 1)
        place += 10 + _colours(flags)
        if place >= len(raw):
            break
        bits, parts = raw[place], list[bytes]()
        place = _blocks(raw, place + 1, parts)
        data = b"".join(parts)
        frames.append(Frame(left, top, width, height, bool(flags & 0x40), bits, data))
        if len(frames) > _MOST_FRAMES:
            raise damaged(path, f"it has more than {_MOST_FRAMES:,} pictures")
    return frames


def _blocks(raw: bytes, place: int, parts: list[bytes] | None) -> int:
    """Skip blocks up to the empty one; return where the next part begins."""
    while place < len(raw) and raw[place]:
        if parts is not None:
            parts.append(raw[place + 1 : place + 1 + raw[place]])
        place += 1 + raw[place]
    return place + 1


def _unpacked_bytes(data: bytes, bits: int, wanted: int) -> int:
    """Count the pixels that packed data give (LZW, least significant bits first).

    Only the lengths of the strings are kept, not the strings.
    """
    if not 1 <= bits <= 11:
        return 0
    clear, end = 1 << bits, (1 << bits) + 1
    lengths = [1] * clear + [0, 0]
    size, given, before = bits + 1, 0, 0
    held, have = 0, 0
    for byte in data:
        held |= byte << have
        have += 8
        while have >= size:
            code = held & ((1 << size) - 1)
            held >>= size
            have -= size
            if code == clear:
                del lengths[end + 1 :]
                size, before = bits + 1, 0
                continue
            if code == end or code > len(lengths) or (code == len(lengths) and not before):
                return given
            if before and len(lengths) < 4096:
                lengths.append(before + 1)
                if len(lengths) == 1 << size and size < 12:
                    size += 1
            if code >= len(lengths):
                return given
            before = lengths[code]
            given += before
            if given >= wanted:
                return given
    return given
