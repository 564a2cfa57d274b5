"""Reading a plane of a TIFF by rows: strips and tiles are decoded as they are needed."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_matssl.micrograph.damage import rows_missing
from napari_matssl.micrograph.kept_rows import KeptPieces, KeptRows
from napari_matssl.micrograph.planes import Plane
from napari_matssl.micrograph.stored_image import Stored
from napari_matssl.micrograph.tiff import (
    OpenTiff,
    as_stored,
    check_pictures,
    checked_page,
    raise_broken_piece,
)


def rows_held(tiff: OpenTiff, plane: Plane) -> int | None:
    """Return how many rows of a plane have to be decoded at once; None if it can't be read so."""
    page = tiff.page(plane.page)
    if page.imagedepth > 1 or (plane.inside and not page.is_contiguous):
        return None
    return 1 if page.is_contiguous else PagePieces(page).down


class TiffRows:
    """The rows of one plane of a TIFF.

    Parameters
    ----------
    path
        The file.
    plane
        Of it.
    """

    def __init__(self, path: Path, plane: Plane) -> None:
        self._path, self._plane = path, plane
        self._kept, self._parts = KeptRows(axis=1), KeptPieces(axis=1)
        self._checked = False

    def read(self, tiff: OpenTiff, start: int, stop: int) -> Stored:
        """Read some rows, as they are stored.

        Parameters
        ----------
        tiff
            The file.

        Raises
        ------
        InputError
            If they are damaged.
        """
        page = self._page(tiff)
        read = self._straight if page.is_contiguous else self._from_pieces
        return as_stored(tiff, self._plane, page, _with_axes(page, read(page, start, stop)))

    def read_part(self, tiff: OpenTiff, start: int, stop: int, left: int, right: int) -> Stored:
        """Read a rectangle, as it is stored; pieces that were decoded last are kept.

        Parameters
        ----------
        tiff
            The file.

        Raises
        ------
        InputError
            If it is damaged.
        """
        page = self._page(tiff)
        if page.is_contiguous:
            part = self._straight(page, start, stop)[:, :, left:right]
        else:
            pieces = PagePieces(page)
            part = self._parts.part(
                (slice(start, stop), slice(left, right)),
                (pieces.down, pieces.across),
                lambda row, column: pieces.decode(self._path, row, column),
            )
        return as_stored(tiff, self._plane, page, _with_axes(page, part))

    def _page(self, tiff: OpenTiff) -> tifffile.TiffPage:
        page = checked_page(tiff, self._plane, rows_held(tiff, self._plane))
        if not self._checked:
            check_pictures(self._path, page)
            self._checked = True
        return page

    def _straight(self, page: tifffile.TiffPage, start: int, stop: int) -> NDArray[Any]:
        """Read rows that lie in the file as they are."""
        kind = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
        apart = page.samplesperpixel if page.planarconfig == 2 else 1
        row = page.nbytes // apart // page.imagelength
        handle, parts = page.parent.filehandle, []
        for channel in range(apart):
            place = page.dataoffsets[0] + self._plane.inside * page.nbytes
            handle.seek(place + (channel * page.imagelength + start) * row)
            raw = handle.read((stop - start) * row)
            if len(raw) < (stop - start) * row:
                raise rows_missing(self._path, start + len(raw) // row, page.imagelength)
            parts.append(np.frombuffer(raw, kind))
        shape = (stop - start, page.imagewidth, page.samplesperpixel // apart)
        return np.stack([one.reshape(shape) for one in parts])

    def _from_pieces(self, page: tifffile.TiffPage, start: int, stop: int) -> NDArray[Any]:
        """Decode the strips or tiles that the rows lie in."""
        pieces = PagePieces(page)
        return self._kept.rows(
            start, stop, pieces.down, lambda number: pieces.decode_row(self._path, number)
        )


class PagePieces:
    """The strips or tiles of a page, by rows and columns of them."""

    def __init__(self, page: tifffile.TiffPage) -> None:
        self._page = page
        width, height = page.imagewidth, page.imagelength
        self.across = page.tilewidth if page.is_tiled else width
        self.down = page.tilelength if page.is_tiled else min(max(1, page.rowsperstrip), height)
        self._columns, self._rows = -(-width // self.across), -(-height // self.down)
        self._planes = page.samplesperpixel if page.planarconfig == 2 else 1

    def decode_row(self, path: Path, row: int) -> NDArray[Any]:
        """Decode a row of pieces, ``(planes, h, W, samples)``."""
        band = self._empty(row, self._page.imagewidth)
        for column in range(self._columns):
            left = column * self.across
            self._fill(path, row, column, band[:, :, left : left + self.across])
        return band

    def decode(self, path: Path, row: int, column: int) -> NDArray[Any]:
        """Decode one piece, ``(planes, h, w, samples)``."""
        width = min(self.across, self._page.imagewidth - column * self.across)
        piece = self._empty(row, width)
        self._fill(path, row, column, piece)
        return piece

    def _empty(self, row: int, width: int) -> NDArray[Any]:
        height = min(self.down, self._page.imagelength - row * self.down)
        samples = self._page.samplesperpixel // self._planes
        return np.empty((self._planes, height, width, samples), self._page.dtype)

    def _fill(self, path: Path, row: int, column: int, place: NDArray[Any]) -> None:
        """Decode one piece of each plane to a place ``(planes, h, w, samples)``."""
        page, count = self._page, self._planes * self._rows * self._columns
        for plane, target in enumerate(place):
            number = (plane * self._rows + row) * self._columns + column
            page.parent.filehandle.seek(page.dataoffsets[number])
            raw = page.parent.filehandle.read(page.databytecounts[number])
            try:
                decoded = page.decode(raw, number, jpegtables=page.jpegtables)[0]
                assert decoded is not None  # its bytes are there
                target[:] = decoded[0, : target.shape[0], : target.shape[1]]
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001 - decoders raise anything
                raise_broken_piece(path, page, number, count, self.down)


def _with_axes(page: tifffile.TiffPage, band: NDArray[Any]) -> NDArray[Any]:
    """Give rows ``(planes, h, W, samples)`` the axes that the page has."""
    if page.samplesperpixel == 1:
        return band[0, ..., 0]
    return band[..., 0] if page.planarconfig == 2 else band[0]
