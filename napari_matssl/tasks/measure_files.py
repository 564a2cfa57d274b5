"""Measure the phase fractions of masks on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.class_table_files import (
    NamedValues,
    find_named_values,
    named_values_of,
    overruled,
)
from napari_matssl.labels.counting import count_values, listed
from napari_matssl.labels.deciding_meaning import meaning_of_masks
from napari_matssl.labels.provenance import read_mask_facts
from napari_matssl.labels.reading_labels import describe_palettes, read_values
from napari_matssl.labels.value_meaning import Meaning
from napari_matssl.measure.phases import PhaseFraction, phase_fractions
from napari_matssl.micrograph.calibration import read_pixel_size
from napari_matssl.micrograph.reading import find_micrographs
from napari_matssl.project.classes import Classes


@dataclass(frozen=True)
class MeasuredMasks:
    """The phase fractions of masks, and the meaning of their values.

    Parameters
    ----------
    rows
        One per class and mask.
    remarks
        Lines on what was decided, each worth telling.
    """

    rows: tuple[PhaseFraction, ...]
    remarks: tuple[str, ...] = ()


def measure_masks(inputs: Sequence[Path], classes: Path | None = None) -> MeasuredMasks:
    """Measure the area fraction of every class on every mask.

    Parameters
    ----------
    inputs
        Mask images, or folders; of a folder that :func:`~napari_matssl.tasks.predict.predict`
        wrote, only the masks are taken.
    classes
        Class table of all masks; None looks for ``classes.json`` beside each, then in masks of
        ours themselves, then takes the values found. Tables that differ are matched by name.

    Raises
    ------
    InputError
        If a mask can't be read, or holds a value that is no class.
    """
    paths = [path for given in inputs for path in _masks(given)]
    rows: list[PhaseFraction] = []
    remarks: dict[str, None] = {}
    common: Classes | None = None
    for named, some in _by_table(paths, classes):
        palettes, meaning = _meaning(some, named)
        remarks |= dict.fromkeys((*overruled(some[0], classes), *palettes, *meaning.remarks))
        common, table, ids = _joined(common, meaning.table)
        if moved := [f"{c.name} {c.id}" for c in table.classes if ids.get(c.id, c.id) != c.id]:
            remarks[f"Classes of {meaning.source} are matched by name: {', '.join(moved)}."] = None
        for path in some:
            mask = meaning.apply(
                read_values(path, named).values, path.name, describe_unknown=_no_class
            )
            mask = _renumbered(mask, meaning, table, ids)
            size = read_pixel_size(path, mask.shape[1])
            rows += phase_fractions(path.name, mask, table, size, read_mask_facts(path).provenance)
    runs = {row.origin.run for row in rows if row.origin is not None and row.origin.run}
    if len(runs) > 1:
        remarks[f"The masks are of {len(runs)} runs, listed in the column run."] = None
    return MeasuredMasks(tuple(rows), tuple(remarks))


def _masks(given: Path) -> list[Path]:
    found = find_micrographs([given])
    if given.is_dir():
        found = [path for path in found if path.stem.endswith("_mask")] or found
        # An export holds each mask as a PNG and as a TIFF, of which one is measured.
        return list({path.stem: path for path in reversed(found)}.values())[::-1]
    return found


def _by_table(
    paths: Sequence[Path], given: Path | None
) -> list[tuple[NamedValues | None, list[Path]]]:
    """Divide masks by the class table that belongs to them; those without one are together.

    A table beside a mask goes before that in its file, which may have older names.
    """
    tables: dict[Path, NamedValues | None] = {}
    groups: list[tuple[NamedValues | None, list[Path]]] = []
    for path in paths:
        if path.parent not in tables:
            tables[path.parent] = find_named_values(path, given)
        named = tables[path.parent] or _own_classes(path)
        group = next((some for known, some in groups if known == named), None)
        if group is None:
            group = []
            groups.append((named, group))
        group.append(path)
    return groups


def _own_classes(path: Path) -> NamedValues | None:
    """Return the classes that a mask of ours stores itself."""
    classes = read_mask_facts(path).classes
    return None if classes is None else named_values_of(classes, "the masks themselves")


def _meaning(paths: Sequence[Path], named: NamedValues | None) -> tuple[tuple[str, ...], Meaning]:
    """Decide what the values of masks mean, with remarks on palettes."""
    counts: dict[int, int] = {}
    palettes = []
    for path in paths:
        stored = read_values(path, named)
        palettes.append((path.name, stored.colours))
        for value, pixels in count_values(stored.values).items():
            counts[value] = counts.get(value, 0) + pixels
    images = (read_values(path, named).values for path in paths)
    try:
        return describe_palettes(palettes), meaning_of_masks(counts, named, images)
    except InputError as error:
        if named is not None or len(paths) > 1:
            raise
        raise error.reworded(f"{paths[0].name}: {error.what}") from error


def _joined(
    common: Classes | None, table: ClassTable
) -> tuple[Classes, ClassTable, dict[int, int]]:
    """Bring a table into the ids of those before.

    Returns
    -------
    All classes so far, the table in their ids, and the new id by the old.
    """
    if common is None:
        return Classes(table), table, {i: i for i in table.ids}
    common, ids = common.adopting(table)
    renamed = (one.model_copy(update={"id": ids[one.id]}) for one in table.classes)
    return common, ClassTable(classes=tuple(sorted(renamed, key=lambda one: one.id))), ids


def _renumbered(
    mask: NDArray[np.integer], meaning: Meaning, table: ClassTable, ids: Mapping[int, int]
) -> NDArray[np.integer]:
    """Return a mask in the ids of a table, with its value for pixels without a class."""
    to = dict(ids)
    if meaning.unlabelled is not None:
        to[meaning.unlabelled] = table.no_class
    if all(old == new for old, new in to.items()):
        return mask
    result = np.full(mask.shape, table.no_class, dtype=np.uint8)
    for old, new in to.items():
        result[mask == old] = new
    return result


def _no_class(name: str, unknown: Mapping[int, int], _table: ClassTable) -> InputError:
    return InputError(
        f"The mask {name} holds values that are no class: {listed(unknown)}.",
        "Give the class table that the mask was made with.",
        settings="classes",
    )
