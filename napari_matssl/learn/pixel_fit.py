"""Fitting the pixel classifier to strokes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from napari_matssl.labels.painted import IGNORE_INDEX
from napari_matssl.learn.crops import PreparedImage
from napari_matssl.learn.device import Compute
from napari_matssl.learn.grey_fitting import KnownPixels
from napari_matssl.learn.pixel_classifier import PixelHeads
from napari_matssl.learn.pixel_features import Known, PixelFeatures, look, whole

PIXELS = 3000
"""Painted pixels that are used of each class in each image."""

ITERATIONS = 60
_FLAT = 1e-5
"""Slope of the loss at which an optimum is reached: what is below is float32's noise."""
_LEAST_GAIN = 1e-7  # of the loss by a step, likewise
_L2_CONTEXT, _L2_FILTERS = 0.3, 0.03
_PRIOR_PIXELS = 8_000  # of each image
_PRIOR_STEPS = 2


@dataclass(frozen=True)
class Fitted:
    """What a fit brought beside the weights.

    Parameters
    ----------
    frequencies
        How frequent each class is ``(K,)``, sum 1: counted where most pixels are painted, else
        estimated, see :func:`class_frequencies`.
    pixels
        Painted pixels and others from all over each image.
    known
        Some of what the classifier was fitted to, by the places of the images that were asked for.
    """

    frequencies: Tensor
    pixels: tuple[KnownPixels, ...]
    known: Mapping[int, Known]


def fit(
    encoder: nn.Module,
    heads: PixelHeads,
    images: Sequence[PreparedImage],
    compute: Compute,
    seed: int,
    keep: Collection[int] = (),
    give_back: Collection[int] = (),
) -> Fitted:
    """Fit a classifier's heads to painted pixels, and class frequencies to all pixels.

    Parameters
    ----------
    encoder
        In evaluation mode; stays as it is.
    heads
        Are overwritten.
    images
        Painted micrographs.
    seed
        Which painted pixels are drawn where there are more than :data:`PIXELS`.
    keep
        Channels whose weights stay as they are.
    give_back
        Places of the images whose features are given back.
    """
    random = np.random.default_rng(seed)
    looked = [look_to_fit(encoder, heads, image, compute, random) for image in images]
    counted = counted_frequencies(images, heads.classes)
    return fit_to(heads, looked, counted, keep, give_back)


@dataclass(frozen=True)
class Looked:
    """What a fit takes of one image.

    Parameters
    ----------
    known
        Features of painted pixels, and of others from all over the image.
    positions
        Of both, one after the other, in the flat image.
    """

    known: Known
    positions: NDArray[np.int64]


def look_to_fit(
    encoder: nn.Module,
    heads: PixelHeads,
    image: PreparedImage,
    compute: Compute,
    random: np.random.Generator,
    pixels: int = PIXELS,
    anywhere: int = _PRIOR_PIXELS,
) -> Looked:
    """Look at an image that heads are fitted to.

    Parameters
    ----------
    heads
        Of any weights.
    random
        Draws the pixels.
    pixels, anywhere
        How many are looked at of each class at most, and from all over the image.
    """
    flat = image.targets.ravel()
    points = _draw(flat, random, pixels)
    others = random.choice(flat.size, min(anywhere, flat.size), replace=False)
    known = look(encoder, heads, image, points, others, compute)
    return Looked(known, np.concatenate([points, others]))


def fit_to(
    heads: PixelHeads,
    looked: Sequence[Looked],
    frequencies: Tensor | None,
    keep: Collection[int] = (),
    give_back: Collection[int] = (),
) -> Fitted:
    """Fit a classifier's heads to images that were looked at.

    Parameters
    ----------
    heads, keep, give_back
        As of :func:`fit`.
    frequencies
        Of the classes ``(K,)`` where they are known, as :func:`counted_frequencies` counts them;
        else they are estimated.
    """
    known = [one.known for one in looked]
    solution = solve(known, heads.classes, frequencies)
    fresh = [channel for channel in range(heads.classes) if channel not in keep]
    for group, weight, bias in zip(
        (heads.context, heads.filters), solution.weights, solution.biases, strict=True
    ):
        _write(group, weight, bias, fresh)
    first = heads.context[0]
    assert isinstance(first, nn.Conv2d)
    assert first.bias is not None
    with torch.no_grad():
        first.bias[fresh] += solution.frequencies.log().to(first.bias.device)[fresh]
    sure = [np.eye(heads.classes, dtype=np.float32)[one.truth] for one in known]
    likely = [solution.logits(one.anywhere).softmax(dim=1).numpy() for one in known]
    places = (one.positions for one in looked)
    pixels = (
        KnownPixels(at, np.concatenate(pair), painted=len(pair[0]))
        for at, *pair in zip(places, sure, likely, strict=True)
    )
    return Fitted(solution.frequencies, tuple(pixels), {n: known[n].thinned() for n in give_back})


@dataclass(frozen=True)
class Solution:
    """A fitted classifier.

    Parameters
    ----------
    weights
        ``(C, K)`` for features of the encoder, ``(F, K)`` for those of filters.
    biases
        ``(K,)`` of both.
    frequencies
        See :class:`Fitted`.
    """

    weights: tuple[Tensor, Tensor]
    biases: tuple[Tensor, Tensor]
    frequencies: Tensor

    def logits(self, pixels: PixelFeatures) -> Tensor:
        """Return the logits ``(n, K)`` of some pixels."""
        groups = zip((pixels.context, pixels.filters), self.weights, self.biases, strict=True)
        # A short inner axis takes twice the time.
        context, filters = (
            torch.addmm(bias[:, None], weight.T, one.T) for one, weight, bias in groups
        )
        return (context + filters + self.frequencies.log()[:, None]).T


def solve(
    images: Sequence[Known],
    classes: int,
    frequencies: Tensor | None = None,
    iterations: int = ITERATIONS,
) -> Solution:
    """Find the weights of a classifier that suit painted pixels best.

    Parameters
    ----------
    images
        To learn from.
    classes
        Number of channels of the logits.
    frequencies
        Of the classes ``(K,)``, where they are known; else they are estimated.
    iterations
        Of the optimiser at most.
    """
    painted = PixelFeatures.together([one.painted for one in images])
    truth = torch.cat([one.truth for one in images])
    groups = ((painted.context, _L2_CONTEXT), (painted.filters, _L2_FILTERS))
    found = [_logistic_regression(seen, truth, classes, l2, iterations) for seen, l2 in groups]
    (context, context_bias), (filters, filters_bias) = found
    alike = Solution((context, filters), (context_bias, filters_bias), torch.ones(classes))
    if frequencies is None:
        anywhere = torch.cat([alike.logits(one.anywhere) for one in images])
        frequencies = class_frequencies(anywhere, _PRIOR_STEPS)
    return replace(alike, frequencies=frequencies)


def classify(
    encoder: nn.Module, heads: PixelHeads, image: PreparedImage, compute: Compute
) -> NDArray[np.uint8]:
    """Classify every pixel of an image by fitted heads ``(H, W)``."""
    return score(encoder, heads, image, compute).max(dim=0).indices.to("cpu", torch.uint8).numpy()


def score(encoder: nn.Module, heads: PixelHeads, image: PreparedImage, compute: Compute) -> Tensor:
    """Return the logits ``(K, H, W)`` of every pixel of an image by fitted heads."""
    images = whole(image, compute)
    with torch.no_grad(), compute.autocast():
        logits: Tensor = heads(encoder(images), images)
    height, width = image.targets.shape
    return logits[0, :, :height, :width]


def counted_frequencies(images: Sequence[PreparedImage], classes: int) -> Tensor | None:
    """Count class frequencies; None where most pixels are unpainted."""
    targets = np.concatenate([image.targets.ravel() for image in images])
    counts = np.bincount(targets, minlength=IGNORE_INDEX + 1)
    if counts[IGNORE_INDEX] > 0.5 * len(targets):
        return None
    shares = torch.from_numpy(counts[:classes] / counts[:classes].sum()).float().clamp(min=1e-5)
    return shares / shares.sum()


def class_frequencies(logits: Tensor, steps: int) -> Tensor:
    """Estimate class frequencies, from a classifier that was fitted to equal ones.

    Parameters
    ----------
    logits
        ``(n, K)`` of a classifier that was fitted with equal weight for each class.
    steps
        Of expectation maximisation (Saerens, Latinne and Decaestecker 2002). It converges to the
        most likely frequencies, but a rare class may then vanish where the classifier is
        overconfident; few steps stay between equal frequencies and those.

    Returns
    -------
    ``(K,)``, sum 1, none below 1e-5.
    """
    frequencies = torch.full((logits.shape[1],), 1 / logits.shape[1])
    for _ in range(steps):
        found = (logits + frequencies.log()).softmax(dim=1).mean(dim=0).clamp(min=1e-5)
        frequencies = found / found.sum()
    return frequencies


def _draw(flat: NDArray[np.uint8], random: np.random.Generator, most: int) -> NDArray[np.int64]:
    """Positions of at most so many painted pixels of each class."""
    points = []
    for channel in np.unique(flat[flat != IGNORE_INDEX]):
        own = np.flatnonzero(flat == channel)
        points.append(random.choice(own, most, replace=False) if len(own) > most else own)
    return np.concatenate(points) if points else np.empty(0, dtype=np.int64)


def _logistic_regression(
    features: Tensor, targets: Tensor, classes: int, l2: float, iterations: int
) -> tuple[Tensor, Tensor]:
    """Fit a multinomial logistic regression in which every class that occurs weighs alike.

    Returns
    -------
    Weights ``(C, K)`` and biases ``(K,)`` for the features as they are given; `l2` punishes the
    squared weights of features scaled to spread 1.
    """
    mean = features.mean(dim=0)
    scaled = features - mean
    # Not by std(), which takes fifteen times as long along the first axis.
    spread = (scaled.square().sum(dim=0) / max(len(scaled) - 1, 1)).sqrt().clamp(min=1e-4)
    scaled /= spread
    balance = 1 / torch.bincount(targets, minlength=classes).clamp(min=1).float()
    shares = balance[targets] / balance[targets].sum()
    truth = functional.one_hot(targets, classes).T * shares
    weight, bias = torch.zeros(classes, features.shape[1]), torch.zeros(classes)
    optimiser = torch.optim.LBFGS(
        [weight, bias],
        max_iter=iterations,
        tolerance_grad=_FLAT,
        tolerance_change=_LEAST_GAIN,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        likely = torch.addmm(bias[:, None], weight, scaled.T).log_softmax(dim=0)
        # By hand, so that the long axis stays the inner one: a third of autograd's time.
        slope = likely.exp() * shares - truth
        weight.grad = torch.addmm(weight, slope, scaled, beta=2 * l2)
        bias.grad = slope.sum(dim=1)
        return l2 * weight.square().sum() - (likely * truth).sum()

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    unscaled = (weight / spread).T
    return unscaled, bias - mean @ unscaled


def _write(heads: nn.ModuleList, weight: Tensor, bias: Tensor, fresh: list[int]) -> None:
    """Divide the weights of these channels among the heads; the first takes the bias."""
    start = 0
    with torch.no_grad():
        for number, head in enumerate(heads):
            assert isinstance(head, nn.Conv2d)
            part = weight[start : start + head.in_channels]
            start += head.in_channels
            head.weight[fresh] = part.T[fresh, :, None, None].to(head.weight.device)
            assert head.bias is not None
            own = bias if number == 0 else torch.zeros_like(bias)
            head.bias[fresh] = own[fresh].to(head.bias.device)
