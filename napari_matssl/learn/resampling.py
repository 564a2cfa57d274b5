"""Resampling and blurring each image of a batch in its own way, by products of matrices.

Both are linear and separable: an image becomes ``R @ image @ C.T``. That takes one call for a
whole batch on any device, where filters of torchvision take one for each image.
"""

import torch
from torch import Tensor


def apply_separable(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Apply a matrix to the rows and another to the columns of each image.

    Parameters
    ----------
    images
        ``(N, C, H, W)``.
    rows, columns
        ``(N, h, H)`` and ``(N, w, W)``.

    Returns
    -------
    ``(N, C, h, w)``, in the precision of `images`.
    """
    with torch.autocast(images.device.type, enabled=False):
        return rows[:, None].to(images) @ images @ columns[:, None].to(images).mT


def resampling(start: Tensor, length: Tensor, source: int, target: int) -> Tensor:
    """Return matrices that resample a part of a line, by linear interpolation without aliasing.

    Each sample is the mean of its surroundings, weighted by a triangle whose half-width is one
    source pixel, or the distance of samples where that is more: what
    :func:`torch.nn.functional.interpolate` does with ``antialias=True``.

    Parameters
    ----------
    start, length
        ``(N,)``, of the parts in source pixels; parts lie inside the line.
    source, target
        Pixels before and after.

    Returns
    -------
    ``(N, target, source)``, rows add up to 1.
    """
    step = length / target  # (N,)
    centres = start[:, None] + (torch.arange(target) + 0.5) * step[:, None]  # (N, target)
    distance = (torch.arange(source) + 0.5 - centres[:, :, None]).abs()
    weights = (1 - distance / step.clamp(min=1)[:, None, None]).clamp(min=0)
    return weights / weights.sum(dim=2, keepdim=True)


def blurring(sigma: Tensor, radius: int, side: int) -> Tensor:
    """Return matrices that blur lines by Gaussians; lines are mirrored at their ends.

    Parameters
    ----------
    sigma
        ``(N,)`` in px; 0 gives the unit matrix.
    radius
        Where the Gaussians are cut off, px, less than `side`.
    side
        Pixels of a line.

    Returns
    -------
    ``(N, side, side)``, rows add up to 1.
    """
    offsets = torch.arange(-radius, radius + 1)  # (2 radius + 1,)
    kernel = torch.exp(-0.5 * (offsets / sigma.clamp(min=1e-6)[:, None]) ** 2)
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    places = torch.arange(side)[:, None] + offsets  # (side, 2 radius + 1), beyond the ends, too
    places = (side - 1 - (side - 1 - places.abs()).abs()).expand(len(sigma), -1, -1)
    matrices = torch.zeros(len(sigma), side, side)
    return matrices.scatter_add_(2, places, kernel[:, None].expand_as(places))
