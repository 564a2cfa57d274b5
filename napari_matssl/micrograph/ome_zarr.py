"""Reading OME-Zarr images by rows: versions 0.4 and 0.5, local folders."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError, StackError
from napari_matssl.files import LONGEST_TEXT, unreadable_file
from napari_matssl.micrograph.bounds import check_extent
from napari_matssl.micrograph.damage import damaged
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.micrograph.kept_rows import KeptRows
from napari_matssl.micrograph.metadata import fact, positive

_UM = {"meter": 1e6, "millimeter": 1e3, "micrometer": 1.0, "nanometer": 1e-3, "angstrom": 1e-4}
_NOTES = (".zgroup", ".zattrs", ".zarray", "zarr.json")
_PRIMARY = ("FF0000", "00FF00", "0000FF")
_LARGEST_CHUNK = 1 << 30  # bytes, decoded


@dataclass(frozen=True)
class ZarrPlane:
    """One plane of an OME-Zarr at full size.

    Parameters
    ----------
    size
        Height and width.
    pixel_size
        None without a unit of length.
    page, pages
        Which plane it is, from 1, and how many there are.
    remarks
        What is unusual about it.
    """

    path: Path
    array: Any
    before: tuple[int | slice, ...]
    size: tuple[int, int]
    pixel_size: PixelSize | None
    page: int
    pages: int
    remarks: tuple[str, ...]
    kept: KeptRows

    @property
    def held(self) -> int:
        """Rows that are decoded at once."""
        return _chunks(self.array)[-2]

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read some rows, ``(h, W)`` or ``(h, W, 3)``.

        Raises
        ------
        InputError
            If they are damaged.
        """
        down = self.held
        return self._as_seen(
            self.kept.rows(start, stop, down, lambda number: self._decode_row(number, down))
        )

    def read_part(self, start: int, stop: int, left: int, right: int) -> NDArray[Any]:
        """Read a rectangle, ``(h, w)`` or ``(h, w, 3)``.

        Raises
        ------
        InputError
            If it is damaged.
        """
        return self._as_seen(self._decode(slice(start, stop), slice(left, right)))

    def _as_seen(self, pixels: NDArray[Any]) -> NDArray[Any]:
        native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        if native.dtype == np.bool_:
            native = native.astype(np.uint8) * np.uint8(255)
        return np.moveaxis(native, 0, -1) if slice(None) in self.before else native

    def _decode_row(self, number: int, down: int) -> NDArray[Any]:
        rows = slice(number * down, min((number + 1) * down, self.size[0]))
        return self._decode(rows, slice(0, self.size[1]))

    def _decode(self, rows: slice, columns: slice) -> NDArray[Any]:
        try:
            band: NDArray[Any] = self.array[(*self.before, rows, columns)]
        except MemoryError:
            raise
        except OSError as error:
            raise unreadable_file(self.path, error) from error
        except Exception as error:
            raise damaged(
                self.path, f"rows {rows.start} to {rows.stop} can't be decoded"
            ) from error
        return np.asarray(band)


def open_plane(path: Path, page: int | None) -> ZarrPlane:
    """Open a plane of an OME-Zarr.

    Parameters
    ----------
    path
        Its folder.
    page
        Which plane, from 1, in the order in which they are stored. None takes the only one, or the
        first channel; three channels in red, green and blue are one plane in colour.

    Raises
    ------
    InputError
        If it can't be read, isn't an image, or is a stack of which no plane was chosen; or if the
        package zarr is missing.
    """
    group = _open(path)
    notes = fact(lambda: _notes(group)) or {}
    scales = fact(lambda: notes["multiscales"][0])
    array = fact(lambda: group[str(scales["datasets"][0]["path"])])
    shape: tuple[int, ...] = tuple(getattr(array, "shape", ()))
    axes = fact(lambda: [str(axis["name"]) for axis in scales["axes"]]) or []
    if len(axes) != len(shape) or axes[-2:] != ["y", "x"]:
        raise InputError(
            f"{path} is no OME-Zarr image of version 0.4 or 0.5.", "Name the folder of the image."
        )
    _check(path, array, shape)
    before, lengths = axes[:-2], shape[:-2]
    coloured = _is_coloured(notes, before, lengths)
    pages = 1 if coloured else math.prod(lengths)
    number, remarks = _chosen(path, page, pages, before, lengths)
    missing = array.nchunks - array.nchunks_initialized
    if missing:
        count = f"{missing} of its {array.nchunks} chunks"
        remarks += (f"{count} aren't there: their pixels count as {array.fill_value}",)
    place: tuple[int | slice, ...] = (
        tuple(slice(None) if name == "c" else 0 for name in before)
        if coloured
        else tuple(int(i) for i in np.unravel_index(number - 1, lengths or (1,)))[: len(lengths)]
    )
    size = fact(lambda: _pixel_size(scales))
    extent = (shape[-2], shape[-1])
    return ZarrPlane(
        path, array, place, extent, size, number, pages, remarks, KeptRows(int(coloured))
    )


def _open(path: Path) -> Any:
    try:
        import zarr
    except ImportError as error:
        raise InputError(
            f"{path} is an OME-Zarr, and the package zarr isn't installed.",
            'Install it: pip install "napari-matssl[panorama]".',
        ) from error
    try:
        for name in _NOTES:
            notes = path / name
            if notes.exists() and notes.stat().st_size > LONGEST_TEXT:
                raise damaged(path, f"{name} is too large")
        return zarr.open_group(path, mode="r")
    except InputError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            raise unreadable_file(path, error) from error
        raise InputError(f"{path} is no OME-Zarr.", "Name the folder of the image.") from error


def _notes(group: Any) -> Mapping[str, Any]:
    attributes: Mapping[str, Any] = group.attrs.asdict()
    inside = attributes.get("ome")
    return inside if isinstance(inside, Mapping) else attributes


def _check(path: Path, array: Any, shape: Sequence[int]) -> None:
    """Check that values are understood, and that a row of chunks fits into the memory."""
    kind = array.dtype
    if kind.kind not in "buif" or kind.itemsize > 8:
        raise InputError(f"{path} holds {kind.name} values.", "Save it as a grey or RGB image.")
    chunks = _chunks(array)
    if min(chunks) < 1 or math.prod(chunks) * kind.itemsize > _LARGEST_CHUNK:
        raise damaged(path, f"its chunks are {' x '.join(map(str, chunks))} pixels")
    stored = sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    each = kind.itemsize * math.prod(shape[:-2])
    check_extent(path, shape[-1], shape[-2], each, stored, held=min(chunks[-2], shape[-2]))


def _chunks(array: Any) -> tuple[int, ...]:
    """Return the extent of what is decoded at once: of shards, where chunks lie in such."""
    return tuple(getattr(array, "shards", None) or array.chunks)


def _is_coloured(notes: Mapping[str, Any], before: Sequence[str], lengths: Sequence[int]) -> bool:
    """Whether the planes are red, green and blue of one image."""
    if [n for n in lengths if n > 1] != [3] or "c" not in before:
        return False
    if lengths[before.index("c")] != 3:
        return False
    colours = fact(lambda: [str(one["color"]).upper() for one in notes["omero"]["channels"]])
    return tuple(colours or ()) == _PRIMARY


def _chosen(
    path: Path, page: int | None, pages: int, before: Sequence[str], lengths: Sequence[int]
) -> tuple[int, tuple[str, ...]]:
    """Choose a plane, with a remark where that is unusual."""
    if page is not None:
        if not 1 <= page <= pages:
            raise InputError(
                f"{path} has no page {page}: it holds {pages}.",
                f"Choose a number from 1 to {pages}.",
            )
        return page, (f"page {page} of {pages} is read",) if pages > 1 else ()
    if pages > 1 and any(n > 1 and name != "c" for name, n in zip(before, lengths, strict=True)):
        raise StackError(
            f"{path} is a stack of {pages} planes.",
            f"Choose one by its number, 1 to {pages}.",
            pages,
        )
    return 1, (f"channel 1 of {pages} is read",) if pages > 1 else ()


def _pixel_size(scales: Mapping[str, Any]) -> PixelSize | None:
    """Read the size of a pixel of the largest copy; None without a unit of length."""
    steps = [1.0, 1.0]
    for changes in (scales["datasets"][0], scales):
        for one in changes.get("coordinateTransformations", ()):
            if one.get("type") == "scale":
                steps = [a * float(b) for a, b in zip(steps, one["scale"][-2:], strict=True)]
    units = [_UM.get(str(axis.get("unit"))) for axis in scales["axes"][-2:]]
    y, x = (
        None if unit is None else positive(step * unit)
        for step, unit in zip(steps, units, strict=True)
    )
    return None if x is None or y is None else PixelSize(x, y, "OME-Zarr metadata")
