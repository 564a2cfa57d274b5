"""The text that our masks carry in their files, read without decoding a pixel."""

import html
import json
import logging
import re
import struct
from pathlib import Path
from typing import Any, BinaryIO

import tifffile

from napari_matssl.files import check_regular
from napari_matssl.micrograph.tiff_directories import STARTS

_LOG = logging.getLogger(__name__)

KEY = "napari-matssl"
"""Keyword of the text chunk in PNGs."""

_PNG = b"\x89PNG\r\n\x1a\n"
_LONGEST = 1 << 20  # bytes; longer texts aren't ours
_MOST_CHUNKS = 1000  # chunks before the pixels; other programs write ten at most
_IMAGEJ_NOTES = 50839
_LONGEST_XML = 1 << 22  # characters


def read_mask_text(path: Path) -> str:
    """Read the text that our masks carry; empty for all other files, odd and missing ones too."""
    try:
        check_regular(path)  # reading a pipe might never end
        with path.open("rb") as file:
            start = file.read(8)
            if start == _PNG:
                return _png_text(file)
        if not start.startswith(STARTS):
            return ""
        with tifffile.TiffFile(path) as tiff:
            return _tiff_text(tiff)
    except Exception:  # noqa: BLE001 - parsers of foreign files raise anything
        _LOG.debug("%s has no text that can be read", path, exc_info=True)
        return ""


def own_facts(text: str) -> dict[str, Any]:
    """Parse the text of a mask; empty where it is none of ours."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _png_text(file: BinaryIO) -> str:
    """Read our text chunk, which stands before the pixels; no other is looked into."""
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8 or head[4:] in (b"IDAT", b"IEND"):
            break
        (length,) = struct.unpack(">I", head[:4])
        if head[4:] == b"iTXt" and length <= _LONGEST:
            keyword, _, rest = file.read(length).partition(b"\0")
            if keyword == KEY.encode() and rest[:1] == b"\0":  # not compressed
                # A second byte names the compression; language and translation end in a 0 each.
                return rest[2:].split(b"\0", 2)[-1].decode()
            length = 0
        file.seek(length + 4, 1)
    return ""


def _tiff_text(tiff: tifffile.TiffFile) -> str:
    """Read the notes that ImageJ shows as the image's info, or OME's description, if ours."""
    described = str(tiff.pages.first.description or "")[:_LONGEST_XML]
    if "<OME" in described[:2000]:
        found = re.search(r"<Description>(.*?)</Description>", described, re.DOTALL)
        return html.unescape(found[1]) if found and len(found[1]) <= _LONGEST else ""
    tag = tiff.pages.first.tags.get(_IMAGEJ_NOTES)
    if tag is None or tag.count > 2 * _LONGEST:
        return ""
    notes = tag.value
    text = notes.get("Info") if isinstance(notes, dict) else None
    return text if isinstance(text, str) and len(text) <= _LONGEST else ""
