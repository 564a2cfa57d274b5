"""Grains whose size is known: hexagons, Voronoi cells, bricks, and masks of them."""

import numpy as np
from scipy.spatial import cKDTree

from napari_matssl.labels.class_table import ClassTable, LabelClass
from napari_matssl.measure.field import field_of_mask
from napari_matssl.micrograph.image import PixelSize

GRAIN = LabelClass(id=1, name="grain", colour="#404040")
BOUNDARY = LabelClass(id=2, name="grain boundary", colour="#ffffff")
SCRATCH = LabelClass(id=3, name="scratch", colour="#ff0000", exclude=True)
PORE = LabelClass(id=4, name="pore", colour="#0000ff")
TABLE = ClassTable(classes=(GRAIN, BOUNDARY, SCRATCH, PORE))


def hexagon_nuclei(side, shape, turn=0.1):
    reach = int(max(shape) / side) + 8
    i, j = np.mgrid[-reach:reach, -reach:reach].reshape(2, -1)
    points = side * np.column_stack([1.5 * i, np.sqrt(3) * (j + 0.5 * (i % 2))])
    c, s = np.cos(turn), np.sin(turn)
    return points @ np.array([[c, -s], [s, c]]) + np.array(shape) / 2 + 0.3


def random_nuclei(rng, size, shape):
    """Return nuclei, one per size^2 on average, also beyond the area."""
    count = int(9 * shape[0] * shape[1] / size**2)
    return rng.uniform(-1, 2, (count, 2)) * shape


def cells(nuclei, shape, pixel=(1, 1)):
    """Return the nearest nucleus of each pixel, and the distance to the nearest boundary."""
    rows, columns = np.indices(shape).reshape(2, -1) + 0.5
    places = np.column_stack([rows * pixel[0], columns * pixel[1]])
    far, which = cKDTree(nuclei).query(places, k=2)
    apart = np.linalg.norm(nuclei[which[:, 1]] - nuclei[which[:, 0]], axis=1)
    edge = (far[:, 1] ** 2 - far[:, 0] ** 2) / (2 * apart)
    return which[:, 0].reshape(shape), edge.reshape(shape)


def boundary_mask(nuclei, shape, width=3.0):
    _, edge = cells(nuclei, shape)
    return np.where(edge < width / 2, BOUNDARY.id, GRAIN.id).astype(np.uint8)


def field(mask, pixel_um=None, name="steel.png", **about):
    if pixel_um is not None:
        y, x = np.broadcast_to(pixel_um, 2)
        about["pixel_size"] = PixelSize(float(x), float(y), "test")
    return field_of_mask(name, mask, TABLE, **about)
