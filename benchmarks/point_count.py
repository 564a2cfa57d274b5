"""Simulate how often the intervals of point counts cover the truth.

    python benchmarks/point_count.py
    python benchmarks/point_count.py --draws 5000

Printed are three tables: of one image's fraction (Wilson's interval, points drawn as the program
draws them, structures of some width beside the points' spacing), of the mean over images, and of
kappa on one image and over images that differ.
"""

import argparse

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from napari_matssl.measure.agreement import agreement
from napari_matssl.measure.field_statistics import field_statistics
from napari_matssl.measure.point_count import wilson
from napari_matssl.measure.point_grid import draw_points

POINTS = 100
SHAPE = (240, 320)  # the spacing of 100 points is 28 px


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=2000)
    draws = parser.parse_args().draws
    print("one image: share %, width of structures px -> covers %")
    for share in (0.02, 0.05, 0.2, 0.5):
        row = [f"{of_one_image(share, width, draws):.1f}" for width in (2, 10, 40)]
        print(f"{100 * share:g}", *row)
    print("mean over images: share %, images -> covers %")
    for share in (0.02, 0.05, 0.2, 0.5):
        row = [f"{over_images(share, images, draws):.1f}" for images in (3, 5, 10)]
        print(f"{100 * share:g}", *row)
    print("kappa: fractions, mistaken %, images -> true kappa, covers %")
    for fractions in ((0.5, 0.5), (0.2, 0.8), (0.05, 0.95), (0.02, 0.1, 0.28, 0.6)):
        for mistaken in (0.03, 0.1, 0.2):
            row = [of_kappa(fractions, mistaken, images, draws) for images in (1, 3, 5, 10)]
            cells = " ".join(f"{covers:.1f}" for _, covers in row)
            print(fractions, f"{100 * mistaken:g}", f"{row[-1][0]:.2f}", cells)


def of_one_image(share: float, width: int, draws: int) -> float:
    """Return how often Wilson's interval covers an image's own fraction, in %."""
    random, inside = np.random.default_rng(0), 0
    small = (SHAPE[0] // width, SHAPE[1] // width)
    for _ in range(draws):
        phase = random.random(small) < share * random.uniform(0.8, 1.2)
        true = 100 * phase.mean()
        # A pixel of the phase is the cell that it lies in: the image needn't be made.
        points = draw_points((small[0] * width, small[1] * width), POINTS, random) // width
        hits = int(np.count_nonzero(phase[points[:, 0], points[:, 1]]))
        low, high = wilson(hits, POINTS)
        inside += low <= true <= high
    return 100 * inside / draws


def over_images(share: float, images: int, draws: int) -> float:
    """Return how often the interval over images covers the material's fraction, in %."""
    random, inside = np.random.default_rng(1), 0
    for _ in range(draws):
        own = random.beta(40 * share, 40 * (1 - share), images)
        hits = random.binomial(POINTS, own)
        stats = field_statistics(100 * hits / POINTS)
        if stats.ci95:
            inside += abs(stats.mean - 100 * share) <= stats.ci95
        else:
            low, high = wilson(hits.sum(), images * POINTS)
            inside += low <= 100 * share <= high
    return 100 * inside / draws


def of_kappa(
    fractions: tuple[float, ...], mistaken: float, images: int, draws: int
) -> tuple[float, float]:
    """Return the true kappa, and how often its interval covers it, in %.

    Over several images, fractions and the mask's error differ from one to the next; of one image,
    kappa is its own.
    """
    random = np.random.default_rng(2)
    differ = images > 1

    def shares() -> NDArray[np.float64]:
        own = random.dirichlet(40 * np.array(fractions)) if differ else np.array(fractions)
        wrong = expit(logit(mistaken) + 0.5 * random.normal() * differ)
        table = np.full((len(own), len(own)), wrong / (len(own) - 1))
        np.fill_diagonal(table, 1 - wrong)
        return own[:, None] * table

    mean = np.mean([shares() for _ in range(20_000 if differ else 1)], axis=0)
    true = agreement(np.rint(1e9 * mean).astype(np.int64)[None]).kappa
    known, inside = 0, 0
    for _ in range(draws):
        drawn = [random.multinomial(POINTS, shares().ravel()) for _ in range(images)]
        found = agreement(np.reshape(drawn, (images, *mean.shape)))
        if found.low is not None:
            known += 1
            inside += found.low <= true <= found.high
    return true, 100 * inside / known


if __name__ == "__main__":
    main()
