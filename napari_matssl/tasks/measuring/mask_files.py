"""Masks on disk, whoever made them, brought into the ids of one class table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.files import Stamp, stamp_of
from napari_matssl.labels.class_table import ClassTable, differing_in_case
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
from napari_matssl.project.classes import Classes
from napari_matssl.tasks.measuring.mask_paths import MASK, mask_paths


@dataclass(frozen=True)
class MaskFile:
    """A mask whose values are understood.

    Parameters
    ----------
    path
        Its file.
    shape
        Height and width in px.
    table
        Its classes, in ids that all masks read with it share.
    seen
        Stamp of the file before any of this was found out.
    """

    path: Path
    shape: tuple[int, int]
    table: ClassTable
    seen: Stamp | None
    _named: NamedValues | None
    _meaning: Meaning
    _ids: Mapping[int, int]

    def read(self) -> NDArray[np.uint8]:
        """Read the mask, ``(H, W)`` in the ids of ``table``; anew with each call.

        Raises
        ------
        InputError
            If it holds a value that is no class, or can't be read any more.
        """
        values = read_values(self.path, self._named).values
        mask = self._meaning.apply(values, self.path.name, describe_unknown=_no_class)
        return _renumbered(mask, self._meaning, self.table, self._ids)


class AnyMask(Protocol):
    """A mask file, whatever its values stand for."""

    @property
    def path(self) -> Path:
        """Its file."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in px."""

    @property
    def table(self) -> ClassTable:
        """Its classes."""

    @property
    def seen(self) -> Stamp | None:
        """Stamp of the file before any of this was found out."""

    def read(self) -> NDArray[np.uint8]:
        """Read the mask, ``(H, W)`` in the ids of its table; anew with each call."""


@dataclass(frozen=True)
class MaskSet:
    """Masks, and what was decided about them: lines each worth telling."""

    files: tuple[AnyMask, ...]
    remarks: tuple[str, ...]


def find_masks(inputs: Sequence[Path], classes: Path | None = None) -> MaskSet:
    """Find masks, and decide what their values mean; each is read once for that.

    Parameters
    ----------
    inputs
        Mask images, or folders; of a folder that
        :func:`~napari_matssl.tasks.predicting.predict.predict` wrote, only the masks are taken.
    classes
        Class table of all masks; None looks for ``classes.json`` beside each, then in masks of
        ours themselves, then takes the values found. Tables that differ are matched by name.

    Raises
    ------
    InputError
        If a mask can't be read, or its values can't be understood.
    """
    paths, left = mask_paths(inputs)
    seen = {path: stamp_of(path) for path in paths}
    remarks = dict.fromkeys(left)
    files: list[MaskFile] = []
    common: Classes | None = None
    groups, told = _by_table(paths, classes)
    remarks |= dict.fromkeys(told)
    for named, some in groups:
        shapes, palettes, meaning = _look_at(some, named)
        remarks |= dict.fromkeys((*overruled(some[0], classes), *palettes, *meaning.remarks))
        common, table, ids = _joined(common, meaning)
        if moved := [f"{c.name} {c.id}" for c in table.classes if ids.get(c.id, c.id) != c.id]:
            remarks[f"Classes of {meaning.source} are matched by name: {', '.join(moved)}."] = None
        for theirs, ours in differing_in_case(common.table, meaning.table, ids):
            remarks[f"{theirs} of {meaning.source} counts as {ours}."] = None
        files += [
            MaskFile(path, shapes[path], table, seen[path], named, meaning, ids) for path in some
        ]
    return MaskSet(tuple(files), tuple(remarks))


def _by_table(
    paths: Sequence[Path], given: Path | None
) -> tuple[list[tuple[NamedValues | None, list[Path]]], tuple[str, ...]]:
    """Divide masks by the class table that belongs to them; those without one are together.

    A table beside a mask goes before that in its file, which may have older names. Not where masks
    of one folder were made with tables that differ: that beside them is the one of the last run.

    Returns
    -------
    The masks by their tables, and a line on each folder whose table doesn't count.
    """
    tables: dict[Path, NamedValues | None] = {}
    mixed: dict[Path, str] = {}
    groups: list[tuple[NamedValues | None, list[Path]]] = []
    for path in paths:
        folder = path.parent
        if folder not in tables:
            table = tables[folder] = find_named_values(path, given)
            if given is None and table is not None and _made_with_several(folder):
                mixed[folder] = (
                    f"Masks in {folder.name} were made with class tables that differ: each counts "
                    f"by the one in its file, not by {table.source}."
                )
        own = _own_classes(path) if folder in mixed or tables[folder] is None else None
        named = own or tables[folder]
        group = next((some for known, some in groups if known == named), None)
        if group is None:
            group = []
            groups.append((named, group))
        group.append(path)
    return groups, tuple(mixed.values())


def _made_with_several(folder: Path) -> bool:
    """Whether one value is called differently in the files of a folder's masks of ours."""
    names: dict[int, str] = {}
    for path in sorted(folder.glob(f"*{MASK}.*")):
        own = _own_classes(path) if path.suffix in (".png", ".tif") else None
        for one in own.entries if own is not None else ():
            if names.setdefault(one.value, one.name) != one.name:
                return True
    return False


def _own_classes(path: Path) -> NamedValues | None:
    """Return the classes that a mask of ours stores itself."""
    classes = read_mask_facts(path).classes
    return None if classes is None else named_values_of(classes, "the masks themselves")


def _look_at(
    paths: Sequence[Path], named: NamedValues | None
) -> tuple[dict[Path, tuple[int, int]], tuple[str, ...], Meaning]:
    """Decide what the values of masks mean; also their shapes, and remarks on palettes."""
    counts: dict[int, int] = {}
    shapes, palettes = {}, []
    for path in paths:
        stored = read_values(path, named)
        shapes[path] = stored.values.shape[0], stored.values.shape[1]
        palettes.append((path.name, stored.colours))
        for value, pixels in count_values(stored.values).items():
            counts[value] = counts.get(value, 0) + pixels
    images = (read_values(path, named).values for path in paths)
    try:
        return shapes, describe_palettes(palettes), meaning_of_masks(counts, named, images)
    except InputError as error:
        if named is not None or len(paths) > 1:
            raise
        raise error.reworded(f"{paths[0].name}: {error.what}") from error


def _joined(common: Classes | None, meaning: Meaning) -> tuple[Classes, ClassTable, dict[int, int]]:
    """Bring a table into the ids of those before.

    Returns
    -------
    All classes so far, the table in their ids and names, and the new id by the old.

    Raises
    ------
    InputError
        If a class is excluded in one of them alone: fractions would have different denominators.
    """
    table = meaning.table
    if common is None:
        return Classes(table), table, {i: i for i in table.ids}
    common, ids = common.adopting(table)
    for one in table.classes:
        if one.exclude != common.of(ids[one.id]).exclude:
            this, others = ("", "not ") if one.exclude else ("not ", "")
            raise InputError(
                f"{one.name} is {this}excluded from the analysed area in {meaning.source}, and "
                f"{others}in the class table of other masks: their fractions can't be averaged.",
                "Give one class table for all, or measure them apart.",
                settings="classes",
            )
    ours = {old: common.of(new) for old, new in ids.items()}
    renamed = (
        one.model_copy(update={"id": ours[one.id].id, "name": ours[one.id].name})
        for one in table.classes
    )
    return common, ClassTable(classes=tuple(sorted(renamed, key=lambda one: one.id))), ids


def _renumbered(
    mask: NDArray[np.integer], meaning: Meaning, table: ClassTable, ids: Mapping[int, int]
) -> NDArray[np.uint8]:
    """Return a mask in the ids of a table, with its value for pixels without a class."""
    to = dict(ids)
    if meaning.unlabelled is not None:
        to[meaning.unlabelled] = table.no_class
    if all(old == new for old, new in to.items()):
        return mask.astype(np.uint8, copy=False)
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
