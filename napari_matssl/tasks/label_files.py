"""Images with their label images, as stored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table_files import NamedValues
from napari_matssl.labels.deciding_meaning import unpainted_values
from napari_matssl.labels.names import few
from napari_matssl.labels.painted import PaintedMicrograph, below_info_bars, check_size
from napari_matssl.labels.pairing import Pair, Pairing, pair_by_stem
from napari_matssl.labels.reading_labels import StoredLabels, describe_palettes, read_values
from napari_matssl.labels.sparse_ids import read_sparse
from napari_matssl.labels.splits import read_split
from napari_matssl.labels.value_meaning import Meaning, Unlabelled, count_all
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.panorama import AnyMicrograph, Panorama
from napari_matssl.project.panorama_parts import is_part, painted_parts
from napari_matssl.project.pixel_sizes import read_calibrated
from napari_matssl.tasks.info_bars import InfoBarChoice, with_info_bar


@dataclass(frozen=True)
class SplitChoice:
    """A split of a file of splits."""

    path: Path
    name: str


@dataclass(frozen=True)
class StoredPair:
    """An image of any size and its label image, in stored values.

    Parameters
    ----------
    micrograph, stored
        Of one size.
    label
        Name of the label image's file.
    """

    micrograph: AnyMicrograph
    stored: StoredLabels
    label: str

    @property
    def specimen(self) -> NDArray[np.integer]:
        """The values above the info bar, a view ``(H', W)``."""
        bar, values = self.micrograph.info_bar, self.stored.values
        return values if bar is None else values[: bar.row]

    def painted(self, meaning: Meaning) -> tuple[PaintedMicrograph, ...]:
        """Return the labels as class ids; of a panorama, the parts with strokes.

        Raises
        ------
        InputError
            If a value means nothing, or a part can't be read.
        """
        image = self.micrograph
        labels = meaning.apply(self.stored.values, image.name, len(self.specimen))
        if isinstance(image, Micrograph):
            return (PaintedMicrograph(image, labels),)
        return painted_parts(image, labels, meaning.unlabelled)


def read_subset(
    images: Path,
    labels: Path,
    split: SplitChoice | None,
    subset: str,
    named: NamedValues | None,
    info_bar: InfoBarChoice = "auto",
) -> tuple[Pairing, list[StoredPair]]:
    """Read images and their label images, of one subset where there is a split.

    Parameters
    ----------
    named
        The class table that gives colours a meaning.
    info_bar
        Where the info bars begin.

    Raises
    ------
    InputError
        For anything that is missing, unreadable or doesn't fit together.
    """
    pairing = pair_by_stem(images, labels)
    pairs = list(pairing.pairs)
    if split is not None:
        pairs = read_split(split.path, split.name).select(pairs, subset)
    read = [read_stored(pair, named, info_bar) for pair in pairs]
    check_once(read)
    return pairing, read


def read_stored(
    pair: Pair,
    named: NamedValues | None,
    info_bar: InfoBarChoice = "auto",
    read: Callable[[Path, int | None], AnyMicrograph] = read_calibrated,
) -> StoredPair:
    """Read an image and the values of its label image.

    Parameters
    ----------
    read
        Reads the image; pixels of a panorama are left to the parts that are taken.

    Raises
    ------
    InputError
        If one can't be read, they differ in size, or the info bar lies outside the image.
    """
    micrograph = with_info_bar(read(pair.image, pair.page), info_bar)
    ours = named is not None and named.ours  # what isn't painted on a panorama takes no memory then
    sparse = read_sparse(pair.label) if ours else None
    stored = read_values(pair.label, named) if sparse is None else StoredLabels(sparse)
    check_size(micrograph, stored.values)
    return StoredPair(micrograph, stored, pair.label.name)


def check_once(read: Sequence[StoredPair]) -> None:
    """Check that each page of a file has one label image: ``a`` may be ``a.page1``, too.

    Raises
    ------
    InputError
        If one has two.
    """
    seen: dict[tuple[Path | None, int], str] = {}
    for one in read:
        image = one.micrograph
        first = seen.setdefault((image.path, image.page), one.label)
        if first != one.label:
            raise InputError(
                f"{first} and {one.label} both belong to page {image.page} of {image.name}.",
                "Keep one of them.",
            )


def describe_parts(read: Sequence[StoredPair], painted: Sequence[PaintedMicrograph]) -> list[str]:
    """Return a line on the parts that are taken of each panorama."""
    lines = []
    for one in read:
        if isinstance(one.micrograph, Panorama):
            name = one.micrograph.name
            count = sum(is_part(part.micrograph.name, name) for part in painted)
            parts = "the part" if count == 1 else f"the {count} parts"
            lines.append(f"{name} is a panorama: {parts} with strokes count as images.")
    return lines


def describe_pairs(read: Sequence[StoredPair]) -> tuple[str, ...]:
    """Return remarks on images, on where info bars begin, and on colours of palettes.

    Raises
    ------
    InputError
        If palettes contradict each other.
    """
    unusual = dict.fromkeys(line for one in read for line in one.micrograph.remarks)
    bars: dict[tuple[int, str], list[str]] = {}
    for one in read:
        if (bar := one.micrograph.info_bar) is not None:
            bars.setdefault((bar.row, bar.source), []).append(one.micrograph.name)
    in_words = [
        f"From row {row} on, the info bar doesn't count ({source}): {few(names)}."
        for (row, source), names in bars.items()
    ]
    colours = describe_palettes((one.label, one.stored.colours) for one in read)
    return (*unusual, *in_words, *colours)


def lost_in_bars(
    read: Sequence[StoredPair], named: NamedValues | None, unlabelled: Unlabelled
) -> list[str]:
    """Return remarks on classes that are painted in info bars alone.

    Raises
    ------
    InputError
        If user and class table contradict each other.
    """
    images = [(one.micrograph, one.stored.values) for one in read if one.micrograph.info_bar]
    if not images:
        return []
    if named is not None:
        names = {one.value: one.name for one in named.entries}
    else:
        names = {value: f"class {value}" for value in count_all(values for _, values in images)}
    for value in unpainted_values(named, unlabelled):
        names.pop(value, None)
    lost = below_info_bars(images, names, count_all(one.specimen for one in read))
    if lost:
        lost.append("The info bar can be taken for specimen (none), or its first row be given.")
    return lost
