"""Pairs of images and label images."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from napari_matssl.errors import InputError
from napari_matssl.labels.names import composed, few
from napari_matssl.micrograph.reading import LABEL_SUFFIXES, find_micrographs

_PAGE = re.compile(r"(.+)\.page([1-9]\d{0,5})")


@dataclass(frozen=True)
class Pair:
    """An image and its label image.

    Parameters
    ----------
    image, label
        Their files.
    page
        Which image of the file it is, from 1; None for the one that is read without a choice.
    """

    image: Path
    label: Path
    page: int | None = None


def stem_of(name: str | Path) -> str:
    """Return the name by which files match: without folders and without an image's suffix.

    Only suffixes of images go: ``"15.0kV"`` and ``"15.0kV.tif"`` have the same stem. It is in one
    Unicode form (NFC), whatever that of the file: to open files by, it is of no use.
    """
    path = PurePosixPath(composed(str(name)).replace("\\", "/"))
    return without_ome(path.stem if path.suffix.lower() in LABEL_SUFFIXES else path.name)


def without_ome(stem: str) -> str:
    """Return a stem without the first half of the suffixes ``.ome.tif`` and ``.ome.zarr``."""
    return stem[:-4] if stem.lower().endswith(".ome") else stem


def stem_of_page(stem: str, page: int | None) -> str:
    """Return the stem of what belongs to one page of an image: ``"a.page3"`` for page 3 of a."""
    return stem if page is None else f"{stem}.page{page}"


def page_in(stem: str) -> tuple[str, int | None]:
    """Split into the stem of the image and its page; the reverse of :func:`stem_of_page`."""
    found = _PAGE.fullmatch(stem)
    return (stem, None) if found is None else (found[1], int(found[2]))


@dataclass(frozen=True)
class Pairing:
    """Pairs of images and labels, and what was left over.

    Parameters
    ----------
    pairs
        In the order of the images.
    images_left, labels_left
        Files without a partner.
    """

    pairs: tuple[Pair, ...]
    images_left: tuple[Path, ...] = ()
    labels_left: tuple[Path, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Lines on what was left over: every label image by name, images by their number."""
        lines = []
        if self.labels_left:
            count, names = len(self.labels_left), few([p.name for p in self.labels_left], 20)
            images, match = ("image", "matches") if count == 1 else ("images", "match")
            lines.append(f"{count} label {images} {match} no image: {names}.")
        if self.images_left:
            count, total = len(self.images_left), len(self.images_left) + len(self.pairs)
            have = "has" if count == 1 else "have"
            names = few([p.name for p in self.images_left])
            lines.append(f"{count} of {total} images {have} no label: {names}.")
        return tuple(lines)


def pair_by_stem(images: Path, labels: Path) -> Pairing:
    """Pair images with labels of the same stem; ``a.page3.png`` belongs to page 3 of ``a.tif``.

    Parameters
    ----------
    images
        A folder of images, or one image.
    labels
        A folder of label images, or one label image.

    Returns
    -------
    The pairs, and what was left over.

    Raises
    ------
    InputError
        If there are no images, no label for any of them, or two files that could be meant.
    """
    image_files = find_micrographs([images])
    label_files = _label_files(labels)
    as_labels = {path.resolve() for path in label_files}
    image_files = [path for path in image_files if path.resolve() not in as_labels]
    if not image_files:
        raise InputError(
            f"{images} is given both for the images and for the labels.",
            "Keep the labels in a folder of their own.",
        )
    labels_by_stem, images_by_stem = _by_stem(label_files), _by_stem(image_files)
    wanted: dict[str, list[tuple[str, int | None]]]
    wanted = {stem: [(stem, None)] for stem in images_by_stem}
    for found in labels_by_stem:
        stem, page = page_in(found)
        if page is not None and stem in wanted and found not in wanted:
            wanted[stem].append((found, page))
    pairs, alone = list[Pair](), list[Path]()
    for stem, files in images_by_stem.items():
        there = [(label, page) for label, page in wanted[stem] if label in labels_by_stem]
        for label, page in there:
            image = _only(files, stem, "images")
            pairs.append(Pair(image, _only(labels_by_stem.pop(label), label, "labels"), page))
        alone += [] if there else files
    if not pairs:
        raise _no_label(images, labels, image_files)
    # If one side is a single file, the rest of the other was left out on purpose.
    left = [p for files in labels_by_stem.values() for p in files] if images.is_dir() else []
    return Pairing(tuple(pairs), tuple(alone) if labels.is_dir() else (), tuple(left))


def _label_files(labels: Path) -> list[Path]:
    try:
        return find_micrographs([labels], LABEL_SUFFIXES)
    except InputError as error:
        raise InputError(
            f"There are no label images: {error.what}",
            "Give the folder of the label images; each is called like its image.",
        ) from error


def _by_stem(files: Iterable[Path]) -> dict[str, list[Path]]:
    stems: dict[str, list[Path]] = {}
    for path in files:
        stems.setdefault(stem_of(path), []).append(path)
    return stems


def _only(files: list[Path], stem: str, kind: str) -> Path:
    if len(files) > 1:
        raise InputError(
            f'Two {kind} are called "{stem}": {files[0]} and {files[1]}.',
            "Keep one of them, or rename them and their partners.",
        )
    return files[0]


def _no_label(images: Path, labels: Path, image_files: list[Path]) -> InputError:
    stems = [stem_of(path) for path in image_files]
    return InputError(
        f"No label for any image of {images}: looked in {labels} for files called {few(stems)}.",
        "Give each label image the name of its image; the suffix may differ.",
    )
