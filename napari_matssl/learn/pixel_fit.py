"""Fitting the pixel classifier to strokes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from napari_matssl.labels.painted import IGNORE_INDEX
from napari_matssl.learn.crops import PreparedImage
from napari_matssl.learn.device import Compute
from napari_matssl.learn.encoders import STRIDE
from napari_matssl.learn.filters import filter_maps
from napari_matssl.learn.grey_fitting import KnownPixels
from napari_matssl.learn.pixel_classifier import PixelHeads

PIXELS = 3000
"""Painted pixels that are used of each class in each image."""

_L2_CONTEXT, _L2_FILTERS = 0.3, 0.03
_ITERATIONS = 60
_PRIOR_PIXELS = 20_000  # of each image
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
    """

    frequencies: Tensor
    pixels: tuple[KnownPixels, ...]


def fit(
    encoder: nn.Module,
    heads: PixelHeads,
    images: Sequence[PreparedImage],
    compute: Compute,
    seed: int,
    keep: Collection[int] = (),
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
    """
    random = np.random.default_rng(seed)
    painted, anywhere, targets, positions = [], [], [], []
    for image in images:
        flat = image.targets.ravel()
        points = _draw(flat, random)
        others = random.choice(flat.size, min(_PRIOR_PIXELS, flat.size), replace=False)
        features = _features(encoder, heads, image, np.concatenate([points, others]), compute)
        painted.append([f[: len(points)] for f in features])
        anywhere.append([f[len(points) :] for f in features])
        targets.append(torch.from_numpy(flat[points].astype(np.int64)))
        positions.append(np.concatenate([points, others]))
    truth = torch.cat(targets)
    fresh = [channel for channel in range(heads.classes) if channel not in keep]
    logits: Tensor = torch.zeros(())
    groups = ((heads.context, _L2_CONTEXT), (heads.filters, _L2_FILTERS))
    for own, (group, l2) in enumerate(groups):
        known = torch.cat([one[own] for one in painted])
        weight, bias = _logistic_regression(known, truth, heads.classes, l2)
        _write(group, weight, bias, fresh)
        logits = logits + torch.cat([one[own] for one in anywhere]) @ weight + bias
    frequencies = _counted(images, heads.classes)
    if frequencies is None:
        frequencies = class_frequencies(logits, _PRIOR_STEPS)
    first = heads.context[0]
    assert isinstance(first, nn.Conv2d)
    assert first.bias is not None
    with torch.no_grad():
        first.bias[fresh] += frequencies.log().to(first.bias.device)[fresh]
    sure = [np.eye(heads.classes, dtype=np.float32)[one] for one in targets]
    ends = np.cumsum([len(one[0]) for one in anywhere])[:-1]
    likely = (logits + frequencies.log()).softmax(dim=1).numpy()
    pixels = (
        KnownPixels(places, np.concatenate(pair), painted=len(pair[0]))
        for places, *pair in zip(positions, sure, np.split(likely, ends), strict=True)
    )
    return Fitted(frequencies, tuple(pixels))


def classify(
    encoder: nn.Module, heads: PixelHeads, image: PreparedImage, compute: Compute
) -> NDArray[np.uint8]:
    """Classify every pixel of an image by fitted heads ``(H, W)``."""
    return score(encoder, heads, image, compute).argmax(dim=0).to("cpu", torch.uint8).numpy()


def score(encoder: nn.Module, heads: PixelHeads, image: PreparedImage, compute: Compute) -> Tensor:
    """Return the logits ``(K, H, W)`` of every pixel of an image by fitted heads."""
    images = _whole(image, compute)
    with torch.no_grad(), compute.autocast():
        logits: Tensor = heads(encoder(images), images)
    height, width = image.targets.shape
    return logits[0, :, :height, :width]


def _counted(images: Sequence[PreparedImage], classes: int) -> Tensor | None:
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


def _draw(flat: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.int64]:
    """Positions of at most PIXELS painted pixels of each class."""
    points = []
    for channel in np.unique(flat[flat != IGNORE_INDEX]):
        own = np.flatnonzero(flat == channel)
        points.append(random.choice(own, PIXELS, replace=False) if len(own) > PIXELS else own)
    return np.concatenate(points) if points else np.empty(0, dtype=np.int64)


def _features(
    encoder: nn.Module,
    heads: PixelHeads,
    image: PreparedImage,
    points: NDArray[np.int64],
    compute: Compute,
) -> tuple[Tensor, Tensor]:
    """Features at flat positions ``(n,)``: of the encoder ``(n, C)``, of filters ``(n, F)``."""
    images = _whole(image, compute)
    with torch.no_grad(), compute.autocast():
        groups = (heads.pick(encoder(images)), filter_maps(images))
    width = image.targets.shape[1]
    rows, columns = (torch.from_numpy(place) for place in np.divmod(points, width))
    places = torch.stack([(columns + 0.5) / images.shape[3], (rows + 0.5) / images.shape[2]], 1)
    grid = compute.move((2 * places - 1).float())[None, :, None]  # (1, n, 1, 2)
    sampled = [
        torch.cat([sample(one, grid) for one in group], dim=1)[0, :, :, 0].T.cpu()
        for group in groups
    ]
    return sampled[0], sampled[1]


def sample(maps: Tensor, grid: Tensor) -> Tensor:
    """Interpolate maps at places; beyond the middles of the outermost pixels, those count.

    That is ``grid_sample`` with ``padding_mode="border"``, which PyTorch before 2.13 lacks on Apple
    GPUs: there, the places are moved to the border instead.

    Parameters
    ----------
    maps
        ``(N, C, H, W)``.
    grid
        ``(N, n, 1, 2)``: x and y from -1 to 1, the outer edges of the maps.

    Returns
    -------
    ``(N, C, n, 1)``.
    """
    size = torch.tensor([maps.shape[3], maps.shape[2]], device=grid.device)
    middle = 1 - 1 / size  # of the outermost pixels
    return functional.grid_sample(
        maps, grid.clamp(-middle, middle), padding_mode="zeros", align_corners=False
    )


def _whole(image: PreparedImage, compute: Compute) -> Tensor:
    """Standardise an image and mirror it up to a size that an encoder takes ``(1, 3, H, W)``."""
    values = image.scaling.standardise(image.unit)
    beyond = [-side % STRIDE for side in values.shape[1:]]
    values = np.pad(values, ((0, 0), (0, beyond[0]), (0, beyond[1])), mode="symmetric")
    return compute.place_images(torch.from_numpy(values)[None].expand(1, 3, -1, -1))


def _logistic_regression(
    features: Tensor, targets: Tensor, classes: int, l2: float
) -> tuple[Tensor, Tensor]:
    """Fit a multinomial logistic regression in which every class that occurs weighs alike.

    Returns
    -------
    Weights ``(C, K)`` and biases ``(K,)`` for the features as they are given; `l2` punishes the
    squared weights of features scaled to spread 1.
    """
    mean, spread = features.mean(dim=0), features.std(dim=0).clamp(min=1e-4)
    scaled = (features - mean) / spread
    counts = torch.bincount(targets, minlength=classes).clamp(min=1).float()
    weight = torch.zeros(features.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=_ITERATIONS, history_size=10, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        entropy = functional.cross_entropy(scaled @ weight + bias, targets, weight=1 / counts)
        total = entropy + l2 * weight.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    unscaled = weight.detach() / spread[:, None]
    return unscaled, bias.detach() - mean @ unscaled


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
