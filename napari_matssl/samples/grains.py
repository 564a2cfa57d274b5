"""An etched single-phase polycrystal with annealing twins, in the light microscope."""

import numpy as np

from napari_matssl.samples.random_fields import (
    Cells,
    Field,
    Mask,
    Scene,
    Shape,
    rough_noise,
    smooth_noise,
    striations,
    tessellate,
)

GRAIN, BOUNDARY = 1, 2


def grains(rng: np.random.Generator, shape: Shape) -> Scene:
    """Draw grains and their boundaries.

    Twin boundaries belong to the grain, as in grain size counts; they show as a step in grey
    and at most a faint line.
    """
    size = rng.uniform(44, 84)
    cells = tessellate(rng, shape, size, spread=0.75, warp=0.07)
    half_width = rng.uniform(0.75, 1.2) + 0.8 * cells.per_boundary(rng)
    half_width = half_width + 0.2 * smooth_noise(rng, shape, 4)
    boundary: Mask = cells.edge < np.maximum(half_width, 0.7)
    inner = _grain_grey(rng, cells, size)
    groove = _groove_grey(rng, cells, half_width, inner)
    labels = np.where(boundary, BOUNDARY, GRAIN).astype(np.uint8)
    return Scene(np.clip(np.where(boundary, groove, inner), 0, 1), labels)


def _grain_grey(rng: np.random.Generator, cells: Cells, size: float) -> Field:
    shape = (cells.edge.shape[0], cells.edge.shape[1])
    count = len(cells.points)
    contrast = rng.uniform(0.07, 0.12)
    tone = cells.per_cell(rng.uniform(0.58, 0.68) + contrast * rng.standard_normal(count))
    twin, seam = _twins(rng, cells, size)
    other = cells.per_cell(rng.choice([-1.0, 1.0], count) * rng.uniform(0.6, 1.6, count))
    tone = np.where(twin, tone + contrast * other, tone) - 0.10 * seam
    # Etched steps, as pronounced as the grain's orientation allows.
    facets = striations(rng, cells.owner, scale=1.0, stretch=9)
    tone += cells.per_cell(0.022 * rng.random(count)) * facets
    tone += 0.012 * rough_noise(rng, shape, 3) + 0.015 * smooth_noise(rng, shape, 20)
    pits = smooth_noise(rng, shape, 0.9) > rng.uniform(3.1, 3.5)
    return np.where(pits, tone - 0.22, tone)


def _twins(rng: np.random.Generator, cells: Cells, size: float) -> tuple[Mask, Field]:
    """Return where the twin bands are, and their faint straight boundaries (0 to 1)."""
    count = len(cells.points)
    rows, columns = np.indices(cells.edge.shape)
    angle = rng.uniform(0, np.pi, count)
    across = (columns - cells.per_cell(cells.points[:, 1])) * cells.per_cell(np.cos(angle))
    across += (rows - cells.per_cell(cells.points[:, 0])) * cells.per_cell(np.sin(angle))
    twin = np.zeros(cells.edge.shape, dtype=np.bool_)
    seam = np.zeros(cells.edge.shape)
    strength = cells.per_cell(rng.uniform(0, 1, count))
    for share in (0.45, 0.15):
        middle = cells.per_cell(rng.uniform(-0.3, 0.3, count) * size)
        half = cells.per_cell(
            np.where(rng.random(count) < share, rng.uniform(0.03, 0.13, count), -1.0) * size
        )
        beyond = np.abs(across - middle) - half
        twin |= beyond < 0
        seam = np.maximum(seam, np.where(half > 0, np.exp(-(beyond**2)), 0) * strength)
    return twin, seam


def _groove_grey(rng: np.random.Generator, cells: Cells, half_width: Field, inner: Field) -> Field:
    """Boundaries darken what they cut: some strongly, some hardly, all more in their middle."""
    shape = (inner.shape[0], inner.shape[1])
    depth = 0.16 + 0.55 * cells.per_boundary(rng) + 0.10 * smooth_noise(rng, shape, 6)
    across = 1 - 0.5 * np.clip(cells.edge / half_width, 0, 1) ** 2
    return inner * (1 - np.clip(depth, 0.18, 0.85) * across)
