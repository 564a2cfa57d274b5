"""Previews of a model in training on the image in view."""

import logging
from collections.abc import Generator
from dataclasses import dataclass, replace

from torch import nn

from napari_matssl.errors import InputError, OutOfMemoryError
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.device import Compute
from napari_matssl.learn.device_errors import free_memory
from napari_matssl.learn.inference import Segmentation, segment
from napari_matssl.learn.schedule import Budget
from napari_matssl.progress import Control, Preview, Progress
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.finetune.planning import OnView

log = logging.getLogger(__name__)

PREVIEW_SECONDS = 3.0
"""Shortest time between two previews."""

PREVIEW_SHARE = 0.1
"""Largest share of a run's time that goes into previews."""

QUICK = PredictSettings(magnifications="one")


@dataclass
class Previews:
    """Segments the image in view from time to time.

    Parameters
    ----------
    on_view
        Returns that image; None: no preview is ever due.
    budget
        Of the run, of which previews take a small share.
    """

    on_view: OnView | None
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
        placed = compute.place_to_segment(network)
        job = segment(placed, card, micrograph, compute, QUICK)
        segmentation: Segmentation | None = None
        while True:
            try:
                inner = next(job)
            except StopIteration as end:
                segmentation = end.value
                break
            except (InputError, OutOfMemoryError) as error:  # a preview alone: training goes on
                log.info("no preview of %s", micrograph.name, exc_info=error)
                break
            if inner.step >= inner.total:
                continue  # it only has to be put together
            if (yield progress) is Control.STOP:
                return True  # without a preview, which would delay the stop
        cost = self.budget.elapsed - begin
        self._next = begin + max(PREVIEW_SECONDS, cost / PREVIEW_SHARE)
        if segmentation is None:
            free_memory(compute.device)
            return False
        picture = Preview(micrograph.name, 0, 0, segmentation.mask)
        return (yield replace(progress, preview=picture)) is Control.STOP
