"""Graphite nodules in cast iron: nodularity, number per area, size class.

ISO 945-4 / E2567-style: a particle is a nodule by its circularity and its aspect ratio.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from napari_matssl.measure.components import Components, find_components
from napari_matssl.measure.edge_weights import EdgeWeights, edge_weights
from napari_matssl.measure.feret import feret_diameters
from napari_matssl.measure.field import Field
from napari_matssl.measure.hulls import hull_perimeters
from napari_matssl.measure.numbered_strips import number_components
from napari_matssl.micrograph.place import Place
from napari_matssl.settings.nodules import NoduleSettings

ENOUGH_NODULES = 50
"""Fewer give a nodularity that is hardly more than a guess."""

SIZE_LIMITS_UM = (1000.0, 500.0, 250.0, 120.0, 60.0, 30.0, 15.0)
"""Least largest dimension of the size classes 1 to 7; class 8 is below. ISO 945-style: commonly
given limits, the standard's text was not at hand."""


class ParticleKind(IntEnum):
    """What a particle of graphite counts as."""

    NODULE = 1
    OTHER = 2
    AT_EDGE = 3
    TOO_SMALL = 4


@dataclass(frozen=True)
class Particles:
    """The particles of graphite in a field, one value each; in um if calibrated, else in px.

    Parameters
    ----------
    kinds
        ``(N,)`` :class:`ParticleKind`.
    area
        Of the pixels; holes don't count.
    feret_max
        Largest dimension.
    circularity
        4 pi A / P^2, 1 at most, with the perimeter of the convex hull.
    aspect_ratio
        Largest over smallest Feret diameter.
    centroid
        ``(N, 2)`` row and column, px.
    """

    kinds: NDArray[np.uint8]
    area: NDArray[np.floating]
    feret_max: NDArray[np.floating]
    circularity: NDArray[np.floating]
    aspect_ratio: NDArray[np.floating]
    centroid: NDArray[np.floating]


@dataclass(frozen=True)
class NoduleMeasure:
    """What was measured of the graphite in a field; None where undefined or uncalibrated.

    Parameters
    ----------
    class_name
        Of the graphite.
    image, group, place
        Of the field.
    particles
        All of them, label 1 of :func:`label_kinds` first.
    calibrated
        Whether lengths are in um.
    nodules, graphite, left_out
        Numbers of nodules, of all particles that are judged, and of those at the edge or too small.
    per_mm2
        Nodules per mm2. A particle is left out at the edge the more easily the larger it is, so
        each nodule whose enclosing rectangle isn't cut counts with one over the area that this
        rectangle can lie in (Miles and Lantuejoul).
    by_number, by_area
        Nodularity in percent: nodules by all graphite that isn't left out.
    mean_diameter, mean_diameter_px
        Mean equivalent diameter of the nodules, um (px), and in px, each weighted as for `per_mm2`.
    size_class
        1 to 8, of the largest particle that isn't left out.
    size_classes
        Nodules of each class, 1 first; empty if uncalibrated.
    remarks
        What is unusual, one line each.
    """

    class_name: str
    image: str
    group: str
    place: Place
    calibrated: bool
    particles: Particles
    nodules: int
    graphite: int
    left_out: int
    per_mm2: float | None
    by_number: float | None
    by_area: float | None
    mean_diameter: float | None
    mean_diameter_px: float | None
    size_class: int | None
    size_classes: tuple[int, ...]
    remarks: tuple[str, ...]


def measure_nodules(
    field: Field, class_name: str, settings: NoduleSettings | None = None
) -> NoduleMeasure:
    """Measure the nodules among the particles of a class.

    Raises
    ------
    InputError
        If the field has no such class.
    """
    settings = settings or NoduleSettings()
    calibrated = field.pixel_size is not None
    found = find_components(field.pixels_of(class_name), field.analysed)
    particles = _judge(found, field.pixel_size_um, settings)
    nodules = particles.kinds == ParticleKind.NODULE
    counted = nodules | (particles.kinds == ParticleKind.OTHER)
    number, graphite = int(nodules.sum()), int(counted.sum())
    sizes = size_classes(particles.feret_max)
    area = particles.area
    weighed = edge_weights(field.mask.shape, found.seen, found.boxes[nodules])
    return NoduleMeasure(
        class_name=class_name,
        image=field.name,
        group=field.group,
        place=Place(field.specimen, field.section, field.group),
        calibrated=calibrated,
        particles=particles,
        nodules=number,
        graphite=graphite,
        left_out=len(counted) - graphite,
        per_mm2=_per_mm2(field, weighed),
        by_number=100 * number / graphite if graphite else None,
        by_area=100 * float(area[nodules].sum() / area[counted].sum()) if graphite else None,
        mean_diameter=_mean_diameter(area[nodules], weighed),
        mean_diameter_px=_mean_diameter(found.area[nodules], weighed),
        size_class=int(sizes[counted].min()) if calibrated and graphite else None,
        size_classes=_histogram(sizes[nodules]) if calibrated else (),
        remarks=_remarks(field, class_name, number, int(found.cut_by_spots.sum()), settings),
    )


def label_kinds(
    field: Field, measure: NoduleMeasure
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Make two layers of labels, ``(H, W)``: the number of each particle, and its kind.

    Numbers are places in the arrays of the particles plus 1; 0 is no particle.
    """
    labels = number_components(field.pixels_of(measure.class_name))
    kinds = np.concatenate([np.zeros(1, np.uint8), measure.particles.kinds])
    return labels, kinds[labels]


def _judge(
    found: Components, pixel: tuple[float, float] | None, settings: NoduleSettings
) -> Particles:
    """Tell the kinds of all particles."""
    scale, count = pixel or (1.0, 1.0), len(found)
    area = found.area * (scale[0] * scale[1])
    diameters = feret_diameters(found.extents, count, scale)
    perimeters = hull_perimeters(found.extents, count, scale)
    circularity = np.minimum(4 * np.pi * area / perimeters**2, 1)
    aspect_ratio = diameters[:, 0] / diameters[:, 1]
    lengths_px = diameters if pixel is None else feret_diameters(found.extents, count, (1.0, 1.0))
    small = lengths_px[:, 0] < settings.smallest_px
    if pixel is not None:
        small |= diameters[:, 0] < settings.smallest_um
    nodule = (circularity >= settings.circularity) & (aspect_ratio <= settings.aspect_ratio)
    kinds = np.where(nodule, ParticleKind.NODULE, ParticleKind.OTHER).astype(np.uint8)
    kinds[small] = ParticleKind.TOO_SMALL
    kinds[~found.inside] = ParticleKind.AT_EDGE
    return Particles(kinds, area, diameters[:, 0], circularity, aspect_ratio, found.centroid)


def size_classes(largest_dimension_um: NDArray[np.floating]) -> NDArray[np.intp]:
    """Give the size class of particles, 1 (1 mm and more) to 8 (below 15 um)."""
    classes: NDArray[np.intp] = 8 - np.searchsorted(
        SIZE_LIMITS_UM[::-1], largest_dimension_um, side="right"
    )
    return classes


def _mean_diameter(
    areas: NDArray[np.float64] | NDArray[np.int64], weighed: EdgeWeights
) -> float | None:
    """Average over what an edge might have cut, too: it cuts large nodules more often."""
    if not weighed.weights.any():
        return None
    return float(np.average(2 * np.sqrt(areas / np.pi), weights=weighed.weights))


def _histogram(classes: NDArray[np.intp]) -> tuple[int, ...]:
    return tuple(int((classes == one).sum()) for one in range(1, 9))


def _per_mm2(field: Field, weighed: EdgeWeights) -> float | None:
    """Count nodules per mm2, each by the area in which it could lie without being cut."""
    if field.pixel_size is None or not field.analysed_pixels:
        return None
    return float((weighed.weights / weighed.area_px).sum()) / field.pixel_size.area_um2 * 1e6


def _remarks(
    field: Field, class_name: str, nodules: int, cut_by_spots: int, settings: NoduleSettings
) -> tuple[str, ...]:
    remarks = []
    if nodules < ENOUGH_NODULES:
        number = "1 nodule is" if nodules == 1 else f"{nodules} nodules are"
        remarks.append(f"{field.name}, {class_name}: {number} fewer than {ENOUGH_NODULES}.")
    if cut_by_spots:
        number = "1 particle is" if cut_by_spots == 1 else f"{cut_by_spots} particles are"
        remarks.append(
            f"{field.name}, {class_name}: {number} left out because of nothing but spots that"
            " weren't analysed."
        )
    if field.pixel_size is None and settings.smallest_um:
        remarks.append(
            f"{field.name}, {class_name}: no pixel size, so no particle is left out for being"
            f" smaller than {settings.smallest_um:g} um."
        )
    return tuple(remarks)
