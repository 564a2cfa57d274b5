"""What users reach for today: a random forest on scikit-image's multiscale features."""

from collections.abc import Sequence

import numpy as np
from recipes import processor_seconds
from scoring import Seen
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import RandomForestClassifier
from torch import get_num_threads

from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.painted import PaintedMicrograph

PIXELS = 5000
"""Of each class in each image; more gain nothing and take long."""


def forest_masks(
    training: Sequence[PaintedMicrograph],
    test: Sequence[PaintedMicrograph],
    table: ClassTable,
    standardised: bool,
    seed: int = 0,
    every: int = 1,
) -> tuple[list[Seen], float, float]:
    """Train a forest of 100 trees on the painted pixels and segment.

    Parameters
    ----------
    standardised
        Bring each image to mean 0 and spread 1 first.
    every
        Segment only each n-th row and column, to save time; other pixels stay 0.

    Returns
    -------
    What came of the test images, seconds of training, seconds per test image; of the processor.
    """
    begin = processor_seconds()
    random = np.random.default_rng(seed)
    features, classes = [], []
    for one in training:
        stack = _features(one, standardised)
        for class_id in table.ids:
            points = random.permutation(np.flatnonzero(one.specimen_labels == class_id))[:PIXELS]
            features.append(stack.reshape(-1, stack.shape[-1])[points])
            classes.append(np.full(len(points), class_id))
    model = RandomForestClassifier(
        n_estimators=100, max_depth=20, n_jobs=get_num_threads(), random_state=seed
    )
    model.fit(np.concatenate(features), np.concatenate(classes))
    trained = processor_seconds()
    seen = []
    for one in test:
        mask = np.zeros(one.labels.shape, dtype=np.uint8)
        stack = _features(one, standardised)[::every, ::every]
        found = model.predict(stack.reshape(-1, stack.shape[-1]))
        specimen = mask[: one.specimen_labels.shape[0]]
        specimen[::every, ::every] = found.reshape(stack.shape[:2])
        seen.append(Seen(mask))
    seconds = (processor_seconds() - trained) / max(len(test), 1)
    return seen, trained - begin, seconds


def _features(one: PaintedMicrograph, standardised: bool) -> np.ndarray:
    grey = one.micrograph.specimen.astype(np.float32)
    grey = (grey - grey.mean()) / grey.std() if standardised else grey / 255
    return multiscale_basic_features(
        grey, intensity=True, edges=True, texture=True, sigma_min=1, sigma_max=16
    )
