"""The entry for all image files: bounds first, then pixels, then metadata."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_matssl.errors import InputError, StackError
from napari_matssl.files import check_regular, unreadable_file
from napari_matssl.micrograph import orientation
from napari_matssl.micrograph.damage import COPY_AGAIN, damaged
from napari_matssl.micrograph.metadata import FileMetadata, read_metadata
from napari_matssl.micrograph.pictures import count_pictures, decode_picture
from napari_matssl.micrograph.stored_image import Stored
from napari_matssl.micrograph.tiff import OpenTiff, decode_plane, open_tiff
from napari_matssl.micrograph.tiff_directories import STARTS

_LOG = logging.getLogger(__name__)

_SAVE_PLAIN = "Save it as a grey or RGB image, TIFF or PNG."


def decode(path: Path, page: int | None = None, label: bool = False) -> tuple[Stored, FileMetadata]:
    """Read an image, the right way up, and its metadata.

    Parameters
    ----------
    path
        A TIFF, PNG, JPEG, BMP or GIF, whatever its suffix.
    page
        Which plane of a file that holds several, from 1.
    label
        Whether it is a label image; those may be larger in a small file.

    Raises
    ------
    InputError
        If the file is missing, no image, damaged, truncated, too large, a stack of which no plane
        was chosen, or of values or colours that aren't understood.
    """
    start = start_of(path)
    with decoding_errors(path):
        if start.startswith(STARTS):
            with open_tiff(path) as tiff:
                plane, remark = tiff.planes.choose(path, page)
                every = tiff.planes.every
                stored = decode_plane(tiff, plane, label)
                stored = replace(stored, page=every.index(plane) + 1, pages=len(every))
                metadata = tiff_metadata(tiff, plane.page)
            if remark:
                stored = replace(stored, remarks=(remark, *stored.remarks))
        else:
            stored, metadata = decode_picture(path, start, page, label), read_metadata(path)
        return upright(checked(path, stored)), metadata


def usual_page(path: Path) -> int | None:
    """Return the page that is read where none is chosen, from 1; None for a stack.

    Raises
    ------
    InputError
        If the file can't be opened.
    """
    start = start_of(path)
    with decoding_errors(path):
        if not start.startswith(STARTS):
            return None if count_pictures(path, start) > 1 else 1
        with open_tiff(path) as tiff:
            try:
                plane, _ = tiff.planes.choose(path, None)
            except StackError:
                return None
            return tiff.planes.every.index(plane) + 1


def count_pages(path: Path) -> int:
    """Count the pages of an image file, one at least.

    Raises
    ------
    InputError
        If the file can't be opened.
    """
    start = start_of(path)
    with decoding_errors(path):
        if not start.startswith(STARTS):
            return count_pictures(path, start)
        with open_tiff(path) as tiff:
            return len(tiff.planes.every)


def metadata_of(path: Path, page: int | None = None) -> FileMetadata:
    """Read the metadata of an image without decoding it; empty if the file is no image.

    Parameters
    ----------
    path
        The file.
    page
        Which image of a file that holds several, from 1; None for the one that is read by default.
    """
    try:
        if start_of(path).startswith(STARTS):
            with decoding_errors(path), open_tiff(path) as tiff:
                return tiff_metadata(tiff, tiff.planes.choose(path, page)[0].page)
    except InputError as error:
        _LOG.debug("%s", error)
    return read_metadata(path)


def tiff_metadata(tiff: OpenTiff, index: int) -> FileMetadata:
    """Collect the metadata of one page of a TIFF."""
    pages = [tiff.page(n) for n in dict.fromkeys((index, 0, *range(min(2, len(tiff.directories)))))]
    return read_metadata(tiff.path, pages[0], index, pages[1:])


def start_of(path: Path) -> bytes:
    """Read the first bytes of a file, and check that it isn't empty.

    Raises
    ------
    InputError
        If it is, or can't be read.
    """
    check_regular(path)
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise unreadable_file(path, error) from error
    if not start:
        raise InputError(f"{path} is empty (0 bytes).", COPY_AGAIN)
    return start


@contextmanager
def decoding_errors(path: Path) -> Iterator[None]:
    """Turn any exception of a decoder into an InputError."""
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(
            f"{path} doesn't fit into the memory.", "Cut it into parts, or close other programs."
        ) from error
    except OSError as error:
        if error.errno:  # disk errors have a number, those of decoders have none
            raise unreadable_file(path, error) from error
        _LOG.debug("%s can't be decoded", path, exc_info=True)
        raise damaged(path) from error
    except Exception as error:
        _LOG.debug("%s can't be decoded", path, exc_info=True)
        raise damaged(path) from error


def upright(stored: Stored) -> Stored:
    """Turn an image as its orientation tag demands, with a remark."""
    words = orientation.in_words(stored.orientation)
    if not words:
        return replace(stored, orientation=1)
    return replace(
        stored,
        pixels=orientation.upright(stored.pixels, stored.orientation),
        remarks=(*stored.remarks, f"it is {words}, as its orientation tag has it"),
    )


def checked(path: Path, stored: Stored) -> Stored:
    """Check that values and channels are understood, and give pixels the machine's byte order.

    Raises
    ------
    InputError
        If they aren't.
    """
    pixels = stored.pixels
    if pixels.dtype.kind not in "buif" or pixels.dtype.itemsize > 8:
        raise InputError(f"{path} holds {pixels.dtype.name} values.", _SAVE_PLAIN)
    if pixels.ndim != 2 and (pixels.ndim != 3 or pixels.shape[2] != 3):
        raise InputError(f"{path} has {pixels.shape[-1]} channels.", _SAVE_PLAIN)
    native = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
    if not native.flags.writeable:
        native = native.copy()
    return replace(stored, pixels=native)
