"""Images and a first class table of a folder that is opened."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from napari_matssl.errors import InputError
from napari_matssl.files import missing_file, stamp_of
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass, numbered_table
from napari_matssl.labels.class_table_files import (
    CLASSES_FILE,
    NamedValues,
    place,
    read_named_values,
)
from napari_matssl.labels.counting import listed
from napari_matssl.labels.deciding_meaning import MOST_CLASSES, check_smoothed
from napari_matssl.labels.names import few
from napari_matssl.labels.pairing import page_in, stem_of
from napari_matssl.micrograph.reading import SUFFIXES, ZARR, find_micrographs, images_in
from napari_matssl.project.classes import MOST_IDS
from napari_matssl.project.id_images import IdImages


class Found(NamedTuple):
    """The images of a folder by the names of their files.

    Parameters
    ----------
    names
        All, in natural order, planes last.
    planes
        Those that are planes.
    remarks
        A line for each image that is left out.
    """

    names: tuple[str, ...]
    planes: frozenset[str]
    remarks: list[str]


def find_images(folder: Path, only: Sequence[Path] = (), planes: Sequence[Path] = ()) -> Found:
    """List the images of a folder.

    Parameters
    ----------
    folder
        The folder; folders inside are left aside.
    only
        List just these of its files.
    planes
        Planes of other images, kept elsewhere, that belong to it.

    Raises
    ------
    InputError
        If there is no such folder, no image in it, or a file of `only` is elsewhere.
    """
    if not folder.exists():
        raise missing_file(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder.", "Open the folder of the micrographs.")
    for path in only:
        if path.parent.resolve() != folder.resolve():
            raise InputError(
                f"{path} is not in the folder {folder}.", "Open files of one folder at a time."
            )
    suffixes = (*SUFFIXES, ZARR)
    if only or not planes or images_in(folder, suffixes):
        given = [folder / path.name for path in only] if only else [folder]
        files = find_micrographs(given, suffixes)
    else:
        files = []
    kept: dict[str, Path] = {}
    remarks = []
    for path in (*files, *planes):
        first = kept.setdefault(stem_of(path), path)
        if first != path:
            name = path if first.name == path.name else path.name
            remarks.append(
                f"{name} is left out: {first.name} is called the same, and the labels of both "
                "would be one file. Rename one of them."
            )
    taken = frozenset(path.name for path in planes if path in kept.values())
    return Found(tuple(path.name for path in kept.values()), taken, remarks)


def without_image(names: Sequence[str], labels: IdImages) -> list[str]:
    """Return a remark on painted labels that belong to no image of a folder."""
    stems = {stem_of(name) for name in names}
    files = {path.name: stem_of(path) for path in labels.files()}
    left = [name for name, stem in files.items() if not {stem, page_in(stem)[0]} & stems]
    if not left:
        return []
    images, match = ("image", "matches") if len(left) == 1 else ("images", "match")
    return [f"{len(left)} label {images} in {labels.folder} {match} no image here: {few(left, 8)}."]


def find_classes(folder: Path, own: Path, labels: IdImages) -> tuple[ClassTable, list[str]]:
    """Choose the class table of a project.

    The first of these that there is: its own, ``classes.json`` in the folder, the same in the
    folder above, numbers for names made from the painted labels, two phases.

    Returns
    -------
    The table, with ids from 1 to 254, and a remark for each table that was no use and each class
    that has another id here than in its table.

    Raises
    ------
    InputError
        If the project's own table, or a label image that has to stand in for it, is damaged.
    """
    if stamp_of(own) is not None:
        named = read_named_values(own)
        found = _placed(named)
        if found is None:
            raise InputError(
                f"{own} lists no class, but only names for unpainted pixels.",
                "Add classes with ids from 1 to 254, or move the file away.",
            )
        return found
    remarks = []
    for path in (folder / CLASSES_FILE, folder.parent / CLASSES_FILE):
        try:
            found = _placed(read_named_values(path)) if stamp_of(path) is not None else None
        except InputError as error:  # the file may serve another purpose
            remarks.append(f"The class table is left out: {error.what}")
            continue
        if found is not None:
            return found[0], [*remarks, *found[1]]
    return _from_labels(labels) or _two_phases(), remarks


def _placed(named: NamedValues) -> tuple[ClassTable, list[str]] | None:
    """Assign each class an id from 1 to 254: 0 is always unpainted here."""
    classes = [one for one in named.entries if not one.is_no_class]
    if not classes:
        return None
    table, ids = place(classes, taken={0})
    why = {0: "0 is the value of unpainted pixels"}
    return table, [
        f"{named.source} names {one.value} as a class: {one.name} has the id {ids[one.value]} "
        f"here, as {why.get(one.value, f'ids end at {MOST_IDS}')}."
        for one in classes
        if ids[one.value] != one.value
    ]


def _from_labels(labels: IdImages) -> ClassTable | None:
    pixels: dict[int, int] = {}
    for path in labels.files():
        for value, count in labels.counts(path).items():
            pixels[value] = pixels.get(value, 0) + count
    if not pixels:
        return None
    if max(pixels) > MOST_IDS or len(pixels) > MOST_CLASSES:
        raise InputError(
            f"The label images in {labels.folder} hold {len(pixels)} different values, such as "
            f"{listed(dict(sorted(pixels.items(), reverse=True)))}, and there is no class table.",
            f"Put a {CLASSES_FILE} beside the folder, or move those that are no labels away.",
        )
    read = (labels.read(path) for path in labels.files())
    check_smoothed(pixels, [ids for ids in read if ids is not None])
    return numbered_table(list(pixels))


def _two_phases() -> ClassTable:
    return ClassTable(
        classes=tuple(
            LabelClass(id=i, name=f"phase {i}", colour=colour)
            for i, colour in enumerate(COLOURS[:2], start=1)
        )
    )
