"""Bringing files together for a job: images, labels, classes, splits."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_matssl.errors import InputError
from napari_matssl.labels.classes import ClassTable
from napari_matssl.labels.painted import (
    PaintedMicrograph,
    find_class_table,
    label_ids,
    read_labels,
)
from napari_matssl.labels.pairing import Pair, pair_by_stem, read_exclusions, read_split, stem_of
from napari_matssl.learn.card import TrainingImage
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.reading import find_micrographs, read_micrograph


@dataclass(frozen=True)
class PaintedSet:
    """Painted micrographs of a folder, divided as a split says.

    Parameters
    ----------
    training, validation
        `validation` is empty without a split that names any.
    table
        The classes, without the unpainted value.
    source
        Where the class table was found, for people.
    """

    training: tuple[PaintedMicrograph, ...]
    validation: tuple[PaintedMicrograph, ...]
    table: ClassTable
    source: str


@dataclass(frozen=True)
class SplitChoice:
    """Which split of which file."""

    path: Path
    name: str


def read_painted_set(
    images: Path,
    labels: Path,
    unlabelled: int | None,
    classes: Path | None = None,
    split: SplitChoice | None = None,
) -> PaintedSet:
    """Read the painted micrographs of a folder.

    Parameters
    ----------
    images, labels
        Folders, or single files; they pair by stem.
    unlabelled
        Label value of unpainted pixels; None if every value is a class.
    classes
        Class table; None looks beside the labels.
    split
        Takes its ``train`` to train and its ``val``, if there is one, to validate.

    Raises
    ------
    InputError
        For anything that is missing, unreadable or doesn't fit together.
    """
    pairs = pair_by_stem(images, labels)
    training, validation = pairs, list[Pair]()
    if split is not None:
        chosen = read_split(split.path, split.name)
        training = chosen.select(pairs, "train")
        validation = chosen.select(pairs, "val") if "val" in chosen.subsets else []
    read = [read_pair(pair) for pair in training]
    kept_apart = [read_pair(pair) for pair in validation]
    found = find_class_table(labels, label_ids([*read, *kept_apart]), unlabelled, classes)
    return PaintedSet(tuple(read), tuple(kept_apart), found.table, found.source)


def read_labelled(
    images: Path, labels: Path, split: SplitChoice | None, subset: str
) -> list[PaintedMicrograph]:
    """Read the labelled micrographs of a folder, or of one subset of a split.

    Raises
    ------
    InputError
        For anything that is missing, unreadable or doesn't fit together.
    """
    pairs = pair_by_stem(images, labels)
    if split is not None:
        pairs = read_split(split.path, split.name).select(pairs, subset)
    return [read_pair(pair) for pair in pairs]


def read_pair(pair: Pair) -> PaintedMicrograph:
    """Read one image with its labels."""
    return PaintedMicrograph(read_micrograph(pair.image), read_labels(pair.label))


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
