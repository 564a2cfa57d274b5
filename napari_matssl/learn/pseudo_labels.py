"""Pseudo-labels: unpainted pixels learn from the EMA weights where these are confident.

Strokes cover a few hundredths of an image. The rest was worth up to 10 points of mIoU on
development sets, and nothing on average in 90 seconds on those of the report (benchmarks/NOTES.md).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_matssl.labels.painted import IGNORE_INDEX
from napari_matssl.learn.ranks import ALONE, Ranks

BEGIN, FULL = 0.2, 0.4
"""Shares of a run at which unpainted pixels begin to count, and at which they count fully."""

LEAST_UNPAINTED = 0.1
"""Share of a batch: fewer unpainted pixels are not worth the time."""


MOST_DRIFT = 0.2
"""Share of the unpainted pixels by which a class may grow or shrink."""


def find_unpainted(targets: Tensor, proposed: Tensor) -> Tensor:
    """Find the unpainted pixels of images, boolean ``(N, H, W)``.

    Parameters
    ----------
    targets
        Of the batch, channel indices ``(N, H, W)``; 255 is unpainted, or beyond the image.
    proposed
        Of the classifier, likewise; 255 beyond the image.
    """
    return (targets == IGNORE_INDEX) & (proposed != IGNORE_INDEX)


def ramp_up(fraction: float, targets: Tensor, proposed: Tensor, ranks: Ranks = ALONE) -> float:
    """Return the weight of pseudo-labels, from 0 to 1; 0 where few pixels are unpainted.

    Parameters
    ----------
    fraction
        Share of the run that is over.
    targets, proposed
        As of :func:`find_unpainted`.
    ranks
        Those that have a share of the batch each.
    """
    unpainted = find_unpainted(targets, proposed)
    found = torch.tensor([int(unpainted.sum()), unpainted.numel()])
    few, pixels = ranks.sum(found).tolist()
    if few / pixels < LEAST_UNPAINTED:
        return 0.0
    return min(1.0, max(0.0, (fraction - BEGIN) / (FULL - BEGIN)))


@dataclass
class Drift:
    """How far a network has moved the class fractions of unpainted pixels from the classifier's.

    A network that learns from its own answers may turn one class into another ever further. The
    classifier does not take part in that, so pixels that change sides by the many are a warning,
    whichever of the two is right.
    """

    memory: float = 0.9
    _mean: Tensor | None = None

    def follow(self, logits: Tensor, proposed: Tensor, where: Tensor, ranks: Ranks = ALONE) -> None:
        """Take the classes of a network into account ``(N, K, H, W)``.

        Parameters
        ----------
        logits
            Of the network ``(N, K, H, W)``.
        proposed
            Channel indices of the classifier ``(N, H, W)``.
        where
            The unpainted pixels, boolean ``(N, H, W)``.
        ranks
            Those that have a share of the batch each.
        """
        classes = logits.shape[1]
        own = [
            torch.bincount(one[where].flatten().long(), minlength=classes)
            for one in (logits.max(dim=1).indices, proposed)
        ]
        counts = ranks.sum(torch.stack(own)).float()  # (2, K)
        if not bool(counts.any()):
            return
        moved = (counts[0] - counts[1]) / counts[1].sum()
        past = moved if self._mean is None else self._mean
        self._mean = self.memory * past + (1 - self.memory) * moved

    @property
    def trust(self) -> float:
        """Weight of pseudo-labels: 1 without drift, 0 from :data:`MOST_DRIFT` on."""
        if self._mean is None:
            return 1.0
        return max(0.0, 1.0 - float(self._mean.abs().max()) / MOST_DRIFT)


def choose_pseudo_labels(
    logits: Tensor, proposed: Tensor, targets: Tensor, confidence: float
) -> Tensor:
    """Take the classes of a network as targets of unpainted pixels where it is confident.

    A class is taken if it is probable and the pixel classifier proposed it before training began.
    Without the second condition, a network learns its own errors, the more the longer it trains;
    a classifier that is trained with it drifts with it (benchmarks/NOTES.md).

    Parameters
    ----------
    logits
        Of the network ``(N, K, H, W)``.
    proposed
        Channel indices ``(N, H, W)`` that the classifier gave at the start of the run; 255 where
        it gave none.
    targets
        Channel indices ``(N, H, W)``; 255 is unpainted.
    confidence
        Least probability of a class to be taken.

    Returns
    -------
    ``(N, H, W)`` uint8; 255 where something is painted or no class is taken.

    Notes
    -----
    Pseudo-labels of an EMA teacher on weakly changed images, as in mean teacher (Tarvainen
    and Valpola 2017) and FixMatch (Sohn et al. 2020); agreement of two views as in co-training
    (Blum and Mitchell 1998).
    """
    probability, classes = logits.softmax(dim=1).max(dim=1)
    taken = (targets == IGNORE_INDEX) & (probability >= confidence) & (proposed == classes)
    return torch.where(taken, classes, IGNORE_INDEX).to(torch.uint8)
