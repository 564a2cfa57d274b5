"""The class table in a folder of label images that others are added to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_matssl.errors import OutputError
from napari_matssl.files import write_json
from napari_matssl.labels.class_table import NO_CLASS, ClassTable
from napari_matssl.labels.class_table_files import (
    CLASSES_FILE,
    LARGEST_ID,
    NamedValue,
    NamedValues,
    find_named_values,
)
from napari_matssl.labels.exchange.shapes import AnnotationFile
from napari_matssl.labels.names import few
from napari_matssl.micrograph.reading import LABEL_SUFFIXES


@dataclass(frozen=True)
class TableInFolder:
    """What a folder for label images has for a class table.

    Parameters
    ----------
    path
        Where it is written.
    there
        The table that label images in the folder have; None if there is none.
    """

    path: Path
    there: NamedValues | None

    def check_keeps(self, files: Sequence[AnnotationFile]) -> None:
        """Check that no entry would get another value: label images in the folder have these.

        Parameters
        ----------
        files
            Whose classes are added.

        Raises
        ------
        OutputError
            If one would: a class at 0, which is unpainted, or above 254.
        """
        if self.there is None:
            return
        new = {one.name for file in files for one in file.classes}
        moved = [
            f"{one.value} {one.name}"
            for one in self.there.entries
            if not NO_CLASS < one.value <= LARGEST_ID
            and not (one.is_no_class and (one.value == NO_CLASS or one.name not in new))
        ]
        if moved:
            raise OutputError(
                f"{self.there.source} has {few(moved, 5)}, outside of the values from 1 to "
                f"{LARGEST_ID} that classes get: "
                "label images in the folder would change their meaning.",
                "Choose another folder.",
            )

    def write(self, table: ClassTable) -> None:
        """Write a table; values above its ids that mean no label stay in it as they are.

        Raises
        ------
        OutputError
            If it can't be written.
        """
        there = () if self.there is None else self.there.entries
        kept = [one for one in there if one.value > LARGEST_ID]
        if not kept:
            table.write(self.path)
            return
        own = [NamedValue(one.id, one.name, one.colour, one.exclude) for one in table.classes]
        write_json(self.path, {str(one.value): _details(one) for one in (*own, *kept)})


def table_in(folder: Path) -> TableInFolder:
    """Read the class table of a folder for label images, if there is one.

    One in the folder above counts where label images are there.

    Raises
    ------
    InputError
        If it can't be read.
    """
    path = folder / CLASSES_FILE
    has_labels = any(one.suffix.lower() in LABEL_SUFFIXES for one in folder.glob("*"))
    there = find_named_values(folder) if has_labels or path.exists() else None
    return TableInFolder(path, there)


def _details(entry: NamedValue) -> dict[str, str | bool]:
    colour = {} if entry.colour is None else {"colour": entry.colour}
    return {"name": entry.name, **colour, "exclude": entry.exclude}
