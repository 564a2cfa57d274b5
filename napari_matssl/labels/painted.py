"""Painted micrographs: checks, and conversion into training targets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.counting import count_values
from napari_matssl.labels.deciding_meaning import NOTHING_PAINTED
from napari_matssl.labels.value_meaning import Unlabelled, not_in_table, settled
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.panorama import AnyMicrograph

IGNORE_INDEX = 255
"""Target of the pixels that do not train."""


@dataclass(frozen=True)
class PaintedMicrograph:
    """A micrograph with the class ids painted on it.

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
        check_size(self.micrograph, self.labels)

    @property
    def specimen_labels(self) -> NDArray[np.integer]:
        """The labels above the info bar, a view ``(H', W)``."""
        bar = self.micrograph.info_bar
        return self.labels if bar is None else self.labels[: bar.row]

    @cached_property
    def counts(self) -> dict[int, int]:
        """Pixels of each label value above the info bar; counted once."""
        return count_values(self.specimen_labels)


def check_size(image: AnyMicrograph, labels: NDArray[np.integer]) -> None:
    """Check that labels are of the size of their image.

    Raises
    ------
    InputError
        If they aren't.
    """
    size = (image.height, image.width)
    if labels.shape != size:
        raise InputError(
            f"The image {image.name} has {_size(size)} pixels, "
            f"its labels have {_size(labels.shape)}.",
            "Paint on the image at its original size, or remove one of the two files.",
        )


def to_targets(
    painted: PaintedMicrograph, table: ClassTable, unlabelled: Unlabelled
) -> NDArray[np.uint8]:
    """Turn class ids into training targets.

    Parameters
    ----------
    painted
        The micrograph and its labels.
    table
        The classes; channel i of the network stands for ``table.ids[i]``.
    unlabelled
        Value of unpainted pixels; None if every value is a class, "auto" for 0
        unless it is a class.

    Returns
    -------
    ``(H, W)``: the channel of each pixel, ``IGNORE_INDEX`` where it is unpainted and below the
    info bar.

    Raises
    ------
    InputError
        If a value is no class of the table.
    """
    unlabelled = settled(unlabelled, table)
    _check_values(painted, table, unlabelled)
    targets = np.full(painted.labels.shape, IGNORE_INDEX, dtype=np.uint8)
    above_bar = targets[: len(painted.specimen_labels)]
    for channel, class_id in enumerate(table.ids):
        if class_id != unlabelled:
            above_bar[painted.specimen_labels == class_id] = channel
    return targets


def painted_pixels(
    painted: Iterable[PaintedMicrograph], table: ClassTable, unlabelled: int | None
) -> dict[int, int]:
    """Count the pixels that train each class, above the info bars of all images.

    Parameters
    ----------
    painted, table, unlabelled
        As for :func:`to_targets`.

    Returns
    -------
    Pixels by class id, for every class of the table.

    Raises
    ------
    InputError
        If a value is no class of the table.
    """
    pixels = dict.fromkeys(table.ids, 0)
    for one in painted:
        _check_values(one, table, unlabelled)
        for value, count in one.counts.items():
            if value != unlabelled:
                pixels[value] += count
    return pixels


def _check_values(painted: PaintedMicrograph, table: ClassTable, unlabelled: int | None) -> None:
    """Refuse values that are neither classes nor unpainted."""
    known = {*table.ids, unlabelled}
    strange = {value: n for value, n in painted.counts.items() if value not in known}
    if strange:
        raise not_in_table(painted.micrograph.name, strange, table)


def painted_share(painted: Iterable[PaintedMicrograph], unlabelled: int | None) -> float:
    """Return the share of painted pixels above the info bars, over all images, from 0 to 1.

    Parameters
    ----------
    painted
        At least one micrograph.
    unlabelled
        Value of unpainted pixels; None if every value is a class.
    """
    counts = [one.counts for one in painted]
    unpainted = 0 if unlabelled is None else sum(one.get(unlabelled, 0) for one in counts)
    return 1 - unpainted / sum(sum(one.values()) for one in counts)


def check_paintable(pixels: Mapping[int, int], table: ClassTable, hint: str = "") -> None:
    """Check that at least two classes are painted.

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
    settings = "info_bar unlabelled" if hint else ""
    if not names:
        raise InputError(
            f"{NOTHING_PAINTED} {hint}", "Paint a few strokes of each class.", settings=settings
        )
    if len(names) == 1:
        raise InputError(
            f'Only one class is painted: "{names[0]}". {hint}',
            "Paint a few strokes of at least one other class.",
            settings=settings,
        )


def check_taught(
    painted: Sequence[PaintedMicrograph], table: ClassTable, unlabelled: int | None
) -> None:
    """Check that painted micrographs show at least two classes above their info bars.

    Raises
    ------
    InputError
        If they don't, naming classes that are painted in info bars only, or if a value is no class.
    """
    pixels = painted_pixels(painted, table, unlabelled)
    if sum(n > 0 for n in pixels.values()) < 2:
        names = {c.id: c.name for c in table.classes if c.id != unlabelled}
        images = ((one.micrograph, one.labels) for one in painted)
        check_paintable(pixels, table, " ".join(below_info_bars(images, names, pixels)))


def below_info_bars(
    images: Iterable[tuple[AnyMicrograph, NDArray[np.integer]]],
    names: Mapping[int, str],
    above: Mapping[int, int],
) -> list[str]:
    """Return remarks on classes that are painted in info bars alone.

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
    """Return ``width x height px``."""
    return " x ".join(str(n) for n in (shape[1], shape[0], *shape[2:])) if len(shape) > 1 else "?"
