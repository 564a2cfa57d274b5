"""Scores of a segmentation, from the confusion matrix pooled over pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ClassScore:
    """Scores of one class, fractions from 0 to 1; None where nothing defines them."""

    iou: float | None
    dice: float | None
    precision: float | None
    recall: float | None
    pixels: int


@dataclass(frozen=True)
class Scores:
    """Scores of a set of images.

    Parameters
    ----------
    classes
        Per class name.
    confusion
        ``(K, K)`` pixels: rows are the truth, columns the prediction.
    miou
        Mean IoU of the classes that occur in truth or prediction; None if none does.
    pixel_accuracy
        Share of pixels that are right.
    """

    classes: dict[str, ClassScore]
    confusion: NDArray[np.int64]
    miou: float | None
    pixel_accuracy: float


def confusion_matrix(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], ids: Sequence[int]
) -> NDArray[np.int64]:
    """Count pixels by truth (rows) and prediction (columns).

    Pixels whose truth or prediction is not among `ids` (unpainted, info bar) are left out.
    """
    lookup = np.full(256, -1, dtype=np.int64)
    lookup[list(ids)] = np.arange(len(ids))
    rows = np.where((truth >= 0) & (truth < 256), lookup[np.clip(truth, 0, 255)], -1)
    columns = lookup[predicted]
    counted = (rows >= 0) & (columns >= 0)
    joint = rows[counted] * len(ids) + columns[counted]
    return np.bincount(joint, minlength=len(ids) ** 2).reshape(len(ids), len(ids))


def merge_classes(confusion: NDArray[np.int64], groups: Sequence[int]) -> NDArray[np.int64]:
    """Merge the classes of a confusion matrix; ``groups[i]`` is the new index of class i."""
    count = max(groups) + 1
    merged = np.zeros((count, count), dtype=np.int64)
    np.add.at(merged, (np.array(groups)[:, None], np.array(groups)[None, :]), confusion)
    return merged


def scores(confusion: NDArray[np.int64], names: Sequence[str]) -> Scores:
    """Scores of a pooled confusion matrix, rows truth and columns prediction."""
    right = np.diag(confusion)
    truth = confusion.sum(axis=1)
    predicted = confusion.sum(axis=0)
    classes = {
        name: ClassScore(
            iou=_ratio(right[i], truth[i] + predicted[i] - right[i]),
            dice=_ratio(2 * right[i], truth[i] + predicted[i]),
            precision=_ratio(right[i], predicted[i]),
            recall=_ratio(right[i], truth[i]),
            pixels=int(truth[i]),
        )
        for i, name in enumerate(names)
    }
    ious = [c.iou for c in classes.values() if c.iou is not None]
    return Scores(
        classes=classes,
        confusion=confusion,
        miou=float(np.mean(ious)) if ious else None,
        pixel_accuracy=float(right.sum() / max(confusion.sum(), 1)),
    )


class RunningScores:
    """IoU per class of a network while it learns, over roughly the last steps.

    Parameters
    ----------
    names
        The classes, in the order of their channels.
    decay
        Weight of the past at each step, 0 to 1.
    """

    def __init__(self, names: Sequence[str], decay: float = 0.95) -> None:
        self._names = names
        self._decay = decay
        self._confusion = np.zeros((len(names), len(names)))

    def add(self, targets: NDArray[np.uint8], channels: NDArray[np.uint8]) -> None:
        """Take in a batch: wanted and predicted channels of equal shape; 255 is unpainted."""
        count = confusion_matrix(targets, channels, range(len(self._names)))
        self._confusion = self._decay * self._confusion + count

    @property
    def ious(self) -> dict[str, float]:
        """IoU by class name, 0 to 1, of those that occurred."""
        right = np.diag(self._confusion)
        union = self._confusion.sum(axis=0) + self._confusion.sum(axis=1) - right
        return {
            name: float(right[i] / union[i]) for i, name in enumerate(self._names) if union[i] > 0
        }


def _ratio(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole > 0 else None
