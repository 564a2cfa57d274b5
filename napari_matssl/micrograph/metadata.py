"""Metadata of an image from its file and the text files beside it, not interpreted yet.

Nothing here raises over odd metadata; what can't be understood is left empty.
"""

import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tifffile

from napari_matssl.micrograph.mask_text import read_mask_text

_LOG = logging.getLogger(__name__)

OLYMPUS_SIS = 33560
"""Code of the tag of Olympus software."""

_FEI, _ZEISS, _TESCAN, _FIBICS, _TVIPS = (34680, 34682), 34118, 50431, 51023, 37706
_GATAN_UNITS, _GATAN_SIZES = (65003, 65004), (65009, 65010)

VENDOR_TAGS = frozenset({*_FEI, _ZEISS, _TESCAN, _FIBICS, _TVIPS, OLYMPUS_SIS, _GATAN_SIZES[0]})
"""Codes of the tags by which a page is known for a microscope's."""

_OF_EDITORS = (269, 318)
"""Codes of tags (name, white point) that image editors write, but no microscope and no ImageJ."""

_SIDECAR_BYTES = 1 << 20  # microscopes write shorter ones; a table of results may be longer
_LONGEST_TAG = 1 << 22  # bytes
_LONGEST_DESCRIPTION = 1 << 25  # characters, enough for the XML of a long series


@dataclass(frozen=True)
class FileMetadata:
    """Metadata from an image file and the text files beside it, each empty where missing.

    Parameters
    ----------
    fei
        Sections of the FEI/Thermo tags, such as ``fei["Scan"]["PixelWidth"]``.
    zeiss
        Text of the ZEISS SEM tag: a line with the key of an entry, a line with its value.
    tescan
        Text of the TESCAN tag, else of the ``.hdr`` file.
    sidecar
        Text of the ``.txt`` file of the same stem, as JEOL and Hitachi write it.
    olympus
        Fields of the Olympus SIS tag.
    fibics
        XML of ZEISS's Atlas engine (Fibics).
    gatan
        Unit and number, across and down, as DigitalMicrograph writes them.
    tvips
        Fields of the TVIPS tag.
    description
        The image's description, with JEOL's XML or Hitachi's text.
    imagej
        ImageJ's description of the file.
    edited
        Whether another program has written it again, with whatever is left of the metadata.
    resolution
        The TIFF's pixels per unit, across and down; it has a meaning only together with `imagej`
        or a magnification.
    unit
        Of `resolution`: 2 for inches, 3 for centimetres.
    ome
        The OME-XML of the file.
    page, size
        Index of the page that all this is about, width and height of its image in px, as stored.
    orientation
        Which way up that is, as the TIFF tag has it.
    own
        The text that our masks carry.
    """

    fei: Mapping[str, Any] = field(default_factory=dict)
    zeiss: str = ""
    tescan: str = ""
    sidecar: str = ""
    olympus: Mapping[str, Any] = field(default_factory=dict)
    fibics: str = ""
    gatan: tuple[tuple[str, float], ...] = ()
    tvips: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    imagej: Mapping[str, str] = field(default_factory=dict)
    edited: bool = False
    resolution: tuple[float, float] = (0.0, 0.0)
    unit: int = 0
    ome: str = ""
    page: int = 0
    size: tuple[int, int] = (0, 0)
    orientation: int = 1
    own: str = ""

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
        found = re.search(
            r"^\$+CM_FULL_SIZE[ \t]+([\d.]{1,20})[ \t,x]+([\d.]{1,20})", self.sidecar, re.MULTILINE
        )
        width, height = map(positive, found.groups()) if found else (None, None)
        return None if width is None or height is None else (width, height)


def read_metadata(
    path: Path,
    page: tifffile.TiffPage | None = None,
    index: int = 0,
    others: Sequence[tifffile.TiffPage] = (),
) -> FileMetadata:
    """Collect the metadata of an image file and the text files beside it.

    Parameters
    ----------
    path
        The image.
    page
        The page whose pixels are taken, if it is a TIFF.
    index
        Of that page.
    others
        More pages. They count for metadata of the whole file only: ImageJ's and OME's
        descriptions on the first (ImageJ's if it is of one size), and Olympus's tag on a thumbnail.
    """
    tescan = _read_beside(path, _header_names(path))
    sidecar = _read_beside(path, (f"{path.stem}{suffix}" for suffix in (".txt", ".TXT", ".Txt")))
    if page is None:
        return FileMetadata(tescan=tescan, sidecar=sidecar, own=read_mask_text(path))
    first = next((one for one in others if one.index == 0), page)
    smaller = [one for one in others if math.prod(_size(one)) < math.prod(_size(page))]
    tag = _text(page, _TESCAN)
    heading, alike = _description(first), _size(first) == _size(page)
    return FileMetadata(
        fei=_tag(page, _FEI[0]) or _tag(page, _FEI[1]),
        zeiss=_raw_text(page, _ZEISS),
        tescan=tag if "PixelSize" in tag else tescan,
        sidecar=sidecar,
        olympus=next(filter(None, (_tag(one, OLYMPUS_SIS) for one in (page, *smaller))), {}),
        fibics=_text(page, _FIBICS),
        gatan=fact(lambda: _gatan(page)) or (),
        tvips=_tag(page, _TVIPS),
        description=_description(page),
        imagej=imagej_entries(_description(page)) or (imagej_entries(heading) if alike else {}),
        edited=any(page.tags.get(code) is not None for code in _OF_EDITORS),
        resolution=fact(lambda: _resolution(page))
        or (fact(lambda: _resolution(first)) if alike else None)
        or (0.0, 0.0),
        unit=fact(lambda: int(page.tags.valueof(296, 2))) or 0,
        ome=heading if "<OME" in heading[:2000] or ":OME" in heading[:2000] else "",
        page=index,
        size=_size(page),
        orientation=fact(lambda: int(page.tags.valueof(274, 1))) or 1,
    )


def imagej_entries(description: str) -> dict[str, str]:
    """Read the entries of the description that ImageJ writes; empty if it is another's."""
    if not description.startswith("ImageJ="):
        return {}
    lines = (line.partition("=") for line in description[:_LONGEST_TAG].splitlines())
    return {key.strip(): value.strip() for key, equals, value in lines if equals}


def positive(value: object) -> float | None:
    """Return a positive finite number from a number or a text; None for all else.

    A text may have a decimal comma, as programs write it under German or French settings.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(with_point(value) if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def with_point(number: str) -> str:
    """Write a decimal comma as a point; what has several signs is no number afterwards either."""
    return re.sub(r"(?<=\d),(?=\d)", ".", number)


def entry(key: str, text: str, value: str = r"[-+.\deE]+(?:,[-+.\deE]+)*") -> str | None:
    """Find what follows a key, both given as patterns; None where the key isn't there."""
    found = re.search(f"{key}({value})", text, re.MULTILINE)
    return found[1].strip() if found else None


def fact(ask: Callable[[], Any]) -> Any:
    """Evaluate something that odd metadata may make impossible; None if so."""
    try:
        return ask()
    except Exception:  # noqa: BLE001 - parsers of foreign files raise anything
        _LOG.debug("metadata that can't be understood", exc_info=True)
        return None


def _size(page: tifffile.TiffPage) -> tuple[int, int]:
    """Width and height in px."""
    return page.imagewidth, page.imagelength


def _description(page: tifffile.TiffPage) -> str:
    return str(page.description or "")[:_LONGEST_DESCRIPTION]


def _tag(page: tifffile.TiffPage, code: int) -> Mapping[str, Any]:
    answer = fact(lambda: _bounded(page, code))
    return answer if isinstance(answer, Mapping) else {}


def _bounded(page: tifffile.TiffPage, code: int) -> Any:
    """Read a tag, unless it is longer than any microscope writes."""
    tag = page.tags.get(code)
    return None if tag is None or tag.valuebytecount > _LONGEST_TAG else tag.value


def _raw_text(page: tifffile.TiffPage, code: int) -> str:
    """Read the text of a tag that tifffile would read line by line, each time from the start."""
    tag = page.tags.get(code)
    if tag is None or tag.valuebytecount > _LONGEST_TAG:
        return ""
    handle = page.parent.filehandle
    handle.seek(tag.valueoffset)
    return _decoded(handle.read(tag.valuebytecount))


def _text(page: tifffile.TiffPage, code: int) -> str:
    """Decode a tag; TESCAN puts a small picture before the text."""
    value = fact(lambda: _bounded(page, code))
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value or "")
    return text


def _gatan(page: tifffile.TiffPage) -> tuple[tuple[str, float], ...]:
    units = (str(page.tags.valueof(code) or "") for code in _GATAN_UNITS)
    sizes = (float(page.tags.valueof(code)) for code in _GATAN_SIZES)
    return tuple(zip(units, sizes, strict=True))


def _resolution(page: tifffile.TiffPage) -> tuple[float, float]:
    values = (page.tags.valueof(tag) for tag in ("XResolution", "YResolution"))
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
