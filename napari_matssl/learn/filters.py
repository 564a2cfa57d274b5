"""Classical features of a pixel and its neighbourhood, on three levels of resolution."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

LEVELS = (1, 4, 16)
"""Pixels of the image per pixel of a level, along one side."""

_SIGMAS = (0.7, 1.4)  # of each level, in its own px: 0.7 to 22 px of the image

FEATURES = 8 * len(_SIGMAS)
"""Of each level."""


def filter_maps(images: Tensor) -> list[Tensor]:
    """Smooth, find edges and ridges, at six widths from 0.7 to 22 px.

    Parameters
    ----------
    images
        ``(N, C, H, W)`` standardised; channels are averaged.

    Returns
    -------
    One map ``(N, FEATURES, H / level, W / level)`` float32 per entry of :data:`LEVELS`. For each
    width: the smoothed grey value, the magnitude of its gradient, both eigenvalues of its Hessian,
    and the squares of these four. The squares let a linear classifier ask for a band of values.
    """
    # Never in mixed precision: bfloat16 can't separate neighbouring grey values.
    with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
        grey = images.float().mean(dim=1, keepdim=True)
        if torch.jit.is_tracing():  # type: ignore[attr-defined,no-untyped-call]
            return [_traced_map(grey, level) for level in LEVELS]
        maps = []
        for level in LEVELS:
            coarse = functional.avg_pool2d(grey, level, ceil_mode=True) if level > 1 else grey
            count, _, height, width = coarse.shape
            features = coarse.new_empty(count, FEATURES, height, width)
            plain, squares = features.chunk(2, dim=1)
            for sigma, found in zip(_SIGMAS, plain.chunk(len(_SIGMAS), dim=1), strict=True):
                _differential(_smooth(coarse, sigma), found)
            torch.square(plain, out=squares)
            maps.append(features)
    return maps


def _smooth(grey: Tensor, sigma: float) -> Tensor:
    """Smooth with a Gaussian; the outermost values go on beyond the edges."""
    radius = math.ceil(3 * sigma)
    weights = [math.exp(-0.5 * (place / sigma) ** 2) for place in range(radius + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    weights = [weight / total for weight in weights]
    rows = _weighted(functional.pad(grey, (0, 0, radius, radius), mode="replicate"), weights, 2)
    return _weighted(functional.pad(rows, (radius, radius, 0, 0), mode="replicate"), weights, 3)


def _weighted(padded: Tensor, weights: Sequence[float], dim: int) -> Tensor:
    """Add up neighbours on both sides: two to ten times as fast as a convolution."""
    radius = len(weights) - 1
    length = padded.shape[dim] - 2 * radius
    total = padded.narrow(dim, radius, length) * weights[0]
    for place, weight in enumerate(weights[1:], start=1):
        before = padded.narrow(dim, radius - place, length)
        total.add_(before + padded.narrow(dim, radius + place, length), alpha=weight)
    return total


def _differential(smooth: Tensor, found: Tensor) -> None:
    """Write value, gradient magnitude, larger and smaller eigenvalue of the Hessian.

    From ``(N, 1, H, W)`` into ``(N, 4, H, W)``.
    """
    around = functional.pad(smooth, (1, 1, 1, 1), mode="replicate")
    up, down = around[..., :-2, 1:-1], around[..., 2:, 1:-1]
    left, right = around[..., 1:-1, :-2], around[..., 1:-1, 2:]
    value, gradient, larger, smaller = found.chunk(4, dim=1)
    value.copy_(smooth)
    slope = (down - up).square_().add_((right - left).square_())
    torch.mul(slope.sqrt_(), 0.5, out=gradient)
    rows = (up + down).sub_(smooth, alpha=2)
    columns = (left + right).sub_(smooth, alpha=2)
    mixed = around[..., :-2, :-2] + around[..., 2:, 2:]
    mixed = mixed.sub_(around[..., :-2, 2:]).sub_(around[..., 2:, :-2]).mul_(0.25)
    mean = (rows + columns).mul_(0.5)
    spread = rows.sub_(columns).mul_(0.5).square_().add_(mixed.square_()).sqrt_()
    torch.add(mean, spread, out=larger)
    torch.sub(mean, spread, out=smaller)


def _traced_map(grey: Tensor, level: int) -> Tensor:
    """Return the map of a level by plain operations, as exporters follow no writing into parts."""
    coarse = functional.avg_pool2d(grey, level) if level > 1 else grey
    plain = torch.cat([one for sigma in _SIGMAS for one in _traced_features(coarse, sigma)], dim=1)
    return torch.cat([plain, plain.square()], dim=1)


def _traced_features(coarse: Tensor, sigma: float) -> tuple[Tensor, ...]:
    """Return what :func:`_smooth` and :func:`_differential` find."""
    radius = math.ceil(3 * sigma)
    places = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (places / sigma) ** 2)
    weights = (weights / weights.sum()).float()[None, None, None]
    padded = functional.pad(coarse, (radius,) * 4, mode="replicate")
    smooth = functional.conv2d(functional.conv2d(padded, weights.mT), weights)
    around = functional.pad(smooth, (1, 1, 1, 1), mode="replicate")
    up, down = around[..., :-2, 1:-1], around[..., 2:, 1:-1]
    left, right = around[..., 1:-1, :-2], around[..., 1:-1, 2:]
    gradient = ((down - up).square() + (right - left).square()).sqrt() * 0.5
    rows, columns = up + down - 2 * smooth, left + right - 2 * smooth
    falling = around[..., :-2, :-2] + around[..., 2:, 2:]
    mixed = (falling - around[..., :-2, 2:] - around[..., 2:, :-2]) * 0.25
    mean = (rows + columns) * 0.5
    spread = (((rows - columns) * 0.5).square() + mixed.square()).sqrt()
    return smooth, gradient, mean + spread, mean - spread
