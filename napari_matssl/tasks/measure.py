"""Measure the phase fractions of masks on disk."""

from collections.abc import Sequence
from pathlib import Path

from napari_matssl.errors import InputError
from napari_matssl.labels.classes import ClassTable
from napari_matssl.labels.painted import count_values, find_class_table, read_labels
from napari_matssl.measure.phases import PhaseFraction, phase_fractions
from napari_matssl.micrograph.calibration import read_pixel_size
from napari_matssl.micrograph.reading import find_micrographs

NOT_ANALYSED = 0
"""Mask value of pixels that belong to no class, unless the class table has a class 0."""


UNLABELLED = "unlabelled"
"""Name of a class 0 that is none, as tables for painted labels list it."""


def measure_masks(inputs: Sequence[Path], classes: Path | None = None) -> list[PhaseFraction]:
    """Measure the area fraction of every class on every mask.

    Parameters
    ----------
    inputs
        Mask images, or folders; of a folder that :func:`~napari_matssl.tasks.predict.predict`
        wrote, only the masks are taken.
    classes
        Class table; None looks for ``classes.json`` beside the first mask, then takes the values
        found.

    Raises
    ------
    InputError
        If a mask can't be read, or holds a value that is no class.
    """
    paths = [path for given in inputs for path in _masks(given)]
    table = _class_table(paths, classes)
    rows: list[PhaseFraction] = []
    for path in paths:
        mask = read_labels(path)
        rows += phase_fractions(path.name, mask, table, read_pixel_size(path, mask.shape[1]))
    return rows


def _masks(given: Path) -> list[Path]:
    found = find_micrographs([given])
    if given.is_dir():
        found = [path for path in found if path.stem.endswith("_mask")] or found
        # An export holds each mask twice, as a PNG and as a TIFF: one of them is enough.
        return list({path.stem: path for path in reversed(found)}.values())[::-1]
    return found


def _class_table(paths: Sequence[Path], classes: Path | None) -> ClassTable:
    values: set[int] = set()
    for path in paths:
        values.update(count_values(read_labels(path)))
    found = find_class_table(paths[0], sorted(values - {255}), None, classes)
    table = found.table
    # A table that somebody wrote decides whether 0 is a class; without one it never is.
    if found.made_up or (table.classes[0].id == 0 and table.classes[0].name == UNLABELLED):
        if values <= {NOT_ANALYSED, 255}:
            raise InputError(f"{paths[0]} holds no class: all pixels are 0.", "Give another mask.")
        table = table.without(NOT_ANALYSED)
    return table
