"""The classes of a project on disk, and what edits of them do to labels and masks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_matssl.labels.class_table import ClassTable, LabelClass, match_by_name
from napari_matssl.labels.class_table_files import CLASSES_FILE
from napari_matssl.project.classes import Classes
from napari_matssl.project.first_look import find_classes
from napari_matssl.project.id_images import IdImages
from napari_matssl.project.own_folder import Place
from napari_matssl.project.record import KeptRecord
from napari_matssl.project.retried_edit import SharedFile


class KeptClasses:
    """The classes of a project; each edit is made on what is on disk at that moment.

    Parameters
    ----------
    folder
        The folder of images, beside which a first class table may lie.
    place, record
        Where the project is kept; its record holds order and former names of the classes.
    labels, masks
        The images that have the classes.

    Attributes
    ----------
    remarks
        What of a class table was left out, and why.

    Raises
    ------
    InputError
        If the class table is damaged.
    """

    def __init__(
        self, folder: Path, place: Place, record: KeptRecord, labels: IdImages, masks: IdImages
    ) -> None:
        self._place, self._record, self._labels, self._masks = place, record, labels, masks
        self.remarks: list[str] = []

        def read(path: Path) -> ClassTable:
            table, self.remarks = find_classes(folder, path, labels)
            return table

        self._file = SharedFile(place, place.own / CLASSES_FILE, read, ClassTable.write)

    @property
    def table(self) -> ClassTable:
        """The classes by ascending id, as training and writing need them."""
        return self._file.value

    @property
    def in_order(self) -> tuple[LabelClass, ...]:
        """The classes in the user's order."""
        return self._now.in_order

    def add(self, name: str | None = None, exclude: bool = False) -> LabelClass:
        """Add a class with the next free id and the next unused colour.

        Parameters
        ----------
        name
            None makes one up, such as ``"phase 3"``.
        exclude
            Leave its pixels out of the analysed area.

        Raises
        ------
        InputError
            If the name is empty or taken, or there are 254 classes.
        """
        with self._place.lock:
            self._edit(lambda classes: classes.with_new(name, exclude))
            return self.in_order[-1]

    def rename(self, class_id: int, name: str) -> None:
        """Rename a class; models with its old name still match.

        Raises
        ------
        InputError
            If the name is empty or another class's.
        """
        self._edit(lambda classes: classes.renamed(class_id, name))

    def recolour(self, class_id: int, colour: str) -> None:
        """Change the colour of a class, ``"#rrggbb"``; files show it when written next."""
        self._edit(lambda classes: classes.changed(class_id, colour=colour))

    def set_exclude(self, class_id: int, exclude: bool) -> None:
        """Leave a class out of the analysed area, or take it in."""
        self._edit(lambda classes: classes.changed(class_id, exclude=exclude))

    def reorder(self, ids: tuple[int, ...]) -> None:
        """Put the classes into another order; `ids` names each once."""
        known = sorted(ids) == list(self.table.ids)  # else `reordered` refuses them
        self._edit(lambda now: now.reordered(_completed(ids, now) if known else ids))

    def delete(self, class_id: int) -> None:
        """Delete a class with its pixels in all labels, those of unlisted images too.

        Masks that have the class are removed: without it, the others would share an area that is
        smaller than what was segmented, and their fractions would rise.

        Raises
        ------
        InputError
            If it is the last class, or an image of labels or a mask is damaged.
        """
        with self._place.lock:
            self.look_again()
            rest = self._now.without(class_id)
            self._check_images(class_id)
            with self._place.saving():
                self._labels.replace(class_id, 0, rest.table)
                self._masks.remove_with(class_id)
            self._edit(lambda classes: classes.without(class_id))

    def merge(self, class_id: int, into: int) -> None:
        """Merge a class into another, in labels and masks, and delete it.

        Raises
        ------
        InputError
            If there is no such class, both are the same, or an image of labels or a mask is
            damaged.
        """
        with self._place.lock:
            self.look_again()
            rest = self._now.merged(class_id, into)
            self._check_images(class_id)
            with self._place.saving():
                for some in (self._labels, self._masks):
                    some.replace(class_id, into, rest.table)
            self._edit(lambda classes: classes.merged(class_id, into))

    def adopt(self, table: ClassTable) -> dict[int, int]:
        """Match another class table, such as a model's, with this project's.

        Classes match by name, or by a name that a class of ours once had. Others are added, with
        their own id if it is free, their colour, and whether they are excluded.

        Returns
        -------
        This project's id by the other table's.

        Raises
        ------
        InputError
            If there would be more than 254 classes.
        """
        with self._place.lock:
            self._edit(lambda classes: classes.adopting(table)[0])
            return self._now.adopting(table)[1]

    def matching(self, table: ClassTable) -> dict[int, int]:
        """Match another class table as :meth:`adopt` does, but add nothing.

        Returns
        -------
        This project's id by the other table's, for the classes that both have.
        """
        with self._place.lock:
            return match_by_name(self.table, table, self._record.value.former_names)

    def look_again(self) -> None:
        """Take up class table and record if another window or program has written them.

        Raises
        ------
        InputError
            If they are damaged now.
        """
        self._file.look_again()
        self._record.look_again()

    def look_again_painting(self, ids: NDArray[np.uint8]) -> tuple[str, ...]:
        """Take up others' classes; one that they deleted and that `ids` ``(H, W)`` has comes back.

        Returns
        -------
        A line for each class that came back.
        """
        before = self.table
        self.look_again()
        gone = [one for one in before.classes if one.id not in self.table.ids]
        back = [one for one in gone if (ids == one.id).any()]
        for one in back:
            self._edit(lambda classes, one=one: classes.with_back(one))  # type: ignore[misc]
        return tuple(
            f'The class "{one.name}" was deleted in another window, and is painted in this one: '
            "it is kept."
            for one in back
        )

    def begin(self) -> None:
        """Write what the project's first image of labels or mask is to be read with."""
        self._record.begin()
        self._file.begin()

    @property
    def _now(self) -> Classes:
        record = self._record.value
        return Classes(self.table, record.class_order, record.former_names)

    def _check_images(self, class_id: int) -> None:
        """Read all files, so that a damaged one shows before anything has changed."""
        for some in (self._labels, self._masks):
            list(some.use_of(class_id))

    def _edit(self, change: Callable[[Classes], Classes]) -> None:
        """Change the classes as they are on disk now."""

        def changed(_: ClassTable) -> ClassTable:
            self._record.look_again()
            classes = change(self._now)
            # The record is written first: it may name classes that the table lacks, or lack some.
            # A new class with the id of a deleted one must not inherit its cleaning.
            ids, order, names = classes.table.ids, classes.order, dict(classes.former_names)
            self._record.change(
                lambda record: record.model_copy(
                    update={
                        "class_order": order,
                        "former_names": names,
                        "cleaning": record.cleaning.within(ids),
                    }
                )
            )
            return classes.table

        self._file.change(changed)


def _completed(ids: tuple[int, ...], classes: Classes) -> tuple[int, ...]:
    """Fit an order to classes of which another window has added or deleted some meanwhile."""
    there = classes.table.ids
    new = (one.id for one in classes.in_order if one.id not in ids)
    return (*(i for i in ids if i in there), *new)
