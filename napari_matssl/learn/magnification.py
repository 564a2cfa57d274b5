"""Magnification of images before a network."""

import math
import statistics
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize

from napari_matssl.errors import InputError
from napari_matssl.learn.card import LARGEST_MAGNIFICATION_RATIO, ModelCard
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.intensity_scaling import exact_type
from napari_matssl.micrograph.panorama import AnyMicrograph
from napari_matssl.micrograph.structure_size import correlation_length

MOST_MAGNIFICATION = 16.0
"""Images are never resampled by more than this to the um/px of the model."""

_WORKING_SIDE, _LARGEST_SIDE = 512, 1024
_FINEST = 8  # px of the network over which grey values should be alike


def magnification(card: ModelCard, micrograph: AnyMicrograph) -> float:
    """Network px per image px: the model's scale, corrected for another um/px if both are known.

    Raises
    ------
    InputError
        If the pixel sizes differ by so much that one of them must be wrong.
    """
    if micrograph.pixel_size is None or card.pixel_size_um is None:
        return card.scale
    ratio = micrograph.pixel_size.mean_um / card.pixel_size_um
    if max(ratio, 1 / ratio) > MOST_MAGNIFICATION:
        raise InputError(
            f"{micrograph.name} has {micrograph.pixel_size.in_words} "
            f"({micrograph.pixel_size.source}), the model was trained at "
            f"{card.pixel_size_um:.4g} µm/px.",
            "Check the pixel size of the image, or use a model for this magnification.",
        )
    return card.scale * ratio


def warn_of_magnification(micrograph: AnyMicrograph, card: ModelCard) -> str:
    """Warn of an image of quite another um/px than the model was trained at, else ``""``."""
    trained = card.pixel_size_um
    if micrograph.pixel_size is None or trained is None:
        return ""
    ratio = micrograph.pixel_size.mean_um / trained
    if max(ratio, 1 / ratio) <= LARGEST_MAGNIFICATION_RATIO:
        return ""
    return (
        f"{micrograph.name}: {micrograph.pixel_size.in_words}, but the model was "
        f"trained at {trained:.4g}: its masks are less reliable."
    )


def rescale(pixels: NDArray[np.generic], scale: float) -> NDArray[np.generic]:
    """Resample an image ``(H, W)`` or ``(H, W, 3)`` bilinearly, without aliasing.

    The result is float32 (float64 for values that float32 would round), or the very same array
    where the size doesn't change.
    """
    height, width = rescaled_size((pixels.shape[0], pixels.shape[1]), scale)
    return resized(pixels, height, width)


def rescaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Return height and width of an image that is resampled."""
    height, width = (max(1, round(side * scale)) for side in size)
    return height, width


def resized(pixels: NDArray[np.generic], height: int, width: int) -> NDArray[np.generic]:
    """Resample an image to a size, as :func:`rescale`."""
    if (height, width) == pixels.shape[:2]:
        return pixels
    planes = pixels.astype(exact_type(pixels.dtype))
    planes = planes[None] if planes.ndim == 2 else planes.transpose(2, 0, 1)
    stored = torch.from_numpy(np.ascontiguousarray(planes))
    done = resize(stored, [height, width], InterpolationMode.BILINEAR, antialias=True).numpy()
    back: NDArray[np.generic] = done[0] if pixels.ndim == 2 else done.transpose(1, 2, 0)
    return back


def automatic_scale(micrographs: Sequence[Micrograph]) -> float:
    """Magnification that suits the structure in the images, at most 1.

    The median image's shorter side becomes about 512 px, so that a crop shows a good part of the
    image; larger where the structure is so fine that it would be wiped out: the distance at which
    the autocovariance has fallen to a half is kept at 8 px, but the shorter side is at most
    1024 px, for the time it takes. Measured in benchmarks/NOTES.md.
    """
    side = statistics.median(min(m.specimen.shape[:2]) for m in micrographs)
    usual = _WORKING_SIDE / side
    if usual >= 1:
        return 1.0
    longest = math.ceil(_FINEST / usual)
    length = statistics.median(correlation_length(one, longest) for one in micrographs)
    fine = min(_FINEST / length, _LARGEST_SIDE / side)
    return float(min(1.0, max(0.1, usual, fine)))


def common_pixel_size(micrographs: Sequence[Micrograph]) -> float | None:
    """Median um/px, None unless all images are calibrated."""
    sizes = [m.pixel_size.mean_um for m in micrographs if m.pixel_size is not None]
    return statistics.median(sizes) if sizes and len(sizes) == len(micrographs) else None
