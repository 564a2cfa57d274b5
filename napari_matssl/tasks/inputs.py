"""Bringing files together for a job: images, labels, classes, splits."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.labels.classes import ClassTable
from napari_matssl.labels.deciding import meaning_of_labels
from napari_matssl.labels.meaning import Meaning, Unlabelled, count_all
from napari_matssl.labels.names import few
from napari_matssl.labels.painted import (
    PaintedMicrograph,
    below_info_bars,
    check_paintable,
    painted_pixels,
    to_targets,
)
from napari_matssl.labels.pairing import (
    Pair,
    Pairing,
    pair_by_stem,
    read_exclusions,
    read_split,
    stem_of,
)
from napari_matssl.labels.stored import read_values
from napari_matssl.labels.tables import NamedValues, find_named_values
from napari_matssl.learn.card import TrainingImage
from napari_matssl.micrograph.image import InfoBar, Micrograph
from napari_matssl.micrograph.reading import find_micrographs, read_micrograph

InfoBarChoice = int | Literal["auto"] | None
"""First row of the info bar of all images; "auto": as it is detected; None: there is none."""


@dataclass(frozen=True)
class PaintedSet:
    """Painted micrographs of a folder, divided as a split says.

    Parameters
    ----------
    training, validation
        `validation` is empty without a split that names any. Their labels are in the ids of
        `table`.
    table
        The classes, without the unpainted value.
    source
        Where the class table was found, for people.
    unlabelled
        The value of unpainted pixels in the labels; None if every value is a class.
    remarks
        Lines on files that were left out, and on what values were taken for.
    """

    training: tuple[PaintedMicrograph, ...]
    validation: tuple[PaintedMicrograph, ...]
    table: ClassTable
    source: str
    unlabelled: int | None = 0
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class SplitChoice:
    """Which split of which file."""

    path: Path
    name: str


@dataclass(frozen=True)
class StoredPair:
    """An image and the values of its label image, whose meaning is still to be decided."""

    micrograph: Micrograph
    values: NDArray[np.integer]

    @property
    def specimen(self) -> NDArray[np.integer]:
        """The values above the info bar, a view ``(H', W)``."""
        bar = self.micrograph.info_bar
        return self.values if bar is None else self.values[: bar.row]

    def painted(self, meaning: Meaning) -> PaintedMicrograph:
        """Give the labels as class ids.

        Raises
        ------
        InputError
            If a value means nothing.
        """
        labels = meaning.apply(self.values, self.micrograph.name, len(self.specimen))
        return PaintedMicrograph(self.micrograph, labels)


def read_painted_set(
    images: Path,
    labels: Path,
    unlabelled: Unlabelled = "auto",
    classes: Path | None = None,
    split: SplitChoice | None = None,
    info_bar: InfoBarChoice = "auto",
) -> PaintedSet:
    """Read the painted micrographs of a folder, and decide what the values of the labels mean.

    Parameters
    ----------
    images, labels
        Folders, or single files; they pair by stem.
    unlabelled
        Label value of unpainted pixels; "auto": 0 unless the class table names it; None if every
        value is a class.
    classes
        Class table; None looks beside the labels.
    split
        Takes its ``train`` to train and its ``val``, if there is one, to validate.
    info_bar
        Where the info bars begin.

    Raises
    ------
    InputError
        For anything that is missing, unreadable or doesn't fit together, and if the images to
        train on show fewer than two classes.
    """
    pairing = pair_by_stem(images, labels)
    training, validation = list(pairing.pairs), list[Pair]()
    if split is not None:
        chosen = read_split(split.path, split.name)
        training = chosen.select(pairing.pairs, "train")
        validation = chosen.select(pairing.pairs, "val") if "val" in chosen.subsets else []
    named = find_named_values(labels, classes)
    read = [read_stored(pair, named, info_bar) for pair in training]
    kept_apart = [read_stored(pair, named, info_bar) for pair in validation]
    specimens = [one.specimen for one in (*read, *kept_apart)]
    counts = count_all(specimens)
    meaning = meaning_of_labels(counts, named, unlabelled, specimens)
    painted = [one.painted(meaning) for one in read]
    lost = _lost_in_bars(read, named, meaning)
    targets = (to_targets(one, meaning.table, meaning.unlabelled) for one in painted)
    pixels = painted_pixels(targets, meaning.table)
    check_paintable(pixels, meaning.table, " ".join((*lost, *meaning.remarks)))
    return PaintedSet(
        tuple(painted),
        tuple(one.painted(meaning) for one in kept_apart),
        meaning.table,
        meaning.source,
        meaning.unlabelled,
        (*pairing.remarks, *meaning.remarks, *lost),
    )


def _lost_in_bars(
    read: Sequence[StoredPair], named: NamedValues | None, meaning: Meaning
) -> list[str]:
    """Name what is painted in info bars alone, and say what to do about it."""
    images = [(one.micrograph, one.values) for one in read]
    if named is not None:
        names = {one.value: one.name for one in named.entries}
    else:
        names = {value: f"class {value}" for value in count_all(values for _, values in images)}
    for value, class_id in meaning.ids.items():
        if class_id == meaning.unlabelled:
            names.pop(value, None)
    lost = below_info_bars(images, names, count_all(one.specimen for one in read))
    if lost:
        lost.append("--info-bar none takes it for specimen, --info-bar ROW says where it begins.")
    return lost


def read_labelled(
    images: Path, labels: Path, split: SplitChoice | None, subset: str
) -> list[PaintedMicrograph]:
    """Read the labelled micrographs of a folder, or of one subset of a split.

    What the values mean is decided as by :func:`read_painted_set`; the table that is found is not
    matched with any other.

    Raises
    ------
    InputError
        For anything that is missing, unreadable or doesn't fit together.
    """
    named = find_named_values(labels)
    _, read = read_subset(images, labels, split, subset, named)
    specimens = [one.specimen for one in read]
    meaning = meaning_of_labels(count_all(specimens), named, "auto", specimens)
    return [one.painted(meaning) for one in read]


def read_subset(
    images: Path,
    labels: Path,
    split: SplitChoice | None,
    subset: str,
    named: NamedValues | None,
) -> tuple[Pairing, list[StoredPair]]:
    """Read images and their label images, of one subset where there is a split.

    Parameters
    ----------
    named
        The class table that gives colours a meaning.

    Raises
    ------
    InputError
        For anything that is missing, unreadable or doesn't fit together.
    """
    pairing = pair_by_stem(images, labels)
    pairs = list(pairing.pairs)
    if split is not None:
        pairs = read_split(split.path, split.name).select(pairs, subset)
    return pairing, [read_stored(pair, named) for pair in pairs]


def read_stored(
    pair: Pair, named: NamedValues | None, info_bar: InfoBarChoice = "auto"
) -> StoredPair:
    """Read an image and the values of its label image.

    Raises
    ------
    InputError
        If one can't be read, they differ in size, or the info bar lies outside the image.
    """
    micrograph = with_info_bar(read_micrograph(pair.image), info_bar)
    values = read_values(pair.label, named)
    PaintedMicrograph(micrograph, values)  # they have the same size
    return StoredPair(micrograph, values)


def read_folder(folders: Sequence[Path], exclude: Path | None = None) -> list[Micrograph]:
    """Read all micrographs of some folders, but for those a JSON file names.

    Raises
    ------
    InputError
        If none is left, or one can't be read.
    """
    paths = find_micrographs(folders)
    if exclude is not None:
        names = read_exclusions(exclude)
        paths = [path for path in paths if stem_of(path) not in names]
        if not paths:
            raise InputError(
                f"{exclude} excludes every image.", "Name only the images to leave out."
            )
    return [read_micrograph(path) for path in paths]


def excluded_nowhere(folders: Sequence[Path], exclude: Path) -> tuple[str, ...]:
    """Tell, in at most one line, which names to leave out are no image of the folders."""
    there = {stem_of(path) for path in find_micrographs(folders)}
    strange = sorted(read_exclusions(exclude) - there)
    if not strange:
        return ()
    return (f"{exclude} names images that are not in the folders: {few(strange, 20)}.",)


def with_info_bar(micrograph: Micrograph, choice: InfoBarChoice) -> Micrograph:
    """Give a micrograph the info bar that the user says.

    Raises
    ------
    InputError
        If its first row is outside the image.
    """
    if choice == "auto":
        return micrograph
    if choice is None:
        return without_info_bar(micrograph)
    if not 0 < choice < micrograph.height:
        raise InputError(
            f"The info bar of {micrograph.name} can't begin at row {choice}: the image has "
            f"{micrograph.height} rows.",
            "Give a row inside the images, auto or none.",
        )
    return replace(micrograph, info_bar=InfoBar(choice, "set by hand"))


def without_info_bar(micrograph: Micrograph) -> Micrograph:
    """Take the info bar for specimen."""
    return replace(micrograph, info_bar=None)


def fingerprint(micrograph: Micrograph) -> TrainingImage:
    """Name and SHA-256 of a micrograph: of its file, or of its pixels where there is none."""
    data = (
        micrograph.path.read_bytes()
        if micrograph.path is not None
        else np.ascontiguousarray(micrograph.pixels).tobytes()
    )
    return TrainingImage(name=micrograph.name, sha256=hashlib.sha256(data).hexdigest())
