"""Finding the strip with scale bar and text at the lower edge of SEM images."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_matssl.micrograph.image import InfoBar
from napari_matssl.micrograph.metadata import FileMetadata

_LOWEST_PX = 8
_LOWEST = 0.02  # of the height of the image
_HIGHEST = 0.35
_COLUMNS = 2048  # of wider images only some columns are looked at

# Shares of a row. In bars 0.47 to 1.00 of a row has the colour of the ground, in a specimen with
# noise 0.00 to 0.02; but dark substrates and clipped mounts reach 0.97, so that isn't enough.
_IN_BAR = 0.4
_AT_EDGE = 0.8
_LINE = 0.98  # a drawn line or an empty row
_NOISY = 0.8  # neighbours that are equal in a row of the specimen, at most
_DRAWN = 0.86  # neighbours that are equal in the cleanest tenth of a bar's rows, at least
_TEXT = (0.001, 0.5)


def find_info_bar(
    pixels: NDArray[np.generic], metadata: FileMetadata | None = None
) -> InfoBar | None:
    """Find the info bar of a micrograph: by what the microscope says, else by its looks.

    By its looks, a bar reaches from a sharp, straight edge to the bottom, 2 to 35 % of the height
    and at least 8 px. Its ground is free of noise and has one colour, with text of a quite
    different one on it; the specimen above has noise. When in doubt there is no bar.

    Parameters
    ----------
    pixels
        ``(H, W)`` or ``(H, W, 3)``, of any type.
    metadata
        What the image's file says.
    """
    height, width = pixels.shape[:2]
    if metadata is not None:
        for row, source in _stated_rows(metadata, height, width):
            if row is not None and height / 2 <= row < height:
                return InfoBar(int(row), source)
    row = _row_by_looks(pixels)
    return None if row is None else InfoBar(row, "uniform rows")


def _stated_rows(metadata: FileMetadata, height: int, width: int) -> list[tuple[float | None, str]]:
    """First rows of the bar by vendor."""
    fei = metadata.fei_number("Image", "ResolutionY")
    if metadata.fei_number("Image", "ResolutionX") != width:  # it has been cropped or resized
        fei = None
    jeol = None
    if metadata.jeol_size is not None:
        full_width, full_height = metadata.jeol_size
        jeol = round(full_height * width / full_width)
    strip = metadata.tescan_number("ImageStripSize")
    tescan = None if strip is None else height - strip
    return [(fei, "FEI metadata"), (jeol, "JEOL text file"), (tescan, "TESCAN metadata")]


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
    """

    off: NDArray[np.floating]
    equal: NDArray[np.floating]
    span: float


def _row_by_looks(pixels: NDArray[np.generic]) -> int | None:
    height = len(pixels)
    lowest, highest = max(_LOWEST_PX, math.ceil(_LOWEST * height)), int(_HIGHEST * height)
    above = max(_LOWEST_PX, height // 20)
    start = height - highest - above
    if highest < lowest or start < 0 or pixels.shape[1] < 2:
        return None
    band = _band(pixels[start:], lowest)
    if band is None:
        return None
    # The second tolerance is for JPEG, which blurs the edge by up to 8 rows.
    for tolerance in (min(2.0, band.span / 100), band.span / 16):
        top = _top(band, tolerance, height // 200)
        if lowest <= len(band.off) - top <= highest and _is_bar(band, top, tolerance, above):
            return start + top
    return None


def _band(pixels: NDArray[np.generic], lowest: int) -> _Band | None:
    """Measure some columns of the lower part; None if it is of one colour or not finite."""
    columns = np.arange(0, pixels.shape[1] - 1, math.ceil(pixels.shape[1] / _COLUMNS))
    values, neighbours = (_grey(pixels[:, columns + k]) for k in (0, 1))
    span = float(values.max()) - float(values.min())
    if not 0 < span < math.inf:  # NaN fails too
        return None
    grounds, counts = np.unique(values[-lowest:], return_counts=True)
    off = np.abs(values - grounds[counts.argmax()])
    return _Band(off, np.mean(values == neighbours, axis=1), span)


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
    sharp = np.mean(inside[0] <= tolerance) >= _AT_EDGE or band.equal[top] >= _LINE
    noisy = np.median(band.equal[top - above : top]) <= _NOISY
    drawn = np.percentile(band.equal[top:], 90) >= _DRAWN
    ground = np.median(np.mean(inside == 0, axis=1)) >= _IN_BAR
    text = _TEXT[0] <= np.mean(inside > band.span / 4) <= _TEXT[1]
    return bool(sharp and noisy and drawn and ground and text)
