"""Inputs of jobs: images, labels, classes, splits."""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from napari_matssl.errors import InputError, printable
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.class_table_files import find_named_values, overruled
from napari_matssl.labels.deciding_meaning import meaning_of_labels
from napari_matssl.labels.names import few
from napari_matssl.labels.painted import PaintedMicrograph, check_paintable, painted_pixels
from napari_matssl.labels.pairing import Pair, pair_by_stem, stem_of
from napari_matssl.labels.splits import read_split
from napari_matssl.labels.value_meaning import Unlabelled, count_all
from napari_matssl.learn.card import TrainingImage
from napari_matssl.micrograph.checksum import checksum_of
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.intensity_scaling import fit_intensity_scaling
from napari_matssl.micrograph.panorama import AnyMicrograph
from napari_matssl.micrograph.reading import find_micrographs
from napari_matssl.progress import Skipped
from napari_matssl.project.folder import Project
from napari_matssl.project.image_settings import remark_on_excluded, settings_of_image
from napari_matssl.project.pixel_sizes import read_any_calibrated, read_calibrated
from napari_matssl.settings import IntensityScalingSettings
from napari_matssl.tasks.batch import none_left
from napari_matssl.tasks.info_bars import InfoBarChoice
from napari_matssl.tasks.label_files import (
    SplitChoice,
    check_once,
    describe_pairs,
    describe_parts,
    lost_in_bars,
    read_stored,
    read_subset,
)


@dataclass(frozen=True)
class PaintedSet:
    """Painted micrographs of a folder, divided by a split.

    Parameters
    ----------
    training, validation
        `validation` is empty without a split that names any. Their labels are in the ids of
        `table`.
    table
        The classes, without the stored value of unpainted pixels.
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


def read_painted_set(
    images: Path,
    labels: Path,
    unlabelled: Unlabelled = "auto",
    classes: Path | None = None,
    split: SplitChoice | None = None,
    info_bar: InfoBarChoice = "auto",
) -> PaintedSet:
    """Read the painted micrographs of a folder, and decide what the values of the labels mean.

    Of a panorama, the parts with strokes are read, each as a micrograph of its own.

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
    read, kept_apart = (
        [read_stored(pair, named, info_bar, read_any_calibrated) for pair in pairs]
        for pairs in (training, validation)
    )
    check_once((*read, *kept_apart))
    unusual = describe_pairs((*read, *kept_apart))
    lost = lost_in_bars(read, named, unlabelled)
    specimens = [one.specimen for one in (*read, *kept_apart)]
    meaning = meaning_of_labels(count_all(specimens), named, unlabelled, specimens, " ".join(lost))
    painted, validating = (
        tuple(part for one in some for part in one.painted(meaning)) for some in (read, kept_apart)
    )
    parts = describe_parts((*read, *kept_apart), (*painted, *validating))
    pixels = painted_pixels(painted, meaning.table, meaning.unlabelled)
    check_paintable(pixels, meaning.table, " ".join((*lost, *meaning.remarks)))
    if line := remark_on_excluded(pair.image for pair in (*training, *validation)):
        lost.append(line)
    apart = painted_pixels(validating, meaning.table, meaning.unlabelled)
    untaught = [one.name for one in meaning.table.classes if apart[one.id] and not pixels[one.id]]
    if untaught:
        lost.append(
            "Painted only in images to validate on, so that no model can learn it: "
            f"{few(untaught)}."
        )
    return PaintedSet(
        painted,
        validating,
        meaning.table,
        meaning.source,
        meaning.unlabelled,
        (*pairing.remarks, *overruled(labels, classes), *unusual, *parts, *meaning.remarks, *lost),
    )


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
    read = read_subset(images, labels, split, subset, named)[1]
    specimens = [one.specimen for one in read]
    meaning = meaning_of_labels(count_all(specimens), named, "auto", specimens)
    return [part for one in read for part in one.painted(meaning)]


def read_folder(
    folders: Sequence[Path],
    exclude: Collection[str] = (),
    leave_out: Callable[[Skipped], None] | None = None,
) -> list[Micrograph]:
    """Read all micrographs of some folders, but for those of some names.

    Parameters
    ----------
    folders
        Folders, or single images.
    exclude
        Stems of the images to leave out.
    leave_out
        Called with each image that can't be used, which is then left out; None makes it an error.

    Raises
    ------
    InputError
        If none is left, or one can't be read.
    """
    paths = [path for path in find_micrographs(folders) if stem_of(path) not in exclude]
    if not paths:
        raise InputError(
            "Every image is excluded by its name.", "Exclude only the images to leave out."
        )
    if leave_out is None:
        return [_read_counting_page(path) for path in paths]
    return _read_each(
        [(path.name, partial(_read_counting_page, path)) for path in paths], leave_out
    )


def _read_counting_page(path: Path) -> Micrograph:
    """Read the page that was chosen in the folder's project, or else the default one."""
    return read_calibrated(path, settings_of_image(path).page)


def read_project(project: Project, leave_out: Callable[[Skipped], None]) -> list[Micrograph]:
    """Read the micrographs of a project that aren't excluded, with what was set for them.

    Parameters
    ----------
    leave_out
        Called with each image that can't be used.

    Raises
    ------
    InputError
        If none is left.
    """
    names = project.micrographs.analysed
    if not names:
        raise InputError(f"{project.folder.name}: every image is excluded.", "Take some in again.")
    return _read_each(
        [(name, partial(project.micrographs.read, name)) for name in names], leave_out
    )


def read_unlabelled(
    sources: Sequence[Path | Project], leave_out: Callable[[Skipped], None]
) -> list[Micrograph]:
    """Read all micrographs of folders and projects.

    Parameters
    ----------
    sources
        At least one.
    leave_out
        Called with each image that can't be used.

    Raises
    ------
    InputError
        If none is left of one of them.
    """
    found: list[Micrograph] = []
    for source in sources:
        if isinstance(source, Project):
            found += read_project(source, leave_out)
        else:
            found += read_folder([source], leave_out=leave_out)
    return found


def _read_each(
    wanted: Sequence[tuple[str, Callable[[], Micrograph]]], leave_out: Callable[[Skipped], None]
) -> list[Micrograph]:
    """Read micrographs by name; report those that can't be used, unless none is left."""
    found, first = list[Micrograph](), None
    for name, read in wanted:
        try:
            micrograph = read()
            # Refuses images that are constant or not finite.
            fit_intensity_scaling(micrograph, IntensityScalingSettings(), "grey")
        except InputError as error:
            first = first or error
            leave_out(Skipped(printable(name), str(error), error.settings))
        else:
            found.append(micrograph)
    if not found:
        raise none_left(first, len(wanted))
    return found


def fingerprint(micrograph: AnyMicrograph) -> TrainingImage:
    """Name, page and SHA-256 of a micrograph: of its file, or of its pixels if there is none."""
    if micrograph.path is not None:
        checksum = checksum_of(micrograph.path)
    else:
        checksum = hashlib.sha256(np.ascontiguousarray(micrograph.pixels).data).hexdigest()
    return TrainingImage(
        name=printable(micrograph.name),
        sha256=checksum,
        page=micrograph.page if micrograph.pages > 1 else None,
    )
