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
from scipy.special import rel_entr

from napari_matssl.learn.grey_reference import GreyReference, GreyScale
from napari_matssl.learn.grey_words import Floats, nearest_words, on_scale

_FEW = 1200  # of them, for the first, wide search
_MIXING_STEPS = 50

_BRIGHTNESS = np.linspace(-1.5, 1.5, 13)
_CONTRAST = np.linspace(-0.6, 0.6, 7)  # logarithms
_KEPT = 3  # best scales of the wide search
_STEPS = ((0.125, 0.1), (0.06, 0.05))  # of the narrow search: brightness, contrast

_PRIOR, _USUAL_BRIGHTNESS, _USUAL_CONTRAST = 0.01, 0.3, 0.2
_OTHER, _NEARLY = 0.15, 0.1  # difference of a fraction; of distances, in nats
_CLEARLY, _AT_LEAST = 0.6, 0.1
"""A match must leave at most this share of the distance of the image's own scale, and be nearer by
so many nats: noise alone makes small differences."""
_UNEXPLAINED = 0.5
"""Distance of a painted image, in nats, from which on the painted images have no common scale."""


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


def compare(reference: GreyReference, described: Floats) -> Match:
    """Compare an image on the scale of the painted images with mixtures of their classes.

    `described` are its pixels, as :func:`~napari_matssl.learn.grey_words.describe` gives them.
    """
    return _Search(reference, described).match((0.0, 0.0))


def match(
    reference: GreyReference,
    described: Floats,
    own: GreyScale,
) -> Match:
    """Find the grey scale of an image.

    Parameters
    ----------
    reference
        Of the model.
    described
        Pixels of the image at the network's magnification, in stored values, as
        :func:`~napari_matssl.learn.grey_words.describe_some` gives them.
    own
        The scale of the image by its own mean and spread. This or the scale of the painted images
        is returned, whichever explains the image better, unless another one does so clearly better
        than the image's own: on real micrographs they are about as good (benchmarks/NOTES.md). No
        other one is looked for where the painted images themselves can't be explained on one
        scale, since nothing can be matched to them then.
    """
    search = _Search(reference, described)
    origin = (0.0, 0.0)
    if reference.same_exposure:
        return search.match(origin)
    theirs = reference.scale
    as_it_is = (
        (own.middle - theirs.middle) / theirs.spread,
        float(np.log(own.spread / theirs.spread)),
    )
    left = search.distance(as_it_is)
    # No distance is below nought, so none can be clearly less than this: the search is left out.
    if reference.usual_distance <= _UNEXPLAINED and left >= _AT_LEAST:
        best, rival = search.run(origin, as_it_is)
        if search.distance(best) <= min(_CLEARLY * left, left - _AT_LEAST):
            return search.match(best, rival=rival)
    if search.distance(origin) < left:
        return search.match(origin, theirs)
    return search.match(as_it_is, own)


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
        changes = list(product(_BRIGHTNESS.tolist(), _CONTRAST.tolist()))
        mixtures = self._mix(changes, self._few)
        for change, (distance, mixture) in zip(changes, mixtures, strict=True):
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
                self._look_at(around)
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
        self._look_at([change])
        return self._known[change]

    def _look_at(self, changes: Sequence[_Change]) -> None:
        """Mix the classes on scales that were not looked at before."""
        new = [one for one in dict.fromkeys(changes) if one not in self._known]
        if new:
            self._known |= zip(new, self._mix(new, self._described), strict=True)

    def _mix(self, changes: Sequence[_Change], described: Floats) -> list[tuple[float, Floats]]:
        """Mix the classes to the image's histogram on several scales.

        Returns
        -------
        Distance and fractions ``(K + 1,)`` on each.
        """
        seen, beyond = self._assign(changes, described)
        parts = len(self._histograms)
        mixtures = np.full((len(seen), parts), 1 / parts)
        for _ in range(_MIXING_STEPS):  # expectation maximisation
            mixtures *= (seen / (mixtures @ self._histograms)) @ self._histograms.T
        explained = mixtures @ self._histograms
        divergences = rel_entr(seen, explained).sum(axis=1)
        distances = divergences + beyond
        return list(zip(distances.tolist(), mixtures, strict=True))

    def _assign(self, changes: Sequence[_Change], described: Floats) -> tuple[Floats, Floats]:
        """Return the share of each word on some scales, and how far pixels are from all words."""
        scales = (self._reference.scale.moved(b, float(np.exp(c))) for b, c in changes)
        points = np.stack([on_scale(described, scale) for scale in scales])
        nearest, distances = nearest_words((points - self._centre) / self._width, self._words)
        count = len(self._words)
        nearest += count * np.arange(len(changes))[:, None]
        seen = np.bincount(nearest.ravel(), minlength=count * len(changes)).reshape(-1, count)
        beyond = np.clip(distances / self._reference.reach - 1, 0, 3).mean(axis=1)
        return seen / len(described), beyond


def _fractions(mixture: Floats) -> Floats:
    """Return the fractions of the classes, without boundaries."""
    return mixture[:-1] / max(float(mixture[:-1].sum()), 1e-9)


def _differ(one: Floats, other: Floats) -> bool:
    """Whether a class has another fraction."""
    return float(np.abs(one - other).max()) > _OTHER


def _unlikely(change: _Change, usual: _Change) -> float:
    """Return how unlikely a change is, as a squared distance from a usual one."""
    brightness = (change[0] - usual[0]) / _USUAL_BRIGHTNESS
    contrast = (change[1] - usual[1]) / _USUAL_CONTRAST
    return brightness**2 + contrast**2
