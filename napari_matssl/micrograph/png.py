"""Open PNG files: keep what belongs to the picture, drop everything else."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from napari_matssl.micrograph.bounds import check_extent
from napari_matssl.micrograph.damage import damaged, rows_missing
from napari_matssl.micrograph.metadata import fact
from napari_matssl.micrograph.orientation import of_exif

START = b"\x89PNG\r\n\x1a\n"
"""First bytes of every PNG."""

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PASSES = (  # interlacing: first column and row, steps
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_MOST_CHUNKS = 1 << 20
_LONGEST_NOTE = 1 << 16  # longest EXIF or XMP that is read, bytes
_XMP = b"XML:com.adobe.xmp\0"
_PROFILE = b"Raw profile type "
_PIECE = 1 << 20


@dataclass(frozen=True)
class Png:
    """A PNG whose pixels are all there.

    Parameters
    ----------
    raw
        The file reduced to what its pixels need.
    bits, kind
        Bits per sample and colour type.
    orientation
        As EXIF has it.
    frames
        Pictures of an animation; 1 if it is none.
    """

    raw: bytes
    bits: int
    kind: int
    orientation: int
    frames: int


def read_png(path: Path, label: bool) -> Png:
    """Read a PNG file, and check that its pixels are there.

    Raises
    ------
    InputError
        If it is damaged, or too large.
    """
    raw = path.read_bytes()
    kept: list[bytes | memoryview] = []
    header, exif, xmp, frames = b"", b"", b"", 1
    data: list[memoryview] = []
    sound = True
    for kind, body, whole, is_sound in _chunks(path, raw):
        sound &= is_sound
        if kind == b"IHDR" and not header:
            header = bytes(body)
        elif kind == b"acTL" and len(body) == 8:
            frames = struct.unpack(">I", body[:4])[0]
        elif kind == b"eXIf" and len(body) <= _LONGEST_NOTE:
            exif = bytes(body)
        elif kind in (b"tEXt", b"zTXt", b"iTXt") and len(body) <= _LONGEST_NOTE:
            noted = bytes(body)
            exif = exif or fact(partial(_profile, noted)) or b""
            xmp = noted if noted.startswith(_XMP) else xmp
        if kind == b"IDAT":
            data.append(body)
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT"):
            kept.append(whole)
    if len(header) != 13 or not data:
        raise damaged(path, "its header or its pixels are missing")
    width, height, bits, kind = struct.unpack(">IIBB", header[:10])
    interlaced = header[12]
    if kind not in _CHANNELS or bits not in (1, 2, 4, 8, 16) or header[10:12] != b"\0\0":
        raise damaged(path, "its header makes no sense")
    check_extent(path, width, height, _CHANNELS[kind] * max(bits, 8) / 8, len(raw), label)
    _check_rows(path, data, width, height, bits * _CHANNELS[kind], interlaced, sound)
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    return Png(START + b"".join(kept) + end, bits, kind, of_exif(exif, xmp), frames)


def _chunks(path: Path, raw: bytes) -> Iterator[tuple[bytes, memoryview, memoryview, bool]]:
    """Walk kind, content and whole of each chunk, and whether its sum is right.

    What stands beside the pixels is passed over if it isn't; broken pixels end the walk.
    """
    view, place = memoryview(raw), len(START)
    for _ in range(_MOST_CHUNKS):
        if place + 12 > len(raw):
            return
        length, kind = struct.unpack_from(">I4s", raw, place)
        if kind == b"IEND":
            return
        end = place + 12 + length
        body = view[place + 8 : min(end - 4, len(raw))]
        needed = kind[:1].isupper()
        sound = end <= len(raw) and zlib.crc32(view[place + 4 : end - 4]) == int.from_bytes(
            view[end - 4 : end]
        )
        if needed and not sound and kind != b"IDAT":
            raise damaged(path, f"its {kind.decode('latin-1')} part is broken")
        if sound or kind == b"IDAT":
            yield kind, body, view[place:end], sound
        if needed and not sound:
            return  # the caller counts the rows up to here
        place = end
    raise damaged(path, f"it has more than {_MOST_CHUNKS:,} parts")


def _check_rows(
    path: Path,
    data: list[memoryview],
    width: int,
    height: int,
    bits: int,
    interlaced: int,
    sound: bool,
) -> None:
    """Count the bytes that the compressed pixels give, without keeping them."""
    row = 1 + (width * bits + 7) // 8
    wanted = _interlaced_bytes(width, height, bits) if interlaced else row * height
    given = min(_inflated_bytes(data, wanted), wanted if sound else wanted - 1)
    if given >= wanted:
        return
    if interlaced:
        raise damaged(path, f"it holds {100 * given // wanted} % of its pixels")
    raise rows_missing(path, given // row, height)


def _interlaced_bytes(width: int, height: int, bits: int) -> int:
    total = 0
    for x, y, dx, dy in _PASSES:
        columns, rows = -(-(width - x) // dx), -(-(height - y) // dy)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total


def _inflated_bytes(data: list[memoryview], wanted: int) -> int:
    """Count what comes out, up to a broken place."""
    inflate, given = zlib.decompressobj(), 0
    try:
        for piece in data:
            given += len(inflate.decompress(piece, _PIECE))
            while inflate.unconsumed_tail and given < wanted:
                given += len(inflate.decompress(inflate.unconsumed_tail, _PIECE))
            if given >= wanted or inflate.eof:
                break
    except zlib.error:
        return min(given, wanted - 1)
    return given


def _profile(text: bytes) -> bytes:
    """EXIF that ImageMagick writes as text, in hexadecimal digits, packed or not."""
    if not text.startswith((_PROFILE + b"exif\0", _PROFILE + b"APP1\0")):
        return b""
    value = text.split(b"\0", 1)[1]
    if value[:1] == b"\0":  # compressed
        value = zlib.decompressobj().decompress(value[1:], _LONGEST_NOTE)
    return bytes.fromhex("".join(value.decode("latin-1").split("\n")[3:])).removeprefix(b"Exif\0\0")
