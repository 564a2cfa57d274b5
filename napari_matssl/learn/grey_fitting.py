"""Fit the grey reference of a model to its painted images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from napari_matssl.learn.grey_matching import compare
from napari_matssl.learn.grey_reference import GreyReference, GreyScale
from napari_matssl.learn.grey_words import PIXELS, describe, nearest_words, on_scale

_WORDS = 64
_CERTAIN = 0.9  # probability of a class from which a pixel is none of a boundary


@dataclass(frozen=True)
class KnownPixels:
    """Pixels of a painted image, and what they are.

    Parameters
    ----------
    positions
        Flat positions in the image as the network sees it ``(n,)``.
    probabilities
        Of each class ``(n, K)``, rows of sum 1.
    painted
        How many of the first are painted in strokes; the others are drawn from the whole image.
    """

    positions: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    painted: int = 0


def fit_reference(
    images: Sequence[NDArray[np.floating]],
    pixels: Sequence[KnownPixels],
    scale: GreyScale,
    same_exposure: bool = False,
) -> GreyReference:
    """Fit the histograms of the classes to painted images.

    Parameters
    ----------
    images
        Grey images ``(H, W)`` at the network's magnification, in values of `scale`.
    pixels
        Of each image.
    scale
        The common scale.
    same_exposure
        See :class:`~napari_matssl.learn.grey_reference.GreyReference`.
    """
    drawn = [_drawn(one) for one in pixels]
    pixels = [_thinned(one) for one in pixels]
    described = [describe(i, p.positions) for i, p in zip(images, pixels, strict=True)]
    features = on_scale(np.concatenate(described), scale)
    probabilities = np.concatenate([one.probabilities for one in pixels])
    classes = probabilities.shape[1]
    certain = probabilities.max(axis=1) > _CERTAIN
    part = np.where(certain, probabilities.argmax(axis=1), classes)
    centre, width = features.mean(axis=0), features.std(axis=0) + 1e-3
    standard = (features - centre) / width
    count = min(_WORDS, len(standard))
    words = kmeans2(standard, count, iter=15, minit="++", rng=np.random.default_rng(0))[0]
    nearest, distances = nearest_words(standard, words)
    counts = [np.bincount(nearest[part == p], minlength=count) for p in range(classes + 1)]
    # A class without pixels stays empty: spread evenly, it would explain any image.
    smoothed = np.array([row + 0.3 * row.any() for row in counts], dtype=np.float64)
    histograms = smoothed / np.maximum(smoothed.sum(axis=1, keepdims=True), 1)
    reference = GreyReference(
        scale=scale,
        same_exposure=same_exposure,
        centre=tuple(centre.tolist()),
        width=tuple(width.tolist()),
        words=tuple(tuple(word) for word in words.tolist()),
        histograms=tuple(tuple(row) for row in histograms.tolist()),
        reach=max(float(np.quantile(distances, 0.95)), 1e-3),
    )
    mixed = [
        compare(reference, describe(image, one.positions))
        for image, one in zip(images, drawn, strict=True)
    ]
    gaps = (
        np.abs(np.array(found.fractions) - one.probabilities.mean(axis=0)).max()
        for found, one in zip(mixed, drawn, strict=True)
    )
    usual = {"usual_distance": max(one.distance for one in mixed), "usual_gap": float(max(gaps))}
    return reference.model_copy(update=usual)


def _drawn(pixels: KnownPixels) -> KnownPixels:
    """Keep the pixels that are drawn from the whole image."""
    from_all_over = pixels.positions[pixels.painted :]
    return _thinned(KnownPixels(from_all_over, pixels.probabilities[pixels.painted :]))


def _thinned(pixels: KnownPixels) -> KnownPixels:
    """Keep as many pixels as are needed, evenly drawn."""
    step = max(1, len(pixels.positions) // PIXELS)
    return KnownPixels(pixels.positions[::step], pixels.probabilities[::step])
