"""Read images of any size: large ones as panoramas, by rows."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.files import stamp_of
from napari_matssl.micrograph.calibration import pixel_size_in
from napari_matssl.micrograph.decoding import (
    checked,
    decoding_errors,
    start_of,
    tiff_metadata,
    upright,
)
from napari_matssl.micrograph.image import Micrograph, PixelSize, finite_pixels
from napari_matssl.micrograph.info_bar import look_for_info_bar, thinned
from napari_matssl.micrograph.intensity_scaling import sample_step
from napari_matssl.micrograph.metadata import FileMetadata
from napari_matssl.micrograph.ome_zarr import open_plane
from napari_matssl.micrograph.orientation import ORIENTATION, transposes
from napari_matssl.micrograph.panorama import AnyMicrograph, Panorama
from napari_matssl.micrograph.reading import (
    COLOURED_BAR,
    COLOURS_RUN,
    as_seen,
    check_large_enough,
    few_colours,
    is_zarr,
    not_analysed,
    read_micrograph,
)
from napari_matssl.micrograph.tiff import open_tiff
from napari_matssl.micrograph.tiff_directories import STARTS
from napari_matssl.micrograph.tiff_rows import TiffRows, rows_held

PANORAMA_PX = 1 << 26
"""An image of more pixels (8192 x 8192) is a panorama."""

_BAND = 1 << 24  # pixels that are looked at at once


@dataclass(frozen=True)
class RowSource:
    """What a panorama is made of.

    Parameters
    ----------
    path, page, pages
        As for :class:`~napari_matssl.micrograph.image.Micrograph`.
    size
        Height and width.
    read
        Returns the rows from one to before another as they are seen, and remarks on them.
    metadata
        Where the info bar may stand.
    pixel_size
        None if the image isn't calibrated.
    orientation
        How the image was turned.
    lossy
        Whether colours may have run, as they do in JPEG.
    remark
        On the choice of the page, if there is one.
    """

    path: Path
    size: tuple[int, int]
    read: Callable[[int, int], tuple[NDArray[Any], tuple[str, ...]]]
    metadata: FileMetadata
    pixel_size: PixelSize | None
    orientation: int = 1
    lossy: bool = False
    page: int = 1
    pages: int = 1
    remark: str = ""


def read_any(path: Path, page: int | None = None) -> AnyMicrograph:
    """Read an image: as a panorama if it has more than :data:`PANORAMA_PX` pixels.

    Large TIFFs and every OME-Zarr are read by rows. Other formats are decoded whole, and so are
    TIFFs that their orientation tag turns by 90 degrees.

    Parameters
    ----------
    path, page
        As for :func:`~napari_matssl.micrograph.reading.read_micrograph`.

    Raises
    ------
    InputError
        As there.
    """
    zarr = is_zarr(path) and path.is_dir()
    source = _zarr_source(path, page) if zarr else _tiff_source(path, page)
    if source is not None:
        return look_over(source)
    micrograph = read_micrograph(path, page)
    large = micrograph.height * micrograph.width > PANORAMA_PX
    return panorama_of(micrograph) if large else micrograph


def panorama_of(micrograph: Micrograph) -> Panorama:
    """Return a micrograph that is in memory as a panorama."""
    step = sample_step(micrograph.height, micrograph.width)
    pixels, analysable = micrograph.pixels, micrograph.analysable
    sample = Micrograph(
        micrograph.name,
        pixels[::step, ::step].copy(),
        analysable=None if analysable is None else analysable[::step, ::step].copy(),
    )
    whole = Panorama(
        name=micrograph.name,
        shape=pixels.shape,
        read=lambda start, stop: pixels[start:stop],
        sample=sample,
        path=micrograph.path or Path(micrograph.name),
        pixel_size=micrograph.pixel_size,
        remarks=micrograph.remarks,
        page=micrograph.page,
        pages=micrograph.pages,
    )
    return whole.with_info_bar(micrograph.info_bar)


def look_over(source: RowSource) -> Panorama:
    """Look through all rows once: sample them, find the info bar, colours, what is no number.

    Raises
    ------
    InputError
        If rows can't be read.
    """
    height, width = source.size
    step, most = sample_step(height, width), max(1, _BAND // width)
    thin, sample, remarks = list[NDArray[Any]](), list[NDArray[Any]](), dict[str, None]()
    coloured, finite = np.zeros(height, dtype=np.int64), 0
    for start in range(0, height, most):
        stop = min(start + most, height)
        pixels, said = source.read(start, stop)
        remarks |= dict.fromkeys(said)
        thin.append(thinned(pixels, height).copy())
        sample.append(pixels[-start % step :: step, ::step].copy())
        if pixels.ndim == 3:
            coloured[start:stop] = (pixels != pixels[..., :1]).any(axis=2).sum(axis=1)
        numbers = finite_pixels(pixels)
        finite += (stop - start) * width if numbers is None else int(numbers.sum())
    words = [source.remark, *remarks] if source.remark else [*remarks]
    if finite < height * width:
        words.append(not_analysed(1 - finite / (height * width)))
    columns = np.concatenate(thin)
    look = look_for_info_bar(
        columns, source.metadata, source.orientation, finite_pixels(columns), width
    )
    words += look.remarks
    row = height if look.bar is None else look.bar.row
    spared = COLOURS_RUN if source.lossy and row < height else 0
    sampled = np.concatenate(sample)
    colourless = sampled.ndim == 3 and not coloured[: max(1, row - spared)].any()
    if colourless:
        sampled = np.ascontiguousarray(sampled[..., 0])
        words += [COLOURED_BAR] if coloured[row:].any() else []
    elif sampled.ndim == 3:
        words += few_colours(float(coloured[:row].sum()) / (row * width))

    def read(start: int, stop: int) -> NDArray[Any]:
        pixels = source.read(start, stop)[0]
        return pixels[..., 0] if colourless else pixels

    panorama = Panorama(
        name=source.path.name,
        shape=(height, width, *sampled.shape[2:]),
        read=read,
        sample=Micrograph(source.path.name, sampled, analysable=finite_pixels(sampled)),
        path=source.path,
        pixel_size=source.pixel_size,
        remarks=tuple(f"{source.path.name}: {remark}." for remark in words),
        page=source.page,
        pages=source.pages,
    )
    return panorama.with_info_bar(look.bar)


def _zarr_source(path: Path, page: int | None) -> RowSource:
    plane = open_plane(path, page)
    check_large_enough(path, *plane.size)
    return RowSource(
        path=path,
        size=plane.size,
        read=lambda start, stop: (plane.read(start, stop), plane.remarks),
        metadata=FileMetadata(),
        pixel_size=plane.pixel_size,
        page=plane.page,
        pages=plane.pages,
    )


def _tiff_source(path: Path, page: int | None) -> RowSource | None:
    """Open a large TIFF to be read by rows; None for all other files."""
    if not start_of(path).startswith(STARTS):
        return None
    with decoding_errors(path), open_tiff(path) as tiff:
        plane, remark = tiff.planes.choose(path, page)
        directory = tiff.directories[plane.page]
        height, width = directory.height, directory.width
        check_large_enough(path, height, width)
        orientation = directory.number(ORIENTATION, 1)
        if height * width <= PANORAMA_PX or transposes(orientation):
            return None
        if rows_held(tiff, plane) is None:
            return None
        rows, stamp = TiffRows(path, plane), stamp_of(path)
        lossy = rows.read(tiff, 0, 1).lossy
        metadata = tiff_metadata(tiff, plane.page)
        every = tiff.planes.every

    def read(start: int, stop: int) -> tuple[NDArray[Any], tuple[str, ...]]:
        if stamp_of(path) != stamp:
            raise InputError(f"{path} has changed since it was opened.", "Begin again.")
        if orientation in (3, 4):
            start, stop = height - stop, height - start
        with decoding_errors(path), open_tiff(path) as tiff:
            stored = upright(checked(path, rows.read(tiff, start, stop)))
        remarks = list(stored.remarks)
        return as_seen(stored, remarks), tuple(remarks)

    return RowSource(
        path=path,
        size=(height, width),
        read=read,
        metadata=metadata,
        pixel_size=pixel_size_in(metadata, width),
        orientation=orientation,
        lossy=lossy,
        page=every.index(plane) + 1,
        pages=len(every),
        remark=remark,
    )
