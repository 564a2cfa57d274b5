"""The sets of the MatSSL paper, read as they are published, whatever their folders are called.

- ``images`` and ``labels``, with ``splits.json`` if there is one: MetalDAM and UHCS as published,
  and all sets that are laid out as our own tests have them (then with ``classes.json``);
- ``train/inputs``, ``train/targets``, ``test/inputs`` and so on: as MatSSL's authors have them;
- ``train``, ``train_annot``, ``test`` and so on: EBC as NASA publishes it;
- images and a table of outlines, ``...annotations_polygon.csv``: the Aachen-Heerlen set.

EBC has a folder for each of its three splits, whose names end in 1, 2 and 3. Unlabelled images
lie in folders inside whose name has "unlabel" in it; a folder with nothing else but images is a
set of unlabelled ones.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from published_labels import CODINGS, Coding, read_outlined, read_pair, read_polygons

from napari_matssl.errors import InputError
from napari_matssl.files import read_json
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass
from napari_matssl.labels.class_table_files import find_named_values
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.labels.pairing import stem_of
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.reading import LABEL_SUFFIXES, images_in, read_micrograph

WHOLE = "whole"
"""Name of the split of a folder that is divided into parts."""

PARTS = ("train", "val", "test")

_PAIRS = (
    ("{part}/inputs", "{part}/targets"),
    ("{part}", "{part}_annot"),
    ("{part}/images", "{part}/labels"),
    ("{part}/images", "{part}/masks"),
)
_TEST_OF_METALDAM = (0, 7, 11, 14, 18, 20, 33, 36, 37)
"""Of ``R33-9``: a random nine, as many as the paper tests on, which doesn't name its own."""

Splits = dict[str, Mapping[str, Sequence[str]]]
Labelled = dict[str, PaintedMicrograph]


@dataclass(frozen=True)
class PublishedSet:
    """A set with its labels in ids from 1; 0 is unlabelled.

    Parameters
    ----------
    table
        Its classes.
    labelled
        By stem.
    unlabelled
        The rest of its images.
    splits
        Stems by part (``train``, ``val``, ``test``), by the name of the split.
    """

    table: ClassTable
    labelled: Labelled
    unlabelled: tuple[Micrograph, ...]
    splits: Splits

    @property
    def micrographs(self) -> tuple[Micrograph, ...]:
        """All images, labelled or not."""
        return (*(one.micrograph for one in self.labelled.values()), *self.unlabelled)

    def part(self, split: str, part: str) -> tuple[PaintedMicrograph, ...]:
        """Return a part of a split; empty where the split has no such part.

        Raises
        ------
        InputError
            If there is no such split, or an image of it isn't there.
        """
        if split not in self.splits:
            raise InputError(
                f'There is no split "{split}".', f"Splits: {', '.join(self.splits) or 'none'}."
            )
        stems = [stem_of(name) for name in self.splits[split].get(part, ())]
        missing = [stem for stem in stems if stem not in self.labelled]
        if missing:
            raise InputError(
                f'The split "{split}" names {missing[0]}, which has no labelled image.',
                "Add it, or take it out of the split.",
            )
        return tuple(self.labelled[stem] for stem in stems)


def read_published(name: str, folder: Path) -> PublishedSet:
    """Read one of the paper's sets.

    Parameters
    ----------
    name
        ``uhcs``, ``metaldam``, ``aachen`` or ``ebc``.
    folder
        In one of the layouts above.

    Raises
    ------
    InputError
        If it has none of them, or a file can't be used.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder.", f"Give the folder of {name}.")
    coding = CODINGS[name]
    labelled, splits, rest = _read(folder, coding, several=name == "ebc")
    if name == "metaldam" and WHOLE not in splits and "R33-9" not in splits:
        splits["R33-9"] = _nine_of_metaldam(labelled)
    unlabelled = tuple(map(read_micrograph, (*rest, *_unlabelled(folder))))
    if not labelled and not unlabelled:
        raise InputError(
            f"{folder} holds no images in a layout that is known for {name}.",
            "Known are images and labels; train/inputs and train/targets; train and train_annot; "
            "images and a table of outlines.",
        )
    return PublishedSet(_table(coding), labelled, unlabelled, splits)


def _table(coding: Coding) -> ClassTable:
    return ClassTable(
        classes=tuple(
            LabelClass(id=n + 1, name=name, colour=COLOURS[n])
            for n, name in enumerate(coding.classes)
        )
    )


def _read(folder: Path, coding: Coding, several: bool) -> tuple[Labelled, Splits, list[Path]]:
    """Read the labelled images and the splits of a set, and list its other images.

    `several`: one folder for each split, or one for all.
    """
    if (folder / "images").is_dir() and (folder / "labels").is_dir():
        found, rest = _pairs(folder / "images", folder / "labels", coding)
        return found, _splits(folder, found), [*rest, *images_in(folder)]
    if tables := sorted(folder.glob("*annotations_polygon*.csv")):
        return _outlined(folder, tables[0])
    places = [(folder, WHOLE)]
    if several:
        inside = [(path, _NUMBERED.search(path.name)) for path in sorted(folder.iterdir())]
        places += [(path, f"EBC-{match[1]}") for path, match in inside if match]
    labelled, splits = Labelled(), Splits()
    for place, split in places:
        parts: dict[str, Sequence[str]] = {}
        for part, images, labels in _parts(place):
            found, _rest = _pairs(images, labels, coding)
            parts[part] = tuple(found)
            labelled |= found
        if parts:
            splits[split] = parts
    return labelled, splits, images_in(folder)


_NUMBERED = re.compile(r"(?<!\d)([123])$")


def _parts(folder: Path) -> Iterator[tuple[str, Path, Path]]:
    for part in PARTS:
        for images, labels in _PAIRS:
            pair = folder / images.format(part=part), folder / labels.format(part=part)
            if all(one.is_dir() for one in pair):
                yield part, *pair
                break


def _pairs(images: Path, labels: Path, coding: Coding) -> tuple[Labelled, list[Path]]:
    """Read the images with a label image of their name, or of that and _mask; list the rest."""
    named = find_named_values(labels)
    by_stem = {
        stem_of(path).removesuffix("_mask"): path for path in images_in(labels, LABEL_SUFFIXES)
    }
    found, rest = Labelled(), list[Path]()
    for path in images_in(images):
        if label := by_stem.get(stem_of(path)):
            found[stem_of(path)] = read_pair(path, label, coding, named)
        else:
            rest.append(path)
    if not found:
        raise InputError(
            f"No image of {images} has a label image of its name in {labels}.",
            "Give the set as it is published.",
        )
    return found, rest


def _outlined(folder: Path, table: Path) -> tuple[Labelled, Splits, list[Path]]:
    """Read outlined images, and divide them: a random fifth to test on, as none is published."""
    polygons = read_polygons(table)
    places = [folder, *(p for p in sorted(folder.iterdir()) if p.is_dir())]
    there = max(
        ({path.name: path for path in images_in(place)} for place in places),
        key=lambda names: len(names.keys() & polygons.keys()),
    )
    outlined = sorted(there.keys() & polygons.keys())
    if not outlined:
        raise InputError(
            f"None of the images of {table} is in {folder}.", "Keep them together, as published."
        )
    found = {stem_of(name): read_outlined(there[name], polygons[name]) for name in outlined}
    stems = np.random.default_rng(0).permutation(sorted(found)).tolist()
    tested = max(1, len(stems) // 5)
    rest = [path for name, path in there.items() if name not in polygons]
    return found, {WHOLE: {"train": stems[tested:], "test": stems[:tested]}}, rest


def _splits(folder: Path, labelled: Labelled) -> Splits:
    """Read ``splits.json``, or the published validation sets of UHCS: fold0 to fold5."""
    if (path := folder / "splits.json").is_file():
        return dict(read_json(path, "It holds splits of images."))
    for place in (folder, folder.parent):
        for path in sorted(place.glob("*uhcs*validation-sets.json")):
            return _folds(read_json(path, "It holds lists of names."), labelled)
    return {}


def _folds(tested: Mapping[str, Sequence[str]], labelled: Labelled) -> Splits:
    """Divide images by their number, which is all that the published lists share with them."""
    folds = Splits()
    for run, names in tested.items():
        numbers = {_number(name) for name in names}
        test = [stem for stem in labelled if _number(stem) in numbers]
        folds[f"fold{run}"] = {"train": [s for s in labelled if s not in test], "test": test}
    return folds


def _number(name: str) -> int:
    digits = re.sub(r"\D", "", name)
    return int(digits) if digits else -1


def _nine_of_metaldam(labelled: Labelled) -> Mapping[str, Sequence[str]]:
    test = [stem for stem in labelled if _number(stem) in _TEST_OF_METALDAM]
    return {"train": [stem for stem in labelled if stem not in test], "test": test}


def _unlabelled(folder: Path) -> list[Path]:
    inside = [p for p in sorted(folder.iterdir()) if p.is_dir() and "unlabel" in p.name.lower()]
    return [path for p in inside for path in images_in(p)]
