"""How images of a folder differ, and an order in which the first ones cover their variety."""

from collections.abc import Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from torch import nn

from napari_matssl.learn.device import Compute
from napari_matssl.learn.device_errors import device_errors
from napari_matssl.learn.encoders import STRIDE
from napari_matssl.learn.magnification import rescale
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.intensity_scaling import fit_intensity_scaling, specimen_values
from napari_matssl.settings import IntensityScalingSettings

_SIDE = 512  # px of the shorter side, as an encoder sees most images

Floats = NDArray[np.float32]


def embed(
    encoder: nn.Module, micrograph: Micrograph, compute: Compute, settings: IntensityScalingSettings
) -> Floats:
    """Describe a micrograph by the mean and the spread of an encoder's feature maps.

    Parameters
    ----------
    encoder
        In evaluation mode, on the device of `compute`.
    micrograph
        Its info bar is left out; it is standardised by itself, so that exposure counts little.

    Returns
    -------
    ``(D,)``: of all channels of all stages but the image itself, mean and standard deviation.

    Raises
    ------
    InputError
        If the image is constant.
    ComputeError
        If memory doesn't suffice.
    """
    channels = "rgb" if micrograph.is_rgb else "grey"
    values = specimen_values(micrograph, channels)
    values = rescale(values, min(1.0, _SIDE / min(values.shape[:2])))
    scaling = fit_intensity_scaling(micrograph, settings, channels)
    image = scaling.standardise(scaling.unit(values))
    beyond = [(0, -side % STRIDE) for side in image.shape[1:]]
    image = np.pad(image, ((0, 0), *beyond), mode="symmetric")
    with device_errors(f"looking at {micrograph.name}"), torch.inference_mode():
        batch = compute.place_images(torch.from_numpy(image)[None].expand(1, 3, -1, -1))
        with compute.autocast():
            stages = [one.float() for one in encoder(batch)[1:] if one.shape[1]]
        parts = [part for one in stages for part in (one.mean(dim=(2, 3)), one.std(dim=(2, 3)))]
        described: Floats = torch.cat(parts, dim=1)[0].cpu().numpy()
    return described


def distances(described: Sequence[Floats]) -> NDArray[np.float64]:
    """Return the distances of images from each other.

    Parameters
    ----------
    described
        ``(D,)`` of each, from :func:`embed`.

    Returns
    -------
    ``(n, n)``; every figure counts in units of its spread over the images, so that two images
    drawn at random are about 1.4 apart.
    """
    table = np.stack(described).astype(np.float64)
    spread = table.std(axis=0)
    table = (table - table.mean(axis=0)) / np.where(spread > 0, spread, 1)
    result: NDArray[np.float64] = cdist(table, table) / np.sqrt(table.shape[1])
    return result


def farthest_first(apart: NDArray[np.float64], known: Collection[int] = ()) -> list[int]:
    """Order images so that each is the one farthest from all before it.

    The greedy solution of the k-centre problem (Gonzalez 1985): after k images, no image is more
    than twice as far from the nearest of them as it need be.

    Parameters
    ----------
    apart
        ``(n, n)`` distances.
    known
        Images that count as covered. If there are none, the most typical image comes first, the
        one with the smallest mean distance to all.

    Returns
    -------
    All images but the known ones.
    """
    nearest = np.full(len(apart), np.inf)
    for one in known:
        nearest = np.minimum(nearest, apart[one])
    order: list[int] = []
    left = [one for one in range(len(apart)) if one not in set(known)]
    while left:
        if order or known:
            chosen = max(left, key=lambda one: (nearest[one], -one))
        else:
            chosen = min(left, key=lambda one: (apart[one].mean(), one))
        order.append(chosen)
        left.remove(chosen)
        nearest = np.minimum(nearest, apart[chosen])
    return order
