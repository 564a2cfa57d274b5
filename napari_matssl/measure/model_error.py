"""The model's own error: class fractions corrected by the confusion on held-out images.

A segmentation that mistakes 5 % of the matrix for carbides finds 5 points too many of them in
every field, and the interval over fields doesn't show it. Held-out images with labels do: of the
pixels that are truly of class t, they give the share that is found as class p.

Notes
-----
With A the mean over the held-out images of the shares ``P(found p | truly t)``, fields of the
fractions f are found as ``q = A^T f`` (the "adjusted count" of quantification under a shift of
prevalence: Gart and Buck 1966, Saerens et al. 2002). So ``f = A^-T q``. Shares are given the true
class, since those do not depend on how frequent each class is; strokes are never in proportion.

Pixels of one image are correlated, so an image counts as one observation. Its shares at a
composition f are ``M_j^T f``; the spread of those over the m held-out images shows how far the mean
of m images and that of the n measured fields, which have shares of their own, may be from that of
all. Fractions x of a class that are further than ``t * sqrt(V(x) * (1 / m + 1 / n))`` from the
corrected one are outside its interval, where V is the variance at the composition with x (Fieller's
way) and t the quantile of Student's distribution. Shares near 0 are skewed; differences are
therefore measured on the scale of log-odds, which mends most of what is lost by that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.special import logit, stdtrit

from napari_matssl.labels.names import few
from napari_matssl.measure.field_statistics import CONFIDENCE

Floats = NDArray[np.float64]

LEAST_PIXELS = 30
"""Held-out pixels of a class from which on an image counts for it."""

_POINTS = 200  # tried on each side of a corrected fraction
_MOST_SKEWED = 1.5  # a spread on the scale of log-odds is changed by this factor at most
_WORST_CONDITION = 100.0  # of A: beyond, errors are magnified so much that nothing is left


@dataclass(frozen=True)
class Correction:
    """Mean class fractions of fields, as found and corrected; NaN where a figure is undefined.

    Parameters
    ----------
    raw
        ``(K,)``, 0 to 1.
    corrected
        ``(K,)``, 0 to 1, sum 1.
    low, high
        ``(K,)``, ends of the 95 % confidence intervals, by the model's error alone.
    reason
        Why figures are undefined, a clause without a subject's name; empty if all are there.
    """

    raw: Floats
    corrected: Floats
    low: Floats
    high: Floats
    reason: str = ""


def correct(
    counts: NDArray[np.integer],
    fractions: Floats,
    names: Sequence[str],
    weights: Floats | None = None,
    independent: int | None = None,
) -> Correction:
    """Correct the mean class fractions of fields by the confusion on held-out images.

    Parameters
    ----------
    counts
        ``(m, K, K)`` pixels of each held-out image: rows truth, columns what was found. A class
        with fewer than :data:`LEAST_PIXELS` pixels in an image is unknown in it.
    fractions
        ``(n, K)``, 0 to 1, sum 1, as found in each field.
    names
        The classes, for reasons.
    weights
        ``(n,)``, sum 1, of the fields in the mean; None weighs them alike.
    independent
        How many of the fields are so, such as one of each specimen; None: all.

    Raises
    ------
    ValueError
        If there is no field, or the shapes disagree.
    """
    classes = len(names)
    if counts.shape[1:] != (classes, classes) or fractions.shape[1:] != (classes,):
        raise ValueError("confusions and fractions are of other classes")
    if not len(fractions):
        raise ValueError("there is no field to correct")
    if weights is None:
        weights = np.full(len(fractions), 1 / len(fractions))
    raw = weights @ fractions
    blank = np.full(classes, np.nan)
    known = counts.sum(axis=2) >= LEAST_PIXELS  # (m, K)
    # What was neither held out nor found plays no part.
    used = known.any(axis=0) | (raw > 0) | (counts.sum(axis=(0, 1)) > 0)
    chosen = [name for name, u in zip(names, used, strict=True) if u]
    if reason := _why_unknown(known[:, used], chosen):
        return Correction(raw, blank, blank, blank, reason)
    number = 1 / (weights**2).sum() if independent is None else independent
    confusion = _Confusion(counts[:, used][:, :, used], known[:, used], number)
    if not confusion.invertible:
        reason = "pixels of different classes are found alike in held-out images"
        return Correction(raw, blank, blank, blank, reason)
    corrected, low, high = np.zeros(classes), np.zeros(classes), np.zeros(classes)
    corrected[used] = confusion.invert(raw[used])
    if reason := confusion.why_no_interval(chosen):
        return Correction(raw, corrected, blank, blank, reason)
    ends = [confusion.interval(k, corrected[used], raw[used]) for k in range(used.sum())]
    low[used], high[used] = np.transpose(ends)
    return Correction(raw, corrected, low, high)


def _why_unknown(known: NDArray[np.bool_], names: Sequence[str]) -> str:
    """Explain why nothing can be corrected; empty if it can."""
    if len(known) == 0:
        return "no labelled image was held out"
    images = known.sum(axis=0).tolist()
    absent = [name for name, count in zip(names, images, strict=True) if not count]
    return f"{few(absent)} {_is(absent)} in no held-out image" if absent else ""


class _Confusion:
    """Confusion on held-out images, and how it varies among them.

    Parameters
    ----------
    counts
        ``(m, K, K)`` pixels.
    known
        ``(m, K)``, which classes are known in which images; each in one at least.
    fields
        How many fields were measured; of unequal weights, as many as vary their mean alike.

    Attributes
    ----------
    shares
        ``(K, K)``, mean share of each true class (rows) that is found as each class.
    invertible
        Whether the shares of the classes differ enough to tell from them what was there.
    """

    def __init__(
        self, counts: NDArray[np.integer], known: NDArray[np.bool_], fields: float
    ) -> None:
        pixels = np.maximum(counts.sum(axis=2, keepdims=True), 1)
        each = np.where(known[:, :, None], counts / pixels, 0)
        images = known.sum(axis=0)
        self.shares: Floats = each.sum(axis=0) / images[:, None]
        self.invertible = bool(np.linalg.cond(self.shares) <= _WORST_CONDITION)
        self._inverse = np.linalg.inv(self.shares) if self.invertible else np.eye(len(self.shares))
        self._images = images
        deviations = np.where(known[:, :, None], each - self.shares, 0)
        # Pairs of classes that are known in the same images; their covariance in one image.
        common = known.T.astype(float) @ known
        joint = np.einsum("jtp,juq->tpuq", deviations, deviations)
        covariance = joint / np.maximum(common - 1, 1)[:, None, :, None]
        # Of the mean of the held-out images, and of that of the measured fields.
        weight = common / np.outer(images, images) + 1 / fields
        self._covariance = covariance * weight[:, None, :, None]

    def invert(self, found: Floats) -> Floats:
        """Return the fractions ``(K,)`` that are most likely found as these."""
        heavy = 1e3  # the sum counts that much more than a class
        rows = np.vstack([self.shares.T, np.full(len(found), heavy)])
        fractions, _ = nnls(rows, np.append(found, heavy))
        result: Floats = fractions / fractions.sum()
        return result

    def why_no_interval(self, names: Sequence[str]) -> str:
        """Explain why there is no interval; empty if there is one."""
        single = [name for name, images in zip(names, self._images, strict=True) if images < 2]
        if single:
            return f"{few(single)} {_is(single)} in one held-out image only"
        if not self._covariance.any():
            return "held-out images show no error, or the same in all"
        return ""

    def interval(self, k: int, corrected: Floats, found: Floats) -> tuple[float, float]:
        """Return the ends of the interval of class k, 0 to 1.

        Parameters
        ----------
        corrected, found
            ``(K,)``, fractions of all classes, sum 1.
        """
        here = float(corrected[k])
        steps = np.linspace(0, 1, _POINTS) ** 2  # dense near the corrected fraction
        below, above = here * (1 - steps), here + (1 - here) * steps
        x = np.concatenate([below[:0:-1], above])  # ascending
        others = np.where(np.arange(len(corrected)) == k, 0, corrected)
        if not others.any():
            others = np.where(np.arange(len(corrected)) == k, 0, 1)
        compositions = np.outer(1 - x, others / others.sum())
        compositions[:, k] = x
        degrees = self._degrees_of_freedom(k, corrected, found)
        quantile = float(stdtrit(degrees, 0.5 + CONFIDENCE / 2))
        reach = quantile * self._spread(k, compositions, found)  # (X,)
        # Without the bounds, a fraction may come out beyond them; but no interval is a point.
        centre = float(found @ self._inverse[:, k])
        most = float(reach[len(below) - 1]) / 2
        centre = min(max(centre, -most), 1 + most)
        beyond = np.abs(x - centre) - reach
        inside = np.flatnonzero(beyond <= 0)
        if not len(inside):
            return here, here
        low, high = _crossing(x, beyond, inside[0], -1), _crossing(x, beyond, inside[-1], 1)
        return min(low, here), max(high, here)

    def _spread(self, k: int, compositions: Floats, found: Floats) -> Floats:
        """Return the standard error ``(X,)`` of class k at each composition ``(X, K)``."""
        gains = self._gains(k, compositions, found)
        size = gains.shape[1] ** 2
        flat = gains.reshape(-1, size)
        variance = np.einsum("xi,xi->x", flat @ self._covariance.reshape(size, size), flat)
        error: Floats = np.sqrt(np.maximum(variance, 0))
        return error

    def _gains(self, k: int, compositions: Floats, found: Floats) -> Floats:
        """Return what class k gains by each share of the confusion ``(X, K, K)``."""
        expected = compositions @ self.shares
        weights = _skewed(found, expected) * self._inverse[:, k]
        gains: Floats = compositions[:, :, None] * weights[:, None, :]
        return gains

    def _degrees_of_freedom(self, k: int, corrected: Floats, found: Floats) -> float:
        """Return m - 1; between those of different classes, by what each brings to the variance."""
        gains = self._gains(k, corrected[None], found)[0]
        parts = np.abs(np.einsum("tp,tpuq,uq->t", gains, self._covariance, gains))
        if not parts.any():
            parts = np.ones(len(parts))
        return float(parts.sum() / (parts / (self._images - 1)).sum())


def _skewed(found: Floats, expected: Floats) -> Floats:
    """Return how much wider a spread is between expected and found shares, on log-odds.

    A difference on the scale of log-odds, in units of a spread at the expected share, is one of
    shares in units of that spread times this factor.
    """
    tiny = 1e-9
    found, expected = (np.clip(one, tiny, 1 - tiny) for one in (found, expected))
    difference = logit(found) - logit(expected)
    same = np.abs(difference) < 1e-6
    slope = np.where(same, 1, found - expected) / np.where(same, 1, difference)
    ratio = np.where(same, 1, slope / (expected * (1 - expected)))
    bounded: Floats = np.clip(ratio, 1 / _MOST_SKEWED, _MOST_SKEWED)
    return bounded


def _crossing(x: Floats, beyond: Floats, last: int, step: int) -> float:
    """Return where the limit lies between the last x inside and the next."""
    following = last + step
    if not 0 <= following < len(x):
        return float(x[last])
    inner, outer = beyond[last], beyond[following]
    return float(x[last] + (x[following] - x[last]) * inner / (inner - outer))


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
