"""The panoramas of a project: looked through once, and what was found is kept."""

import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError, OutputError, StackError
from napari_matssl.files import atomic_write, stamp_of
from napari_matssl.micrograph.decoding import usual_page
from napari_matssl.micrograph.image import InfoBar, Micrograph
from napari_matssl.micrograph.looking_over import LookedOver, RowSource, glance, look_over
from napari_matssl.micrograph.ome_zarr import open_plane
from napari_matssl.micrograph.overview import Overview
from napari_matssl.micrograph.panorama import AnyMicrograph, Panorama
from napari_matssl.micrograph.reading import is_zarr, read_micrograph
from napari_matssl.micrograph.reading_panorama import is_panorama, panorama_of, source_of

FOLDER: Final = "panoramas"
"""Of what was found in panoramas, in the project's own folder."""

_VERSION = 1


@dataclass(frozen=True, eq=False)
class InSight:
    """A panorama with smaller copies of it.

    Parameters
    ----------
    panorama
        Until all was looked through, without info bar and with a rough sample.
    overview
        Fills while rows are looked through.
    complete
        Whether they were.
    """

    panorama: Panorama
    overview: Overview
    complete: bool


class KeptPanoramas:
    """Reads images of any size; a panorama is looked through once. For use by several threads.

    What was found is kept in the project's own folder, if there is one: looking at images makes
    none.

    Parameters
    ----------
    own
        That folder.
    """

    def __init__(self, own: Path) -> None:
        self._own = own
        self._found: dict[tuple[Path, int | None], tuple[object, LookedOver, Overview]] = {}
        self._begun: dict[tuple[Path, int | None], Overview] = {}
        self._lock, self._looking = threading.Lock(), threading.Lock()

    def read(self, path: Path, page: int | None, stem: str) -> AnyMicrograph:
        """Read an image; a panorama once all of it was looked through.

        Parameters
        ----------
        path, page
            Of the image.
        stem
            What is found in it is kept under this name.

        Raises
        ------
        InputError
            If it can't be read.
        """
        source = source_of(path, page)
        if source is None:
            micrograph = read_micrograph(path, page)
            large = is_panorama(micrograph.height, micrograph.width)
            return panorama_of(micrograph) if large else micrograph
        if not is_panorama(*source.size):
            return _whole(look_over(source).of(source))
        return self._looked_over(source, page, stem).panorama

    def in_sight(self, path: Path, page: int | None, stem: str) -> InSight | None:
        """Open a panorama to be shown at once; None for other images.

        Raises
        ------
        InputError
            If it can't be read.
        """
        source = source_of(path, page)
        if source is None:
            whole = self.read(path, page, stem)
            return _of_whole(whole) if isinstance(whole, Panorama) else None
        if not is_panorama(*source.size):
            return None
        known = self._known(source, page, stem)
        if known is not None:
            return known
        overview = self._overview(source, page)
        found = glance(source, overview)
        return InSight(found.of(source), _seen(overview, found), complete=False)

    def look_over(self, path: Path, page: int | None, stem: str) -> InSight | None:
        """Look through all of a panorama, unless that was done; None for other images.

        Raises
        ------
        InputError
            If it can't be read.
        """
        source = source_of(path, page)
        if source is None:
            return self.in_sight(path, page, stem)
        return self._looked_over(source, page, stem) if is_panorama(*source.size) else None

    def _looked_over(self, source: RowSource, page: int | None, stem: str) -> InSight:
        with self._looking:  # two threads would read the same rows
            known = self._known(source, page, stem)
            if known is not None:
                return known
            key, state = (source.path, page), _state(source.path)
            overview = self._overview(source, page)
            found = look_over(source, overview)
            with self._lock:
                self._begun.pop(key, None)
                self._found[key] = state, found, overview
            if self._own.is_dir():
                with suppress(OutputError):  # next time, it is looked through again
                    _write(self._path(stem), state, found, overview)
            return InSight(found.of(source), _seen(overview, found), complete=True)

    def _overview(self, source: RowSource, page: int | None) -> Overview:
        """Return copies that are being filled, or begin some."""
        first = source.read(0, 1)[0]
        new = Overview((*source.size, *first.shape[2:]), first.dtype)
        with self._lock:
            return self._begun.setdefault((source.path, page), new)

    def _known(self, source: RowSource, page: int | None, stem: str) -> InSight | None:
        """Return what was found before, here or by another window."""
        state, key = _state(source.path), (source.path, page)
        with self._lock:
            known = self._found.get(key)
        if known is None or known[0] != state:
            kept = _read(self._path(stem), state, source)
            if kept is None:
                return None
            known = state, *kept
            with self._lock:
                self._found[key] = known
        _, found, overview = known
        return InSight(found.of(source), _seen(overview, found), complete=True)

    def _path(self, stem: str) -> Path:
        return self._own / FOLDER / f"{stem}.npz"


def check_no_panorama(path: Path, page: int | None) -> None:
    """Check that an image isn't a panorama, for what needs all of its pixels at once.

    Raises
    ------
    InputError
        If it is one; or if it can't be opened.
    """
    source = source_of(path, page)
    if source is not None and is_panorama(*source.size):
        raise no_panoramas(path, *source.size)


def no_panoramas(path: Path, height: int, width: int) -> InputError:
    """Make the error of what can't be done with a panorama."""
    return InputError(
        f"{path.name} is a panorama ({width:,} x {height:,} px), too large for this.",
        "Do it with a field that is cut out of it.",
    )


def default_page(path: Path) -> int | None:
    """Return the page that is read where none is chosen, from 1; None for a stack.

    Raises
    ------
    InputError
        If the image can't be opened.
    """
    if not (is_zarr(path) and path.is_dir()):
        return usual_page(path)
    try:
        return open_plane(path, None).page
    except StackError:
        return None


def size_of(path: Path, page: int | None) -> tuple[int, int]:
    """Return height and width of an image; most are decoded for that, panoramas aren't.

    Raises
    ------
    InputError
        If it can't be read.
    """
    source = source_of(path, page)
    if source is not None:
        return source.size
    micrograph = read_micrograph(path, page)
    return micrograph.height, micrograph.width


def _whole(panorama: Panorama) -> Micrograph:
    """Read an image that isn't large, though it is stored for large ones."""
    micrograph = Micrograph(
        panorama.name,
        panorama.read(0, panorama.height),
        panorama.pixel_size,
        path=panorama.path,
        remarks=panorama.remarks,
        analysable=panorama.analysable_rows(0, panorama.height),
        page=panorama.page,
        pages=panorama.pages,
    )
    return micrograph.with_info_bar(panorama.info_bar)


def _of_whole(panorama: Panorama) -> InSight:
    """Make smaller copies of a panorama that is in memory."""
    overview = Overview(panorama.shape, panorama.sample.pixels.dtype)
    overview.take(0, panorama.read(0, panorama.height))
    return InSight(panorama, overview, complete=True)


def _seen(overview: Overview, found: LookedOver) -> Overview:
    """Return copies without colour if the panorama has none; they fill along with the others."""
    return overview.first_channel() if found.colourless else overview


def _state(path: Path) -> list[int]:
    """Return what changes when a file does, or a file in a folder."""
    if not path.is_dir():
        return [*(stamp_of(path) or ())]
    stamps = [stamp_of(one) for one in path.rglob("*") if one.is_file()]
    there = [one for one in stamps if one is not None]
    return [len(there), sum(one.size for one in there), max((s.mtime_ns for s in there), default=0)]


def _write(path: Path, state: object, found: LookedOver, overview: Overview) -> None:
    bar = found.bar
    notes = {
        "version": _VERSION,
        "state": state,
        "remarks": found.remarks,
        "bar": None if bar is None else [bar.row, bar.source],
        "colourless": found.colourless,
    }
    arrays: dict[str, Any] = {
        f"level{number}": level for number, level in enumerate(overview.levels)
    }
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez(file, notes=np.array(json.dumps(notes)), sample=found.sample, **arrays)


def _read(path: Path, state: object, source: RowSource) -> tuple[LookedOver, Overview] | None:
    """Read what was found in a panorama as it is now; None where it has to be looked through."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as kept:
            notes: dict[str, Any] = json.loads(str(kept["notes"]))
            if (notes["version"], notes["state"]) != (_VERSION, state):
                return None
            bar = None if notes["bar"] is None else InfoBar(*notes["bar"])
            sample: NDArray[Any] = kept["sample"]
            found = LookedOver(sample, tuple(notes["remarks"]), bar, bool(notes["colourless"]))
            colours = (3,) if found.colourless else sample.shape[2:]
            overview = Overview((*source.size, *colours), sample.dtype)
            for number, level in enumerate(overview.levels):
                level[:] = kept[f"level{number}"]
    except Exception:  # noqa: BLE001 - a damaged file is made anew, whatever is wrong with it
        return None
    return found, overview
