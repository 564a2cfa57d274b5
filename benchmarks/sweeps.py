"""Measure phase fractions in fields of any composition and exposure, from strokes on a few.

    python benchmarks/sweeps.py --seeds 0 1 2
    python benchmarks/sweeps.py --kinds grey pores --set preset=interactive --set minutes=1

Fields of 0 to 100 % of a second phase are made up: two phases that differ by grey level alone,
dual-phase steel, pores, particles. Painted are fields of 20 %, or of 10 and 35 %. One row for each
way of scaling grey values (``--exposure``), with the mean and the largest error of the fraction in
points of area; the second pair is for fields with contrast (0.7 to 1.3), brightness (15 % of the
range) and gamma (0.8 to 1.25) changed. A threshold half-way between the phases is exact for "grey"
at one exposure.
"""

import argparse

import numpy as np
from levers import changes
from scipy import ndimage

from napari_matssl.labels.class_table import numbered_table
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.inference import segment
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import drain
from napari_matssl.samples import scribble
from napari_matssl.samples.dual_phase import dual_phase
from napari_matssl.samples.random_fields import rough_noise, smooth_noise
from napari_matssl.settings import FinetuneSettings, PredictSettings
from napari_matssl.tasks.finetune import finetune

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
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    while inside.mean() < fraction:
        radius = random.lognormal(1.9, 0.5)
        row, column = random.uniform(0, SHAPE)
        inside |= (rows - row) ** 2 + (columns - column) ** 2 < radius**2
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


def make(kind: str, fraction: float, seed: int) -> tuple[Micrograph, np.ndarray]:
    """Make a field and its labels."""
    random = np.random.default_rng((seed, round(1000 * fraction)))
    grey, second = KINDS[kind](random, fraction)
    pixels = np.clip(grey, 0, 255).round().astype(np.uint8)
    return Micrograph(f"{kind} {fraction:g}", pixels), np.where(second, 2, 1).astype(np.uint8)


def exposed(micrograph: Micrograph, seed: int) -> Micrograph:
    """Take a field again under another exposure."""
    random = np.random.default_rng((77, seed))
    contrast, offset = random.uniform(0.7, 1.3), random.uniform(-0.15, 0.15)
    gamma = np.exp(random.uniform(np.log(0.8), np.log(1.25)))
    unit = (micrograph.pixels / 255) ** gamma
    values = np.clip((unit - 0.5) * contrast + 0.5 + offset, 0, 1)
    return Micrograph(micrograph.name, (255 * values).round().astype(np.uint8))


def learn(kind: str, images: int, seed: int, settings: FinetuneSettings) -> Segmenter:
    """Paint strokes on fields of little second phase and learn from them."""
    painted = []
    for number, fraction in enumerate(PAINTED[images]):
        micrograph, labels = make(kind, fraction, 1000 + 10 * seed + number)
        strokes = scribble(labels, seed=seed + number, strokes_per_class=8)
        painted.append(PaintedMicrograph(micrograph, strokes))
    return drain(finetune(painted, TABLE, settings)).segmenter


def errors(segmenter: Segmenter, kind: str, seed: int) -> tuple[list[float], list[float]]:
    """Return errors in points of area, at the exposure of the painted fields and at others."""
    compute = choose_compute()
    network = compute.place(segmenter.network)
    found: tuple[list[float], list[float]] = ([], [])
    for number, fraction in enumerate(FRACTIONS):
        micrograph, labels = make(kind, fraction, 2000 + seed)
        again = exposed(micrograph, number + 10 * seed)
        for kept, image in zip(found, (micrograph, again), strict=True):
            job = segment(network, segmenter.card, image, compute, PredictSettings())
            mask = drain(job).mask
            kept.append(100 * abs(float((mask == 2).mean() - (labels == 2).mean())))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--exposure", nargs="+", default=["own", "same", "matched"])
    parser.add_argument("--painted", nargs="+", type=int, choices=PAINTED, default=list(PAINTED))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    given = parser.parse_args()
    print("| fields | painted | exposure | one exposure: mean, largest | others: mean, largest |")
    print("|---|---|---|---|---|")
    for kind in given.kinds:
        for images in given.painted:
            for exposure in given.exposure:
                rows: tuple[list[float], list[float]] = ([], [])
                for seed in given.seeds:
                    asked = {"preset": "instant", **changes(given.set)}
                    settings = FinetuneSettings.make({**asked, "exposure": exposure, "seed": seed})
                    segmenter = learn(kind, images, seed, settings)
                    for kept, new in zip(rows, errors(segmenter, kind, seed), strict=True):
                        kept += new
                figures = [f"{np.mean(row):.1f}, {max(row):.1f}" for row in rows]
                print(f"| {kind} | {images} | {exposure} | {' | '.join(figures)} |", flush=True)


if __name__ == "__main__":
    main()
