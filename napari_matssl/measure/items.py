"""The single objects, grains, columns or particles of a field, to be looked at one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as with_default

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_matssl.labels.class_table import LabelClass
from napari_matssl.measure.boundaries import class_to_measure
from napari_matssl.measure.field import Field
from napari_matssl.measure.grain_counts import CORNER, CUT, INSIDE
from napari_matssl.measure.grain_items import COUNTED_AS, grain_items
from napari_matssl.measure.grains import measure_grains
from napari_matssl.measure.layers import measure_layer
from napari_matssl.measure.nodules import ParticleKind, label_kinds, measure_nodules
from napari_matssl.measure.numbered_strips import number_components
from napari_matssl.measure.object_tables import objects_frame
from napari_matssl.measure.objects import measure_objects
from napari_matssl.settings.grains import GrainSettings
from napari_matssl.settings.layers import LayerSettings
from napari_matssl.settings.nodules import NoduleSettings

PARTICLES = {
    ParticleKind.NODULE: "nodule",
    ParticleKind.OTHER: "other graphite",
    ParticleKind.AT_EDGE: "left out: at the edge",
    ParticleKind.TOO_SMALL: "left out: too small",
}
"""What a particle of graphite counts as, in words."""

_NOT_COUNTED, _COUNTED = 1, 2


@dataclass(frozen=True)
class FieldItems:
    """N items of one class in one field.

    Parameters
    ----------
    table
        A row per item, in the order of their numbers.
    places
        ``(N, 2)`` row and column of the middle of each.
    numbers
        ``(H, W)``, the number of each pixel's item, from 1; 0 elsewhere. None for columns.
    kinds
        ``(H, W)``, what each pixel's item counts as, a key of `words`; 0 elsewhere. None for
        columns.
    ends
        ``(N, 2, 2)`` row and column of both ends of each column, or of a tick across a test line
        at each intercept; None for other items.
    kinds_of_ends
        ``(N,)``, what each intercept counts as, a key of `words`; None for other items.
    lines
        ``(M, 2, 2)`` row and column of both ends of each piece of a test line.
    words
        What the kinds mean.
    remarks
        Lines on the field.
    """

    table: pd.DataFrame
    places: NDArray[np.float64]
    numbers: NDArray[np.int32] | None = None
    kinds: NDArray[np.uint8] | None = None
    ends: NDArray[np.floating] | None = None
    kinds_of_ends: NDArray[np.uint8] | None = None
    lines: NDArray[np.floating] = with_default(default_factory=lambda: np.zeros((0, 2, 2)))
    words: Mapping[int, str] = with_default(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def kinds_of_rows(self) -> NDArray[np.uint8]:
        """``(N,)``, what each item counts as; empty for columns."""
        if self.kinds_of_ends is not None:
            return self.kinds_of_ends
        if self.numbers is None or self.kinds is None:
            return np.zeros(0, dtype=np.uint8)
        found = np.zeros(len(self.table) + 1, dtype=np.uint8)
        found[self.numbers] = self.kinds
        return found[1:]


def items_of_objects(field: Field, class_name: str, directions: Sequence[int]) -> FieldItems:
    """List the objects of a class, as in the table of objects.

    Raises
    ------
    InputError
        If the field has no such class.
    """
    found = measure_objects(field, class_name, directions)
    numbers = number_components(field.pixels_of(class_name))
    kinds = np.concatenate([[0], np.where(found.counted, _COUNTED, _NOT_COUNTED)])
    table = objects_frame([found]).drop(columns=["image", "group", "class"])
    words = {
        _COUNTED: "counted",
        _NOT_COUNTED: "not counted: cut at the left or below",
    }
    return FieldItems(
        *(table, found.centroid, numbers, kinds.astype(np.uint8)[numbers]),
        words=words,
        remarks=found.remarks,
    )


def items_of_grains(
    field: Field, measured: LabelClass | None, settings: GrainSettings
) -> FieldItems:
    """List the grains of a field.

    Parameters
    ----------
    measured
        The class of boundaries, or of grains; None chooses one by its name.
    """
    found = measure_grains(field, measured or class_to_measure(field), settings)
    if found.counts is None:
        empty = np.zeros(field.mask.shape, dtype=np.int32)
        blank = pd.DataFrame({"grain": pd.Series(dtype=np.int64)})
        nowhere = np.zeros((0, 2))
        return FieldItems(blank, nowhere, empty, empty.astype(np.uint8), remarks=found.remarks)
    counts = found.counts
    items = grain_items(counts)
    numbers = np.zeros(field.mask.shape, dtype=np.int32)
    top, left = counts.offset
    height, width = counts.numbers.shape
    numbers[top : top + height, left : left + width] = counts.numbers.whole()
    words = {kind: COUNTED_AS[kind] for kind in (INSIDE, CUT, CORNER)}
    kinds = counts.kind[numbers]
    return FieldItems(
        items.frame(), items.centroid, numbers, kinds, words=words, remarks=found.remarks
    )


def items_of_layer(field: Field, class_name: str, settings: LayerSettings) -> FieldItems:
    """List the counted columns of a layer.

    Raises
    ------
    InputError
        If the field has no such class.
    """
    found = measure_layer(field, class_name, settings)
    columns = found.columns
    if columns is None:
        blank = pd.DataFrame({"column": pd.Series(dtype=np.int64)})
        return FieldItems(blank, np.zeros((0, 2)), ends=np.zeros((0, 2, 2)), remarks=found.remarks)
    there, ends = columns.counted, columns.ends
    unit = 1.0 if found.calibrated else np.nan
    spacing = columns.line.spacing
    along = np.flatnonzero(there) * spacing
    middles = ends.mean(axis=1)
    table = pd.DataFrame(
        {
            "column": np.arange(1, len(ends) + 1),
            "along_um": along * unit,
            "thickness_px": columns.thickness_px[there],
            "thickness_um": columns.thickness[there] * unit,
            "centre_x_px": middles[:, 1],
            "centre_y_px": middles[:, 0],
        }
    )
    return FieldItems(table, middles, ends=ends, remarks=found.remarks)


def items_of_nodules(field: Field, class_name: str, settings: NoduleSettings) -> FieldItems:
    """List all particles of graphite, with what each counts as.

    Raises
    ------
    InputError
        If the field has no such class.
    """
    found = measure_nodules(field, class_name, settings)
    numbers, kinds = label_kinds(field, found)
    particles = found.particles
    unit = 1.0 if found.calibrated else np.nan
    pixel = field.pixel_size
    area_px = particles.area if pixel is None else particles.area / pixel.area_um2
    table = pd.DataFrame(
        {
            "particle": np.arange(1, len(particles.kinds) + 1),
            "counts_as": [PARTICLES[ParticleKind(kind)] for kind in particles.kinds],
            "area_px": np.rint(area_px).astype(np.int64),
            "area_um2": particles.area * unit,
            "feret_max_um": particles.feret_max * unit,
            "aspect_ratio": particles.aspect_ratio,
            "circularity": particles.circularity,
            "centroid_x_px": particles.centroid[:, 1],
            "centroid_y_px": particles.centroid[:, 0],
        }
    )
    words = {int(kind): text for kind, text in PARTICLES.items()}
    places = np.asarray(particles.centroid, dtype=np.float64)
    return FieldItems(table, places, numbers, kinds, words=words, remarks=found.remarks)
