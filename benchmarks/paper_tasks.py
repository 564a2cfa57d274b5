"""What the paper fine-tunes on, and what it pretrains on for that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from published_sets import WHOLE, PublishedSet, read_published
from sets import BenchmarkSet, without

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.twins import TwinSearch
from napari_matssl.tasks.evaluate import BACKGROUND
from napari_matssl.tasks.inputs import read_folder


@dataclass(frozen=True)
class Source:
    """One of the paper's sets.

    Parameters
    ----------
    where
        It is published.
    overlap
        Of the patches that are pretrained on.
    epochs
        Of fine-tuning.
    """

    where: str
    overlap: float
    epochs: int


SOURCES = {
    "uhcs": Source("DeCost et al. 2017, https://hdl.handle.net/11256/940", 0.6, 200),
    "metaldam": Source(
        "Luengo et al. 2022, https://dasci.es/transferencia/open-data/metaldam/", 0.7, 200
    ),
    "aachen": Source("Iren et al. 2021, https://doi.org/10.1038/s41597-021-00926-7", 0.0, 50),
    "ebc": Source(
        "Stuckner et al. 2022, https://github.com/nasa/pretrained-microscopy-models", 0.0, 200
    ),
}
OTHERS = "others"
"""Images of the user's own to pretrain on, without overlap."""

TASKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "metaldam": ("metaldam", ("R33-9", WHOLE)),
    "aachen": ("aachen", (WHOLE,)),
    **{f"EBC-{n}": ("ebc", (f"EBC-{n}",)) for n in (1, 2, 3)},
    **{f"UHCS-{n}": ("uhcs", (f"fold{n}",)) for n in range(6)},
}
"""What can be asked for: the set, and its split, the first of these that there is."""

IN_THE_PAPER = tuple(task for task in TASKS if not task.startswith("UHCS"))
"""The paper only pretrains on UHCS."""

_PRECIPITATE = 4  # of MetalDAM: mostly unlabelled, so the paper leaves it out
_OXIDE = 2  # and crack above it, one class in the paper


@dataclass(frozen=True)
class Task:
    """A set to fine-tune on, as the paper does.

    Parameters
    ----------
    name
        One of :data:`TASKS`.
    data
        Painted micrographs; 0 is unlabelled.
    settings
        Of fine-tuning, over the preset "paper".
    protocol
        How it is scored.
    """

    name: str
    data: BenchmarkSet
    settings: dict[str, Any]
    protocol: Literal["native", "matssl"]


def read_sets(folders: Mapping[str, Path | None]) -> dict[str, PublishedSet]:
    """Read the sets whose folders are given.

    Raises
    ------
    InputError
        If one of them can't be read.
    """
    return {name: read_published(name, folder) for name, folder in folders.items() if folder}


def make_task(name: str, published: PublishedSet) -> Task:
    """Prepare a set as the paper does.

    EBC has two classes, oxide and crack as one, at 512x512 px, and MetalDAM four, without
    precipitate.

    Raises
    ------
    InputError
        If the set has no such split.
    """
    source, splits = TASKS[name]
    split = next((s for s in splits if s in published.splits), splits[0])
    training, validation, test = (published.part(split, part) for part in ("train", "val", "test"))
    if not training or not test:
        raise InputError(
            f'The split "{split}" of {source} has nothing to train on or to test.',
            "Give the set as it is published.",
        )
    settings: dict[str, Any] = {"epochs": SOURCES[source].epochs}
    table = published.table
    if source == "metaldam":
        table = table.without(_PRECIPITATE)
        training, validation, test = (
            tuple(without(part, _PRECIPITATE)) for part in (training, validation, test)
        )
    if source == "ebc":
        table = _two_classes()
        training, validation, test = map(_merged, (training, validation, test))
        settings |= {"scale": 0.5, "crop_size": 512}
    data = BenchmarkSet(name, training, validation, test, table)
    return Task(name, data, settings, "matssl" if source == "ebc" else "native")


def _merged(painted: Sequence[PaintedMicrograph]) -> tuple[PaintedMicrograph, ...]:
    return tuple(replace(p, labels=np.minimum(p.labels, _OXIDE)) for p in painted)


def _two_classes() -> ClassTable:
    return ClassTable(
        classes=tuple(
            LabelClass(id=n + 1, name=name, colour=COLOURS[n])
            for n, name in enumerate((BACKGROUND, "oxide and crack"))
        )
    )


@dataclass(frozen=True)
class Pool:
    """Images to pretrain on for a task.

    Parameters
    ----------
    sets
        Names of the sets that they are of.
    images
        Without those that show a test image.
    overlaps
        Of patches, for each image.
    left_out
        What shows a test image, and which, as lines.
    """

    sets: tuple[str, ...]
    images: tuple[Micrograph, ...]
    overlaps: tuple[float, ...]
    left_out: tuple[str, ...]


def usual_sets(task: str, there: Sequence[str]) -> tuple[str, ...]:
    """Name the sets to pretrain on unless others are asked for: all but the task's own, and EBC."""
    return tuple(name for name in there if name not in (TASKS[task][0], "ebc"))


def make_pool(
    task: Task, names: Sequence[str], sets: Mapping[str, PublishedSet], others: Path | None
) -> Pool:
    """Collect the images of some sets, each with the paper's overlap.

    Parameters
    ----------
    task
        Whose test images are kept apart, with all that shows the same fields.
    names
        Of the sets, or ``others``.
    sets, others
        What there is.

    Raises
    ------
    InputError
        If a set isn't there, or nothing is left.
    """
    search = TwinSearch(painted.micrograph for painted in task.data.test)
    images: list[Micrograph] = []
    overlaps: list[float] = []
    left_out: list[str] = []
    for name in names:
        if name == OTHERS and others is not None:
            found, overlap = read_folder([others]), 0.0
        elif name in sets:
            found, overlap = list(sets[name].micrographs), SOURCES[name].overlap
        else:
            raise InputError(f"There is no folder to pretrain on {name}.", f"Give --{name} FOLDER.")
        for micrograph in found:
            twin = search.twin_of(micrograph)
            if twin is None:
                images.append(micrograph)
                overlaps.append(overlap)
            else:
                left_out.append(str(twin))
    if not images:
        raise InputError(
            f"There is nothing to pretrain on for {task.name}.",
            f"Give one of {', '.join(f'--{name}' for name in (*SOURCES, OTHERS))}.",
        )
    return Pool(tuple(names), tuple(images), tuple(overlaps), tuple(left_out))
