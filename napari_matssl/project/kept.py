"""The part of a project that keeps its record and its classes on disk."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from napari_matssl.errors import OutputError
from napari_matssl.files import OvertakenError, stamp_of
from napari_matssl.labels.classes import ClassTable, LabelClass, match_by_name
from napari_matssl.labels.pairing import page_in, stem_of
from napari_matssl.labels.tables import CLASSES_FILE
from napari_matssl.project.classes import Classes
from napari_matssl.project.finding import find_classes
from napari_matssl.project.images import IdImages
from napari_matssl.project.record import Record, read_record

FOLDER = "matssl"
"""Name of the folder, among the images, that holds all that belongs to a project."""

ELSEWHERE: Final = (
    "Make room or get the right to write there, or copy the micrographs to a folder of your own "
    "and open that."
)
"""What to do where nothing can be saved."""

_TRIES: Final = 20
"""How often an edit is made anew because another window was quicker."""


class KeptClasses:
    """Record and classes of a project; each edit is on disk before it shows here.

    Record and classes are replaced as a whole and never changed, so that other threads may read
    while one edits. Other windows may have the folder open: an edit is made on what is on disk at
    that moment.

    Parameters
    ----------
    folder
        The folder of images.
    names
        The names of its images.
    remarks
        What was left out, and why.
    own
        The folder of strokes, masks, classes and models; None: ``matssl`` in the folder of images.

    Raises
    ------
    InputError
        If record or class table are damaged.
    """

    def __init__(
        self, folder: Path, names: tuple[str, ...], remarks: list[str], own: Path | None = None
    ) -> None:
        self.folder = folder
        self.names = names
        self.own = folder / FOLDER if own is None else own
        self._labels = IdImages(self.own / "labels")
        self._masks = IdImages(self.own / "masks")
        self._lock = threading.RLock()
        self._place = _identity(self.own.parent)
        self._record_stamp = stamp_of(self._record_path)
        self._record = read_record(self._record_path)
        self._table_stamp = stamp_of(self._table_path)
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
            self._edit(lambda classes: classes.with_new(name, exclude))
            return self.classes[-1]

    def rename_class(self, class_id: int, name: str) -> None:
        """Give a class another name; models that know it by its old one still match.

        Raises
        ------
        InputError
            If the name is empty or another class's.
        """
        self._edit(lambda classes: classes.renamed(class_id, name))

    def recolour_class(self, class_id: int, colour: str) -> None:
        """Give a class another colour, ``"#rrggbb"``; files show it from their next writing on."""
        self._edit(lambda classes: classes.changed(class_id, colour=colour))

    def set_exclude(self, class_id: int, exclude: bool) -> None:
        """Leave a class out of the analysed area, or take it in."""
        self._edit(lambda classes: classes.changed(class_id, exclude=exclude))

    def reorder_classes(self, ids: tuple[int, ...]) -> None:
        """Put the classes into another order; `ids` names each once."""
        known = sorted(ids) == list(self.table.ids)  # else it is refused
        self._edit(lambda now: now.reordered(_completed(ids, now) if known else ids))

    def class_use(self, class_id: int) -> dict[str, int]:
        """Count the painted pixels of a class.

        Returns
        -------
        Pixels by the name of the image; by that of the label file where its image isn't listed.
        """
        used = self._labels.use_of(class_id)
        return {self._image_of(path): pixels for path, pixels in used}

    def mask_use(self, class_id: int) -> dict[str, float]:
        """Tell which masks have a class.

        Returns
        -------
        Share of the class in all that is segmented, 0 to 1, by the name of the image; by that of
        the mask's file where its image isn't listed.
        """
        return {
            self._image_of(path): pixels / sum(self._masks.counts(path).values())
            for path, pixels in self._masks.use_of(class_id)
        }

    def _image_of(self, path: Path) -> str:
        """Name the image, and the page, that labels or a mask belong to."""
        names = {stem_of(name): name for name in self.names}
        whole = stem_of(path.name)
        stem, page = page_in(whole)
        if whole not in names and stem in names:
            return f"{names[stem]}, page {page}"
        return names.get(whole, path.name)

    def delete_class(self, class_id: int) -> None:
        """Delete a class with its pixels in all labels, those of unlisted images too.

        Masks that have the class are removed: without it, the others would share an area that is
        smaller than what was segmented, and their fractions would rise.

        Raises
        ------
        InputError
            If it is the last class, or an image of labels or a mask is damaged.
        """
        with self._lock:
            self._look_again()
            rest = self._classes.without(class_id)
            self._check_images(class_id)
            with self._saving():
                self._labels.replace(class_id, 0, rest.table)
                self._masks.remove_with(class_id)
            self._edit(lambda classes: classes.without(class_id))

    def merge_class(self, class_id: int, into: int) -> None:
        """Give all pixels of a class to another, in labels and masks, and delete it.

        Raises
        ------
        InputError
            If there is no such class, both are the same, or an image of labels or a mask is
            damaged.
        """
        with self._lock:
            self._look_again()
            rest = self._classes.merged(class_id, into)
            self._check_images(class_id)
            with self._saving():
                for some in (self._labels, self._masks):
                    some.replace(class_id, into, rest.table)
            self._edit(lambda classes: classes.merged(class_id, into))

    def _check_images(self, class_id: int) -> None:
        """Let a damaged file show itself before anything has changed."""
        for some in (self._labels, self._masks):
            list(some.use_of(class_id))

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
            self._edit(lambda classes: classes.adopting(table)[0])
            return self._classes.adopting(table)[1]

    def matching(self, table: ClassTable) -> dict[int, int]:
        """Match another class table as :meth:`adopt` does, but add nothing.

        Returns
        -------
        This project's id by the other table's, for the classes that both have.
        """
        with self._lock:
            return match_by_name(self.table, table, self._classes.former_names)

    @property
    def _record_path(self) -> Path:
        return self.own / "project.json"

    @property
    def _table_path(self) -> Path:
        return self.own / CLASSES_FILE

    def _edit(self, change: Callable[[Classes], Classes]) -> None:
        """Change the classes as they are on disk now."""
        with self._lock:
            for _ in range(_TRIES):
                self._look_again()
                try:
                    self._keep_classes(change(self._classes))
                    return
                except OvertakenError:
                    continue  # written by another window between the look and the writing
        raise _never_at_rest(self._table_path)

    def _keep_classes(self, classes: Classes) -> None:
        if classes == self._classes:
            return
        # The record first: it may name a class too many or too few, the table decides.
        # A class that gets the id of a deleted one later must not be cleaned like that.
        ids, order, names = classes.table.ids, classes.order, dict(classes.former_names)
        self._change_record(
            lambda record: record.model_copy(
                update={
                    "class_order": order,
                    "former_names": names,
                    "cleaning": record.cleaning.within(ids),
                }
            )
        )
        with self._saving():
            classes.table.write(self._table_path, self._table_stamp)
        self._table_stamp = stamp_of(self._table_path)
        self._classes = classes

    def _keep(self, **changes: Any) -> None:
        """Write changes of the record."""
        self._change_record(lambda record: record.model_copy(update=changes))

    def _change_record(self, change: Callable[[Record], Record]) -> None:
        """Change the record as it is on disk now."""
        with self._lock:
            for _ in range(_TRIES):
                self._look_again_at_record()
                changed = change(self._record)
                if changed == self._record:
                    return
                try:
                    with self._saving():
                        changed.write(self._record_path, self._record_stamp)
                except OvertakenError:
                    continue
                self._record_stamp = stamp_of(self._record_path)
                self._record = changed
                return
        raise _never_at_rest(self._record_path)

    def _look_again(self) -> None:
        """Take up the record and the class table if another window or program has written them.

        A file that is gone leaves what is known of it.

        Raises
        ------
        InputError
            If they are damaged now.
        """
        with self._lock:
            table, stamp = self.table, stamp_of(self._table_path)
            if stamp not in (None, self._table_stamp):
                table, _ = find_classes(self.folder, self._table_path, self._labels)
            self._table_stamp = stamp
            self._look_again_at_record()
            record = self._record
            self._classes = Classes(table, record.class_order, record.former_names)

    def _look_again_at_record(self) -> None:
        stamp = stamp_of(self._record_path)
        if stamp not in (None, self._record_stamp):
            self._record = read_record(self._record_path)
        self._record_stamp = stamp

    def _begin(self) -> None:
        """Write what the project's first image of labels or mask is to be read with."""
        self._look_again()
        for stamp, write, path in (
            (self._record_stamp, self._record.write, self._record_path),
            (self._table_stamp, self.table.write, self._table_path),
        ):
            if stamp is None:
                with suppress(OvertakenError):  # another window's, which the next look takes up
                    write(path, None)
        self._look_again()

    @contextmanager
    def _saving(self) -> Iterator[None]:
        """Write something into the folder that was opened, and into no other in its place."""
        self._check_place()
        try:
            yield
        except OutputError as error:
            raise OutputError(error.what, ELSEWHERE) from error

    def _check_place(self) -> None:
        """Make sure that what is written into is still in the folder that was opened.

        A disk that was taken out and put back may number its folders anew: a folder that holds
        the record as it was written last is the same.

        Raises
        ------
        OutputError
            If it is gone, or another one has its name.
        """
        now = _identity(self.own.parent)
        if now == self._place:
            return
        known, found = self._record_stamp, stamp_of(self._record_path)
        if now is None or known is None or found is None or known[:2] != found[:2]:
            raise OutputError(
                f"The folder {self.own.parent} is gone or was replaced since it was opened.",
                "Put it back, then everything is saved there, or open it where it is now.",
            )
        self._place, self._record_stamp = now, found


def _identity(folder: Path) -> tuple[int, int] | None:
    """Device and number of a folder; None where there is none."""
    try:
        status = folder.stat()
    except (OSError, ValueError):  # unmounted, removed, or on a network that is down
        return None
    return status.st_dev, status.st_ino


def _completed(ids: tuple[int, ...], classes: Classes) -> tuple[int, ...]:
    """Fit an order to classes of which another window has added or deleted some meanwhile."""
    there = classes.table.ids
    new = (one.id for one in classes.in_order if one.id not in ids)
    return (*(i for i in ids if i in there), *new)


def _never_at_rest(path: Path) -> OutputError:
    return OutputError(
        f"{path} is written by other programs without a pause.", "Close one of them and try again."
    )
