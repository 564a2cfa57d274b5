"""Comparison of an exported file with the model that it was made of."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from napari_matssl.errors import ComputeError, StoppedError
from napari_matssl.learn.device import Compute
from napari_matssl.learn.inference import segment
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Job, Progress, inside
from napari_matssl.settings import PredictSettings

STOPPED = "Stopped: nothing was written."

LARGEST_DIFFERENCE = 0.001
"""Share of pixels whose class may differ."""

_SETTINGS = PredictSettings(
    magnifications="one", detached_components="keep", device="cpu", info_bar="auto"
)


@dataclass(frozen=True)
class Agreement:
    """Comparison of two networks on images.

    Parameters
    ----------
    images
        What they are, for people.
    pixels
        How many were compared.
    different
        How many have another class.
    """

    images: str
    pixels: int
    different: int

    @property
    def share(self) -> float:
        """Share of the pixels that differ."""
        return self.different / max(self.pixels, 1)

    def in_words(self) -> str:
        """Report the figure in a sentence."""
        return (
            f"{100 * self.share:.2g} % of {self.pixels:,} pixels in {self.images} have another "
            f"class than the model gives them (at most {100 * LARGEST_DIFFERENCE:g} %)."
        )


def compare(
    segmenter: Segmenter, other: nn.Module, images: Iterable[Micrograph], words: str
) -> Job[Agreement]:
    """Segment images by a segmenter and by another network, at one magnification, in float32.

    Parameters
    ----------
    segmenter
        The model, on the processor.
    other
        Takes and gives what the segmenter's network does.
    images
        Read one after another.
    words
        What they are, for people.

    Raises
    ------
    StoppedError
        If the job was sent STOP.
    ComputeError
        If more pixels differ than :data:`LARGEST_DIFFERENCE`.
    InputError
        If an image can't be used.
    """
    compute = Compute(torch.device("cpu"), torch.float32, "for comparison")
    pixels = different = 0
    for micrograph in images:
        masks = []
        for network in (segmenter.network, other):
            job = segment(network, segmenter.card, micrograph, compute, _SETTINGS)
            segmentation = yield from inside(job, _shown)
            if segmentation is None:
                raise StoppedError(STOPPED)
            masks.append(segmentation.mask[: micrograph.specimen.shape[0]])
        pixels += masks[0].size
        different += int(np.count_nonzero(masks[0] != masks[1]))
    found = Agreement(words, pixels, different)
    if found.share > LARGEST_DIFFERENCE:
        raise ComputeError(
            f"The exported file doesn't give what the model gives: {found.in_words()}",
            "Nothing was written; use predict.",
        )
    return found


def _shown(progress: Progress) -> Progress:
    return replace(progress, stage="checking")
