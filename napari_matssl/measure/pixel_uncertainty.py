"""Uncertainty of each pixel of a segmentation."""

import numpy as np
from numpy.typing import NDArray


def uncertainty(probabilities: NDArray[np.uint8]) -> NDArray[np.float32]:
    """One minus the margin between the two most probable classes.

    Parameters
    ----------
    probabilities
        ``(K, H, W)``, 255 times the probability of each class, K at least 2.

    Returns
    -------
    ``(H, W)`` from 0, where one class has all the probability, to 1, where two share the lead.
    Pixels without any probability (info bar) get 0.
    """
    second, first = np.partition(probabilities, -2, axis=0)[-2:]
    margin = (first.astype(np.float32) - second) / 255
    return np.where(first > 0, 1 - margin, 0).astype(np.float32)
