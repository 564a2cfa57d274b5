"""Fields of any composition, made up: 0 to 100 % of a second phase beside a first.

Two phases that differ by grey level alone (a threshold half-way between them is exact at one
exposure), dual-phase steel, pores, particles. Painted are fields of 20 %, or of 10 and 35 %; what
is scored is the fraction of the second phase in fields that hold anything from none of it to
nothing else.
"""

import numpy as np
from scipy import ndimage
from sets import BenchmarkSet, counted

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.samples import scribble
from napari_matssl.samples.dual_phase import dual_phase
from napari_matssl.samples.random_fields import rough_noise, smooth_noise

FRACTIONS = (0.0, 0.02, 0.1, 0.5, 0.8, 0.98, 1.0)
PAINTED = {1: (0.2,), 2: (0.1, 0.35)}
TABLE = numbered_table([1, 2])
SHAPE = (512, 512)
GREY_LEVELS = (90.0, 170.0)

Field = tuple[np.ndarray, np.ndarray]


def grey_levels(random: np.random.Generator, fraction: float) -> Field:
    """Two phases that differ by grey level alone."""
    blobs = smooth_noise(random, SHAPE, 12)
    second = blobs > np.quantile(blobs, 1 - fraction) if fraction < 1 else np.ones(SHAPE, bool)
    return np.where(second, *GREY_LEVELS[::-1]) + random.normal(0, 12, SHAPE), second


def steel(random: np.random.Generator, fraction: float) -> Field:
    """Martensite in ferrite."""
    scene = dual_phase(random, SHAPE, fraction)
    grey = 255 * ndimage.gaussian_filter(scene.grey, 0.7) + random.normal(0, 8, SHAPE)
    return grey, scene.labels == 2


def discs(random: np.random.Generator, fraction: float) -> np.ndarray:
    """Return where discs of many sizes are, thrown until they fill the fraction."""
    inside = np.full(SHAPE, fraction >= 1)
    while inside.mean() < fraction:
        radius = random.lognormal(1.9, 0.5)
        row, column = random.uniform(0, SHAPE)
        top, left = (max(int(place - radius), 0) for place in (row, column))
        part = inside[top : int(row + radius) + 1, left : int(column + radius) + 1]
        rows, columns = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
        part |= (rows - row) ** 2 + (columns - column) ** 2 < radius**2
    return inside


def pores(random: np.random.Generator, fraction: float) -> Field:
    """Dark discs in a textured matrix."""
    return _textured(random, discs(random, fraction), 150, 60, 6)


def particles(random: np.random.Generator, fraction: float) -> Field:
    """Bright discs in a textured matrix."""
    return _textured(random, discs(random, fraction), 110, 190, 8)


def _textured(
    random: np.random.Generator, second: np.ndarray, matrix: float, inner: float, rough: float
) -> Field:
    texture = 14 * rough_noise(random, SHAPE, 6) + 10 * smooth_noise(random, SHAPE, 3)
    grey = np.where(second, inner + rough * rough_noise(random, SHAPE, 3), matrix + texture)
    return ndimage.gaussian_filter(grey, 0.8) + random.normal(0, 7, SHAPE), second


KINDS = {"grey": grey_levels, "dual-phase": steel, "pores": pores, "particles": particles}


def composition(kind: str, images: int, seed: int) -> BenchmarkSet:
    """Paint strokes on fields of little second phase; test on fields of any fraction of it."""
    painted = []
    for number, fraction in enumerate(PAINTED[images]):
        field = make(kind, fraction, 1000 + 10 * seed + number)
        strokes = scribble(field.labels.astype(np.uint8), seed=seed + number, strokes_per_class=8)
        painted.append(PaintedMicrograph(field.micrograph, strokes))
    test = tuple(make(kind, fraction, 2000 + seed) for fraction in FRACTIONS)
    name = f"sweep of {kind}, {counted(images)}"
    return BenchmarkSet(name, tuple(painted), (), test, TABLE, phase=TABLE.ids[1])


def make(kind: str, fraction: float, seed: int) -> PaintedMicrograph:
    """Make a field, densely labelled."""
    random = np.random.default_rng((seed, round(1000 * fraction)))
    grey, second = KINDS[kind](random, fraction)
    pixels = np.clip(grey, 0, 255).round().astype(np.uint8)
    labels = np.where(second, 2, 1).astype(np.uint8)
    return PaintedMicrograph(Micrograph(f"{kind} {fraction:g}", pixels), labels)
