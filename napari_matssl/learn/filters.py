"""Classical features of a pixel and its neighbourhood, on three levels of resolution."""

import math

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
    with torch.autocast(images.device.type, enabled=False):
        grey = images.float().mean(dim=1, keepdim=True)
        maps = []
        for level in LEVELS:
            coarse = functional.avg_pool2d(grey, level, ceil_mode=True) if level > 1 else grey
            features = torch.cat([_differential(_smooth(coarse, s)) for s in _SIGMAS], dim=1)
            maps.append(torch.cat([features, features.square()], dim=1))
    return maps


def _smooth(grey: Tensor, sigma: float) -> Tensor:
    """Smooth with a Gaussian; the outermost values go on beyond the edges."""
    radius = math.ceil(3 * sigma)
    places = torch.arange(-radius, radius + 1, dtype=torch.float32, device=grey.device)
    kernel = torch.exp(-0.5 * (places / sigma) ** 2)
    kernel = kernel / kernel.sum()
    rows = functional.pad(grey, (0, 0, radius, radius), mode="replicate")
    smooth = functional.conv2d(rows, kernel[None, None, :, None])
    columns = functional.pad(smooth, (radius, radius, 0, 0), mode="replicate")
    return functional.conv2d(columns, kernel[None, None, None, :])


def _differential(smooth: Tensor) -> Tensor:
    """Value, gradient magnitude, larger and smaller eigenvalue of the Hessian."""
    around = functional.pad(smooth, (1, 1, 1, 1), mode="replicate")
    up, down = around[..., :-2, 1:-1], around[..., 2:, 1:-1]
    left, right = around[..., 1:-1, :-2], around[..., 1:-1, 2:]
    gradient = 0.5 * torch.sqrt((down - up).square() + (right - left).square())
    rows, columns = up + down - 2 * smooth, left + right - 2 * smooth
    mixed = 0.25 * (
        around[..., :-2, :-2] + around[..., 2:, 2:] - around[..., :-2, 2:] - around[..., 2:, :-2]
    )
    mean = 0.5 * (rows + columns)
    spread = torch.sqrt((0.5 * (rows - columns)).square() + mixed.square())
    return torch.cat([smooth, gradient, mean + spread, mean - spread], dim=1)
