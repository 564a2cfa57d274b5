"""Intensity scaling: from stored grey values to the input of a network, image by image.

Training and prediction use the same function, with the settings stored in the model card.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_matssl.errors import InputError
from napari_matssl.micrograph.image import LUMINANCE, Micrograph
from napari_matssl.micrograph.panorama import AnyMicrograph, sample_of
from napari_matssl.settings import IntensityScalingSettings

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)

SMALLEST_SPREAD = 1e-3
"""Of values from 0 to 1; an image of less contrast isn't stretched further."""

_FEWEST_NUMBERS = 0.01  # smallest share of finite pixels in the specimen
_SAMPLE = 1 << 21  # pixels for percentiles, mean and spread


@dataclass(frozen=True)
class IntensityScaling:
    """The intensity scaling of one image.

    ``unit`` maps stored values to 0..1 (black..white), on which augmentation works;
    ``standardise`` maps those to the input of the network.

    Parameters
    ----------
    low, high
        Stored values that become 0 and 1; values beyond are clipped.
    mean, std
        Per channel ``(C,)``, of the values from 0 to 1.
    """

    low: float
    high: float
    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    def unit(self, pixels: NDArray[np.generic]) -> NDArray[np.float32]:
        """Map pixels ``(H, W)`` or ``(H, W, 3)`` to ``(C, H, W)`` from 0 to 1.

        NaN becomes the image's mean.
        """
        exact: NDArray[np.floating[Any]] = pixels.astype(exact_type(pixels.dtype))
        values = (exact - self.low) / (self.high - self.low)
        planes = values[None] if values.ndim == 2 else values.transpose(2, 0, 1)
        clipped: NDArray[np.float32] = np.clip(planes, 0.0, 1.0).astype(np.float32, copy=False)
        if pixels.dtype.kind == "f" and np.isnan(clipped).any():
            clipped = np.where(np.isnan(clipped), self.mean[:, None, None], clipped)
        return clipped

    def standardise(self, unit: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map values from 0 to 1 ``(C, H, W)`` to the network's input, of equal shape.

        One grey channel with ImageNet's three constants becomes three channels.
        """
        standard: NDArray[np.float32] = (unit - self.mean[:, None, None]) / self.std[:, None, None]
        return standard


def fit_intensity_scaling(
    image: AnyMicrograph, settings: IntensityScalingSettings, channels: str
) -> IntensityScaling:
    """Fit the intensity scaling of an image to its specimen area, the info bar left out.

    About two million pixels from all over it are enough.

    Raises
    ------
    InputError
        If the image is constant, holds hardly any numbers, or has values that are not finite
        without a mask of them.
    """
    micrograph = sample_of(image)
    if micrograph.analysable is None and not _all_finite(micrograph.specimen):
        raise InputError(
            f"{micrograph.name} has pixels that are not finite numbers (NaN or infinity).",
            "Replace them or leave the image out.",
        )
    analysable = micrograph.specimen_analysable
    if analysable is not None and analysable.mean() < _FEWEST_NUMBERS:
        raise InputError(
            f"{micrograph.name} holds hardly any numbers: {100 * (1 - analysable.mean()):.4g} % of "
            "its pixels are NaN or infinite.",
            "Leave the image out.",
        )
    sample = _sample(as_channels(micrograph.specimen, channels), analysable)
    if settings.kind == "imagenet":
        low, high = _full_range(micrograph.pixels, sample)
    else:
        low, high = (
            float(v) for v in np.percentile(sample, (settings.low_percent, settings.high_percent))
        )
        if high <= low:  # percentiles coincide if there are few bright particles on black
            low, high = float(sample.min()), float(sample.max())
    if high <= low:
        raise InputError(
            f"{micrograph.name} is constant: all its pixels are {low:.10g}.",
            "Leave the image out.",
        )
    if settings.kind == "imagenet":
        return IntensityScaling(low, high, IMAGENET_MEAN, IMAGENET_STD)
    unit = np.clip((sample - low) / (high - low), 0, 1).reshape(len(sample), -1)  # (n, C)
    # One spread for all channels keeps colours. A mean per channel removes the lamp's tint.
    spread = float(np.sqrt(unit.var(axis=0).mean()))
    mean = unit.mean(axis=0).astype(np.float32)
    return IntensityScaling(low, high, mean, np.full_like(mean, max(spread, SMALLEST_SPREAD)))


class SpecimenValues:
    """The values of a specimen as a network takes them, with numbers everywhere.

    Pixels that are not analysed take the median of the rest, so that they don't spread when the
    image is resampled.

    Parameters
    ----------
    image
        Read by rows as they are asked for.
    channels
        As for :func:`as_channels`.
    """

    def __init__(self, image: AnyMicrograph, channels: str) -> None:
        self._image, self._channels = image, channels
        height, width = image.specimen_shape[:2]
        self.shape = (height, width)
        self.kind = exact_type(sample_of(image).pixels.dtype)

    def rows(self, start: int, stop: int) -> NDArray[np.generic]:
        """Return some rows, ``(h, W)`` or ``(h, W, 3)``."""
        pixels = as_channels(self._image.specimen_rows(start, stop), self._channels)
        analysable = self._image.analysable_rows(start, stop)
        if analysable is None or analysable.all():
            return pixels
        filled: NDArray[np.generic] = np.where(
            analysable if pixels.ndim == 2 else analysable[..., None],
            pixels,
            self._usual.astype(pixels.dtype),
        )
        return filled

    @cached_property
    def _usual(self) -> NDArray[np.floating[Any]]:
        sample = sample_of(self._image)
        pixels = as_channels(sample.specimen, self._channels)
        usual: NDArray[np.floating[Any]] = np.median(
            _sample(pixels, sample.specimen_analysable), axis=0
        )
        return usual


def specimen_values(micrograph: Micrograph, channels: str) -> NDArray[np.generic]:
    """Return all of :class:`SpecimenValues`."""
    values = SpecimenValues(micrograph, channels)
    return values.rows(0, values.shape[0])


def sample_step(height: int, width: int) -> int:
    """Return of which every row and column statistics of an image are made."""
    return max(1, int(np.sqrt(height * width / _SAMPLE)))


def exact_type(dtype: np.dtype[Any]) -> type[np.float32] | type[np.float64]:
    """Return the type to compute in with stored values, so that small differences aren't lost."""
    wide = dtype.itemsize > (4 if dtype.kind == "f" else 2)
    return np.float64 if wide else np.float32


def as_channels(pixels: NDArray[np.generic], channels: str) -> NDArray[np.generic]:
    """Return ``(H, W)``, the luminance, for ``"grey"`` models; ``(H, W, 3)`` for ``"rgb"``."""
    if channels == "grey" and pixels.ndim == 3:
        kind = exact_type(pixels.dtype)
        grey: NDArray[np.generic] = pixels.astype(kind) @ LUMINANCE.astype(kind)
        return grey
    if channels == "rgb" and pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    return pixels


def _sample(
    pixels: NDArray[np.generic], analysable: NDArray[np.bool_] | None
) -> NDArray[np.floating[Any]]:
    """Return every k-th pixel in both directions that is a number, ``(n,)`` or ``(n, 3)``."""
    step = sample_step(pixels.shape[0], pixels.shape[1])
    sampled = pixels[::step, ::step]
    values: NDArray[np.generic] = (
        sampled.reshape(-1, *sampled.shape[2:])
        if analysable is None
        else sampled[analysable[::step, ::step]]
    )
    exact: NDArray[np.floating[Any]] = values.astype(exact_type(values.dtype))
    return exact


def _all_finite(pixels: NDArray[np.generic]) -> bool:
    """Whether every pixel is a finite number; row by row, for the memory's sake."""
    if not np.issubdtype(pixels.dtype, np.floating):
        return True
    return all(np.isfinite(row.astype(np.float64)).all() for row in pixels)


def _full_range(
    pixels: NDArray[np.generic], sample: NDArray[np.floating[Any]]
) -> tuple[float, float]:
    """Return 0 and 255 for 8-bit images; of others, which rarely fill their range, min and max.

    A constant image has no range in either case.
    """
    low, high = float(sample.min()), float(sample.max())
    if pixels.dtype == np.uint8 and high > low:
        return 0.0, 255.0
    return low, high
