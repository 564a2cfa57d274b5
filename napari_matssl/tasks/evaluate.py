"""Score a segmenter on labelled micrographs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from napari_matssl.errors import InputError, MatSSLError, OutOfMemoryError, printable
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.painted import PaintedMicrograph, painted_share, to_targets
from napari_matssl.learn.device import choose_compute
from napari_matssl.learn.inference import segment
from napari_matssl.learn.magnification import warn_of_magnification
from napari_matssl.learn.metrics import Scores, confusion_matrix, merge_classes, scores
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.progress import Job, Progress, Skipped, one_of_many
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.batch import left_out, memory_errors, none_left
from napari_matssl.tasks.learnt_images import LearntImages
from napari_matssl.tasks.scoring_labels import unlabelled_of

Protocol = Literal["native", "matssl", "oxide"]

MATSSL_SIDE = 512
BACKGROUND = "background"
OXIDE = "oxide"


@dataclass(frozen=True)
class Evaluation:
    """Scores of a segmenter on a set of images.

    Parameters
    ----------
    protocol
        How they were made: ``"native"``, every class at the images' own size; ``"matssl"``, the
        background against all else at 512x512; ``"oxide"``, that class against all else.
    scores
        Pooled over all pixels of all images.
    confusion_names
        What the rows and columns of the confusion matrix stand for.
    images
        Names of the images.
    trained_on
        Those of them that the model was trained on, or on copies or other pages or parts of which:
        their scores are too good.
    skipped
        Those that could not be scored, and why.
    labelled_share
        Of the pixels above the info bars, 0 to 1; the others are not scored.
    """

    protocol: Protocol
    scores: Scores
    confusion_names: tuple[str, ...]
    images: tuple[str, ...]
    trained_on: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()
    labelled_share: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values, fractions from 0 to 1."""
        return {
            "protocol": self.protocol,
            "miou": self.scores.miou,
            "pixel_accuracy": self.scores.pixel_accuracy,
            "classes": {
                name: {
                    "iou": c.iou,
                    "dice": c.dice,
                    "precision": c.precision,
                    "recall": c.recall,
                    "pixels": c.pixels,
                }
                for name, c in self.scores.classes.items()
            },
            "confusion_names": list(self.confusion_names),
            "confusion": self.scores.confusion.tolist(),
            "labelled_share": self.labelled_share,
            "images": list(self.images),
            "trained_on": list(self.trained_on),
            "skipped": [{"image": one.name, "reason": one.reason} for one in self.skipped],
        }


def evaluate(
    segmenter: Segmenter,
    painted: Sequence[PaintedMicrograph],
    settings: PredictSettings,
    protocol: Protocol = "native",
) -> Job[Evaluation]:
    """Score a segmenter on labelled micrographs, pooled over pixels.

    Micrographs that can't be segmented are left out and listed. After STOP, the job returns scores
    of the micrographs that are done.

    Parameters
    ----------
    segmenter
        From a model file.
    painted
        Micrographs with their labels in the model's class ids, as
        :func:`~napari_matssl.tasks.scoring_labels.read_truth` gives them; unpainted pixels don't
        count.
    protocol
        See :class:`Evaluation`.

    Raises
    ------
    InputError
        If a label is outside the model's class table, nothing is labelled, or the protocol needs
        a class that the model doesn't have.
    DeviceError, ComputeError
        If the device isn't there or its memory doesn't suffice.
    """
    table = segmenter.classes
    groups = _groups(table, protocol)
    truths = [_truth(one, segmenter) for one in painted]
    compute = choose_compute(settings.device)
    network = compute.place_to_segment(segmenter.network.eval())
    total = np.zeros((len(table), len(table)), dtype=np.int64)
    done: list[PaintedMicrograph] = []
    skipped: list[Skipped] = []
    first: MatSSLError | None = None
    for number, (one, truth) in enumerate(zip(painted, truths, strict=True)):
        odd = warn_of_magnification(one.micrograph, segmenter.card)
        yield Progress("evaluating", number, len(painted), message=odd)
        name = one.micrograph.name
        job = segment(network, segmenter.card, one.micrograph, compute, settings)
        try:
            with memory_errors(name):
                segmentation = yield from one_of_many(job, number, len(painted), "evaluating")
        except (InputError, OutOfMemoryError) as error:
            first = first or error
            skipped.append(Skipped(printable(name), str(error), error.settings))
            yield Progress("evaluating", number + 1, len(painted), message=left_out(skipped[-1]))
            continue
        if segmentation is None:
            break
        mask = segmentation.mask
        if protocol == "matssl":
            truth, mask = resize_ids(truth, MATSSL_SIDE), resize_ids(mask, MATSSL_SIDE)
        total += confusion_matrix(truth, mask, table.ids)
        done.append(one)
    if skipped and not done:
        raise none_left(first, len(skipped))
    scored = _evaluation(segmenter, done, total, groups, protocol)
    return replace(scored, skipped=tuple(skipped))


def _evaluation(
    segmenter: Segmenter,
    painted: Sequence[PaintedMicrograph],
    confusion: NDArray[np.int64],
    groups: "_Groups",
    protocol: Protocol,
) -> Evaluation:
    if painted and confusion.sum() == 0:
        raise InputError(
            "No labelled pixel was scored.", "Evaluate on images that have painted labels."
        )
    merged = merge_classes(confusion, groups.index)
    result = scores(merged, groups.names)
    if protocol == "oxide":
        result = Scores(
            classes={OXIDE: result.classes[OXIDE]},
            confusion=result.confusion,
            miou=result.classes[OXIDE].iou,
            pixel_accuracy=result.pixel_accuracy,
        )
    learnt = LearntImages(segmenter.card.learnt_images)
    known = tuple(p.micrograph.name for p in painted if learnt.hold(p.micrograph))
    names = tuple(p.micrograph.name for p in painted)
    share = painted_share(painted, unlabelled_of(segmenter.card)) if painted else 0.0
    return Evaluation(protocol, result, groups.names, names, known, labelled_share=share)


@dataclass(frozen=True)
class _Groups:
    """Groups of classes that are scored as one."""

    index: tuple[int, ...]
    names: tuple[str, ...]


def _groups(table: ClassTable, protocol: Protocol) -> _Groups:
    if protocol == "native":
        return _Groups(tuple(range(len(table))), table.names)
    alone, others = (BACKGROUND, "foreground") if protocol == "matssl" else (OXIDE, "rest")
    if alone not in table.names:
        raise InputError(
            f"The protocol {protocol!r} needs a class named {alone!r}; the model has "
            f"{', '.join(table.names)}.",
            "Score all classes.",
            settings="protocol=native",
        )
    return _Groups(tuple(0 if name == alone else 1 for name in table.names), (alone, others))


def _truth(painted: PaintedMicrograph, segmenter: Segmenter) -> NDArray[np.uint8]:
    """Return the class ids of labelled pixels, 255 elsewhere; refuse values outside the table."""
    table = segmenter.classes
    targets = to_targets(painted, table, unlabelled_of(segmenter.card))
    lookup = np.full(256, 255, dtype=np.uint8)
    lookup[: len(table)] = table.ids
    return lookup[targets]


def resize_ids(values: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Resize class ids to a square by nearest neighbour."""
    resized = functional.interpolate(
        torch.from_numpy(values)[None, None], size=(side, side), mode="nearest-exact"
    )
    result: NDArray[np.uint8] = resized[0, 0].numpy()
    return result
