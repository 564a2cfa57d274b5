"""A cracked layered coating in cross-section, in the scanning electron microscope."""

import numpy as np
from scipy import ndimage

from napari_matssl.samples.random_fields import (
    Field,
    Mask,
    Scene,
    Shape,
    paint_path,
    profile,
    rough_noise,
    smooth_noise,
    tessellate,
)

COATING, OXIDE, SUBSTRATE, CRACK = 1, 2, 3, 4


def coating(rng: np.random.Generator, shape: Shape) -> Scene:
    """Draw a porous top coat, a cracked oxide and a substrate.

    Pores count to the layer they lie in.
    """
    upper, lower = _interfaces(rng, shape)
    row = np.arange(shape[0])[:, None]
    # The coat clings to the oxide with overhangs, the oxide grows into the substrate evenly.
    coat: Mask = row + 2.2 * rough_noise(rng, shape, 5, 2) < upper
    substrate: Mask = ~coat & (row + 0.8 * rough_noise(rng, shape, 3, 2) >= lower)
    oxide = ~coat & ~substrate
    crack = _cracks(rng, shape, upper, lower) & oxide
    grey = np.where(coat, _top_coat(rng, shape), _oxide(rng, shape))
    grey = np.where(substrate, _substrate(rng, shape), grey)
    grey += _edge_effects(rng, crack, lower)
    # Some of a crack is filled with polishing debris.
    gap = rng.uniform(0.09, 0.17) + 0.05 * np.abs(smooth_noise(rng, shape, 7))
    grey = np.where(crack, gap, grey)
    labels = np.select([crack, coat, oxide], [CRACK, COATING, OXIDE], SUBSTRATE)
    return Scene(np.clip(grey, 0, 1), labels.astype(np.uint8))


def _interfaces(rng: np.random.Generator, shape: Shape) -> tuple[Field, Field]:
    """Return the rows of the oxide's upper and lower side, ``(W,)`` each."""
    rows, columns = shape
    tilt = rng.normal(0, 0.04) * (np.arange(columns) - columns / 2)
    waves = 0.012 * rows * profile(rng, columns, 60) + 1.5 * profile(rng, columns, 12)
    upper = rng.uniform(0.30, 0.55) * rows + tilt + waves + 2.0 * profile(rng, columns, 4)
    thickness = rng.uniform(0.09, 0.20) * rows * (1 + 0.10 * profile(rng, columns, 45))
    lower = upper + np.maximum(thickness, 0.05 * rows) + 1.2 * profile(rng, columns, 9)
    return upper, lower


def _cracks(rng: np.random.Generator, shape: Shape, upper: Field, lower: Field) -> Mask:
    """Cracks across the oxide, some of which turn along its lower side."""
    spacing = rng.uniform(75, 150)
    mask = np.zeros(shape, dtype=np.bool_)
    column = rng.uniform(0.15, 0.6) * min(spacing, shape[1])
    while column < shape[1] - 4:
        foot = int(column)
        top, bottom = float(upper[foot]) - 5, float(lower[foot])
        reach = 1.0 if rng.random() < 0.7 else rng.uniform(0.45, 0.9)
        length = max(int((bottom - top) * reach), 6)
        rows = top + np.arange(length)
        columns = column + _meander(rng, length)
        path = np.column_stack([rows, columns])
        if reach == 1.0 and rng.random() < 0.35:
            path = np.vstack([path, _along(rng, path[-1], lower)])
        radii = np.clip(rng.uniform(1.1, 1.7) + 0.35 * profile(rng, len(path), 8), 1.0, 1.9)
        mask |= paint_path(shape, path, radii)
        column += spacing * rng.uniform(0.6, 1.4)
    return mask


def _meander(rng: np.random.Generator, length: int) -> Field:
    """Sideways course of a crack: a drift, bends, and small kinks at the oxide's grains."""
    wander = 3.0 * profile(rng, length, 9) + 0.7 * profile(rng, length, 2)
    course: Field = wander - wander[0] + rng.normal(0, 0.18) * np.arange(length)
    return course


def _along(rng: np.random.Generator, start: Field, lower: Field) -> Field:
    """Follow the lower interface, 2 px above it, from where a crack met it."""
    way = int(rng.uniform(8, 45))
    columns = start[1] + np.arange(1, way) * rng.choice([-1, 1])
    inside = np.clip(np.rint(columns).astype(np.intp), 0, len(lower) - 1)
    target = lower[inside] - 3.0
    ease = np.minimum(np.arange(1, way) / 10, 1.0)
    path: Field = np.column_stack([start[0] + (target - start[0]) * ease, columns])
    return path


def _top_coat(rng: np.random.Generator, shape: Shape) -> Field:
    """Sprayed ceramic: splats, a grey second phase between them, pores of all sizes."""
    splats = tessellate(rng, shape, 15, spread=0.8, warp=0.25, stretch=3.5)
    tone = rng.uniform(0.74, 0.82) + splats.per_cell(0.03 * rng.standard_normal(len(splats.points)))
    tone = tone + 0.012 * rough_noise(rng, shape, 3)
    seams = smooth_noise(rng, shape, 3.5, 5) + 0.7 * rough_noise(rng, shape, 3)
    tone = np.where(seams > rng.uniform(2.1, 3.0), 0.52 + 0.04 * rough_noise(rng, shape, 3), tone)
    return _with_pores(rng, tone, large=rng.uniform(1.6, 2.5), small=rng.uniform(2.1, 2.7))


def _oxide(rng: np.random.Generator, shape: Shape) -> Field:
    tone = rng.uniform(0.40, 0.47) + 0.022 * rough_noise(rng, shape, 8)
    tone = tone + 0.012 * smooth_noise(rng, shape, 1.0, 6, np.pi / 2)
    return _with_pores(rng, tone, large=2.7, small=rng.uniform(2.5, 3.0))


def _substrate(rng: np.random.Generator, shape: Shape) -> Field:
    """Grains of slightly different grey, some dark particles, many fine bright ones."""
    cells = tessellate(rng, shape, rng.uniform(18, 34), spread=0.8, warp=0.1)
    tone = rng.uniform(0.31, 0.37) + cells.per_cell(0.03 * rng.standard_normal(len(cells.points)))
    tone = tone + 0.008 * rough_noise(rng, shape, 4)
    tone = np.where(smooth_noise(rng, shape, 1.2) > 2.6, tone + 0.10, tone)
    return _with_pores(rng, tone, large=2.5, small=3.0)


def _with_pores(rng: np.random.Generator, tone: Field, large: float, small: float) -> Field:
    """Cut pores into a layer: drawn-out large ones, round small ones, with grey depths."""
    shape = (tone.shape[0], tone.shape[1])
    wide = smooth_noise(rng, shape, 4.5, 2.2) + 0.35 * rough_noise(rng, shape, 3)
    fine = smooth_noise(rng, shape, 1.5, 1.5)
    depth = 0.17 + 0.06 * smooth_noise(rng, shape, 4) + 0.03 * smooth_noise(rng, shape, 1)
    holes = (wide > large) | (fine > small)
    # Large pores show some of their far wall, lit from one side.
    wall = np.clip(_slope(wide), 0, 1)
    return np.where(holes, depth + 0.25 * wall, tone)


def _slope(surface: Field) -> Field:
    """Slope of a smooth surface down the image, scaled to about -1 to 1."""
    slope: Field = np.gradient(ndimage.gaussian_filter(surface, 1.0), axis=0)
    scaled: Field = slope / (3 * slope.std())
    return scaled


def _edge_effects(rng: np.random.Generator, crack: Mask, lower: Field) -> Field:
    """Bright lips of the cracks, and bright specks along the lower interface."""
    lips = ndimage.distance_transform_edt(~crack) if crack.any() else np.full(crack.shape, 99.0)
    row = np.arange(crack.shape[0])[:, None]
    line = np.exp(-(((row - lower) / 1.1) ** 2))
    specks = np.clip(smooth_noise(rng, (crack.shape[0], crack.shape[1]), 1.3) - 0.4, 0, 2)
    effect: Field = 0.07 * np.exp(-((lips / 1.8) ** 2)) + 0.16 * line * specks
    return effect
