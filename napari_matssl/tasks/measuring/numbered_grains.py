"""Label images in which each grain has a number of its own, as masks of grains and boundaries."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError, SettingsError
from napari_matssl.files import Stamp, stamp_of
from napari_matssl.labels.class_table import (
    COLOURS,
    NO_CLASS_BESIDE_0,
    ClassTable,
    LabelClass,
)
from napari_matssl.labels.class_table_files import find_named_values
from napari_matssl.labels.counting import count_values
from napari_matssl.labels.names import few
from napari_matssl.labels.provenance import read_mask_facts
from napari_matssl.labels.reading_labels import read_values
from napari_matssl.measure.boundaries import between_numbers
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.tasks.measuring.mask_files import MaskSet
from napari_matssl.tasks.measuring.mask_paths import mask_paths

GRAIN, BOUNDARY = 1, 2

TABLE = ClassTable(
    classes=tuple(
        LabelClass(id=number, name=name, colour=COLOURS[number - 1])
        for number, name in ((GRAIN, "grain"), (BOUNDARY, "grain boundary"))
    )
)
"""The classes of such a mask."""


@dataclass(frozen=True)
class NumberedGrains:
    """A label image of numbered grains.

    Parameters
    ----------
    path
        Its file.
    shape
        Height and width in px.
    seen
        Stamp of the file before it was read for the first time.
    table
        The classes of the mask that it becomes.
    """

    path: Path
    shape: tuple[int, int]
    seen: Stamp | None
    table: ClassTable = TABLE

    def read(self) -> NDArray[np.uint8]:
        """Read the mask, ``(H, W)``; boundaries are one px wide, or as wide as 0 is.

        Raises
        ------
        InputError
            If it can't be read any more.
        """
        values = read_values(self.path, None).values
        boundary = between_numbers(values) | (values == 0)
        return np.where(boundary, np.uint8(BOUNDARY), np.uint8(GRAIN))


def find_numbered_grains(inputs: Sequence[Path]) -> MaskSet:
    """Find label images of numbered grains; each is read once for its size.

    Raises
    ------
    InputError
        If one can't be read, has fewer than two numbers, or is a mask of classes: it was segmented
        here, or a class table beside it names all its values.
    """
    paths, left = mask_paths(inputs)
    files, remarks = [], [*left, "Each value of the masks is taken for the number of a grain."]
    for path in paths:
        seen = stamp_of(path)
        values = read_values(path, None).values
        nothing = np.count_nonzero(values == 0)
        inside = values[values != 0] if nothing else values
        if inside.size == 0 or inside.min() == inside.max():
            raise InputError(
                f"{path.name} holds fewer than two numbers of grains.",
                "Measure it as a mask of classes, or give one in which each grain has its number.",
                settings="numbered_grains",
            )
        if classes := _classes_of(path, values):
            raise InputError(
                f"{path.name} is a mask of classes, {few(classes, 8)}, not of numbered grains.",
                "Measure it as a mask of classes, or give one in which each grain has its number.",
                settings="numbered_grains",
            )
        if nothing:
            share = 100 * nothing / values.size
            remarks.append(f"{path.name}: 0 is taken for boundaries: {share:.3g} % of the pixels.")
        files.append(NumberedGrains(path, (values.shape[0], values.shape[1]), seen))
    return MaskSet(tuple(files), tuple(remarks))


def _classes_of(path: Path, values: NDArray[np.integer]) -> tuple[str, ...]:
    """Name the classes that the values of a mask stand for; empty if they are numbers of grains."""
    own = read_mask_facts(path).classes
    if own is not None:
        return own.names
    table = find_named_values(path)
    if table is None:
        return ()
    known = {one.value: one.name for one in table.entries}
    found = [value for value in count_values(values) if value not in (0, NO_CLASS_BESIDE_0)]
    return tuple(known[v] for v in found) if all(v in known for v in found) else ()


def check_for_numbers(
    settings: MeasureSettings, only: Collection[str], classes: Path | None
) -> None:
    """Refuse what needs classes.

    Raises
    ------
    SettingsError
        If another measure than grain size is wanted, or classes are named.
    """
    if settings.chosen != ("grains",):
        raise SettingsError(
            "Of numbered grains, grain size alone can be measured.",
            "Leave out all other measures.",
            settings="measures=grains",
        )
    if only or classes is not None:
        raise SettingsError(
            "Numbered grains have no classes.",
            "Leave out their names and their table.",
            settings="class classes",
        )
