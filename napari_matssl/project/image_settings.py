"""What was set for single images in the project of their folder."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from napari_matssl.files import Stamp, stamp_of
from napari_matssl.labels.names import few
from napari_matssl.project.own_folder import FOLDER, RECORD_FILE
from napari_matssl.project.planes import PLANES
from napari_matssl.project.record import ImageRecord, Record, read_record


def settings_of_image(image: Path) -> ImageRecord:
    """Return what was set for an image in its folder's project, if there is one.

    Raises
    ------
    InputError
        If the project's record is damaged.
    """
    record = own_folder_of_image(image) / RECORD_FILE
    return _record(record, stamp_of(record)).image(image.name)


def remark_on_excluded(images: Iterable[Path]) -> str:
    """Return a line on images that a project leaves out but that were named; empty without any.

    Raises
    ------
    InputError
        If the record of a project is damaged.
    """
    names = dict.fromkeys(one.name for one in images if settings_of_image(one).excluded)
    if not names:
        return ""
    their, count = ("its", "counts") if len(names) == 1 else ("their", "count")
    return f"Excluded in the project of {their} folder, {few([*names], 8)} {count} here."


def own_folder_of_image(image: Path) -> Path:
    """Return the own folder of the project of an image, or a plane; it need not exist."""
    parent = image.absolute().parent
    is_plane = (parent.parent.name, parent.name) == (FOLDER, PLANES)
    return parent.parent if is_plane else parent / FOLDER


@lru_cache(maxsize=8)
def _record(path: Path, _stamp: Stamp | None) -> Record:
    return read_record(path)
