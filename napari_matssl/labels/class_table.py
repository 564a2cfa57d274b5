"""The class table: id, name and colour of each class."""

from collections.abc import Mapping
from pathlib import Path
from types import EllipsisType
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from napari_matssl.files import Stamp, write_json
from napari_matssl.labels.names import class_name

# Distinct in luminance, too, and with common colour-vision deficiencies
# (Okabe and Ito's eight, without black).
COLOURS = ("#0072b2", "#e69f00", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#f0e442", "#999999")

NO_CLASS = 0
"""Mask value of pixels without a class."""

NO_CLASS_BESIDE_0 = 255
"""The same where 0 is a class; white in masks of ImageJ and others."""


class LabelClass(BaseModel):
    """One class of pixels, usually a phase."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int = Field(ge=0, le=254, description="value of the class's pixels in masks")
    name: Annotated[str, AfterValidator(class_name)] = Field(
        description="what the class is called in tables"
    )
    colour: str = Field(pattern=r"^#[0-9a-fA-F]{6}$", description="#rrggbb")
    exclude: bool = Field(
        default=False, description="scratches, stains: left out of the analysed area"
    )

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The colour as three values from 0 to 255."""
        return int(self.colour[1:3], 16), int(self.colour[3:5], 16), int(self.colour[5:7], 16)


class ClassTable(BaseModel):
    """All classes of a job, in ascending order of their ids."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: tuple[LabelClass, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_and_names_differ(self) -> Self:
        ids = [c.id for c in self.classes]
        if ids != sorted(set(ids)):
            raise ValueError("class ids must differ and ascend")
        names = [c.name for c in self.classes]
        if len(set(names)) < len(names):
            raise ValueError("class names must differ")
        return self

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids in ascending order; a network's channel i stands for ``ids[i]``."""
        return tuple(c.id for c in self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the order of the ids."""
        return tuple(c.name for c in self.classes)

    @property
    def no_class(self) -> int:
        """Mask value of pixels without a class: 0, or 255 where 0 is a class."""
        return NO_CLASS_BESIDE_0 if self.classes[0].id == 0 else NO_CLASS

    def without(self, class_id: int | None) -> "ClassTable":
        """Return the table without one id; unchanged if it has no such id."""
        kept = tuple(c for c in self.classes if c.id != class_id)
        return self if len(kept) == len(self.classes) else ClassTable(classes=kept)

    def write(self, path: Path, expected: Stamp | EllipsisType | None = ...) -> None:
        """Write the table as JSON, atomically, over the file that is `expected` there."""
        write_json(path, self.model_dump(mode="json"), expected)


def numbered_table(ids: list[int]) -> ClassTable:
    """Make a table for ids without names: ``class 1``, ``class 2``, ..."""
    return ClassTable(
        classes=tuple(
            LabelClass(id=i, name=f"class {i}", colour=COLOURS[n % len(COLOURS)])
            for n, i in enumerate(sorted(ids))
        )
    )


def match_by_name(
    ours: ClassTable, theirs: ClassTable, former_names: Mapping[str, int] | None = None
) -> dict[int, int]:
    """Match the classes of two tables by name; ids alone carry no meaning.

    Names that are the same go first, then former ones, then names that differ in upper and lower
    case only, where one of ours and one of theirs is left that they may mean: ``Co`` and ``CO`` in
    one table are two classes. A class of ours stands for one of theirs at most.

    Parameters
    ----------
    ours, theirs
        The tables.
    former_names
        Our id of a class by a name that it once had.

    Returns
    -------
    Our id by theirs, in ascending order of theirs; classes that match nothing are missing.
    """
    by_name = {one.name: one.id for one in ours.classes}
    ids = {one.id: by_name[one.name] for one in theirs.classes if one.name in by_name}
    for one in theirs.classes:
        former = (former_names or {}).get(one.name)
        if one.id not in ids and former in ours.ids and former not in ids.values():
            assert former is not None
            ids[one.id] = former
    free = [one for one in ours.classes if one.id not in ids.values()]
    left = [one for one in theirs.classes if one.id not in ids]
    for one in left:
        alike = [own for own in free if own.name.casefold() == one.name.casefold()]
        rivals = [other for other in left if other.name.casefold() == one.name.casefold()]
        if len(alike) == len(rivals) == 1:
            ids[one.id] = alike[0].id
    return dict(sorted(ids.items()))


def differing_in_case(
    ours: ClassTable, theirs: ClassTable, ids: Mapping[int, int]
) -> tuple[tuple[str, str], ...]:
    """List the matched classes, theirs and ours, whose names differ in case only."""
    names = {one.id: one.name for one in ours.classes}
    pairs = ((one.name, names[ids[one.id]]) for one in theirs.classes if one.id in ids)
    return tuple((a, b) for a, b in pairs if a != b and a.casefold() == b.casefold())
