"""What an image file and the text files beside it say about the image, before it is interpreted.

Nothing here raises over odd metadata; what can't be understood is left empty.
"""

import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tifffile

_LOG = logging.getLogger(__name__)

_ZEISS, _OLYMPUS, _TESCAN = 34118, 33560, 50431
_SIDECAR_BYTES = 1 << 20  # no microscope writes longer ones; a table of results may be longer


@dataclass(frozen=True)
class FileMetadata:
    """What an image file and the text files beside it say, each empty where it says nothing.

    Parameters
    ----------
    fei
        Sections of the FEI/Thermo tags, such as ``fei["Scan"]["PixelWidth"]``.
    zeiss
        Entries of the ZEISS SEM tag: ``(name, value, unit)`` or ``(name, value)``.
    tescan
        Text of the TESCAN tag, else of the ``.hdr`` file.
    sidecar
        Text of the ``.txt`` file of the same stem, as JEOL and Hitachi write it.
    olympus
        Fields of the Olympus SIS tag.
    imagej
        ImageJ's description.
    resolution
        The TIFF's pixels per unit, across and down; it has a meaning only together with `imagej`.
    ome
        The OME-XML.
    """

    fei: Mapping[str, Any] = field(default_factory=dict)
    zeiss: Mapping[str, Any] = field(default_factory=dict)
    tescan: str = ""
    sidecar: str = ""
    olympus: Mapping[str, Any] = field(default_factory=dict)
    imagej: Mapping[str, Any] = field(default_factory=dict)
    resolution: tuple[float, float] = (0.0, 0.0)
    ome: str = ""

    def fei_number(self, section: str, key: str) -> float | None:
        """Return a positive number from a section of the FEI tags, else None."""
        entries = self.fei.get(section)
        return positive(entries.get(key)) if isinstance(entries, Mapping) else None

    def tescan_number(self, key: str) -> float | None:
        """Return a positive number from the TESCAN text, else None."""
        return positive(entry(rf"\b{key}\s*=\s*", self.tescan))

    @property
    def jeol_size(self) -> tuple[float, float] | None:
        """Width and height in px of the image when it was taken by a JEOL, without its bar."""
        found = re.search(r"^\$+CM_FULL_SIZE\s+(\S+)[ \t,x]+(\S+)", self.sidecar, re.MULTILINE)
        width, height = map(positive, found.groups()) if found else (None, None)
        return None if width is None or height is None else (width, height)


def read_metadata(path: Path, tiff: tifffile.TiffFile | None = None) -> FileMetadata:
    """Collect what an image file and the text files beside it say.

    Parameters
    ----------
    path
        The image.
    tiff
        The same file, open, if it is a TIFF.
    """
    tescan = _read_beside(path, _header_names(path))
    sidecar = _read_beside(path, (f"{path.stem}{suffix}" for suffix in (".txt", ".TXT", ".Txt")))
    if tiff is None:
        return FileMetadata(tescan=tescan, sidecar=sidecar)
    tag = fact(lambda: _as_text(tiff.pages.first.tags.valueof(_TESCAN))) or ""
    return FileMetadata(
        fei=_mapping(lambda: tiff.fei_metadata),
        zeiss=_mapping(lambda: tiff.pages.first.tags.valueof(_ZEISS)),
        tescan=tag if "PixelSize" in tag else tescan,
        sidecar=sidecar,
        olympus=_mapping(lambda: tiff.pages.first.tags.valueof(_OLYMPUS))
        or _mapping(lambda: _second_page_tag(tiff, _OLYMPUS)),
        imagej=_mapping(lambda: tiff.imagej_metadata),
        resolution=fact(lambda: _resolution(tiff)) or (0.0, 0.0),
        ome=fact(lambda: tiff.ome_metadata) or "",
    )


@contextmanager
def tifffile_silenced() -> Iterator[None]:
    """Keep tifffile's log quiet: what is wrong with a file is told by the errors."""
    silence = _Silence()
    logger = logging.getLogger("tifffile")
    logger.addFilter(silence)
    try:
        yield
    finally:
        logger.removeFilter(silence)


def positive(value: object) -> float | None:
    """Return a positive finite number, given as one or as text; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def entry(key: str, text: str, value: str = r"[-+.\deE]+") -> str | None:
    """Find what follows a key, both given as patterns; None where the key isn't there."""
    found = re.search(f"{key}({value})", text, re.MULTILINE)
    return found[1].strip() if found else None


def fact(ask: Callable[[], Any]) -> Any:
    """Ask for something that odd metadata may make impossible to tell; None if so."""
    try:
        return ask()
    except Exception:  # noqa: BLE001 - parsers of files that anybody wrote raise anything
        _LOG.debug("metadata that can't be understood", exc_info=True)
        return None


class _Silence(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return False


def _second_page_tag(tiff: tifffile.TiffFile, code: int) -> Any:
    page = tiff.pages[1] if len(tiff.pages) > 1 else None
    return page.tags.valueof(code) if isinstance(page, tifffile.TiffPage) else None


def _resolution(tiff: tifffile.TiffFile) -> tuple[float, float]:
    values = (tiff.pages.first.tags.valueof(tag) for tag in ("XResolution", "YResolution"))
    x, y = (above / below if below else 0.0 for above, below in values)
    return x, y


def _header_names(path: Path) -> Iterator[str]:
    """TESCAN puts the format of the image into the name: ``a.tif`` has ``a-tif.hdr``."""
    kinds = dict.fromkeys((path.suffix[1:], "tif", "png", "jpg", "bmp"))
    yield from (f"{path.stem}-{kind}.hdr" for kind in kinds)
    yield f"{path.stem}.hdr"


def _read_beside(path: Path, names: Iterator[str]) -> str:
    """Read the first of some text files that there is, ``""`` if there is none."""
    for name in names:
        beside = path.with_name(name)
        try:
            if beside != path and beside.is_file():
                with beside.open("rb") as file:
                    return _decoded(file.read(_SIDECAR_BYTES))
        except OSError as error:
            _LOG.debug("%s can't be read: %s", beside, error)
    return ""


def _decoded(raw: bytes) -> str:
    """Hitachi writes UTF-16, with or without a mark; older ones write the PC's own encoding."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    if b"\0" in raw[:2]:
        return raw.decode("utf-16-le" if raw[1:2] == b"\0" else "utf-16-be", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _as_text(value: object) -> str:
    """Decode a tag; TESCAN puts a small picture before the text."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value or "")


def _mapping(ask: Callable[[], Any]) -> Mapping[str, Any]:
    answer = fact(ask)
    return answer if isinstance(answer, Mapping) else {}
