"""Read images of any size: large ones as panoramas, by rows."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.intensity_scaling import sample_step
from napari_matssl.micrograph.looking_over import RowSource, look_over
from napari_matssl.micrograph.metadata import FileMetadata
from napari_matssl.micrograph.ome_zarr import open_plane
from napari_matssl.micrograph.orientation import ORIENTATION, transposes
from napari_matssl.micrograph.panorama import AnyMicrograph, Panorama
from napari_matssl.micrograph.reading import (
    as_seen,
    check_large_enough,
    is_zarr,
    read_micrograph,
)
from napari_matssl.micrograph.stored_image import Stored
from napari_matssl.micrograph.tiff import OpenTiff, open_tiff
from napari_matssl.micrograph.tiff_directories import STARTS
from napari_matssl.micrograph.tiff_rows import TiffRows, rows_held

PANORAMA_PX = 1 << 26
"""An image of more pixels (8192 x 8192) is a panorama."""


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
    source = source_of(path, page)
    if source is not None:
        return look_over(source).of(source)
    micrograph = read_micrograph(path, page)
    large = is_panorama(micrograph.height, micrograph.width)
    return panorama_of(micrograph) if large else micrograph


def is_panorama(height: int, width: int) -> bool:
    """Whether an image of this size is a panorama."""
    return height * width > PANORAMA_PX


def source_of(path: Path, page: int | None = None) -> RowSource | None:
    """Open an image to be read by rows; None for those that are decoded whole.

    Raises
    ------
    InputError
        As :func:`read_any`.
    """
    zarr = is_zarr(path) and path.is_dir()
    return _zarr_source(path, page) if zarr else _tiff_source(path, page)


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
        read_part=lambda start, stop, left, right: pixels[start:stop, left:right],
    )
    return whole.with_info_bar(micrograph.info_bar)


def _zarr_source(path: Path, page: int | None) -> RowSource:
    plane = open_plane(path, page)
    check_large_enough(path, *plane.size)
    return RowSource(
        path=path,
        size=plane.size,
        read=lambda start, stop: (plane.read(start, stop), plane.remarks),
        read_part=plane.read_part,
        held=min(plane.held, plane.size[0]),
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
        if not is_panorama(height, width) or transposes(orientation):
            return None
        held = rows_held(tiff, plane)
        if held is None:
            return None
        rows, stamp = TiffRows(path, plane), stamp_of(path)
        lossy = rows.read(tiff, 0, 1).lossy
        metadata = tiff_metadata(tiff, plane.page)
        every = tiff.planes.every

    lock = threading.Lock()  # pieces are kept for one rectangle after another

    def look(take: Callable[[OpenTiff], Stored]) -> tuple[NDArray[Any], tuple[str, ...]]:
        if stamp_of(path) != stamp:
            raise InputError(f"{path} has changed since it was opened.", "Begin again.")
        with decoding_errors(path), open_tiff(path) as tiff:
            stored = upright(checked(path, take(tiff)))
        remarks = list(stored.remarks)
        return as_seen(stored, remarks), tuple(remarks)

    def read(start: int, stop: int) -> tuple[NDArray[Any], tuple[str, ...]]:
        if orientation in (3, 4):
            start, stop = height - stop, height - start
        return look(lambda tiff: rows.read(tiff, start, stop))

    def read_part(start: int, stop: int, left: int, right: int) -> NDArray[Any]:
        if orientation in (3, 4):
            start, stop = height - stop, height - start
        if orientation in (2, 3):
            left, right = width - right, width - left
        with lock:
            return look(lambda tiff: rows.read_part(tiff, start, stop, left, right))[0]

    return RowSource(
        path=path,
        size=(height, width),
        read=read,
        read_part=read_part,
        held=min(held, height),
        metadata=metadata,
        pixel_size=pixel_size_in(metadata, width, height),
        orientation=orientation,
        lossy=lossy,
        page=every.index(plane) + 1,
        pages=len(every),
        remark=remark,
    )
