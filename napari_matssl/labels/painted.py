"""Painted label images: reading them, checking them, and turning them into training targets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.labels.classes import ClassTable, numbered_table, read_class_table
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.reading import read_pixels

IGNORE = 255
"""Target of the pixels that do not train."""

CLASSES_FILE = "classes.json"
"""Name of the class table that is looked for next to labels."""

MOST_CLASSES = 32
"""More distinct values than this, without a class table, are taken for a photograph."""

_CHUNK = 1 << 22  # pixels counted at a time: keeps the memory for a panorama small


@dataclass(frozen=True)
class PaintedMicrograph:
    """A micrograph with the class ids that somebody painted on it.

    Parameters
    ----------
    micrograph
        The image.
    labels
        ``(H, W)``, class ids as painted, the info bar's rows included.

    Raises
    ------
    InputError
        If image and labels differ in size.
    """

    micrograph: Micrograph
    labels: NDArray[np.integer]

    def __post_init__(self) -> None:
        image = (self.micrograph.height, self.micrograph.width)
        if self.labels.shape != image:
            raise InputError(
                f"The image {self.micrograph.name} has {_size(image)} pixels, "
                f"its labels have {_size(self.labels.shape)}.",
                "Paint on the image at its original size, or remove one of the two files.",
            )

    @property
    def specimen_labels(self) -> NDArray[np.integer]:
        """The labels above the info bar, a view ``(H', W)``."""
        bar = self.micrograph.info_bar
        return self.labels if bar is None else self.labels[: bar.row]


def read_labels(path: Path) -> NDArray[np.integer]:
    """Read a label image.

    Grey and palette images are understood, also grey ones that were stored as RGB, and float ones
    that hold whole numbers.

    Returns
    -------
    ``(H, W)``, class ids.

    Raises
    ------
    InputError
        If the file can't be read, or its pixels are colours, fractions or negative.
    """
    pixels = read_pixels(path)
    if pixels.ndim == 3:
        if not np.all(pixels == pixels[..., :1]):
            raise InputError(f"The label image {path} holds colours, not class ids.", _SAVE_IDS)
        pixels = pixels[..., 0]
    if pixels.dtype.kind == "f":
        pixels = _whole_numbers(path, pixels)
    ids: NDArray[np.integer] = pixels  # type: ignore[assignment]  # numpy's dtypes don't narrow
    if ids.min(initial=0) < 0:
        raise InputError(f"The label image {path} holds negative values.", _SAVE_IDS)
    return ids


def label_ids(painted: Iterable[PaintedMicrograph]) -> tuple[int, ...]:
    """List the values found in the labels, above the info bars, in ascending order."""
    found: set[int] = set()
    for one in painted:
        found.update(count_values(one.specimen_labels))
    return tuple(sorted(found))


def to_targets(
    painted: PaintedMicrograph, table: ClassTable, unlabelled: int | None
) -> NDArray[np.uint8]:
    """Turn class ids into what a network is trained on.

    Parameters
    ----------
    painted
        The micrograph and its labels.
    table
        The classes; channel i of the network stands for ``table.ids[i]``.
    unlabelled
        Value of the pixels that nobody painted; None if every value is a class.

    Returns
    -------
    ``(H, W)``: the channel of each pixel, ``IGNORE`` where it is unpainted and below the info bar.

    Raises
    ------
    InputError
        If a value is no class of the table.
    """
    counts = count_values(painted.specimen_labels)
    strange = {v: n for v, n in counts.items() if v not in table.ids and v != unlabelled}
    if strange:
        raise _not_in_table(painted.micrograph.name, strange, table)
    targets = np.full(painted.labels.shape, IGNORE, dtype=np.uint8)
    above_bar = targets[: len(painted.specimen_labels)]
    for channel, class_id in enumerate(table.ids):
        if class_id != unlabelled:
            above_bar[painted.specimen_labels == class_id] = channel
    return targets


def painted_pixels(targets: Iterable[NDArray[np.uint8]], table: ClassTable) -> dict[int, int]:
    """Count the pixels that train each class, over all images.

    Takes what :func:`to_targets` gave for each image with that table.

    Returns
    -------
    Pixels by class id, for every class of the table.
    """
    pixels = dict.fromkeys(table.ids, 0)
    for one in targets:
        for channel, count in count_values(one).items():
            if channel != IGNORE:
                pixels[table.ids[channel]] += count
    return pixels


def painted_share(painted: Iterable[PaintedMicrograph], unlabelled: int | None) -> float:
    """Tell what share of the pixels above the info bars is painted, over all images, from 0 to 1.

    Parameters
    ----------
    painted
        At least one micrograph.
    unlabelled
        Value of the pixels that nobody painted; None if every value is a class.
    """
    total = unpainted = 0
    for one in painted:
        counts = count_values(one.specimen_labels)
        total += sum(counts.values())
        unpainted += 0 if unlabelled is None else counts.get(unlabelled, 0)
    return 1 - unpainted / total


def check_paintable(pixels: Mapping[int, int], table: ClassTable) -> None:
    """Make sure that there is something to tell apart.

    Takes what :func:`painted_pixels` counted.

    Raises
    ------
    InputError
        If nothing is painted in any image, or a single class only.
    """
    names = [c.name for c in table.classes if pixels.get(c.id, 0) > 0]
    if not names:
        raise InputError(*_NOTHING_PAINTED)
    if len(names) == 1:
        raise InputError(
            f'Only one class is painted: "{names[0]}".',
            "Paint a few strokes of at least one other class.",
        )


@dataclass(frozen=True)
class FoundClasses:
    """A class table and where it comes from.

    Parameters
    ----------
    table
        The classes, without the unlabelled value.
    source
        For people: ``"labels/classes.json"`` or ``"the values found in the labels"``.
    made_up
        There was no table, and the classes have numbers for names.
    """

    table: ClassTable
    source: str
    made_up: bool = False


def find_class_table(
    labels: Path, ids: Sequence[int], unlabelled: int | None, given: Path | None = None
) -> FoundClasses:
    """Choose the class table for a folder of labels.

    The first of these that there is: the file given, ``classes.json`` in the folder, the same in
    the folder above, a table with numbers for names made from the values found.

    Parameters
    ----------
    labels
        The folder of the label images, or a single label image.
    ids
        The values found in them, as from :func:`label_ids`.
    unlabelled
        Value of unpainted pixels, which is no class; None if every value is one.
    given
        A class table that the user named.

    Raises
    ------
    InputError
        If the table can't be read, holds no class beside the unlabelled one, or can't be made
        from the values found.
    """
    folder = labels.absolute() if labels.is_dir() else labels.absolute().parent
    nearby = (folder / CLASSES_FILE, folder.parent / CLASSES_FILE)
    path = given if given is not None else next((p for p in nearby if p.is_file()), None)
    if path is None:
        table = _numbered(ids, unlabelled)
        return FoundClasses(table, "the values found in the labels", made_up=True)
    table = read_class_table(path)
    if table.ids == (unlabelled,):
        raise InputError(
            f"{path} lists no class beside {unlabelled}, the value of unlabelled pixels.",
            "Add the classes, or name another value with --unlabelled.",
        )
    source = path if given is not None else path.relative_to(folder.parent)
    return FoundClasses(table.without(unlabelled), source.as_posix())


def count_values(values: NDArray[np.integer]) -> dict[int, int]:
    """Count the pixels of each value, in ascending order; lean on memory for panoramas."""
    counts: dict[int, int] = {}
    rows = max(1, _CHUNK // max(1, values[:1].size))
    for start in range(0, len(values), rows):
        found, pixels = np.unique(values[start : start + rows], return_counts=True)
        for value, count in zip(found.tolist(), pixels.tolist(), strict=True):
            counts[value] = counts.get(value, 0) + count
    return dict(sorted(counts.items()))


def listed(counts: Mapping[int, int]) -> str:
    """Name at most five values with their pixel counts: ``"7 (120 pixels), 9 (1 pixel)"``."""
    few = [f"{v} ({n} pixel{'s' * (n != 1)})" for v, n in list(counts.items())[:5]]
    more = f" and {len(counts) - 5} more" if len(counts) > 5 else ""
    return ", ".join(few) + more


_SAVE_IDS = "Save the class ids as a palette (indexed) or grey image."
_NOTHING_PAINTED = (
    "Nothing is painted in any label image.",
    "Paint a few strokes of each class; --unlabelled names the value of unpainted pixels.",
)


def _size(shape: tuple[int, ...]) -> str:
    """Width first, as image viewers say it."""
    return " x ".join(str(n) for n in (shape[1], shape[0], *shape[2:])) if len(shape) > 1 else "?"


def _whole_numbers(path: Path, pixels: NDArray[np.generic]) -> NDArray[np.integer]:
    values = pixels.astype(np.float64)
    # 2**31 keeps the cast exact; ids end at 254 anyway.
    if not np.all(np.isfinite(values) & (np.abs(values) < 2**31) & (values == np.floor(values))):
        raise InputError(f"The label image {path} holds fractions, not class ids.", _SAVE_IDS)
    return values.astype(np.int64)


def _not_in_table(name: str, strange: dict[int, int], table: ClassTable) -> InputError:
    classes = ", ".join(f"{c.id} {c.name}" for c in table.classes)
    return InputError(
        f"The labels of {name} hold values outside the class table: {listed(strange)}. "
        f"The classes are {classes}.",
        "Repaint those pixels, give a table that lists the values (--classes), or name the value "
        "of unpainted pixels (--unlabelled).",
    )


def _numbered(ids: Sequence[int], unlabelled: int | None) -> ClassTable:
    kept = sorted(set(ids) - {unlabelled})
    if not kept:
        raise InputError(*_NOTHING_PAINTED)
    if kept[-1] > 254 or len(kept) > MOST_CLASSES:
        raise InputError(
            f"The labels hold {len(kept)} different values up to {kept[-1]}; class ids go from "
            f"0 to 254, and without a class table at most {MOST_CLASSES} are understood.",
            "Check that these are label images; name the classes (--classes), and the value of "
            "unpainted pixels (--unlabelled) if it is another.",
        )
    return numbered_table(kept)
