"""What was set for single images in the project of their folder."""

from functools import lru_cache
from pathlib import Path

from napari_matssl.files import Stamp, stamp_of
from napari_matssl.project.own_folder import FOLDER, RECORD_FILE
from napari_matssl.project.record import ImageRecord, Record, read_record


def settings_of_image(image: Path) -> ImageRecord:
    """Return what was set for an image in its folder's project, if there is one.

    Raises
    ------
    InputError
        If the project's record is damaged.
    """
    record = image.absolute().parent / FOLDER / RECORD_FILE
    return _record(record, stamp_of(record)).image(image.name)


@lru_cache(maxsize=8)
def _record(path: Path, _stamp: Stamp | None) -> Record:
    return read_record(path)
