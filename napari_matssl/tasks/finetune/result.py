"""The result of a fine-tuning."""

from dataclasses import dataclass

from napari_matssl.errors import ComputeError
from napari_matssl.learn.metrics import Scores
from napari_matssl.learn.segmenter import Segmenter


@dataclass(frozen=True)
class FinetuneResult:
    """A trained segmenter, with scores and losses.

    Parameters
    ----------
    segmenter
        In evaluation mode, on the CPU.
    validation
        Scores of the chosen model on the validation images, None without any.
    losses
        Training loss of every step.
    failure
        What ended the training before its plan was done; the segmenter is the best until then.
    """

    segmenter: Segmenter
    validation: Scores | None
    losses: tuple[float, ...]
    failure: ComputeError | None = None
