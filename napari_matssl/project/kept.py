"""The part of a project that keeps its record and its classes on disk."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_matssl.errors import OutputError
from napari_matssl.labels.classes import ClassTable, LabelClass
from napari_matssl.labels.pairing import stem_of
from napari_matssl.labels.tables import CLASSES_FILE
from napari_matssl.project.classes import Classes
from napari_matssl.project.finding import find_classes
from napari_matssl.project.images import IdImages
from napari_matssl.project.record import read_record

FOLDER = "matssl"
"""Name of the folder, among the images, that holds all that belongs to a project."""


class KeptClasses:
    """Record and classes of a project; each edit is on disk before it shows here.

    Record and classes are replaced as a whole and never changed, so that other threads may read
    while one edits.

    Parameters
    ----------
    folder
        The folder of images.
    names
        The names of its images.
    remarks
        What was left out, and why.

    Raises
    ------
    InputError
        If record or class table are damaged.
    """

    def __init__(self, folder: Path, names: tuple[str, ...], remarks: list[str]) -> None:
        self.folder = folder
        self.names = names
        self._own = folder / FOLDER
        self._labels = IdImages(self._own / "labels")
        self._masks = IdImages(self._own / "masks")
        self._lock = threading.RLock()
        self._record = read_record(self._record_path)
        table, more = find_classes(folder, self._table_path, self._labels)
        order, former_names = self._record.class_order, self._record.former_names
        self._classes = Classes(table, order, former_names)
        self.remarks = (*remarks, *more)

    @property
    def table(self) -> ClassTable:
        """The classes by ascending id, as training and writing need them."""
        return self._classes.table

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """The classes in the user's order."""
        return self._classes.in_order

    def add_class(self, name: str | None = None, exclude: bool = False) -> LabelClass:
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
        with self._lock:
            self._keep_classes(self._classes.with_new(name, exclude))
            return self.classes[-1]

    def rename_class(self, class_id: int, name: str) -> None:
        """Give a class another name; models that know it by its old one still match.

        Raises
        ------
        InputError
            If the name is empty or another class's.
        """
        with self._lock:
            self._keep_classes(self._classes.renamed(class_id, name))

    def recolour_class(self, class_id: int, colour: str) -> None:
        """Give a class another colour, ``"#rrggbb"``; files show it from their next writing on."""
        with self._lock:
            self._keep_classes(self._classes.changed(class_id, colour=colour))

    def set_exclude(self, class_id: int, exclude: bool) -> None:
        """Leave a class out of the analysed area, or take it in."""
        with self._lock:
            self._keep_classes(self._classes.changed(class_id, exclude=exclude))

    def reorder_classes(self, ids: tuple[int, ...]) -> None:
        """Put the classes into another order; `ids` names each once."""
        with self._lock:
            self._keep_classes(self._classes.reordered(ids))

    def class_use(self, class_id: int) -> dict[str, int]:
        """Count the painted pixels of a class.

        Returns
        -------
        Pixels by the name of the image; by that of the label file where its image isn't listed.
        """
        names = {stem_of(name): name for name in self.names}
        used = self._labels.use_of(class_id)
        return {names.get(stem_of(path.name), path.name): pixels for path, pixels in used}

    def delete_class(self, class_id: int) -> None:
        """Delete a class with its pixels in all labels and masks, those of unlisted images too.

        Raises
        ------
        InputError
            If it is the last class, or an image of labels or a mask is damaged.
        """
        with self._lock:
            rest = self._classes.without(class_id)
            images = (self._labels, self._masks)
            for some in images:  # a damaged file shows itself before anything has changed
                list(some.use_of(class_id))
            with self._saving():
                for some in images:
                    some.erase(class_id, rest.table)
            self._keep_classes(rest)

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
        with self._lock:
            classes, ids = self._classes.adopting(table)
            self._keep_classes(classes)
            return ids

    @property
    def _record_path(self) -> Path:
        return self._own / "project.json"

    @property
    def _table_path(self) -> Path:
        return self._own / CLASSES_FILE

    def _keep_classes(self, classes: Classes) -> None:
        if classes == self._classes:
            return
        # The record first: it may name a class too many or too few, the table decides.
        self._keep(class_order=classes.order, former_names=dict(classes.former_names))
        with self._saving():
            classes.table.write(self._table_path)
        self._classes = classes

    def _keep(self, **changes: Any) -> None:
        """Write changes of the record."""
        changed = self._record.model_copy(update=changes)
        if changed != self._record:
            with self._saving():
                changed.write(self._record_path)
            self._record = changed

    def _begin(self) -> None:
        """Write what the project's first image of labels or mask is to be read with."""
        if not self._record_path.is_file():
            self._record.write(self._record_path)
        if not self._table_path.is_file():
            self.table.write(self._table_path)

    @contextmanager
    def _saving(self) -> Iterator[None]:
        try:
            yield
        except OutputError as error:
            raise OutputError(
                error.what,
                "Make room or get the right to write there, or copy the micrographs to a folder "
                "of your own and open that.",
            ) from error
