"""The file that tells where each field was taken: specimen, section and group of each image."""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_matssl.errors import InputError
from napari_matssl.files import check_regular, unreadable_file
from napari_matssl.labels.names import few
from napari_matssl.labels.pairing import stem_of, without_ome
from napari_matssl.micrograph.place import ALL, Place

_COLUMNS = ("image", "specimen", "section", "group")
_REMEDY = "Give a CSV file with the columns image and specimen, and section and group if you like."


@dataclass(frozen=True)
class GroupFile:
    """The places of images, by the stems of their names.

    Parameters
    ----------
    path
        The file.
    places
        By stem, without the ending that masks have.
    """

    path: Path
    places: Mapping[str, Place]

    def place_of(self, mask: Path) -> Place:
        """Return where the field of a mask was taken.

        Raises
        ------
        InputError
            If the file doesn't list it.
        """
        place = self.find(mask)
        if place is None:
            raise InputError(
                f"{self.path} has no row for {mask.name}.",
                "Add it, or measure only the masks that it lists.",
                settings="groups",
            )
        return place

    def find(self, image: Path) -> Place | None:
        """Return where an image or its mask was taken; None if the file doesn't list it."""
        return self.places.get(_key(image.name))

    def remark_on_others(self, masks: Iterable[Path]) -> str:
        """Return a remark on images of the file that aren't measured; empty if there are none."""
        others = sorted(self.places.keys() - {_key(mask.name) for mask in masks})
        if not others:
            return ""
        return f"{self.path} lists {len(others)} images that aren't measured: {few(others, 8)}."


def read_groups(path: Path) -> GroupFile:
    """Read a CSV file with the columns image and specimen, and perhaps section and group.

    Images are matched by their stems, with or without the ending ``_mask``. Commas, semicolons
    and tabs may stand between columns, as spreadsheets save them.

    Raises
    ------
    InputError
        If the file can't be read, lacks a column or a name, or has two rows for an image that
        contradict each other.
    """
    check_regular(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError):
            raise unreadable_file(path, error) from error
        raise InputError(f"{path} is no text in UTF-8.", _REMEDY, settings="groups") from error
    lines = [line for line in text.splitlines() if line.strip()]
    between = max(",;\t", key=(lines[0] if lines else "").count)
    rows = csv.reader(lines, delimiter=between)
    heading = [cell.strip().casefold() for cell in next(rows, [])]
    missing = [name for name in _COLUMNS[:2] if name not in heading]
    if missing:
        raise InputError(f"{path} has no column {missing[0]}.", _REMEDY, settings="groups")
    places: dict[str, Place] = {}
    for number, row in enumerate(rows, start=2):
        cells = dict(zip(heading, (cell.strip() for cell in row), strict=False))
        image, place = _key(cells.get("image", "")), _place(cells)
        if not image or not place.specimen:
            raise InputError(
                f"{path}, row {number}: the image or its specimen has no name.",
                _REMEDY,
                settings="groups",
            )
        if places.setdefault(image, place) != place:
            raise InputError(
                f"{path}, row {number}: {cells['image']} was given another place before.",
                "Leave one row for each image.",
                settings="groups",
            )
    return GroupFile(path, places)


def _place(cells: Mapping[str, str]) -> Place:
    return Place(cells.get("specimen", ""), cells.get("section", ""), cells.get("group") or ALL)


def _key(name: str) -> str:
    return without_ome(re.sub(r"_(mask|Simple Segmentation)$", "", stem_of(name)))
