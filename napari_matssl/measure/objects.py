"""Inclusions, pores, precipitates: how many, how large, of what form, how far apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_matssl.measure.chords import LineFigures, line_figures
from napari_matssl.measure.components import STEPS, Components, find_components
from napari_matssl.measure.edge_weights import EdgeWeights, edge_weights
from napari_matssl.measure.feret import feret_diameters
from napari_matssl.measure.field import Field
from napari_matssl.measure.size_distribution import SizedObjects


@dataclass(frozen=True)
class Objects:
    """The objects of one class in one field, N of them.

    Parameters
    ----------
    image, group, class_name
        Which.
    calibrated
        Whether lengths are in um; else they are in px.
    area_px
        ``(N,)`` pixels.
    area, diameter
        ``(N,)`` area, and diameter of the circle of the same area.
    feret_max, feret_min
        ``(N,)``.
    aspect_ratio
        ``(N,)`` long over short axis of the ellipse with the same second moments.
    orientation
        ``(N,)`` of the long axis, degrees from 0 to 180, counter-clockwise from the rows; NaN
        where the axes are equal.
    circularity
        ``(N,)`` 4 pi area / perimeter^2, 1 at most.
    centroid
        ``(N, 2)`` row and column in px; the centre of the first pixel is 0.
    counted
        ``(N,)`` whether the edge rule counts it.
    sized
        Diameters and weights of those that lie wholly inside.
    class_pixels, analysed_pixels
        Of the whole field.
    per_mm2
        Objects per mm2 of what was analysed, with spots in it that are smaller than the mean
        object. In an area that is no rectangle, of those that lie wholly inside, by their weights.
        None if nothing was analysed, or the field isn't calibrated.
    lines
        Chords along test lines, one for each direction.
    remarks
        What is unusual, one line each.
    """

    image: str
    group: str
    class_name: str
    calibrated: bool
    area_px: NDArray[np.int64]
    area: NDArray[np.float64]
    diameter: NDArray[np.float64]
    feret_max: NDArray[np.float64]
    feret_min: NDArray[np.float64]
    aspect_ratio: NDArray[np.float64]
    orientation: NDArray[np.float64]
    circularity: NDArray[np.float64]
    centroid: NDArray[np.float64]
    counted: NDArray[np.bool_]
    sized: SizedObjects
    class_pixels: int
    analysed_pixels: int
    per_mm2: float | None
    lines: tuple[LineFigures, ...]
    remarks: tuple[str, ...] = ()


def measure_objects(field: Field, class_name: str, directions: Sequence[int] = (0,)) -> Objects:
    """Measure the connected components of one class.

    Parameters
    ----------
    field
        The field.
    class_name
        Its class.
    directions
        Of test lines: 0 along the rows, 90 along the columns.

    Raises
    ------
    InputError
        If the field has no such class.
    """
    of_class = field.pixels_of(class_name)
    found = find_components(of_class, field.analysed)
    pixel = field.pixel_size_um or (1.0, 1.0)
    area = (found.area * (pixel[0] * pixel[1])).astype(np.float64)
    diameter = np.sqrt(4 / math.pi * area)
    feret = feret_diameters(found.extents, len(found), pixel)
    ratio, orientation = _ellipses(found.moments, pixel)
    perimeter = crofton_perimeters(found.chords, pixel)
    inside = edge_weights(field.mask.shape, found.seen, found.boxes[found.inside])
    lines = (line_figures(of_class, field.analysed, d, field.pixel_size_um) for d in directions)
    return Objects(
        image=field.name,
        group=field.group,
        class_name=class_name,
        calibrated=field.pixel_size is not None,
        area_px=found.area,
        area=area,
        diameter=diameter,
        feret_max=feret[:, 0],
        feret_min=feret[:, 1],
        aspect_ratio=ratio,
        orientation=orientation,
        circularity=np.minimum(4 * math.pi * area / perimeter**2, 1.0),
        centroid=found.centroid,
        counted=found.counted,
        sized=inside.sized(diameter[found.inside]),
        class_pixels=int(found.area.sum()),
        analysed_pixels=field.analysed_pixels,
        per_mm2=_per_mm2(found, field, inside),
        lines=tuple(lines),
        remarks=_remarks(f"{field.name}, {class_name}", found),
    )


def _per_mm2(found: Components, field: Field, inside: EdgeWeights) -> float | None:
    """Count objects per mm2 by the edge rule, or by weights where edges may run in any direction.

    Half of the edge of a rectangle is forbidden, but three quarters of that of a circle.
    """
    if field.pixel_size is None or not field.analysed_pixels:
        return None
    number = float(found.counted.sum() if inside.rectangle else inside.weights.sum())
    return number / (inside.area_px * field.pixel_size.area_um2 / 1e6)


def _remarks(where: str, found: Components) -> tuple[str, ...]:
    cut = int(found.cut_by_spots.sum())
    if not cut:
        return ()
    count = f"1 of {len(found)} objects is" if cut == 1 else f"{cut} of {len(found)} objects are"
    left_out = int((found.cut_by_spots & ~found.counted).sum())
    return (
        f"{where}: {count} cut by nothing but spots that weren't analysed; {left_out} of these"
        " not counted, and none has a size.",
    )


def crofton_perimeters(
    chords: NDArray[np.int64], pixel: tuple[float, float]
) -> NDArray[np.float64]:
    """Estimate perimeters from the chords that lines of four directions cut.

    Crofton: the perimeter is half the integral, over all directions from 0 to pi, of the number of
    crossings times the distance of the lines. Each direction stands for the angles that are
    nearer to it than to the others, so pixels need not be square. For square ones it is the
    perimeter of Legland, Kieu and Devaux (2007), scikit-image's ``perimeter_crofton`` with four
    directions: without bias for outlines that run in all directions, such as circles; 5 % too
    short for sides along rows, columns and diagonals, up to 3 % too long for those between.

    Parameters
    ----------
    chords
        ``(N, 4)`` as :class:`~napari_matssl.measure.components.Components` has them.
    pixel
        Height and width of a pixel.
    """
    dy, dx = pixel
    slope = math.atan2(dy, dx)
    steps = np.array([math.hypot(down * dy, right * dx) for down, right in STEPS])
    distance = dy * dx / steps  # of neighbouring lines: each pixel lies on one
    to_diagonal, to_column = slope, math.pi / 2 - slope
    angle = np.array([to_diagonal, to_column, math.pi / 4, math.pi / 4])
    result: NDArray[np.float64] = chords @ (distance * angle)
    return result


def _ellipses(
    moments: NDArray[np.float64], pixel: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return aspect ratios and orientations of the ellipses with the same second moments."""
    yy, xx = moments[:, 0] * pixel[0] ** 2, moments[:, 1] * pixel[1] ** 2
    xy = moments[:, 2] * pixel[0] * pixel[1]
    middle, half = (yy + xx) / 2, np.hypot((yy - xx) / 2, xy)
    ratio = np.sqrt((middle + half) / (middle - half))
    angle = np.degrees(np.arctan2(-2 * xy, xx - yy) / 2) % 180  # rows run down
    return ratio, np.where(half > 1e-9 * middle, angle, np.nan)
