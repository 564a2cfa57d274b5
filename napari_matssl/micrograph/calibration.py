"""The size of a pixel, from what the microscope's software wrote into or beside the image.

A plain TIFF resolution is never taken for a calibration: it is a leftover of screens and printers
(72, 96, 314 dpi). Nothing here raises over odd metadata; what isn't understood doesn't count.
"""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from napari_matssl.micrograph.decoding import metadata_of
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.lengths import length_um, unit_um
from napari_matssl.micrograph.mask_text import own_facts
from napari_matssl.micrograph.metadata import FileMetadata, entry, positive, with_point
from napari_matssl.micrograph.ome import ome_pixels
from napari_matssl.micrograph.orientation import transposes
from napari_matssl.micrograph.size_doubts import (
    comma_doubt,
    doubts,
    edited_doubt,
    hitachi_width,
    is_jeol_scaled,
    scaled_doubt,
    width_doubt,
    zeiss_width,
)


def read_pixel_size(path: Path, width: int, height: int) -> PixelSize | None:
    """Read the size of a pixel of an image file.

    Parameters
    ----------
    path
        The image; text files that the microscope wrote beside it count too.
    width, height
        Of the image in px, at least 1. Some microscopes write the width of the whole field.

    Returns
    -------
    None if the image isn't calibrated, or is no readable image.
    """
    return next(iter(read_pixel_sizes(path, width, height)), None)


def read_pixel_sizes(
    path: Path, width: int, height: int, page: int | None = None
) -> tuple[PixelSize, ...]:
    """Read all that an image file, and text files beside it, have as the size of a pixel.

    Parameters
    ----------
    path, width, height
        As for :func:`read_pixel_size`.
    page
        Which image of a file that holds several, from 1.

    Returns
    -------
    One per source that has a size; the first counts.
    """
    metadata = metadata_of(path, page)
    if not transposes(metadata.orientation):
        return tuple(pixel_sizes_in(metadata, width, height))
    return tuple(size.transposed for size in pixel_sizes_in(metadata, *metadata.size))


def pixel_size_in(metadata: FileMetadata, width: int, height: int) -> PixelSize | None:
    """Find the size of a pixel in metadata of an image of this size; the first source counts."""
    return next(pixel_sizes_in(metadata, width, height), None)


def pixel_sizes_in(metadata: FileMetadata, width: int, height: int) -> Iterator[PixelSize]:
    """Yield what each source in the metadata has as the size of a pixel; the first counts."""
    for read in _SOURCES:
        size = read(metadata, width, height)
        if size is not None:
            yield size


def _own(metadata: FileMetadata, width: int, height: int) -> PixelSize | None:
    """Our masks have the pixel size of their micrographs."""
    return own_pixel_size(metadata.own, width)


def own_pixel_size(text: str, width: int | None = None) -> PixelSize | None:
    """Read the pixel size from the text that a mask of ours carries.

    Parameters
    ----------
    text
        As JSON.
    width
        Of the mask now, px; None doesn't doubt that it is the one that was written.
    """
    data = own_facts(text)
    sides = data.get("pixel_size_um")
    if not isinstance(sides, list) or len(sides) != 2:
        return None
    x, y = map(positive, sides)
    source = str(data.get("pixel_size_source") or "napari-matssl")
    written = data.get("width_px")
    doubt = width_doubt(written, width) if width and isinstance(written, int) else ""
    return None if x is None or y is None else PixelSize(x, y, source, doubt)


def _fei(metadata: FileMetadata, width: int, height: int) -> PixelSize | None:
    """Metres, by the scan; camera images have none, but the width of their field."""
    taken = metadata.fei_number("Image", "ResolutionX") or width
    doubt = width_doubt(taken, width)
    beam = metadata.fei.get("Beam")
    active = [str(beam.get(key)) for key in ("Scan", "Beam")] if isinstance(beam, Mapping) else []
    scans = [name for name in metadata.fei if name.endswith("Scan")]
    for section in ("Scan", *active, *(scans if len(scans) == 1 else ())):
        x = metadata.fei_number(section, "PixelWidth")
        if x is not None:
            y = metadata.fei_number(section, "PixelHeight")
            return _size(x, y, 1e6, f"FEI metadata ({section}.PixelWidth)", doubt)
    for section in (*active, *metadata.fei):
        for key in ("HorFieldsize", "HFW"):
            field_width = metadata.fei_number(section, key)
            if field_width is not None:
                source = f"FEI metadata ({section}.{key} / width of the image)"
                return _size(field_width / taken, None, 1e6, source, doubt)
    return None


def _zeiss(metadata: FileMetadata, width: int, height: int) -> PixelSize | None:
    """``AP_PIXEL_SIZE`` isn't used: it is the pixel of the display, not of the stored image."""
    taken = zeiss_width(metadata) or width
    doubt = width_doubt(taken, width)
    stated = _zeiss_text(metadata.zeiss, "AP_IMAGE_PIXEL_SIZE")
    size = length_um(stated)
    if size is not None:
        source = "ZEISS metadata (AP_IMAGE_PIXEL_SIZE)"
        return _size(size, None, 1, source, doubts(doubt, comma_doubt(stated)))
    stated = _zeiss_text(metadata.zeiss, "AP_WIDTH")
    field_width = length_um(stated)
    if field_width is not None:
        source = "ZEISS metadata (AP_WIDTH / width of the image)"
        return _size(field_width / taken, None, 1, source, doubts(doubt, comma_doubt(stated)))
    return None


def _tescan(metadata: FileMetadata, width: int, height: int) -> PixelSize | None:
    """Metres."""
    x, y = metadata.tescan_number("PixelSizeX"), metadata.tescan_number("PixelSizeY")
    return _size(x, y, 1e6, "TESCAN metadata (PixelSizeX)")


def _jeol(metadata: FileMetadata, width: int, height: int) -> PixelSize | None:
    """Length of the scale bar over its pixels; both count pixels of the image as it was taken."""
    full = metadata.jeol_size
    shrunk, doubt = 1.0, ""
    if full is not None and is_jeol_scaled(full, width, height):
        shrunk, doubt = full[0] / width, scaled_doubt(full[0], width)
    elif full is not None:
        doubt = width_doubt(full[0], width)
    pixels = entry(r"^\$+SM_MICRON_BAR\s+", metadata.sidecar)
    marker = entry(r"^\$+SM_MICRON_MARKER\s+", metadata.sidecar, r"[^\r\n]+")
    bar, length = positive(pixels), length_um(marker)
    if bar is not None and length is not None:
        source = "JEOL text file (SM_MICRON_MARKER / SM_MICRON_BAR)"
        doubt = doubts(doubt, comma_doubt(pixels, marker))
        return _size(length / bar, None, shrunk, source, doubt)
    stated = entry(r"^\$+CM_PIXEL_SIZE\s+", metadata.sidecar, r"[^\r\n]+")
    source, doubt = "JEOL text file (CM_PIXEL_SIZE)", doubts(doubt, comma_doubt(stated))
    return _size(length_um(stated, "nm"), None, shrunk, source, doubt)


def _hitachi(metadata: FileMetadata, width: int, height: int) -> PixelSize | None:
    """Nanometres; in a text file, or in the description of the image."""
    section = re.search(r"^\[SemImageFile\]\s*$([^\[]*)", metadata.sidecar, re.MULTILINE)
    if section is not None:
        stated = entry(r"^PixelSize\s*=\s*", section[1])
        if (nm := positive(stated)) is not None:
            doubt = doubts(width_doubt(hitachi_width(section[1]), width), comma_doubt(stated))
            return _size(nm, None, 1e-3, "Hitachi text file (PixelSize)", doubt)
    if not re.search(r"^[ \t]*(MachineNo|InstructName)[ \t]*=", metadata.description, re.MULTILINE):
        return None
    stated = entry(r"^[ \t]*PixelSize[ \t]*=[ \t]*", metadata.description, r"[^\r\n]+")
    doubt = width_doubt(hitachi_width(metadata.description), width)
    doubt = doubts(doubt or edited_doubt(metadata.edited), comma_doubt(stated))
    source = "Hitachi image description (PixelSize)"
    return _size(length_um(stated, "nm"), None, 1, source, doubt)


def _fibics(metadata: FileMetadata, width: int, height: int) -> PixelSize | None:
    """Micrometres: the steps of the scan along a row, and from row to row."""
    x, y = (
        [entry(rf"<{side}{axis}\b[^<>]{{0,99}}>\s*", metadata.fibics) for axis in "xy"]
        for side in "UV"
    )
    return _size(_hypotenuse(x), _hypotenuse(y), 1, "ZEISS Atlas metadata (FibicsXML, Ux and Vy)")


def _gatan(metadata: FileMetadata, width: int, height: int) -> PixelSize | None:
    """Any unit of length; images of spectra or diffraction have others."""
    lengths = [_stated_um(size, unit) for unit, size in metadata.gatan]
    if len(lengths) != 2 or lengths[1] is None:
        return None
    return _size(lengths[0], lengths[1], 1, "DigitalMicrograph tags (scale and unit)")


def _tvips(metadata: FileMetadata, width: int, height: int) -> PixelSize | None:
    """Nanometres."""
    x, y = (positive(metadata.tvips.get(f"PixelSize{axis}")) for axis in "XY")
    return _size(x, y, 1e-3, "TVIPS metadata (PixelSizeX)")


def _jeol_tem(metadata: FileMetadata, width: int, height: int) -> PixelSize | None:
    """Pixels of the camera, as the TIFF's resolution states them, over the magnification."""
    text = metadata.description
    metres = {2: 0.0254, 3: 0.01}.get(metadata.unit)
    if "<TemReporter" not in text[:1000] or metres is None:
        return None
    if entry(r"<ModeString>", text, r"[^<]*") not in ("MAG", "LOWMAG", "LOW MAG", "SA MAG"):
        return None
    magnification = positive(entry(r"<SelectorValue>", text))
    x, y = (positive(n) for n in metadata.resolution)
    if magnification is None or x is None or entry(r"<SelectorUnitString>", text, "X<") is None:
        return None
    source = "JEOL TEM metadata (resolution of the camera / SelectorValue)"
    um, doubt = metres * 1e6 / magnification, edited_doubt(metadata.edited)
    return _size(1 / x, 1 / y if y is not None else None, um, source, doubt)


def _olympus(metadata: FileMetadata, width: int, height: int) -> PixelSize | None:
    """Metres."""
    x, y = (positive(metadata.olympus.get(f"pixelsize{axis}")) for axis in "xy")
    return _size(x, y, 1e6, "Olympus SIS metadata (pixel size)")


def _imagej(metadata: FileMetadata, width: int, height: int) -> PixelSize | None:
    """Pixels per unit, which may be another one down; they mean nothing without a length."""
    x, y = (positive(n) for n in metadata.resolution)
    unit = metadata.imagej.get("unit")
    um = unit_um(unit)
    um_down = unit_um(metadata.imagej.get("yunit", unit))
    if um is None or um_down is None or x is None:
        return None
    down = um_down / y if y is not None else None
    return _size(um / x, down, 1, f"ImageJ metadata (unit {unit})", edited_doubt(metadata.edited))


def _ome(metadata: FileMetadata, width: int, height: int) -> PixelSize | None:
    """Micrometres unless another unit is stated; of the image whose pixels are taken."""
    pixels = ome_pixels(metadata.ome, metadata.page, *metadata.size)
    if pixels is None:
        return None
    x, y = (_stated_um(positive(number), unit) for number, unit in pixels.lengths)
    return _size(x, y, 1, "OME metadata (PhysicalSizeX)")


_SOURCES = (
    _own,
    _fei,
    _zeiss,
    _fibics,
    _tescan,
    _jeol,
    _jeol_tem,
    _hitachi,
    _gatan,
    _tvips,
    _olympus,
    _imagej,
    _ome,
)


def _size(
    x: float | None, y: float | None, um: float, source: str, doubt: str = ""
) -> PixelSize | None:
    """Make a pixel size of two lengths of `um` micrometres each, or of one for square pixels."""
    x_um = positive(x * um) if x is not None else None
    if x_um is None:
        return None
    return PixelSize(x_um, (positive(y * um) if y is not None else None) or x_um, source, doubt)


def _zeiss_text(text: str, key: str) -> str | None:
    """Find the value that stands in the line below a key."""
    return entry(rf"^{key}[ \t]*\r?\n[^=\r\n]{{0,99}}=[ \t]*", text, r"[^\r\n]+")


def _stated_um(number: float | None, unit: object) -> float | None:
    um = unit_um(unit)
    return None if number is None or um is None else number * um


def _hypotenuse(pair: list[str | None]) -> float | None:
    """Length of a step given by its parts, which may be negative or 0."""
    try:
        return positive(math.hypot(*(float(with_point(part or "0")) for part in pair)))
    except ValueError:
        return None
