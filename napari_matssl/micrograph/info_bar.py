"""Detect the strip with scale bar and text at the lower edge of SEM images."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_matssl.micrograph.image import InfoBar
from napari_matssl.micrograph.metadata import FileMetadata
from napari_matssl.micrograph.size_doubts import jeol_bar_row

_LOWEST_PX = 8
_LOWEST = 0.02  # share of the image's height
_HIGHEST = 0.35
_NARROWEST = 32  # px; narrower bars hold no text
_COLUMNS = 2048  # columns that are examined, at most
_FEWEST, _PIXELS = 128, 1 << 23  # of a large image: columns at least, pixels at most

# Shares of a row. In bars 0.47 to 1.00 of a row has the colour of the ground, in a specimen with
# noise 0.00 to 0.02; but dark substrates and clipped mounts reach 0.97, so that isn't enough.
_IN_BAR = 0.4
_AT_EDGE = 0.8
_LINE = 0.98  # share of a drawn line or an empty row
_NOISY = 0.8  # largest share of equal neighbours in a row of the specimen
_DRAWN = 0.86  # smallest share in the cleanest tenth of a bar's rows
_TEXT = (0.001, 0.5)

# Where the ground has noise, of a scan or of JPEG, lines of text separate a bar from a dark phase
# with bright debris: rows with much ink, and rows with hardly any between them.
_LETTERS = 6  # how much oftener a row of text meets ink than a row between lines
_LINE_ROWS = 4
_STRIP = 0.8  # share of one colour in a row; a strip without text gets a remark
_FRAME_ROWS = 4
_STATED_ROWS = 8  # how far from its row in the metadata a strip may begin by its looks


@dataclass(frozen=True)
class BarLook:
    """What was found at an image's lower edge, and a remark on it."""

    bar: InfoBar | None
    remarks: tuple[str, ...] = ()


def find_info_bar(
    pixels: NDArray[np.generic], metadata: FileMetadata | None = None
) -> InfoBar | None:
    """Find the info bar of a micrograph, by metadata, else by appearance.

    By its looks, a bar reaches from a sharp, straight edge to the bottom, 2 to 35 % of the height
    and at least 8 px. Its ground has one colour and is free of noise, or there are lines of text on
    it, of a quite different colour; the specimen above has noise. When in doubt there is no bar.
    """
    return look_for_info_bar(pixels, metadata).bar


def look_for_info_bar(
    pixels: NDArray[np.generic],
    metadata: FileMetadata | None = None,
    orientation: int = 1,
    analysable: NDArray[np.bool_] | None = None,
    width: int | None = None,
) -> BarLook:
    """Find the info bar as :func:`find_info_bar`, with a remark where something resembles one.

    Parameters
    ----------
    pixels, metadata
        As there.
    orientation
        How the image was turned; rows in metadata count if it wasn't.
    analysable
        ``(H, W)``, where pixels are numbers; None where all are.
    width
        Of the image, where `pixels` are :func:`thinned`.
    """
    height, width = len(pixels), width or pixels.shape[1]
    in_pairs = pixels.shape[1] != width
    strip = None
    if metadata is not None and orientation in (1, 2):
        for stated, source in _stated_rows(metadata, height, width):
            if stated is not None and height / 2 <= stated < height:
                return BarLook(InfoBar(int(stated), source))
        strip = _tescan_row(metadata, height)
    if analysable is not None and analysable.any():
        known = pixels[analysable]
        pixels = np.where(
            analysable if pixels.ndim == 2 else analysable[..., None],
            pixels,
            np.median(known.astype(np.float64)),
        )
    row, is_bar = _row_by_looks(pixels, in_pairs)
    if strip is not None and row is not None:
        # What is certainly a bar may reach into a black mount above it.
        highest = 0 if is_bar else strip - _STATED_ROWS
        if highest <= row <= strip + _STATED_ROWS:
            return BarLook(InfoBar(strip, "TESCAN metadata"))
    if is_bar and row is not None:
        return BarLook(InfoBar(row, "uniform rows"))
    if row is not None:
        return BarLook(
            None,
            (
                f"from row {row} down it looks like an info bar, but that isn't sure: those rows "
                "are analysed unless the bar is set by hand",
            ),
        )
    row, is_bar = _row_by_looks(pixels[::-1], in_pairs)
    if is_bar and row is not None:
        last = height - row - 1
        return BarLook(
            None,
            (f"down to row {last} it looks like an info bar, but only bars below are cut off",),
        )
    if strip is not None:
        return BarLook(
            None,
            (
                f"its metadata have an info strip of {height - strip} rows, but its lowest rows "
                "don't look like one: they are analysed unless the bar is set by hand",
            ),
        )
    return BarLook(None)


def thinned(pixels: NDArray[np.generic], height: int) -> NDArray[np.generic]:
    """Return those columns of some rows of a large image that its bar is found by, in pairs.

    The higher the image, the fewer columns, so that memory is bounded. An image that isn't large is
    returned as it is.
    """
    width = pixels.shape[1]
    step = math.ceil(width / min(_COLUMNS, max(_FEWEST, _PIXELS // height)))
    if step <= 2:
        return pixels
    columns = np.arange(0, width - 1, step)
    return pixels[:, np.stack([columns, columns + 1], axis=1).ravel()]


def _stated_rows(metadata: FileMetadata, height: int, width: int) -> list[tuple[float | None, str]]:
    """First rows of the bar by vendors whose metadata have the size of the image, too."""
    fei = metadata.fei_number("Image", "ResolutionY")
    bar = metadata.fei_number("PrivateFei", "DatabarHeight")
    is_whole = fei is not None and bar in (None, height - fei)
    if metadata.fei_number("Image", "ResolutionX") != width or not is_whole:
        fei = None  # the image was cropped or resized
    jeol = None
    if metadata.jeol_size is not None:
        jeol = jeol_bar_row(metadata.jeol_size, width, height)
    return [(fei, "FEI metadata"), (jeol, "JEOL text file")]


def _tescan_row(metadata: FileMetadata, height: int) -> int | None:
    """First row of a TESCAN's strip, if the image still has it and wasn't resized."""
    strip = metadata.tescan_number("ImageStripSize")
    row = height if strip is None else int(height - strip)
    return row if height / 2 <= row < height else None


@dataclass(frozen=True)
class _Band:
    """The lower part of an image, in which its bar would be.

    Parameters
    ----------
    off
        ``(R, C)``, how far each pixel is from the ground's colour.
    equal
        ``(R,)``, share of pixels equal to their right neighbour.
    span
        Range of all values.
    grey
        ``(R, C)``, the values.
    """

    off: NDArray[np.floating]
    equal: NDArray[np.floating]
    span: float
    grey: NDArray[np.floating]


def _row_by_looks(pixels: NDArray[np.generic], in_pairs: bool) -> tuple[int | None, bool]:
    """Find the first row of a possible bar, and whether it certainly is one."""
    height = len(pixels)
    lowest, highest = max(_LOWEST_PX, math.ceil(_LOWEST * height)), int(_HIGHEST * height)
    above = max(_LOWEST_PX, height // 20)
    start = height - highest - above
    if highest < lowest or start < 0 or pixels.shape[1] < _NARROWEST:
        return None, False
    step = 2 if in_pairs else math.ceil(pixels.shape[1] / _COLUMNS)
    band = _band(pixels[start:], lowest, step)
    if band is None:
        return None, False
    seen = None
    # The second tolerance is for grounds with noise that are about as bright as the specimen, the
    # third for JPEG, which blurs the edge by up to 8 rows.
    noise = 4 * float(np.median(band.off[-lowest:]))
    coarse = band.span / 16
    for tolerance in (min(2.0, band.span / 100), min(noise, coarse), coarse):
        top = _top(band, tolerance, height // 200)
        if not lowest <= len(band.off) - top <= highest:
            continue
        if _is_bar(band, top, tolerance, above):
            return start + _with_frame(band, top, above), True
        if _is_strip(band, top, tolerance, above):
            seen = start + top
    return seen, False


def _band(pixels: NDArray[np.generic], lowest: int, step: int) -> _Band | None:
    """Measure some columns of the lower part; None if it is of one colour or not finite."""
    columns = np.arange(0, pixels.shape[1] - 1, step)
    values, neighbours = (_grey(pixels[:, columns + k]) for k in (0, 1))
    span = float(values.max()) - float(values.min())
    if not 0 < span < math.inf:  # this is false for NaN, too
        return None
    grounds, counts = np.unique(values[-lowest:], return_counts=True)
    off = np.abs(values - grounds[counts.argmax()])
    return _Band(off, np.mean(values == neighbours, axis=1), span, values)


def _grey(pixels: NDArray[np.generic]) -> NDArray[np.floating]:
    exact: NDArray[np.floating] = pixels.astype(
        np.float32 if pixels.dtype.itemsize <= 2 else np.float64
    )
    return exact if exact.ndim == 2 else exact.mean(axis=2)


def _top(band: _Band, tolerance: float, gap: int) -> int:
    """First row of the run of drawn rows that ends at the bottom, tolerating small gaps."""
    share = np.mean(band.off <= tolerance, axis=1)
    drawn = np.flatnonzero((share >= _IN_BAR) | (band.equal >= _LINE))
    rows = np.append(drawn, len(share))
    breaks = np.flatnonzero(np.diff(rows) > max(2, gap) + 1)
    return int(rows[breaks[-1] + 1 if breaks.size else 0])


def _is_bar(band: _Band, top: int, tolerance: float, above: int) -> bool:
    inside = band.off[top:]
    ink = inside > band.span / 4
    if not _TEXT[0] <= np.mean(ink) <= _TEXT[1] or not _has_edge(band, top, tolerance, above):
        return False
    drawn = np.percentile(band.equal[top:], 90) >= _DRAWN
    ground = np.median(np.mean(inside == 0, axis=1)) >= _IN_BAR
    return bool(drawn and ground) or (_is_strip(band, top, tolerance, above) and _has_lines(ink))


def _has_edge(band: _Band, top: int, tolerance: float, above: int) -> bool:
    """Whether rows of one colour follow on rows with noise."""
    sharp = np.mean(band.off[top] <= tolerance) >= _AT_EDGE or band.equal[top] >= _LINE
    noisy = np.median(band.equal[top - above : top]) <= _NOISY
    return bool(sharp and noisy)


def _is_strip(band: _Band, top: int, tolerance: float, above: int) -> bool:
    """Whether a strip stands off what is above it by one straight edge, and is of one colour."""
    shares = np.mean(band.off[top - above :] <= tolerance, axis=1)
    even = np.median(shares[above:]) >= _STRIP
    apart = shares[above - 2 : above].max() <= _IN_BAR
    return bool(even and apart and _has_edge(band, top, tolerance, above))


def _has_lines(ink: NDArray[np.bool_]) -> bool:
    """Whether ink ``(R, C)`` lies in lines of letters with space between them."""
    met = np.count_nonzero(ink[:, 1:] & ~ink[:, :-1], axis=1) + ink[:, 0]
    between = np.percentile(met, 10)
    written = np.append(met >= between + _LETTERS, False)
    bounds = np.flatnonzero(np.diff(written.astype(np.int8), prepend=0))
    for first, last in zip(bounds[::2], bounds[1::2], strict=True):
        space = [met[max(0, first - 2) : first].min(initial=10**6)]
        space.append(met[last : last + 2].min(initial=10**6))
        if last - first >= _LINE_ROWS and max(space) <= between + _LETTERS / 2:
            return True
    return False


def _with_frame(band: _Band, top: int, above: int) -> int:
    """Move the first row up over a drawn line that JPEG has blurred."""
    tolerance = band.span / 16
    usual = np.median(band.grey[top - above : top])
    for row in range(top - 1, max(top - 1 - _FRAME_ROWS, 0), -1):
        level = np.median(band.grey[row])
        even = np.mean(np.abs(band.grey[row] - level) <= tolerance) >= _LINE
        if not even or abs(level - usual) <= 2 * tolerance:
            return row + 1
    return top
