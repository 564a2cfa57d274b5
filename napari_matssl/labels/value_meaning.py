"""The meaning of values in label images."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import NO_CLASS, NO_CLASS_BESIDE_0, ClassTable
from napari_matssl.labels.class_table_files import LARGEST_ID, NamedValue, place
from napari_matssl.labels.counting import count_values, listed
from napari_matssl.labels.names import few

Unlabelled = int | Literal["auto"] | None
"""Value of unpainted pixels; "auto": 0 unless it has the name of a class; None: each is a class."""

FOUND = "the values found in the labels"

Images = Iterable[NDArray[np.integer]]


@dataclass(frozen=True)
class Meaning:
    """The meaning of each value of label images.

    Parameters
    ----------
    table
        The classes.
    unlabelled
        Value of pixels without a class after :meth:`apply`; None if every value is a class.
    ids
        By value: the id of its class, or `unlabelled`.
    source
        As shown to users: ``"labels/classes.json"`` or ``"the values found in the labels"``.
    remarks
        Lines on what was decided.
    numbered
        Whether there was no table, and the classes have numbers for names.
    """

    table: ClassTable
    unlabelled: int | None
    ids: Mapping[int, int]
    source: str
    remarks: tuple[str, ...] = ()
    numbered: bool = False

    def apply(
        self,
        values: NDArray[np.integer],
        name: str,
        rows: int | None = None,
        describe_unknown: Callable[[str, Mapping[int, int], ClassTable], InputError] | None = None,
    ) -> NDArray[np.integer]:
        """Turn the values of an image into class ids.

        Parameters
        ----------
        values
            ``(H, W)``.
        name
            What to call the image in messages.
        rows
            Rows of the specimen; below them, in the info bar, any value may stand.
        describe_unknown
            Makes the error for values without a meaning; :func:`not_in_table` by default.

        Returns
        -------
        ``(H, W)``: the same array where the values are the ids.

        Raises
        ------
        InputError
            If a value means nothing.
        """
        counts = count_values(values[:rows])
        unknown = {v: n for v, n in counts.items() if v not in self.ids}
        if unknown:
            raise (describe_unknown or not_in_table)(name, unknown, self.table)
        if all(value == self.ids[value] for value in counts):
            return values
        ids = np.full(values.shape, NO_CLASS_BESIDE_0, dtype=np.uint8)
        for value, class_id in self.ids.items():
            ids[values == value] = class_id
        return ids


def count_all(images: Images) -> dict[int, int]:
    """Count the pixels of each value over all images, in ascending order."""
    counts: dict[int, int] = {}
    for image in images:
        for value, pixels in count_values(image).items():
            counts[value] = counts.get(value, 0) + pixels
    return dict(sorted(counts.items()))


def settled(unlabelled: Unlabelled, table: ClassTable) -> int | None:
    """Return the stored value of unpainted pixels in labels whose values are class ids."""
    if unlabelled == "auto":
        return None if 0 in table.ids else 0
    return unlabelled


def not_in_table(name: str, unknown: Mapping[int, int], table: ClassTable) -> InputError:
    """Return the error for values that are no class."""
    return InputError(
        f"The labels of {name} hold values outside the class table: {listed(unknown)}. "
        f"The classes are {classes_in_words(table)}.",
        "Repaint those pixels, give a table that lists the values, or name the value of unpainted "
        "pixels.",
        settings="classes unlabelled",
    )


def classes_in_words(table: ClassTable) -> str:
    """List ids and names: ``"1 ferrite, 2 martensite"``."""
    return few([f"{c.id} {c.name}" for c in table.classes], 12)


def build_meaning(
    classes: list[NamedValue],
    nothing: Iterable[int],
    source: str,
    remarks: list[str],
    numbered: bool = False,
) -> Meaning:
    """Assign ids to classes, and one to the values without a class.

    Parameters
    ----------
    classes
        At least one.
    nothing
        Values of unpainted pixels, or of those that were not analysed.
    source, remarks, numbered
        As for :class:`Meaning`.

    Raises
    ------
    InputError
        If there are more classes than ids.
    """
    values = frozenset(nothing)
    none = _id_of_none(values, zero_is_class=any(one.value == 0 for one in classes))
    table, ids = place(classes, taken=() if none is None else {none})
    moved = [
        f"{one.value} in the label images is class {ids[one.value]} here, {one.name}: "
        f"ids end at {LARGEST_ID}."
        for one in classes
        if ids[one.value] != one.value
    ]
    if none is not None:
        ids |= dict.fromkeys(values, none)
    return Meaning(table, none, ids, source, (*remarks, *moved), numbered)


def _id_of_none(values: frozenset[int], zero_is_class: bool) -> int | None:
    """Choose the id of pixels of no class: their value if it is one alone and small enough."""
    if not values:
        return None
    if len(values) == 1 and max(values) <= NO_CLASS_BESIDE_0:
        return max(values)
    return NO_CLASS_BESIDE_0 if zero_is_class else NO_CLASS
