"""Validation on images that are held out of training."""

import statistics
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_matssl.labels.painted import IGNORE_INDEX
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.device import Compute
from napari_matssl.learn.ema import snapshot
from napari_matssl.learn.grey_scale import fit_scaling
from napari_matssl.learn.inference import TWICE_TAKES, Segmentation, looks_twice, segment
from napari_matssl.learn.metrics import Scores, confusion_matrix, scores
from napari_matssl.learn.schedule import Budget
from napari_matssl.micrograph.intensity_scaling import IntensityScaling
from napari_matssl.progress import Control, Progress, drain
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.finetune.held_out import HeldOutFigures, Sample, from_validation
from napari_matssl.tasks.finetune.preview import QUICK
from napari_matssl.tasks.finetune.training_set import ValidationImage

_MASKS = PredictSettings()
"""How masks are made, unless the user wants it otherwise."""


@dataclass(frozen=True)
class Best:
    """The best model so far.

    Parameters
    ----------
    scores
        Over all images.
    step
        After which it was found; 0 is what training began with.
    weights
        In the computer's own memory.
    held_out
        What it found in each image.
    miou
        Mean IoU by which it was chosen; scores may be of two magnifications later.
    """

    scores: Scores
    step: int
    weights: dict[str, Tensor]
    held_out: HeldOutFigures
    miou: float


@dataclass(frozen=True)
class _Looked:
    """What a model makes of the images, and whether STOP was sent meanwhile."""

    scores: Scores
    losses: list[float]
    figures: HeldOutFigures
    stopped: bool


@dataclass
class Validation:
    """Choose the best model by images that are held out of training.

    Parameters
    ----------
    images
        Those images; there may be none, and then nothing is ever due.
    times
        How often in a run.
    budget
        Of the run. What a validation takes is kept free for the last one.
    loss
        Of logits ``(1, K, 1, n)`` and targets ``(1, 1, n)``.
    """

    images: tuple[ValidationImage, ...]
    times: int
    budget: Budget
    loss: Callable[[Tensor, Tensor], Tensor]
    metrics: dict[str, float] = field(default_factory=dict)
    """Of the last validation."""
    best: Best | None = None
    _fraction: float = 0.0
    _step: int = -1
    _scalings: dict[int, IntensityScaling] = field(default_factory=dict)

    def due(self, fraction: float) -> bool:
        """Whether to validate after this share of the run; not in its first fifth."""
        if not self.images:
            return False
        since = fraction - self._fraction
        return 0.2 < fraction < 1 and since >= 1 / self.times - 1e-9

    def run(
        self, network: nn.Module, card: ModelCard, compute: Compute, step: int
    ) -> Generator[Progress, Control | None, bool]:
        """Score the model on the images and keep it if it is the best.

        Returns whether STOP was sent meanwhile.
        """
        if not self.images or step == self._step:
            return False
        begin = self.budget.elapsed
        looked = yield from self._look(network, card, compute, QUICK)
        result, miou = looked.scores, looked.scores.miou or 0.0
        self.metrics = {"val_miou": miou, "val_loss": statistics.fmean(looked.losses)}
        self.metrics |= {
            f"val_iou_{name}": c.iou for name, c in result.classes.items() if c.iou is not None
        }
        if self.best is None or miou >= self.best.miou:
            self.best = Best(result, step, snapshot(network), looked.figures, miou)
        self._step = step
        self._fraction = self.budget.fraction(step)
        times = 1 + TWICE_TAKES * looks_twice(card, _MASKS)
        self.budget.reserve = times * (self.budget.elapsed - begin)
        return looked.stopped

    def look_as_masks(
        self, network: nn.Module, card: ModelCard, compute: Compute
    ) -> Generator[Progress, Control | None, None]:
        """Look at the images once more as masks are made, where that is at two magnifications.

        The figures of the best model are those of its masks then. STOP is not heard.

        Parameters
        ----------
        network
            The best model.
        card
            With all that masks need of it.
        """
        if self.best is not None and looks_twice(card, _MASKS):
            looked = yield from self._look(network, card, compute, _MASKS)
            self.best = replace(self.best, scores=looked.scores, held_out=looked.figures)

    def _look(
        self, network: nn.Module, card: ModelCard, compute: Compute, settings: PredictSettings
    ) -> Generator[Progress, Control | None, "_Looked"]:
        """Segment the images and compare with their labels."""
        placed, stopped = compute.place_to_segment(network), False
        confusions, losses, sample = list[NDArray[np.int64]](), list[float](), Sample()
        for index, image in enumerate(self.images):
            micrograph, labels = image.painted.micrograph, image.painted.labels
            scaling = self._scaling(index, card)
            job = segment(placed, card, micrograph, compute, settings, True, scaling=scaling)
            segmentation = drain(job)
            assert segmentation is not None  # no STOP is sent into this job
            confusions.append(confusion_matrix(labels, segmentation.mask, card.classes.ids))
            probabilities, targets = _labelled(image, segmentation)
            losses.append(self._loss(probabilities, targets))
            sample.add(probabilities, targets)
            progress = Progress("validating", index + 1, len(self.images))
            stopped |= (yield progress) is Control.STOP
        painted = [image.painted for image in self.images]
        return _Looked(
            scores(np.sum(confusions, axis=0), card.classes.names),
            losses,
            from_validation(painted, confusions, sample, card),
            stopped,
        )

    def _scaling(self, index: int, card: ModelCard) -> IntensityScaling:
        """Fit the intensity scaling of an image, once in a run."""
        if index not in self._scalings:
            image = self.images[index]
            scaled = fit_scaling(image.painted.micrograph, card, image.own)
            self._scalings[index] = scaled.scaling
        return self._scalings[index]

    def _loss(self, probabilities: NDArray[np.float32], targets: NDArray[np.uint8]) -> float:
        """Compute the training loss over the labelled pixels of one image."""
        logits = torch.from_numpy(np.log(probabilities).T)[None, :, None]
        return float(self.loss(logits, torch.from_numpy(targets)[None, None]))


def _labelled(
    image: ValidationImage, segmentation: Segmentation
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return probabilities ``(n, K)`` and targets ``(n,)`` of the labelled pixels."""
    assert segmentation.probabilities is not None  # asked for in run()
    labelled = image.targets != IGNORE_INDEX
    values = np.maximum(segmentation.probabilities[:, labelled], 0.5) / 255  # (K, n)
    return values.T.astype(np.float32), image.targets[labelled]
