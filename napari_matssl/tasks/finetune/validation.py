"""Looking at a model while it is trained: scores on images kept apart, and previews."""

import logging
import statistics
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from napari_matssl.errors import InputError
from napari_matssl.labels.classes import ClassTable
from napari_matssl.labels.painted import (
    IGNORE,
    PaintedMicrograph,
    painted_pixels,
    to_targets,
)
from napari_matssl.learn.averaging import snapshot
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.device import Compute
from napari_matssl.learn.inference import Segmentation, segment
from napari_matssl.learn.metrics import Scores, confusion_matrix, scores
from napari_matssl.learn.schedule import Budget
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Control, Preview, Progress, drain
from napari_matssl.settings import FinetuneSettings, PredictSettings

log = logging.getLogger(__name__)

PREVIEW_SECONDS = 3.0
"""Shortest time between two previews."""

PREVIEW_SHARE = 0.1
"""Largest share of a run's time that goes into previews."""

_QUICK = PredictSettings(magnifications="one")

Metrics = dict[str, float]


@dataclass
class Validation:
    """Choose the best model by images that are kept apart from training.

    Parameters
    ----------
    painted
        Those images; there may be none, and then nothing is ever due.
    table
        The classes.
    settings
        How often, and which label value is unpainted.
    budget
        Of the run. What a validation takes is kept free for the last one.
    loss
        Of logits ``(1, K, 1, n)`` and targets ``(1, 1, n)``.

    Raises
    ------
    InputError
        If nothing is painted in the images.
    """

    painted: list[PaintedMicrograph]
    table: ClassTable
    settings: FinetuneSettings
    budget: Budget
    loss: Callable[[Tensor, Tensor], Tensor]
    metrics: Metrics = field(default_factory=dict)
    """Of the last validation."""
    best: tuple[float, dict[str, Tensor], Scores] | None = None
    """Mean IoU, weights and scores of the best model so far."""
    _fraction: float = 0.0
    _step: int = -1

    def __post_init__(self) -> None:
        if not self.painted:
            return
        targets = [to_targets(one, self.table, self.settings.unlabelled) for one in self.painted]
        if not any(painted_pixels(targets, self.table).values()):
            names = ", ".join(one.micrograph.name for one in self.painted[:3])
            raise InputError(
                f"Nothing is painted in the images to validate on ({names}).",
                "Paint on them, or leave out --val-fraction or the split's val.",
            )

    def due(self, fraction: float) -> bool:
        """Whether to validate after this share of the run; not in its first fifth."""
        if not self.painted:
            return False
        since = fraction - self._fraction
        return 0.2 < fraction < 1 and since >= 1 / self.settings.validations - 1e-9

    def run(
        self, network: nn.Module, card: ModelCard, compute: Compute, step: int
    ) -> Generator[Progress, Control | None, bool]:
        """Score the model on the images and keep it if it is the best.

        Returns whether STOP was sent meanwhile.
        """
        if not self.painted or step == self._step:
            return False
        stopped = False
        begin = self.budget.elapsed
        total = np.zeros((len(self.table), len(self.table)), dtype=np.int64)
        losses = []
        for index, painted in enumerate(self.painted):
            job = segment(network, card, painted.micrograph, compute, _QUICK, True)
            segmentation = drain(job)
            assert segmentation is not None  # nobody sends STOP into this job
            total += confusion_matrix(painted.labels, segmentation.mask, self.table.ids)
            losses.append(self._loss(painted, segmentation))
            progress = Progress("validating", index + 1, len(self.painted))
            stopped |= (yield progress) is Control.STOP
        result = scores(total, self.table.names)
        miou = result.miou or 0.0
        self.metrics = {"val_miou": miou, "val_loss": statistics.fmean(losses)}
        self.metrics |= {
            f"val_iou_{name}": c.iou for name, c in result.classes.items() if c.iou is not None
        }
        if self.best is None or miou >= self.best[0]:
            self.best = (miou, snapshot(network), result)
        self._step = step
        self._fraction = self.budget.fraction(step)
        self.budget.reserve = self.budget.elapsed - begin
        return stopped

    def _loss(self, painted: PaintedMicrograph, found: Segmentation) -> float:
        """Compute the training loss over the labelled pixels of one image."""
        assert found.probabilities is not None  # asked for in run()
        targets = to_targets(painted, self.table, self.settings.unlabelled)
        labelled = targets != IGNORE
        values = np.maximum(found.probabilities[:, labelled], 0.5) / 255  # (K, n)
        logits = torch.from_numpy(np.log(values, dtype=np.float32))[None, :, None]
        return float(self.loss(logits, torch.from_numpy(targets[labelled])[None, None]))


@dataclass
class Previews:
    """Show now and then what the model makes of the image that somebody looks at.

    Parameters
    ----------
    on_view
        Asked for that image; None: nobody looks, and no preview is ever due.
    budget
        Of the run, of which previews take a small share.
    """

    on_view: Callable[[], Micrograph | None] | None
    budget: Budget
    _next: float = 0.0

    @property
    def due(self) -> bool:
        """Whether it is time for the next one."""
        return self.on_view is not None and self.budget.elapsed >= self._next

    def run(
        self, network: nn.Module, card: ModelCard, compute: Compute, progress: Progress
    ) -> Generator[Progress, Control | None, bool]:
        """Segment the image and yield `progress` with the mask as its preview.

        Returns whether STOP was sent meanwhile.
        """
        micrograph = self.on_view() if self.on_view is not None else None
        begin = self.budget.elapsed
        if micrograph is None:
            self._next = begin + PREVIEW_SECONDS
            return False
        job = segment(network, card, micrograph, compute, _QUICK)
        while True:
            try:
                inner = next(job)
            except StopIteration as end:
                segmentation: Segmentation = end.value
                break
            except InputError as error:  # somebody only looks at it: training goes on
                log.info("no preview of %s", micrograph.name, exc_info=error)
                self._next = self.budget.elapsed + PREVIEW_SECONDS
                return False
            if inner.step >= inner.total:
                continue  # it only has to be put together
            if (yield progress) is Control.STOP:
                return True  # without a preview: whoever stops doesn't want to wait
        cost = self.budget.elapsed - begin
        self._next = begin + max(PREVIEW_SECONDS, cost / PREVIEW_SHARE)
        picture = Preview(micrograph.name, 0, 0, segmentation.mask)
        return (yield replace(progress, preview=picture)) is Control.STOP
