"""Figures of masks: IoU, errors of phase fractions, and errors that nothing gives warning of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sets import BenchmarkSet

from napari_matssl.labels.class_table import ClassTable
from napari_matssl.learn.metrics import confusion_matrix, merge_classes, scores
from napari_matssl.tasks.evaluate import BACKGROUND, MATSSL_SIDE, resize_ids


@dataclass(frozen=True)
class Seen:
    """What came of a test image.

    Parameters
    ----------
    mask
        ``(H, W)`` uint8 class ids; 0 where nothing was asked.
    remarked
        Whether the user is told that the image isn't like the painted ones.
    """

    mask: NDArray[np.uint8]
    remarked: bool = False


def figures(test: BenchmarkSet, seen: Sequence[Seen]) -> dict[str, float | None]:
    """Score what came of all test images.

    Returns
    -------
    ``miou`` and the IoU of each class by its name, pooled over all pixels; ``fraction_error`` and
    ``fraction_error_largest``, points of area of the class that is most off in an image, mean and
    largest over the images; of ``images`` how many are ``beyond`` the limit, how many of these are
    ``silent``, without a remark, and how many have one, ``remarked``; for coatings also ``matssl``,
    the published protocol.
    """
    table = test.table
    each = [
        confusion_matrix(one.labels, found.mask, table.ids)
        for one, found in zip(test.test, seen, strict=True)
    ]
    result = scores(np.sum(each, axis=0), table.names)
    errors = [float(np.abs(fraction_errors(one)).max()) for one in each]
    beyond = [beyond_limit(one, test) for one in each]
    figures: dict[str, float | None] = {
        "miou": result.miou,
        **{name: one.iou for name, one in result.classes.items()},
        "fraction_error": float(np.mean(errors)),
        "fraction_error_largest": max(errors),
        "images": len(each),
        "beyond": sum(beyond),
        "silent": sum(b and not s.remarked for b, s in zip(beyond, seen, strict=True)),
        "remarked": sum(one.remarked for one in seen),
    }
    if test.coatings:
        figures["matssl"] = _matssl(test, seen, table)
    return figures


def fraction_errors(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how much too large each class is, in points of the area that is labelled.

    Parameters
    ----------
    confusion
        ``(K, K)`` pixels of one image: rows are the truth, columns the prediction.
    """
    errors: NDArray[np.float64] = (
        100 * (confusion.sum(axis=0) - confusion.sum(axis=1)) / max(int(confusion.sum()), 1)
    )
    return errors


def beyond_limit(confusion: NDArray[np.int64], test: BenchmarkSet) -> bool:
    """Say whether a fraction that is measured is further off than the set's limit."""
    points, share = test.limit
    true = 100 * confusion.sum(axis=1) / max(int(confusion.sum()), 1)
    over = np.abs(fraction_errors(confusion)) > np.maximum(points, share * true)
    measured = [test.phase is None or class_id == test.phase for class_id in test.table.ids]
    return bool(over[measured].any())


def _matssl(test: BenchmarkSet, seen: Sequence[Seen], table: ClassTable) -> float | None:
    """Score as published: the background against all else, at 512x512 px."""
    small = np.zeros((len(table), len(table)), dtype=np.int64)
    for one, found in zip(test.test, seen, strict=True):
        truth = resize_ids(one.labels.astype(np.uint8), MATSSL_SIDE)
        small += confusion_matrix(truth, resize_ids(found.mask, MATSSL_SIDE), table.ids)
    groups = [0 if name == BACKGROUND else 1 for name in table.names]
    return scores(merge_classes(small, groups), (BACKGROUND, "rest")).miou
