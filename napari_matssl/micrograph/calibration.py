"""The size of a pixel, from what the microscope's software wrote into or beside the image.

A plain TIFF resolution is never taken for a calibration: it is a leftover of screens and printers
(72, 96, 314 dpi). Nothing here raises over odd metadata; what isn't understood doesn't count.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import tifffile

from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.metadata import (
    FileMetadata,
    entry,
    fact,
    positive,
    read_metadata,
    tifffile_silenced,
)

# Inches and centimetres are left out: ImageJ takes them over from the resolution of a printer.
_UM = {"mm": 1e3, "um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0}
_UM |= {"m": 1e6, "nm": 1e-3, "a": 1e-4, "å": 1e-4, "angstrom": 1e-4, "pm": 1e-6, "fm": 1e-9}


def read_pixel_size(path: Path, width: int) -> PixelSize | None:
    """Read the size of a pixel of an image file.

    Parameters
    ----------
    path
        The image; text files that the microscope wrote beside it count too.
    width
        Width of the image in px, at least 1. Some microscopes write the width of the whole field.

    Returns
    -------
    None if the image isn't calibrated, or is no readable image.
    """
    with tifffile_silenced():
        tiff = fact(lambda: tifffile.TiffFile(path))
        if tiff is None:
            return pixel_size_in(read_metadata(path), width)
        with tiff:
            return pixel_size_in(read_metadata(path, tiff), width)


def pixel_size_in(metadata: FileMetadata, width: int) -> PixelSize | None:
    """Find the size of a pixel in what a file says; the first source that states one counts.

    Parameters
    ----------
    metadata
        What the file says.
    width
        Width of the image in px.
    """
    for read in (_fei, _zeiss, _tescan, _jeol, _hitachi, _olympus, _imagej, _ome):
        size = read(metadata, width)
        if size is not None:
            return size
    return None


def _fei(metadata: FileMetadata, width: int) -> PixelSize | None:
    """Metres, by the scan; camera images have none, but the width of their field."""
    beam = metadata.fei.get("Beam")
    active = [str(beam.get(key)) for key in ("Scan", "Beam")] if isinstance(beam, Mapping) else []
    scans = [name for name in metadata.fei if name.endswith("Scan")]
    for section in ("Scan", *active, *(scans if len(scans) == 1 else ())):
        x = metadata.fei_number(section, "PixelWidth")
        if x is not None:
            y = metadata.fei_number(section, "PixelHeight")
            return _size(x, y, 1e6, f"FEI metadata ({section}.PixelWidth)")
    pixels = metadata.fei_number("Image", "ResolutionX") or width
    for section in (*active, *metadata.fei):
        for key in ("HorFieldsize", "HFW"):
            field_width = metadata.fei_number(section, key)
            if field_width is not None:
                source = f"FEI metadata ({section}.{key} / width of the image)"
                return _size(field_width / pixels, None, 1e6, source)
    return None


def _zeiss(metadata: FileMetadata, width: int) -> PixelSize | None:
    """``AP_PIXEL_SIZE`` isn't used: it is the pixel of the display, not of the stored image."""
    size = _zeiss_um(metadata.zeiss.get("ap_image_pixel_size"))
    if size is not None:
        return _size(size, None, 1, "ZEISS metadata (AP_IMAGE_PIXEL_SIZE)")
    field_width = _zeiss_um(metadata.zeiss.get("ap_width"))
    if field_width is not None:
        source = "ZEISS metadata (AP_WIDTH / width of the image)"
        return _size(field_width / width, None, 1, source)
    return None


def _tescan(metadata: FileMetadata, width: int) -> PixelSize | None:
    """Metres."""
    x, y = metadata.tescan_number("PixelSizeX"), metadata.tescan_number("PixelSizeY")
    return _size(x, y, 1e6, "TESCAN metadata (PixelSizeX)")


def _jeol(metadata: FileMetadata, width: int) -> PixelSize | None:
    """Length of the scale bar over its pixels; both count pixels of the image as it was taken."""
    full = metadata.jeol_size
    shrunk = full[0] / width if full is not None else 1.0
    bar = positive(entry(r"^\$+SM_MICRON_BAR\s+", metadata.sidecar))
    length = _length_um(entry(r"^\$+SM_MICRON_MARKER\s+", metadata.sidecar, r"[^\r\n]+"))
    if bar is not None and length is not None:
        source = "JEOL text file (SM_MICRON_MARKER / SM_MICRON_BAR)"
        return _size(length / bar, None, shrunk, source)
    stated = _length_um(entry(r"^\$+CM_PIXEL_SIZE\s+", metadata.sidecar, r"[^\r\n]+"), "nm")
    return _size(stated, None, shrunk, "JEOL text file (CM_PIXEL_SIZE)")


def _hitachi(metadata: FileMetadata, width: int) -> PixelSize | None:
    """Nanometres."""
    section = re.search(r"^\[SemImageFile\]\s*$([^\[]*)", metadata.sidecar, re.MULTILINE)
    nm = positive(entry(r"^PixelSize\s*=\s*", section[1])) if section else None
    return _size(nm, None, 1e-3, "Hitachi text file (PixelSize)")


def _olympus(metadata: FileMetadata, width: int) -> PixelSize | None:
    """Metres."""
    x, y = (positive(metadata.olympus.get(f"pixelsize{axis}")) for axis in "xy")
    return _size(x, y, 1e6, "Olympus SIS metadata (pixel size)")


def _imagej(metadata: FileMetadata, width: int) -> PixelSize | None:
    """Pixels per unit; without a unit of length they mean nothing."""
    x, y = (positive(n) for n in metadata.resolution)
    unit = metadata.imagej.get("unit")
    um = _unit_um(unit)
    if um is None or x is None:
        return None
    return _size(1 / x, 1 / y if y is not None else None, um, f"ImageJ metadata (unit {unit})")


def _ome(metadata: FileMetadata, width: int) -> PixelSize | None:
    """Micrometres unless it says otherwise."""
    root = fact(lambda: ElementTree.fromstring(metadata.ome)) if metadata.ome else None
    pixels = None if root is None else root.find(".//{*}Pixels")
    if pixels is None:
        return None
    sizes = []
    for axis in "XY":
        size = positive(pixels.get(f"PhysicalSize{axis}"))
        um = _unit_um(pixels.get(f"PhysicalSize{axis}Unit", "um"))
        sizes.append(None if size is None or um is None else size * um)
    return _size(sizes[0], sizes[1], 1, "OME metadata (PhysicalSizeX)")


def _size(x: float | None, y: float | None, um: float, source: str) -> PixelSize | None:
    """Make a pixel size of two lengths of `um` micrometres each, or of one for square pixels."""
    x_um = positive(x * um) if x is not None else None
    if x_um is None:
        return None
    return PixelSize(x_um, (positive(y * um) if y is not None else None) or x_um, source)


def _zeiss_um(entry: object) -> float | None:
    if not isinstance(entry, tuple) or len(entry) < 3:
        return None
    number, um = positive(entry[1]), _unit_um(entry[2])
    return None if number is None or um is None else number * um


def _length_um(text: str | None, usual: str = "") -> float | None:
    """Understand ``5um``, ``200 nm`` and, where there is a `usual` unit, ``12.5``."""
    found = re.fullmatch(r"([-+.\deE]+)\s*(\S*)", text) if text else None
    if found is None:
        return None
    number, um = positive(found[1]), _unit_um(found[2] or usual)
    return None if number is None or um is None else number * um


def _unit_um(unit: object) -> float | None:
    """Micrometres in a unit of length; ImageJ writes the micro sign as an escape."""
    if not isinstance(unit, str):
        return None
    plain = re.sub(r"\\u00b5|\\u03bc|[µμ]", "u", unit.strip(), flags=re.IGNORECASE)
    return _UM.get(plain.lower())
