"""Painted micrographs: checking them, and turning them into training targets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.labels.classes import ClassTable
from napari_matssl.labels.counting import count_values
from napari_matssl.labels.deciding import NOTHING_PAINTED
from napari_matssl.labels.meaning import Unlabelled, not_in_table, settled
from napari_matssl.micrograph.image import Micrograph

IGNORE = 255
"""Target of the pixels that do not train."""


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


def to_targets(
    painted: PaintedMicrograph, table: ClassTable, unlabelled: Unlabelled
) -> NDArray[np.uint8]:
    """Turn class ids into what a network is trained on.

    Parameters
    ----------
    painted
        The micrograph and its labels.
    table
        The classes; channel i of the network stands for ``table.ids[i]``.
    unlabelled
        Value of the pixels that nobody painted; None if every value is a class, "auto" for 0
        unless it is a class.

    Returns
    -------
    ``(H, W)``: the channel of each pixel, ``IGNORE`` where it is unpainted and below the info bar.

    Raises
    ------
    InputError
        If a value is no class of the table.
    """
    unlabelled = settled(unlabelled, table)
    counts = count_values(painted.specimen_labels)
    strange = {v: n for v, n in counts.items() if v not in table.ids and v != unlabelled}
    if strange:
        raise not_in_table(painted.micrograph.name, strange, table)
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


def check_paintable(pixels: Mapping[int, int], table: ClassTable, hint: str = "") -> None:
    """Make sure that there is something to tell apart.

    Takes what :func:`painted_pixels` counted.

    Parameters
    ----------
    pixels, table
        Pixels by class id, and the classes.
    hint
        Where else pixels of the other classes might be, in sentences.

    Raises
    ------
    InputError
        If nothing is painted in any image, or a single class only.
    """
    names = [c.name for c in table.classes if pixels.get(c.id, 0) > 0]
    if not names:
        raise InputError(f"{NOTHING_PAINTED} {hint}", "Paint a few strokes of each class.")
    if len(names) == 1:
        raise InputError(
            f'Only one class is painted: "{names[0]}". {hint}',
            "Paint a few strokes of at least one other class.",
        )


def check_taught(
    painted: Sequence[PaintedMicrograph], table: ClassTable, unlabelled: int | None
) -> None:
    """Make sure that painted micrographs show at least two classes above their info bars.

    Raises
    ------
    InputError
        If they don't, naming classes that are painted in info bars only, or if a value is no class.
    """
    pixels = painted_pixels((to_targets(one, table, unlabelled) for one in painted), table)
    if sum(n > 0 for n in pixels.values()) < 2:
        names = {c.id: c.name for c in table.classes if c.id != unlabelled}
        images = ((one.micrograph, one.labels) for one in painted)
        check_paintable(pixels, table, " ".join(below_info_bars(images, names, pixels)))


def below_info_bars(
    images: Iterable[tuple[Micrograph, NDArray[np.integer]]],
    names: Mapping[int, str],
    above: Mapping[int, int],
) -> list[str]:
    """Name the classes that are painted in what is taken for info bars, and nowhere else.

    Parameters
    ----------
    images
        Micrographs, each with its labels ``(H, W)``.
    names
        What is painted, by value.
    above
        Pixels by value above the info bars.

    Returns
    -------
    A sentence for each class.
    """
    lost: dict[str, str] = {}
    for micrograph, labels in images:
        bar = micrograph.info_bar
        if bar is None:
            continue
        for value in count_values(labels[bar.row :]):
            if value in names and not above.get(value):
                lost.setdefault(
                    names[value],
                    f'"{names[value]}" is painted only from row {bar.row} of {micrograph.name} '
                    f"on, which is taken for its info bar ({bar.source}) and doesn't count.",
                )
    return list(lost.values())


def _size(shape: tuple[int, ...]) -> str:
    """Width first, as image viewers say it."""
    return " x ".join(str(n) for n in (shape[1], shape[0], *shape[2:])) if len(shape) > 1 else "?"
