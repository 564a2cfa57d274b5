"""The classes of a project: names, colours, the user's order, and what they were once called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from pydantic import ValidationError

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass, match_by_name
from napari_matssl.labels.names import class_name, composed

MOST_IDS = 254


@dataclass(frozen=True)
class Classes:
    """A class table in the user's order. Every edit gives a new one and leaves this as it is.

    Parameters
    ----------
    table
        The classes; ids from 1 to 254.
    order
        Ids in the user's order; those it lacks follow by id. Classes that are gone keep their
        place: another window may still have strokes of theirs, so their ids aren't given again as
        long as there are others.
    former_names
        Id of the class that once had a name: models trained before a renaming use the old one.
    """

    table: ClassTable
    order: tuple[int, ...] = ()
    former_names: Mapping[str, int] = field(default_factory=dict)

    @property
    def in_order(self) -> tuple[LabelClass, ...]:
        """The classes in the user's order."""
        by_id = {one.id: one for one in self.table.classes}
        return tuple(by_id[i] for i in self._whole_order if i in by_id)

    @property
    def _whole_order(self) -> tuple[int, ...]:
        """The ids of all classes, with those that are gone."""
        return tuple(dict.fromkeys([*self.order, *self.table.ids]))

    def with_new(self, name: str | None = None, exclude: bool = False) -> "Classes":
        """Append a class with an id that none ever had, and the next unused colour.

        Raises
        ------
        InputError
            If the name is empty or taken, or there are 254 classes.
        """
        if name is None:
            kind = "artefact" if exclude else "phase"
            first = 1 + sum(one.exclude == exclude for one in self.table.classes)
            # The third class is "phase 3", whatever the others are called.
            names = (f"{kind} {i}" for i in count(first))
            name = next(name for name in names if name not in self.table.names)
        new_id = self._free_id()
        return self._appended(_made(new_id, self._free_name(name), self._free_colour(), exclude))

    def with_back(self, one: LabelClass) -> "Classes":
        """Put a class back that was deleted, with its id; where its id is in use, change nothing.

        Its name gets a number if another class has it now.
        """
        if one.id in self.table.ids:
            return self
        names = (one.name, *(f"{one.name} {i}" for i in range(2, MOST_IDS + 2)))
        name = next(name for name in names if name not in self.table.names)
        return self._appended(one.model_copy(update={"name": name}))

    def renamed(self, class_id: int, name: str) -> "Classes":
        """Rename a class, and keep the old name for matching.

        Raises
        ------
        InputError
            If there is no such class, or the name is empty or another class's.
        """
        old = self.of(class_id)
        if composed(name).strip() == old.name:
            return self
        former_names = {**self.former_names, old.name: class_id}
        renamed = self.changed(class_id, name=self._free_name(name))
        return replace(renamed, former_names=former_names)

    def changed(self, class_id: int, **values: Any) -> "Classes":
        """Change attributes of a class.

        Raises
        ------
        InputError
            If there is no such class, or a value is none for a class.
        """
        old = self.of(class_id)
        new = _made(class_id, *({**old.model_dump(exclude={"id"}), **values}.values()))
        kept = (new if one is old else one for one in self.table.classes)
        return replace(self, table=ClassTable(classes=tuple(kept)))

    def reordered(self, ids: Sequence[int]) -> "Classes":
        """Put the classes into another order.

        Raises
        ------
        InputError
            If `ids` are not the classes' ids, each once.
        """
        if sorted(ids) != list(self.table.ids):
            raise InputError(
                f"The new order of the classes {list(ids)} doesn't name each class once: "
                f"the ids are {list(self.table.ids)}.",
                "Open the folder again.",
            )
        gone = (i for i in self._whole_order if i not in self.table.ids)
        return replace(self, order=(*ids, *gone))

    def without(self, class_id: int) -> "Classes":
        """Leave out a class.

        Raises
        ------
        InputError
            If there is no such class, or no other.
        """
        if self.of(class_id) and len(self.table) == 1:
            raise InputError(
                f'"{self.table.names[0]}" is the last class.',
                "Rename it, or add another class first.",
            )
        former_names = {name: i for name, i in self.former_names.items() if i != class_id}
        return Classes(self.table.without(class_id), self._whole_order, former_names)

    def merged(self, class_id: int, into: int) -> "Classes":
        """Leave out a class; another one now stands for its names too.

        Raises
        ------
        InputError
            If there is no such class, or both are the same.
        """
        gone, kept = self.of(class_id), self.of(into)
        if gone is kept:
            raise InputError(
                f'"{gone.name}" can\'t be merged into itself.', "Choose another class."
            )
        names = {name: into for name, i in self.former_names.items() if i == class_id}
        rest = self.without(class_id)
        return replace(rest, former_names={**rest.former_names, **names, gone.name: into})

    def adopting(self, table: ClassTable) -> tuple["Classes", dict[int, int]]:
        """Match the classes of another table by name, by a former name, else append them.

        A class of ours stands for one of the other table at most.

        Returns
        -------
        The classes, and our id by the other table's.

        Raises
        ------
        InputError
            If there would be more than 254 classes.
        """
        ids = match_by_name(self.table, table, self.former_names)
        classes = self
        missing = [one for one in table.classes if one.id not in ids]
        # Classes that can keep their id come first, else another might be given it.
        for one in sorted(missing, key=lambda one: one.id in (0, *self.table.ids)):
            ids[one.id] = classes._free_id(one.id)
            new = _made(ids[one.id], one.name, one.colour, one.exclude)
            classes = classes._appended(new)
        return classes, dict(sorted(ids.items()))

    def of(self, class_id: int) -> LabelClass:
        """Return the class of an id.

        Raises
        ------
        InputError
            If there is no such class.
        """
        for one in self.table.classes:
            if one.id == class_id:
                return one
        raise InputError(f"There is no class {class_id}.", "Open the folder again.")

    def _appended(self, new: LabelClass) -> "Classes":
        table = ClassTable(classes=tuple(sorted([*self.table.classes, new], key=lambda c: c.id)))
        return replace(
            self, table=table, order=(*(i for i in self._whole_order if i != new.id), new.id)
        )

    def _free_id(self, wanted: int = 0) -> int:
        taken: set[int] = {0, *self.table.ids}
        wishes: list[int] = [wanted, *range(1, MOST_IDS + 1)]
        free: list[int] = [i for i in wishes if i not in taken]
        unused: list[int] = [i for i in free if i not in self._whole_order]
        if free:
            return (unused or free)[0]
        raise InputError(f"There are {MOST_IDS} classes already.", "Delete one that isn't used.")

    def _free_colour(self) -> str:
        used = {one.colour.lower() for one in self.table.classes}
        again = COLOURS[len(self.table) % len(COLOURS)]
        return next((colour for colour in COLOURS if colour not in used), again)

    def _free_name(self, name: str) -> str:
        try:
            plain = class_name(name)
        except ValueError as error:
            reason = str(error)
            raise InputError(
                f"{reason[0].upper()}{reason[1:]}.", "Type a name such as ferrite."
            ) from error
        if plain in self.table.names:
            raise InputError(
                f'There is a class "{plain}" already.', "Choose another name for one of them."
            )
        return plain


def _made(class_id: int, name: str, colour: str, exclude: bool) -> LabelClass:
    try:
        return LabelClass(id=class_id, name=name, colour=colour, exclude=exclude)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f'The class "{name}" can\'t be so: {first["loc"][0]}: {first["msg"]}.',
            "A colour looks like #0072b2.",
        ) from error
