"""Label images of ours as annotations for other programs."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_matssl.errors import InputError
from napari_matssl.files import atomic_write, check_writable, check_writable_folder
from napari_matssl.labels.class_table import NO_CLASS_BESIDE_0, ClassTable
from napari_matssl.labels.class_table_files import (
    CLASSES_FILE,
    NamedValues,
    find_named_values,
    place,
    read_named_values,
)
from napari_matssl.labels.counting import count_values
from napari_matssl.labels.exchange import coco, labelme
from napari_matssl.labels.names import few
from napari_matssl.labels.pairing import Pair, pair_by_stem, stem_of
from napari_matssl.labels.reading_labels import read_values
from napari_matssl.micrograph.decoding import decode
from napari_matssl.micrograph.reading_panorama import source_of
from napari_matssl.progress import Control, Job, Progress, Skipped
from napari_matssl.tasks.batch import Prepared, each_in_turn, none_left
from napari_matssl.tasks.exchanging.annotation_files import nothing_written
from napari_matssl.tasks.exchanging.free_names import check_apart, check_free

Form = Literal["coco", "labelme"]

_ONE_FORM = np.ones((3, 3), np.bool_)  # pixels that touch at a corner are one component


@dataclass(frozen=True)
class HandedOut:
    """What was written for other programs.

    Parameters
    ----------
    images
        Names of the images whose labels were written.
    wanted
        How many images have labels.
    skipped
        Those that were left out.
    """

    images: tuple[str, ...]
    wanted: int
    skipped: tuple[Skipped, ...]


def hand_out_labels(
    labels: Path,
    images: Path,
    out: Path,
    form: Form,
    classes: Path | None = None,
    overwrite: bool = False,
) -> Job[HandedOut]:
    """Write label images as a file of COCO, or as files of LabelMe.

    Parameters
    ----------
    labels, images
        Folders, or single files; they pair by stem.
    out
        The file for COCO; the folder for LabelMe, in which the class table is written, too, so that
        the ids are known when the files are read again.
    form
        Which.
    classes
        Class table; None looks beside the labels.
    overwrite
        Whether files that are there may be replaced.

    Yields
    ------
    A progress per image; sent STOP, the job returns with the files of LabelMe so far.

    Raises
    ------
    InputError
        If there is no class table, or no label image can be used.
    OutputError
        If a file is there already, or can't be written.
    StoppedError
        If it was stopped before anything was written.
    """
    pairing = pair_by_stem(images, labels)
    meaning = _meaning(labels, classes)
    writer: _Writer = _Coco(out, meaning.table) if form == "coco" else _LabelMe(out, meaning.table)
    writer.check([pair.image for pair in pairing.pairs], overwrite)
    items = {pair.label.name: pair for pair in pairing.pairs}
    for line in (*pairing.remarks, *meaning.remarks):
        if (yield Progress("writing", 0, len(items), message=line)) is Control.STOP:
            raise nothing_written()

    def do(pair: Pair) -> Job[str | None]:
        if (yield Progress("writing", 0, 1)) is Control.STOP:
            return None
        writer.add(pair.image, meaning.ids_of(pair))
        return pair.image.name

    written: dict[str, str] = {}
    ended = yield from each_in_turn(lambda: Prepared(do), items, "writing", written.__setitem__)
    if not written or (ended.stopped and form == "coco"):
        raise nothing_written() if ended.stopped else none_left(ended.first, len(items))
    writer.finish()
    return HandedOut(tuple(written.values()), len(items), ended.skipped)


@dataclass(frozen=True)
class _Meaning:
    """What values of label images are written as.

    Parameters
    ----------
    table
        The classes that are written.
    ids
        Id by stored value; 0 for values of no class.
    named
        The class table of the labels.
    remarks
        Lines on values that are written as others.
    """

    table: ClassTable
    ids: Mapping[int, int]
    named: NamedValues
    remarks: tuple[str, ...]

    def ids_of(self, pair: Pair) -> NDArray[np.uint8]:
        """Read the label image of a pair, in the ids that are written.

        Raises
        ------
        InputError
            If it can't be read, differs in size from its image, or holds strange values.
        """
        if pair.page is not None:
            raise InputError(
                f"{pair.label.name} belongs to page {pair.page} of {pair.image.name}, and other "
                "programs take files of one image.",
                "Save the page as an image of its own.",
            )
        values = read_values(pair.label, self.named).values
        source = source_of(pair.image)  # where it is one, the image needn't be decoded
        height, width = decode(pair.image)[0].pixels.shape[:2] if source is None else source.size
        if values.shape != (height, width):
            raise InputError(
                f"{pair.image.name} has {width} x {height} pixels, its label image {pair.label} "
                f"{values.shape[1]} x {values.shape[0]}.",
                "Give the image that was painted, at its original size.",
            )
        stored = list(count_values(values))
        strange = [str(value) for value in stored if value not in self.ids]
        if strange:
            raise InputError(
                f"{pair.label} holds {few(strange, 5)}, which {self.named.source} doesn't name.",
                "Name every value in the class table.",
                settings="classes",
            )
        ids = np.zeros(values.shape, np.uint8)
        for value in stored:
            ids[values == value] = self.ids[value]
        return ids


def _meaning(labels: Path, classes: Path | None) -> _Meaning:
    named = find_named_values(labels, classes)
    if named is None:
        raise InputError(
            f"There is no class table beside {labels}, and other programs know classes by name.",
            "Give a class table.",
            settings="classes",
        )
    entries = [one for one in named.entries if not one.is_no_class]
    if not entries:
        raise InputError(f"{named.source} names no class.", "Name one at least.")
    table, ids = place(entries, (0,))
    names = dict(zip(table.ids, table.names, strict=True))
    changed = [
        f"{value} {names[ids[value]]} as {ids[value]}" for value in ids if ids[value] != value
    ]
    remarks = (f"Values that can't be ids are written as others: {few(changed, 10)}.",)
    nothing = {*named.no_class, *(() if named.zero_is_a_class() else (0,))}
    if named.ours and named.zero_is_a_class():
        nothing.add(NO_CLASS_BESIDE_0)
    return _Meaning(table, {**dict.fromkeys(nothing, 0), **ids}, named, remarks * bool(changed))


class _Writer(Protocol):
    """Writes label images in one form."""

    def check(self, images: list[Path], overwrite: bool) -> None:
        """Check that all can be written; raises OutputError."""

    def add(self, image: Path, ids: NDArray[np.uint8]) -> None:
        """Take the labels of an image."""

    def finish(self) -> None:
        """Write what is to be written at the end."""


class _Coco:
    """One file, written at the end: of each image, an annotation per class."""

    def __init__(self, out: Path, table: ClassTable) -> None:
        self._out, self._table = out, table
        self._images: list[dict[str, object]] = []
        self._annotations: list[dict[str, object]] = []

    def check(self, images: list[Path], overwrite: bool) -> None:
        check_writable(self._out)
        check_free([self._out], overwrite)

    def add(self, image: Path, ids: NDArray[np.uint8]) -> None:
        number, (height, width) = len(self._images) + 1, ids.shape
        self._images.append(coco.image_entry(number, image.name, width, height))
        for one in self._table.ids:
            inside = ids == one
            if inside.any():
                position = len(self._annotations) + 1
                self._annotations.append(coco.mask_entry(position, number, one, inside))

    def finish(self) -> None:
        names = dict(zip(self._table.ids, self._table.names, strict=True))
        _write(self._out, coco.coco_file(self._images, self._annotations, names))


class _LabelMe:
    """A file for each image: of each class, a mask per connected component."""

    def __init__(self, out: Path, table: ClassTable) -> None:
        self._out, self._table = out, table

    def check(self, images: list[Path], overwrite: bool) -> None:
        check_writable_folder(self._out)
        own = self._out / CLASSES_FILE
        there = [] if not own.exists() or self._is_ours(own) else [own]
        targets = [(image, self._target(image)) for image in images]
        check_apart(targets)
        check_free([*there, *(target for _, target in targets)], overwrite)

    def add(self, image: Path, ids: NDArray[np.uint8]) -> None:
        own = self._out / CLASSES_FILE
        if not own.exists() or not self._is_ours(own):
            self._table.write(own)
        shapes = list[dict[str, object]]()
        for one in self._table.classes:
            numbers, _ = ndimage.label(ids == one.id, _ONE_FORM)
            for number, part in enumerate(ndimage.find_objects(numbers), 1):
                top, left = (side.start for side in part)
                shapes.append(labelme.mask_entry(one.name, left, top, numbers[part] == number))
        height, width = ids.shape
        content = labelme.labelme_file(_seen_from(self._out, image), width, height, shapes)
        _write(self._target(image), content)

    def finish(self) -> None:
        """Nothing is left to write."""

    def _target(self, image: Path) -> Path:
        return self._out / f"{stem_of(image.name)}.json"

    def _is_ours(self, path: Path) -> bool:
        """Whether a class table names the same classes."""
        try:
            entries = read_named_values(path).entries
        except InputError:
            return False
        own = dict(zip(self._table.ids, self._table.names, strict=True))
        return {one.value: one.name for one in entries} == own


def _seen_from(folder: Path, image: Path) -> str:
    """Return the path of an image from a folder; the whole one from another drive."""
    try:
        return Path(os.path.relpath(image, folder)).as_posix()
    except ValueError:
        return image.resolve().as_posix()


def _write(path: Path, content: Mapping[str, object]) -> None:
    """Write JSON in one line, atomically: run lengths are many."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
