"""Class ids for the names in annotation files."""

from collections.abc import Iterable, Sequence

from napari_matssl.labels.class_table import NO_CLASS, ClassTable
from napari_matssl.labels.class_table_files import LARGEST_ID, NamedValue, NamedValues, place
from napari_matssl.labels.exchange.shapes import AnnotationFile, SourceClass

_WITHOUT_ID = 1 << 20  # above any value of a class table


def number_classes(
    files: Sequence[AnnotationFile], tables: Iterable[NamedValues | None]
) -> ClassTable:
    """Give each class of some files an id.

    A class has the id of the first table that names it, else its number in its file, else the next
    id; 0 stays unpainted, and no id is given twice.

    Parameters
    ----------
    files
        Their classes, each once by its name. Where there are too many, only those that have
        shapes.
    tables
        In the order in which they count; their classes are listed, too. Values that can't be ids
        and mean no label aren't.

    Raises
    ------
    InputError
        If there are more than 254 classes.
    """
    entries: dict[str, NamedValue] = {}
    values: set[int] = set()

    def add(name: str, wanted: int | None, colour: str | None, exclude: bool) -> None:
        if name in entries:
            return
        free = wanted is not None and NO_CLASS < wanted <= LARGEST_ID and wanted not in values
        value = wanted if free and wanted is not None else _WITHOUT_ID + len(entries)
        values.add(value)
        entries[name] = NamedValue(value, name, colour, exclude)

    for table in tables:
        for one in table.entries if table is not None else ():
            if NO_CLASS < one.value <= LARGEST_ID or not one.is_no_class:
                add(one.name, one.value, one.colour, one.exclude)
    for source in _listed(files, len(entries)):
        add(source.name, source.id, source.colour, False)
    return place(entries.values(), (NO_CLASS,))[0]


def _listed(files: Sequence[AnnotationFile], before: int) -> list[SourceClass]:
    every = [one for file in files for one in file.classes]
    if before + len({one.name for one in every}) <= LARGEST_ID:
        return every
    used = {one.name for file in files for image in file.images for one in image.annotations}
    return [one for one in every if one.name in used]
