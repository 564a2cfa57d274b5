"""Dual-phase steel, etched, in the scanning electron microscope."""

import numpy as np
from scipy import ndimage

from napari_matssl.samples.random_fields import (
    Cells,
    Field,
    Mask,
    Scene,
    Shape,
    drop_specks,
    relief,
    rough_noise,
    smooth_noise,
    striations,
    tessellate,
)

FERRITE, MARTENSITE = 1, 2


def dual_phase(rng: np.random.Generator, shape: Shape, fraction: float | None = None) -> Scene:
    """Draw martensite islands along the boundaries of ferrite grains.

    `fraction` is the share of martensite; 14 to 38 % without.
    """
    size = rng.uniform(34, 60)
    grains = tessellate(rng, shape, size, spread=0.7, warp=0.12)
    packets = tessellate(rng, shape, size * rng.uniform(0.20, 0.30), spread=0.8, warp=0.15)
    island = _islands(rng, grains, packets, size, fraction)
    matrix, groove = _ferrite(rng, grains)
    inner, laths = _martensite(rng, packets, island)
    grey = np.where(island, inner, matrix)
    # Martensite resists nital and stands out from the ferrite, whose boundaries are grooves.
    height = np.where(island, 0.9 + 0.25 * laths, -groove) + 0.08 * rough_noise(rng, shape, 4)
    grey += rng.uniform(0.05, 0.12) * relief(height, rng.uniform(0, 2 * np.pi))
    return Scene(np.clip(grey, 0, 1), np.where(island, MARTENSITE, FERRITE).astype(np.uint8))


def _islands(
    rng: np.random.Generator, grains: Cells, packets: Cells, size: float, fraction: float | None
) -> Mask:
    shape = grains.edge.shape
    wide, fine = (smooth_noise(rng, (shape[0], shape[1]), part * size) for part in (1.0, 0.22))
    amount = 0.07 * wide + rng.uniform(0.14, 0.22) * fine
    near = (grains.edge + 0.35 * np.minimum(grains.corner, size)) / size
    score = amount - near
    # The middle of a packet decides on the whole of it, which makes islands angular.
    middle = np.clip(np.rint(packets.points).astype(np.intp), 0, np.array(shape) - 1)
    blocks = packets.per_cell(score[middle[:, 0], middle[:, 1]])
    score = 0.45 * score + 0.55 * blocks
    usual = rng.uniform(0.14, 0.38)
    fraction = usual if fraction is None else fraction
    if fraction >= 1:
        return np.ones(shape, dtype=bool)
    return drop_specks(score > np.quantile(score, 1 - fraction), 14)


def _ferrite(rng: np.random.Generator, grains: Cells) -> tuple[Field, Field]:
    """Return the grey of the matrix and the depth of its boundaries, 0 to 1."""
    shape = (grains.edge.shape[0], grains.edge.shape[1])
    count = len(grains.points)
    spread = np.clip(rng.standard_normal(count), -1.9, 1.9)
    tone = grains.per_cell(rng.uniform(0.33, 0.40) + rng.uniform(0.05, 0.075) * spread)
    # Etching varies within a grain, too.
    tone = tone + 0.02 * smooth_noise(rng, shape, 14) + 0.012 * rough_noise(rng, shape, 3)
    groove = np.exp(-((grains.edge / 0.9) ** 2)) * (0.2 + 0.8 * grains.per_boundary(rng))
    pits = smooth_noise(rng, shape, 1.0) > 3.2
    specks = smooth_noise(rng, shape, 0.9) > 3.3
    return tone - 0.14 * groove - 0.12 * pits + 0.2 * specks, groove


def _martensite(rng: np.random.Generator, packets: Cells, island: Mask) -> tuple[Field, Field]:
    """Return the grey of martensite and its laths, deviation 1."""
    count = len(packets.points)
    laths = striations(rng, packets.owner, scale=0.75, stretch=6)
    laths = 0.75 * laths + 0.65 * rough_noise(rng, (island.shape[0], island.shape[1]), 1.6, 2)
    laths = laths * packets.per_cell(rng.uniform(0.35, 1.15, count))
    tone = packets.per_cell(0.05 * rng.standard_normal(count))
    tone = tone + rng.uniform(0.44, 0.50) + rng.uniform(0.06, 0.10) * laths
    seams = np.exp(-((packets.edge / 0.8) ** 2)) * packets.per_boundary(rng)
    rim = np.exp(-((ndimage.distance_transform_edt(island) - 1) / 1.1))
    return tone - 0.12 * seams + 0.08 * rim, laths
