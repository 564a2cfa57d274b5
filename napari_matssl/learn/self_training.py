"""Learning from unpainted pixels: what the averaged model is sure of teaches the one in training.

Strokes cover a few hundredths of an image. The rest is worth 3 points of mIoU on strokes on four
images (docs/benchmarks.md).
"""

import torch
from torch import Tensor

from napari_matssl.labels.painted import IGNORE

BEGIN, FULL = 0.2, 0.4
"""Shares of a run at which unpainted pixels begin to count, and at which they count fully."""

LEAST_UNPAINTED = 0.1
"""Share of a batch: fewer unpainted pixels are not worth the time."""


def strength(fraction: float, targets: Tensor) -> float:
    """How much unpainted pixels count, from 0 to 1: nothing before the model has learnt something.

    Parameters
    ----------
    fraction
        Share of the run that is over.
    targets
        Of the batch, channel indices ``(N, H, W)``; 255 is unpainted.
    """
    if float((targets == IGNORE).float().mean()) < LEAST_UNPAINTED:
        return 0.0
    return min(1.0, max(0.0, (fraction - BEGIN) / (FULL - BEGIN)))


def confident_targets(
    classifier: Tensor, correction: Tensor, targets: Tensor, confidence: float
) -> Tensor:
    """Take a network's own classes as targets where nothing is painted and it is sure.

    Sure means twice: the class is probable, and the classifier alone says the same. Without the
    second, a network that is still wrong early on teaches itself its errors: it cost 16 points on
    inclusions, where it now gains 7.

    Parameters
    ----------
    classifier, correction
        Logits ``(N, K, H, W)``, see
        :meth:`~napari_matssl.learn.residual_unet.ResidualUnet.opinions`; their sum is the
        network's.
    targets
        Channel indices ``(N, H, W)``; 255 is unpainted.
    confidence
        Least probability of a class to be taken.

    Returns
    -------
    ``(N, H, W)`` uint8; 255 where something is painted or no class is sure.

    Notes
    -----
    Pseudo-labels of an averaged teacher on weakly changed images, as in mean teacher (Tarvainen
    and Valpola 2017) and FixMatch (Sohn et al. 2020); agreement of two views as in co-training
    (Blum and Mitchell 1998).
    """
    sure, classes = (classifier + correction).softmax(dim=1).max(dim=1)
    taken = (targets == IGNORE) & (sure >= confidence) & (classifier.argmax(dim=1) == classes)
    return torch.where(taken, classes, IGNORE).to(torch.uint8)
