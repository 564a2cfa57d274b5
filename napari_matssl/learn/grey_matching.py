"""Match the grey scale of an image to that of the painted ones, whatever its phase fractions.

An image that is standardised by its own mean and spread has a grey scale that depends on its
composition: where bright particles fill nine tenths of a field instead of one, they become its
average, and the matrix its darkest part. An image on the scale of another depends on the exposure.
Both are undone here: the grey scale is sought on which the image's histogram is a mixture of the
classes' histograms in the painted images, with free fractions. So quantification by mixtures of
histograms (HDy, González-Castro et al. 2013) is turned round, the fractions being a by-product.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.cluster.vq import kmeans2

from napari_matssl.learn.grey_reference import GreyReference, GreyScale

Floats = NDArray[np.float64]

_FINE, _COARSE = 1.4, 3.0  # px of the network
_FAINTEST = 0.02  # gradient, in spreads
_WORDS = 64
_CERTAIN = 0.9  # probability of a class from which a pixel is none of a boundary
_PIXELS = 4000  # of an image
_FEW = 1200  # of them, for the first, wide search
_MIXING_STEPS = 50

_BRIGHTNESS = np.linspace(-1.5, 1.5, 13)
_CONTRAST = np.linspace(-0.6, 0.6, 7)  # logarithms
_KEPT = 3  # best scales of the wide search
_STEPS = ((0.125, 0.1), (0.06, 0.05))  # of the narrow search: brightness, contrast

_PRIOR, _USUAL_BRIGHTNESS, _USUAL_CONTRAST = 0.01, 0.3, 0.2
_OTHER, _NEARLY = 0.15, 0.1  # difference of a fraction; of distances, in nats
_CLEARLY = 0.7
"""The image's own scale stays unless a match leaves less than this share of its distance."""


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


@dataclass(frozen=True)
class Match:
    """The grey scale of an image.

    Parameters
    ----------
    scale
        To be used for it.
    distance
        Between the image on this scale and the best mixture of classes: the Kullback-Leibler
        divergence of the histograms in nats, plus what lies beyond the painted images' pixels.
    brightness, contrast
        By how many spreads the image is brighter than the painted ones, and how many times its
        contrast is theirs.
    fractions
        Of the classes in the mixture ``(K,)``, boundaries left out; sum 1.
    rival
        Fractions of the mixture on another scale that explains the image nearly as well; None if
        there is no such scale. A field of a single grey phase may be any phase, for instance.
    """

    scale: GreyScale
    distance: float
    brightness: float
    contrast: float
    fractions: tuple[float, ...]
    rival: tuple[float, ...] | None = None


def describe(values: NDArray[np.floating], positions: NDArray[np.int64]) -> Floats:
    """Describe pixels by grey value, that of their neighbourhood, and gradient ``(n, 3)``.

    Parameters
    ----------
    values
        Grey image ``(H, W)`` at the network's magnification.
    positions
        Flat positions ``(n,)``.

    Returns
    -------
    In the unit of `values`, so that they follow any change of brightness and contrast exactly.
    """
    fine = ndimage.gaussian_filter(values.astype(np.float32), _FINE, mode="nearest")
    coarse = ndimage.gaussian_filter(values.astype(np.float32), _COARSE, mode="nearest")
    gradient = np.hypot(*np.gradient(fine))
    planes = [plane.ravel()[positions] for plane in (fine, coarse, gradient)]
    return np.stack(planes, axis=1).astype(np.float64)


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
    features = _on_scale(np.concatenate(described), scale)
    probabilities = np.concatenate([one.probabilities for one in pixels])
    classes = probabilities.shape[1]
    certain = probabilities.max(axis=1) > _CERTAIN
    part = np.where(certain, probabilities.argmax(axis=1), classes)
    centre, width = features.mean(axis=0), features.std(axis=0) + 1e-3
    standard = (features - centre) / width
    count = min(_WORDS, len(standard))
    words = kmeans2(standard, count, iter=15, minit="++", rng=np.random.default_rng(0))[0]
    nearest, distances = _nearest(standard, words)
    counts = [np.bincount(nearest[part == p], minlength=count) for p in range(classes + 1)]
    smoothed = np.array(counts, dtype=np.float64) + 0.3
    histograms = smoothed / smoothed.sum(axis=1, keepdims=True)
    reference = GreyReference(
        scale=scale,
        same_exposure=same_exposure,
        centre=tuple(centre.tolist()),
        width=tuple(width.tolist()),
        words=tuple(tuple(word) for word in words.tolist()),
        histograms=tuple(tuple(row) for row in histograms.tolist()),
        reach=max(float(np.quantile(distances, 0.95)), 1e-3),
    )
    searches = [
        _Search(reference, describe(image, one.positions))
        for image, one in zip(images, drawn, strict=True)
    ]
    mixed = [search.match((0.0, 0.0)) for search in searches]
    gaps = (
        np.abs(np.array(found.fractions) - one.probabilities.mean(axis=0)).max()
        for found, one in zip(mixed, drawn, strict=True)
    )
    usual = {"usual_distance": max(one.distance for one in mixed), "usual_gap": float(max(gaps))}
    return reference.model_copy(update=usual)


def match(
    reference: GreyReference,
    values: NDArray[np.floating],
    usable: NDArray[np.bool_],
    own: GreyScale,
) -> Match:
    """Find the grey scale of an image.

    Parameters
    ----------
    reference
        Of the model.
    values
        Grey image ``(H, W)`` at the network's magnification, stored values.
    usable
        Which pixels count ``(H, W)``.
    own
        The scale of the image by its own mean and spread. It is returned unless another one
        explains the image clearly better: on real micrographs both are about as good, and it
        follows any exposure (benchmarks/NOTES.md).
    """
    positions = np.flatnonzero(usable)
    if len(positions) > _PIXELS:
        random = np.random.default_rng(0)
        positions = np.sort(random.choice(positions, _PIXELS, replace=False))
    search = _Search(reference, describe(values, positions))
    origin = (0.0, 0.0)
    if reference.same_exposure:
        return search.match(origin)
    theirs = reference.scale
    as_it_is = (
        (own.middle - theirs.middle) / theirs.spread,
        float(np.log(own.spread / theirs.spread)),
    )
    best, rival = search.run(origin, as_it_is)
    if search.distance(best) > _CLEARLY * search.distance(as_it_is):
        return search.match(as_it_is, own)
    return search.match(best, rival=rival)


_Change = tuple[float, float]
"""Brightness in spreads, logarithm of the contrast."""


class _Search:
    """Distances of an image to mixtures of classes, on many grey scales."""

    def __init__(self, reference: GreyReference, described: Floats) -> None:
        self._reference = reference
        self._described = described
        self._few = described[:: max(1, len(described) // _FEW)]
        self._words = np.array(reference.words)
        self._histograms = np.array(reference.histograms)
        self._centre, self._width = np.array(reference.centre), np.array(reference.width)
        self._known: dict[_Change, tuple[float, Floats]] = {}

    def run(self, origin: _Change, as_it_is: _Change) -> tuple[_Change, _Change | None]:
        """Return the best change, and another nearly as good one that has other fractions.

        Of the two changes given, of a wide grid, or near the best of these.
        """

        def rated(change: _Change) -> float:
            return self.distance(change) + self._surprise(change, origin, as_it_is)

        wide: list[tuple[float, _Change, Floats]] = []
        for change in product(_BRIGHTNESS.tolist(), _CONTRAST.tolist()):
            distance, mixture = self._mix(change, self._few)
            surprise = self._surprise(change, origin, as_it_is)
            wide.append((distance + surprise, change, _fractions(mixture)))
        wide.sort(key=lambda one: one[0])
        best = min((origin, as_it_is, *(one[1] for one in wide[:_KEPT])), key=rated)
        best = self._descend(best, rated)
        fractions = _fractions(self._mixture(best)[1])
        others = (change for _, change, mixed in wide if _differ(mixed, fractions))
        rival = next(others, None)
        if rival is not None:
            rival = self._descend(rival, rated)
            differs = _differ(_fractions(self._mixture(rival)[1]), fractions)
            if not differs or rated(rival) > rated(best) + _NEARLY:
                rival = None
        return best, rival

    def _surprise(self, change: _Change, *usual: _Change) -> float:
        return _PRIOR * min(_unlikely(change, one) for one in usual)

    def _descend(self, best: _Change, rated: Callable[[_Change], float]) -> _Change:
        """Go to the nearest best change, in ever smaller steps."""
        for brighter, stronger in _STEPS:
            while True:
                around = [
                    (best[0] + i * brighter, best[1] + j * stronger)
                    for i, j in product((-1, 0, 1), repeat=2)
                ]
                better = min(around, key=rated)
                if rated(better) >= rated(best):
                    break
                best = better
        return best

    def distance(self, change: _Change) -> float:
        """Return the distance on a scale."""
        return self._mixture(change)[0]

    def match(
        self, change: _Change, scale: GreyScale | None = None, rival: _Change | None = None
    ) -> Match:
        """Put a result together."""
        distance, mixture = self._mixture(change)
        brightness, contrast = change[0], float(np.exp(change[1]))
        return Match(
            scale=scale or self._reference.scale.moved(brightness, contrast),
            distance=distance,
            brightness=brightness,
            contrast=contrast,
            fractions=tuple(_fractions(mixture).tolist()),
            rival=None if rival is None else tuple(_fractions(self._mixture(rival)[1]).tolist()),
        )

    def _mixture(self, change: _Change) -> tuple[float, Floats]:
        if change not in self._known:
            self._known[change] = self._mix(change, self._described)
        return self._known[change]

    def _mix(self, change: _Change, described: Floats) -> tuple[float, Floats]:
        """Mix the classes to the image's histogram; return distance and fractions ``(K + 1,)``."""
        scale = self._reference.scale.moved(change[0], float(np.exp(change[1])))
        standard = (_on_scale(described, scale) - self._centre) / self._width
        nearest, distances = _nearest(standard, self._words)
        seen = np.bincount(nearest, minlength=len(self._words)) / len(nearest)
        parts = len(self._histograms)
        mixture = np.full(parts, 1 / parts)
        for _ in range(_MIXING_STEPS):  # expectation maximisation
            mixture = mixture * (self._histograms @ (seen / (mixture @ self._histograms)))
        there = seen > 0
        divergence = seen[there] @ np.log(seen[there] / (mixture @ self._histograms)[there])
        beyond = np.clip(distances / self._reference.reach - 1, 0, 3).mean()
        return float(divergence + beyond), mixture


def _fractions(mixture: Floats) -> Floats:
    """Return the fractions of the classes, without boundaries."""
    return mixture[:-1] / max(float(mixture[:-1].sum()), 1e-9)


def _differ(one: Floats, other: Floats) -> bool:
    """Whether a class has another fraction."""
    return float(np.abs(one - other).max()) > _OTHER


def _drawn(pixels: KnownPixels) -> KnownPixels:
    """Keep the pixels that are drawn from the whole image."""
    from_all_over = pixels.positions[pixels.painted :]
    return _thinned(KnownPixels(from_all_over, pixels.probabilities[pixels.painted :]))


def _thinned(pixels: KnownPixels) -> KnownPixels:
    """Keep as many pixels as are needed, evenly drawn."""
    step = max(1, len(pixels.positions) // _PIXELS)
    return KnownPixels(pixels.positions[::step], pixels.probabilities[::step])


def _on_scale(described: Floats, scale: GreyScale) -> Floats:
    """Bring descriptions in stored values to a scale; gradients become logarithms."""
    grey = (described[:, :2] - scale.middle) / scale.spread
    gradient = np.log(described[:, 2:] / scale.spread + _FAINTEST)
    return np.concatenate([grey, gradient], axis=1)


def _nearest(points: Floats, words: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Find the nearest word of each point, and the distance to it."""
    squares = (words**2).sum(axis=1) - 2 * points @ words.T
    nearest = squares.argmin(axis=1)
    least = np.take_along_axis(squares, nearest[:, None], axis=1)[:, 0] + (points**2).sum(axis=1)
    return nearest, np.sqrt(np.maximum(least, 0))


def _unlikely(change: _Change, usual: _Change) -> float:
    """Return how unlikely a change is, as a squared distance from a usual one."""
    brightness = (change[0] - usual[0]) / _USUAL_BRIGHTNESS
    contrast = (change[1] - usual[1]) / _USUAL_CONTRAST
    return brightness**2 + contrast**2
