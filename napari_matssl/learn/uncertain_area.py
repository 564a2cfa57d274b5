"""The area of an image on which a segmenter can't decide, and what it means for each fraction."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_matssl.labels.class_table import ClassTable
from napari_matssl.learn.temperature import SMALLEST

CLOSE = 0.5
"""The two most probable classes of an uncertain pixel are closer than this."""

TOO_MUCH = 0.03
"""Share of the area from which on fractions are in doubt.

On the development sets 97 % of the images whose fractions are beyond the limit have more, and 26 %
of the others (preset ``instant``, benchmarks/NOTES.md)."""

_EVERY = 2  # row and column: a share of the area needs no more


@dataclass(frozen=True)
class UncertainArea:
    """How much of an image is uncertain.

    Parameters
    ----------
    share
        Of the analysed area, 0 to 1.
    contested
        How far each class's fraction is in doubt ``(K,)``, 0 to 1 of the area: the pixels that it
        may lose to the next probable class, or those that it may gain, whichever are more.

    Notes
    -----
    No bound: pixels that are wrong and sure are not in it. On the development sets the largest
    share of :attr:`contested` is the error of the fraction that is most off, in the median
    (benchmarks/NOTES.md).
    """

    share: float
    contested: tuple[float, ...]

    def in_words(self, classes: ClassTable) -> str:
        """Name the fraction that is most in doubt, in a clause; empty where little is uncertain."""
        if self.share <= TOO_MUCH:
            return ""
        most = int(np.argmax(self.contested))
        points = max(round(100 * self.contested[most]), 1)
        return (
            f"the model is unsure of {100 * self.share:.0f} % of the area, so that the fraction of "
            f"{classes.names[most]} may be off by about {points} point{'s' * (points != 1)}"
        )


class UncertainTally(NamedTuple):
    """What was counted of uncertain pixels: rows seen, pixels counted, counts by rank and class."""

    rows: int
    pixels: int
    counts: tuple[int, ...]


class UncertainPixels:
    """Count uncertain pixels, band by band.

    Parameters
    ----------
    classes
        Number K of classes.
    temperature
        At which probabilities are calibrated.
    """

    def __init__(self, classes: int, temperature: float) -> None:
        self._classes, self._temperature = classes, temperature
        self._row = self._pixels = 0
        self._counts: Tensor | None = None

    def add(self, band: Tensor, analysable: NDArray[np.bool_] | None = None) -> None:
        """Count the next rows.

        Parameters
        ----------
        band
            ``(K, h, W)`` probabilities.
        analysable
            ``(h, W)``, which pixels count; None takes all.
        """
        rows = slice(-self._row % _EVERY, None, _EVERY)
        powers = band[:, rows, ::_EVERY].flatten(1).clamp(min=SMALLEST).pow(1 / self._temperature)
        if analysable is not None:
            counted = torch.from_numpy(np.flatnonzero(analysable[rows, ::_EVERY]))
            powers = powers[:, counted.to(band.device)]
        (first, second), order = powers.topk(2, dim=0)
        close = first - second < CLOSE * powers.sum(dim=0)
        counts = torch.stack([torch.bincount(one[close], minlength=self._classes) for one in order])
        self._counts = counts if self._counts is None else self._counts.to(counts) + counts
        self._pixels += powers.shape[1]
        self._row += band.shape[1]

    @property
    def tally(self) -> UncertainTally:
        """What was counted so far."""
        counts = (
            [0] * (2 * self._classes) if self._counts is None else self._counts.ravel().tolist()
        )
        return UncertainTally(self._row, self._pixels, tuple(counts))

    def go_on_from(self, tally: UncertainTally) -> None:
        """Count on from what was counted before."""
        self._row, self._pixels = tally.rows, tally.pixels
        self._counts = torch.tensor(tally.counts).reshape(2, self._classes)

    def area(self) -> UncertainArea:
        """Return what was counted; nothing is uncertain where no pixel counts."""
        if self._counts is None or not self._pixels:
            return UncertainArea(0.0, (0.0,) * self._classes)
        shares = self._counts.to("cpu", torch.float64) / self._pixels
        contested = shares.max(dim=0).values.tolist()
        return UncertainArea(float(shares[0].sum()), tuple(contested))
