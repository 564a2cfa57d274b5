"""Simulate how often intervals of class fractions cover the truth, corrected and as found.

    python benchmarks/model_error.py
    python benchmarks/model_error.py --draws 5000 --skewed
    python benchmarks/model_error.py --specimens

In each draw, a model has other confusions in every image, held out or measured. Pixels of the
held-out images are counted; fields are measured whose fractions differ from theirs. Printed is the
share of draws in which the 95 % interval covers the fields' true mean: of the corrected fraction,
and of the fraction as found with its interval over fields; for the mean and the worst class. The
width of corrected intervals is in points of area. ``--skewed`` adds models that are right in most
images and far off in a few; ``--specimens`` adds fields of specimens that have one confusion each.
"""

import argparse
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from napari_matssl.measure.model_error import correct

TWO, RARE = (0.3, 0.7), (0.02, 0.98)
FOUR = (0.02, 0.1, 0.28, 0.6)


@dataclass(frozen=True)
class Case:
    """One setting of the simulation.

    Parameters
    ----------
    fractions
        Expected true fractions of the fields.
    held_out, fields
        How many images.
    right
        Share of the pixels of each class that are found as that class.
    spread
        Standard deviation of the log-odds of classes from image to image.
    specimens
        Among which the fields are divided, alike; a model mistakes the same in all fields of one.
        0: every field is of its own.
    """

    fractions: tuple[float, ...]
    held_out: int
    fields: int
    right: float = 0.93
    spread: float = 0.4
    specimens: int = 0

    def draw_confusion(self, random: np.random.Generator) -> NDArray[np.float64]:
        """Draw an image's shares: rows truth, columns what is found.

        Part of the error is common to all rows: a class that takes what belongs to others.
        """
        count = len(self.fractions)
        mean = np.full((count, count), (1 - self.right) / (count - 1))
        np.fill_diagonal(mean, self.right)
        moved = random.normal(0, self.spread, count)
        own = random.normal(0, self.spread / 2, (count, count))
        odds = mean * np.exp(moved + own)
        shares: NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
        return shares

    def draw_held_out(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Count the pixels of held-out images ``(m, K, K)``, painted in any proportion."""
        return np.array(
            [
                [
                    random.multinomial(random.integers(500, 3000), shares)
                    for shares in self.draw_confusion(random)
                ]
                for _ in range(self.held_out)
            ]
        )

    def draw_fields(
        self, random: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw the true fractions of fields and those that are found, both ``(n, K)``."""
        true = random.dirichlet(60 * np.array(self.fractions), self.fields)
        if self.specimens:
            shares = [self.draw_confusion(random) for _ in range(self.specimens)]
            return true, np.stack([one @ shares[n % self.specimens] for n, one in enumerate(true)])
        return true, np.stack([one @ self.draw_confusion(random) for one in true])


@dataclass(frozen=True)
class Coverage:
    """Shares of draws in which an interval covers the truth, per class ``(K,)``.

    Parameters
    ----------
    corrected, raw
        Of the corrected fraction; of the fraction as found, over fields.
    width
        Mean width of the corrected intervals, in points of area.
    """

    corrected: NDArray[np.float64]
    raw: NDArray[np.float64]
    width: NDArray[np.float64]


def simulate(case: Case, draws: int = 1000, seed: int = 0) -> Coverage:
    """Simulate a case."""
    random = np.random.default_rng(seed)
    names = [str(k) for k in range(len(case.fractions))]
    covered, naive, widths = [], [], []
    for _ in range(draws):
        held_out = case.draw_held_out(random)
        true, found = case.draw_fields(random)
        truth = true.mean(axis=0)
        correction = correct(held_out, found, names, independent=case.specimens or None)
        covered.append((correction.low <= truth) & (truth <= correction.high))
        widths.append(correction.high - correction.low)
        quantile = stdtrit(case.fields - 1, 0.975)
        half = quantile * found.std(axis=0, ddof=1) / np.sqrt(case.fields)
        naive.append(np.abs(found.mean(axis=0) - truth) <= half)
    return Coverage(np.mean(covered, axis=0), np.mean(naive, axis=0), 100 * np.mean(widths, axis=0))


CASES = tuple(
    Case(fractions, held_out, fields)
    for fractions in (RARE, TWO, FOUR)
    for held_out in (3, 5, 10)
    for fields in (5, 10)
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--skewed", action="store_true")
    parser.add_argument("--specimens", action="store_true")
    given = parser.parse_args()
    cases = list(CASES)
    if given.specimens:
        cases += [
            Case(fractions, held_out, fields, specimens=specimens)
            for fractions in (RARE, TWO, FOUR)
            for held_out, fields, specimens in ((4, 20, 2), (8, 30, 3), (5, 25, 5))
        ]
    if given.skewed:
        cases += [replace(one, right=0.97, spread=0.8) for one in CASES]
    print("| fractions (%) | held out | fields | spread | corrected | worst | width | as found |")
    print("|---|---|---|---|---|---|---|---|")
    for case in cases:
        found = simulate(case, given.draws)
        fractions = ", ".join(f"{100 * one:g}" for one in case.fractions)
        worst = found.corrected[np.abs(found.corrected - 0.95).argmax()]
        print(
            f"| {fractions} | {case.held_out} | {case.fields} | {case.spread:g} "
            f"| {100 * found.corrected.mean():.1f} % | {100 * worst:.1f} % "
            f"| {found.width.mean():.1f} | {100 * found.raw.mean():.0f} % |",
            flush=True,
        )


if __name__ == "__main__":
    main()
