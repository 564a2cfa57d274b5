"""Decoding one plane of a TIFF file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_matssl.errors import InputError
from napari_matssl.micrograph.bounds import check_extent
from napari_matssl.micrograph.damage import damaged, rows_missing
from napari_matssl.micrograph.metadata import fact
from napari_matssl.micrograph.orientation import ORIENTATION
from napari_matssl.micrograph.pictures import TRANSPARENT, strict_pillow
from napari_matssl.micrograph.planes import Plane, Planes, find_planes
from napari_matssl.micrograph.stored_image import Stored
from napari_matssl.micrograph.tiff_directories import Directory, read_directories
from napari_matssl.micrograph.tifffile_log import tifffile_silenced

_YCBCR_JPEG = (6, 7, 33003, 33005, 34712)  # these codecs return RGB although the tag is YCbCr
# These return as many bytes as are asked for.
_PLAIN = (1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 34926, 50000)
# These store their own size.
_PICTURES = (6, 7, 33003, 33004, 33005, 33007, 34712, 34927, 34933, 50001)
_PICTURE_FORMATS = ("JPEG", "JPEG2000", "PNG", "WEBP")
_SAVE_PLAIN = "Save it as a grey or RGB image, TIFF or PNG."
_MOST_PIECES = 1 << 16  # beyond one per row
_LARGEST_TILE = 1024  # px; tiles may be as large as the image, too


@dataclass(frozen=True)
class OpenTiff:
    """An open TIFF: the directories of its pages, and the planes that can be chosen."""

    path: Path
    directories: tuple[Directory, ...]
    planes: Planes
    file: tifffile.TiffFile

    def page(self, index: int) -> tifffile.TiffPage:
        """Read the tags of a page."""
        if index == 0:
            return self.file.pages.first
        self.file.filehandle.seek(self.directories[index].place)
        return tifffile.TiffPage(self.file, index)


@contextmanager
def open_tiff(path: Path) -> Iterator[OpenTiff]:
    """Open a TIFF after a bounded walk of its directories.

    Raises
    ------
    InputError
        If its directories can't be walked.
    """
    directories = read_directories(path)
    with tifffile_silenced():
        file = tifffile.TiffFile(
            path, _multifile=False, is_lsm=False, is_ndpi=False, is_scanimage=False
        )
        with file:
            size = file.filehandle.size
            description = fact(lambda: str(file.pages.first.description)) or ""
            yield OpenTiff(
                path, tuple(directories), find_planes(directories, description, size), file
            )


def decode_plane(tiff: OpenTiff, plane: Plane, label: bool) -> Stored:
    """Decode one plane.

    Raises
    ------
    InputError
        If it is damaged, too large, or of colours that aren't understood.
    """
    page = checked_page(tiff, plane, label=label)
    return as_stored(tiff, plane, page, _pixels(tiff.path, page, plane.inside))


def checked_page(
    tiff: OpenTiff, plane: Plane, held: int | None = None, label: bool = False
) -> tifffile.TiffPage:
    """Return the page of a plane whose bounds are checked, and those of its strips or tiles.

    Parameters
    ----------
    held
        How many of its rows will be in memory at once; None for all.
    label
        Whether it is a label image.

    Raises
    ------
    InputError
        As :func:`decode_plane`.
    """
    path, directory = tiff.path, tiff.directories[plane.page]
    stored = tiff.file.filehandle.size
    channels = max(1, directory.samples) * max(1, directory.depth)
    each = channels * -(-max(1, directory.bits) // 8)
    check_extent(path, directory.width, directory.height, each, stored, label, held)
    page = tiff.page(plane.page)
    _check_colours(path, page)
    _check_pieces(path, page, stored)
    return page


def as_stored(
    tiff: OpenTiff, plane: Plane, page: tifffile.TiffPage, pixels: NDArray[Any]
) -> Stored:
    """Take the channels of a page's rows apart; `pixels` have the axes of the page."""
    remarks: tuple[str, ...] = ()
    transparent = False
    colours = int(page.photometric)
    if page.axes.endswith("SYX"):
        pixels = np.moveaxis(pixels, 0, -1)
    extra = page.samplesperpixel - (3 if colours in (2, 6) else 1)
    if pixels.ndim == 3 and extra > 0 and (colours == 2 or _is_alpha(page)):
        alpha = pixels[..., -extra:]
        if _is_alpha(page):
            remarks = (TRANSPARENT,) if (alpha != alpha.max()).any() else ()
            transparent = bool((alpha[..., 0] < _opaque(page, alpha.dtype.kind)).any())
        pixels = pixels[..., :3] if colours == 2 else pixels[..., 0]
    palette = None
    if colours == 3 and page.colormap is not None:
        wide = page.colormap.max(initial=0) > 255  # 16 bits, as specified; old software wrote 8
        palette = (page.colormap >> 8 if wide else page.colormap).astype(np.uint8).T
    return Stored(
        pixels,
        palette,
        (1 << page.bitspersample) - 1 if colours == 0 else None,
        orientation=tiff.directories[plane.page].number(ORIENTATION, 1),
        lossy=page.compression in _PICTURES,
        remarks=remarks,
        transparent=transparent,
    )


def _is_alpha(page: tifffile.TiffPage) -> bool:
    return bool(page.extrasamples) and page.extrasamples[0] in (1, 2)


def _opaque(page: tifffile.TiffPage, kind: str) -> int:
    """Return the value of alpha, of a kind of number, where nothing shines through."""
    return 1 if kind == "f" else (1 << page.bitspersample) - 1


def _check_colours(path: Path, page: tifffile.TiffPage) -> None:
    colours = page.photometric
    if colours not in (0, 1, 2, 3) and not (colours == 6 and page.compression in _YCBCR_JPEG):
        name = getattr(colours, "name", str(colours))
        raise InputError(f"{path} stores its colours as {name}.", _SAVE_PLAIN)
    if page.compression not in _PLAIN + _PICTURES:
        name = getattr(page.compression, "name", str(page.compression))
        raise InputError(f"{path} is compressed as {name}.", _SAVE_PLAIN)


def _check_pieces(path: Path, page: tifffile.TiffPage, size: int) -> None:
    """Check that all strips or tiles of a page are there, of a plausible size."""
    width, height = page.imagewidth, page.imagelength
    if page.is_tiled:
        across, down = page.tilewidth, page.tilelength
        if (
            across < 1
            or down < 1
            or (across > max(2 * width, _LARGEST_TILE) or down > max(2 * height, _LARGEST_TILE))
        ):
            raise damaged(path, f"its tiles are {across} x {down} pixels")
    else:
        across, down = width, min(max(1, page.rowsperstrip), height)
    wanted = -(-width // across) * -(-height // down) * max(1, page.imagedepth)
    wanted *= page.samplesperpixel if page.planarconfig == 2 else 1
    if wanted > _MOST_PIECES + height:
        raise damaged(path, f"it is cut into {wanted:,} pieces")
    there = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    if page.compression == 1 and page.is_contiguous:
        row = page.nbytes // height
        if page.dataoffsets[0] + page.nbytes > size:
            raise rows_missing(path, (size - page.dataoffsets[0]) // max(1, row), height)
        return
    for number in range(wanted):
        start, length = there[number] if number < len(there) else (0, 0)
        if not start or not length or start + length > size:
            raise_broken_piece(path, page, number, wanted, down)


def raise_broken_piece(
    path: Path, page: tifffile.TiffPage, number: int, wanted: int, down: int
) -> NoReturn:
    """Raise the error for a strip or tile, `number` of those `wanted`, that can't be decoded."""
    if page.is_tiled or page.planarconfig == 2:
        raise damaged(path, f"piece {number + 1} of {wanted} is missing")
    raise rows_missing(path, number * down, page.imagelength)


def _pixels(path: Path, page: tifffile.TiffPage, inside: int) -> NDArray[Any]:
    check_pictures(path, page)
    if page.imagedepth > 1:
        plane: NDArray[Any] = page.asarray()[inside]
        return plane
    if inside:
        return _plane_without_page(path, page, inside)
    try:
        pixels: NDArray[Any] = page.asarray()
    except MemoryError:
        raise
    except Exception:
        _find_broken_piece(path, page)
        raise
    return pixels


def check_pictures(path: Path, page: tifffile.TiffPage) -> None:
    """Check that strips or tiles that are pictures themselves have the size of one.

    Raises
    ------
    InputError
        If one hasn't.
    """
    if page.compression not in _PICTURES:
        return
    across = page.tilewidth if page.is_tiled else page.imagewidth
    down = page.tilelength if page.is_tiled else min(page.rowsperstrip, page.imagelength)
    handle = page.parent.filehandle
    for start, length in zip(page.dataoffsets, page.databytecounts, strict=False):
        handle.seek(start)
        piece = BytesIO(handle.read(length))
        with strict_pillow(), Image.open(piece, formats=_PICTURE_FORMATS) as picture:
            if picture.width > max(across, 16) or picture.height > max(down, 16):
                size = f"{picture.width} x {picture.height}"
                raise damaged(path, f"a piece of {across} x {down} pixels holds {size}")


def _plane_without_page(path: Path, page: tifffile.TiffPage, inside: int) -> NDArray[Any]:
    """Read a plane that follows the page's own, as ImageJ writes large stacks."""
    if page.compression != 1 or not page.is_contiguous:
        raise InputError(
            f"{path} holds planes whose bounds are unclear.",
            "Save the plane you want as an image of its own.",
        )
    handle = page.parent.filehandle
    start = page.dataoffsets[0] + inside * page.nbytes
    if start + page.nbytes > handle.size:
        row = page.nbytes // page.imagelength
        raise rows_missing(path, (handle.size - start) // row, page.imagelength)
    handle.seek(start)
    kind = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
    return np.frombuffer(handle.read(page.nbytes), kind).reshape(page.shape)


def _find_broken_piece(path: Path, page: tifffile.TiffPage) -> None:
    """Raise an error that names the first strip that can't be decoded, if one can't."""
    handle = page.parent.filehandle
    down = page.tilelength if page.is_tiled else page.rowsperstrip
    for number, (start, length) in enumerate(
        zip(page.dataoffsets, page.databytecounts, strict=False)
    ):
        handle.seek(start)
        decode = partial(page.decode, handle.read(length), number, jpegtables=page.jpegtables)
        if fact(decode) is None:
            raise_broken_piece(path, page, number, len(page.dataoffsets), down)
