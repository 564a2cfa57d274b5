"""Unbroken strata in the masks of images that were painted in strokes."""

from collections.abc import Generator

import numpy as np
from torch import nn

from napari_matssl.labels.unbroken import UnbrokenClass, find_unbroken
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.device import Compute
from napari_matssl.learn.inference import segment
from napari_matssl.progress import Control, Progress, drain
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.finetune.training_set import TrainingSet

MOST_IMAGES = 8
"""Looking at more would take longer than it is worth."""

MOST_PIXELS = 25_000_000
"""Larger images are not looked at: panoramas would take minutes."""

_QUICK = PredictSettings(magnifications="one", detached_components="keep")


def find_unbroken_strata(
    network: nn.Module, card: ModelCard, data: TrainingSet, compute: Compute
) -> Generator[Progress, Control | None, tuple[UnbrokenClass, ...]]:
    """Find the classes in unbroken strata, by the model's masks of images painted in strokes.

    Labels overrule a mask, and only components that hold strokes count. Of many images
    eight are looked at, of panoramas none. STOP is not heard: it takes seconds.

    Parameters
    ----------
    network
        In evaluation mode, on the device of `compute`.
    """
    pairs = zip(data.painted, data.images, strict=True)
    fit = [(one, image.scaling) for one, image in pairs if one.labels.size <= MOST_PIXELS]
    count = min(len(fit), MOST_IMAGES)
    chosen = [fit[i * len(fit) // count] for i in range(count)]
    masks, strokes = [], []
    for number, (one, scaling) in enumerate(chosen):
        yield Progress("looking for strata", number, len(chosen))
        found = drain(segment(network, card, one.micrograph, compute, _QUICK, scaling=scaling))
        assert found is not None  # no STOP is sent into this job
        labels = one.specimen_labels
        is_painted = np.isin(labels, card.classes.ids)
        mask = found.mask[: labels.shape[0]]
        masks.append(np.where(is_painted, labels, mask).astype(np.uint8))
        strokes.append(np.where(is_painted, labels, card.classes.no_class))
    return find_unbroken(masks, card.classes, strokes)
