"""The single grains of a field: their sizes, what each counted as, and where it lies."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from napari_matssl.measure.boundaries import Role
from napari_matssl.measure.edge_weights import edge_weights
from napari_matssl.measure.field import Field
from napari_matssl.measure.grain_counts import CORNER, CUT, INSIDE, GrainCounts
from napari_matssl.measure.grains import GrainSize, MeasuredGrains
from napari_matssl.measure.object_cuts import without_small_spots
from napari_matssl.measure.size_distribution import SizedObjects

COUNTED_AS = {INSIDE: "inside", CUT: "cut by the edge", CORNER: "in a corner"}
"""What a grain counts as, in words: 1, 1/2, 1/4 per corner."""

# Rows that are summed at once: weights take 8 bytes per pixel.
_ROWS = 256


@dataclass(frozen=True)
class GrainItems:
    """The grains of a field, N of them, in the order of their numbers.

    Parameters
    ----------
    area_px
        ``(N,)`` pixels between boundaries; the boundaries themselves belong to no grain here.
    centroid
        ``(N, 2)`` row and column in the field's mask; the centre of the first pixel is 0.
    boxes
        ``(N, 4)`` first row, row after the last, first column, column after the last.
    kind
        ``(N,)`` ``INSIDE``, ``CUT`` or ``CORNER``.
    counted
        ``(N,)`` what each counts.
    pixel
        Height and width of a pixel, um; None if the field isn't calibrated.
    """

    area_px: NDArray[np.int64]
    centroid: NDArray[np.float64]
    boxes: NDArray[np.int64]
    kind: NDArray[np.uint8]
    counted: NDArray[np.float64]
    pixel: tuple[float, float] | None

    @property
    def diameter(self) -> NDArray[np.float64]:
        """``(N,)`` diameter of the circle of the same area, um (px if uncalibrated)."""
        height, width = self.pixel or (1.0, 1.0)
        diameters: NDArray[np.float64] = np.sqrt(4 / math.pi * self.area_px * height * width)
        return diameters

    def sized(self, shape: tuple[int, ...], analysed: NDArray[np.bool_] | None) -> SizedObjects:
        """Return sizes and weights of the grains that lie wholly inside a field.

        As for objects: a large grain touches the edge more easily than a small one.

        Parameters
        ----------
        shape, analysed
            Of the field's mask, and what of it was analysed.
        """
        inside = self.kind == INSIDE
        if analysed is not None and len(self.area_px):  # spots smaller than a grain cut none
            analysed = without_small_spots(analysed, float(self.area_px.mean()))
        found = edge_weights(shape, analysed, self.boxes[inside])
        return found.sized(self.diameter[inside])

    def frame(self) -> pd.DataFrame:
        """Put the grains into a table; NaN in um where the field isn't calibrated."""
        height, width = self.pixel or (np.nan, np.nan)
        unit = 1.0 if self.pixel is not None else np.nan
        return pd.DataFrame(
            {
                "grain": np.arange(1, len(self.area_px) + 1),
                "counts_as": [COUNTED_AS[int(kind)] for kind in self.kind],
                "counted": self.counted,
                "area_px": self.area_px,
                "area_um2": self.area_px * (height * width),
                "equivalent_diameter_um": self.diameter * unit,
                "centroid_x_px": self.centroid[:, 1],
                "centroid_y_px": self.centroid[:, 0],
            }
        )


def grain_items(counts: GrainCounts) -> GrainItems:
    """Find area and place of each grain that was counted."""
    grains = len(counts.kind) - 1
    sums = np.zeros((2, grains + 1))  # rows, columns
    first = np.full((grains, 2), np.iinfo(np.int64).max)
    after = np.zeros((grains, 2), dtype=np.int64)
    for strip, part in counts.numbers.parts():
        for top in range(0, len(part), _ROWS):
            numbers = part[top : top + _ROWS]
            rows, columns = np.ogrid[: numbers.shape[0], : numbers.shape[1]]
            for place, weights in enumerate((rows + float(strip.start + top), columns * 1.0)):
                of_pixels = np.broadcast_to(weights, numbers.shape).ravel()
                sums[place] += np.bincount(numbers.ravel(), weights=of_pixels, minlength=grains + 1)
        boxes = _boxes(part, grains) + np.array([0, strip.start, strip.start, 0, 0])
        grain = boxes[:, 0]
        first[grain] = np.minimum(first[grain], boxes[:, [1, 3]])
        after[grain] = np.maximum(after[grain], boxes[:, [2, 4]])
    offset = np.array(counts.offset)
    return GrainItems(
        area_px=counts.pixels[1:],
        centroid=(sums[:, 1:] / counts.pixels[1:]).T + offset,
        boxes=np.stack([first, after], axis=2).reshape(grains, 4) + offset.repeat(2),
        kind=counts.kind[1:],
        counted=counts.counted[1:],
        pixel=counts.pixel,
    )


def _boxes(numbers: NDArray[np.int32], grains: int) -> NDArray[np.int64]:
    """Return grain, first row, row after the last, first column, and column after the last."""
    found = [
        (grain, rows.start, rows.stop, columns.start, columns.stop)
        for grain, box in enumerate(ndimage.find_objects(numbers, max_label=grains))
        if box is not None
        for rows, columns in [box]
    ]
    return np.array(found, dtype=np.int64).reshape(-1, 5)


@dataclass(frozen=True)
class GrainField:
    """What is kept of the grains of one field: figures and sizes, but no image.

    Parameters
    ----------
    image, class_name
        Which.
    calibrated
        Whether sizes are in um; else they are in px.
    sizes
        Grain size, one per method.
    sized
        Equivalent diameters and weights of the grains that lie wholly inside.
    remarks
        Lines on what makes the figures doubtful.
    guessed
        What the class was taken for by its area in this field; None if that was told.
    """

    image: str
    class_name: str
    calibrated: bool
    sizes: tuple[GrainSize, ...]
    sized: SizedObjects
    remarks: tuple[str, ...]
    guessed: Role | None = None

    @classmethod
    def of(cls, field: Field, found: MeasuredGrains) -> "GrainField":
        """Take what was measured of a field."""
        sized = SizedObjects(np.zeros(0), np.zeros(0))
        if found.counts is not None:
            sized = grain_items(found.counts).sized(field.mask.shape, field.analysed)
        name = found.sizes[0].class_name
        calibrated = field.pixel_size is not None
        return cls(field.name, name, calibrated, found.sizes, sized, found.remarks, found.guessed)
