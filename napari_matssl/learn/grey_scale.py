"""The intensity scaling of an image for a model: its own, or matched to the painted images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_matssl.labels.painted import IGNORE_INDEX
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.crops import PreparedImage
from napari_matssl.learn.grey_fitting import KnownPixels, fit_reference
from napari_matssl.learn.grey_matching import Match, match
from napari_matssl.learn.grey_reference import GreyReference, GreyScale
from napari_matssl.learn.grey_words import Floats, describe_some
from napari_matssl.learn.magnification import magnification, rescale
from napari_matssl.learn.of_images import OfImages
from napari_matssl.micrograph.image import LUMINANCE, Micrograph
from napari_matssl.micrograph.intensity_scaling import (
    IntensityScaling,
    as_channels,
    fit_intensity_scaling,
)
from napari_matssl.micrograph.panorama import AnyMicrograph, Panorama
from napari_matssl.settings import Exposure, IntensityScalingSettings

FitsOwn = Callable[[Micrograph, IntensityScalingSettings, str], IntensityScaling]
"""Fits the intensity scaling of an image by its own grey values, for settings and channels."""

_WHOLE = 1 << 21  # pixels of the network up to which all of an image is looked at
_WINDOWS, _WINDOW = 4, 256  # along each side of larger ones; px of the network
_MOST = 24  # painted images that a reference is fitted to
_LABELLED, _NEAR = 20_000, 7  # pixels of a labelled image; px across, round a boundary
_SEAM = 6  # px of the network at a window's edge that show the mirrored edge


@dataclass(frozen=True)
class Scaled:
    """The intensity scaling of an image.

    Parameters
    ----------
    scaling
        What the network gets.
    match
        How it was found; None if it wasn't matched to anything.
    """

    scaling: IntensityScaling
    match: Match | None = None


def fit_scaling(
    micrograph: AnyMicrograph,
    card: ModelCard,
    own: IntensityScaling | None = None,
    described: Floats | None = None,
) -> Scaled:
    """Fit the intensity scaling of an image for the model of a card.

    `own` is the image's own, `described` what :func:`describe_image` gives of it at the card's
    magnification, if they are there already.

    Raises
    ------
    InputError
        If the image is constant or holds hardly any numbers, or its pixel size can't be meant.
    """
    own = own or fit_intensity_scaling(micrograph, card.intensity_scaling, card.channels)
    if card.grey_reference is None:
        return Scaled(own)
    if described is None:
        described = describe_image(micrograph, magnification(card, micrograph))
    found = match(card.grey_reference, described, scale_of(own))
    return Scaled(scaling_on(found.scale, own), found)


def describe_image(image: AnyMicrograph, factor: float) -> Floats:
    """Describe pixels from all over an image's specimen at a magnification ``(n, 3)``.

    Of a part of a panorama, all of that is described, once for all its parts.
    """
    whole = image if isinstance(image, Panorama) else image.whole
    if isinstance(whole, Panorama):
        return _of_panoramas(whole, factor)
    return describe_some(*_look(image, factor))


def fit_scalings(
    micrographs: Sequence[Micrograph],
    card: ModelCard,
    exposure: Exposure,
    fit: FitsOwn = fit_intensity_scaling,
) -> tuple[list[IntensityScaling], GreyScale | None]:
    """Fit the intensity scalings of images to learn from, and their common scale.

    It is the average of their own; where they are matched to a model that is gone on from, it is
    the model's. Images of different number types have no common scale, nor have those that go
    by ImageNet's constants. `fit` gives the own one of each.

    Raises
    ------
    InputError
        As of :func:`fit_scaling`.
    """
    if card.grey_reference is not None:
        matched = [fit_scaling(one, card).scaling for one in micrographs]
        return matched, card.grey_reference.scale
    settings, channels = card.intensity_scaling, card.channels
    own = [fit(one, settings, channels) for one in micrographs]
    types = {one.pixels.dtype for one in micrographs}
    if exposure == "own" or settings.kind == "imagenet" or len(types) > 1:
        return own, None
    scale = common_scale([scale_of(one) for one in own])
    return [scaling_on(scale, one) for one in own], scale


def scale_of(scaling: IntensityScaling) -> GreyScale:
    """Return the scale of an image's luminance."""
    middle = scaling.low + _luminance(scaling.mean) * (scaling.high - scaling.low)
    spread = float(scaling.std[0]) * (scaling.high - scaling.low)
    return GreyScale(low=scaling.low, high=scaling.high, middle=middle, spread=spread)


def scaling_on(scale: GreyScale, own: IntensityScaling) -> IntensityScaling:
    """Return the intensity scaling on a scale; the tint of the lamp is the image's own."""
    span = scale.high - scale.low
    tint = (own.mean - _luminance(own.mean)) * (own.high - own.low) / span
    mean = (scale.middle - scale.low) / span + tint
    std = np.full_like(own.std, scale.spread / span)
    return IntensityScaling(scale.low, scale.high, mean.astype(np.float32), std)


def common_scale(scales: Sequence[GreyScale]) -> GreyScale:
    """Return the scale of several images taken together."""
    middles = np.array([one.middle for one in scales])
    spreads = np.array([one.spread for one in scales])
    return GreyScale(
        low=min(one.low for one in scales),
        high=max(one.high for one in scales),
        middle=float(middles.mean()),
        spread=float(np.sqrt((spreads**2).mean() + middles.var())),
    )


def grey_of(unit: NDArray[np.float32], scale: GreyScale) -> NDArray[np.float32]:
    """Return the stored luminance ``(H, W)`` of an image ``(C, H, W)`` from 0 to 1."""
    grey = unit[0] if len(unit) == 1 else np.tensordot(LUMINANCE, unit, axes=1)
    values: NDArray[np.float32] = scale.low + grey * np.float32(scale.high - scale.low)
    return values


def reference_of(
    images: Sequence[PreparedImage],
    pixels: Sequence[KnownPixels],
    scale: GreyScale,
    same_exposure: bool,
) -> GreyReference:
    """Fit the grey reference to painted images that are on a common scale.

    Of many, some from all over the list are taken.
    """
    known = [pair for pair in zip(images, pixels, strict=True) if len(pair[1].positions)]
    known = known[:: -(-len(known) // _MOST)]
    grey = [grey_of(image.unit, scale) for image, _ in known]
    return fit_reference(grey, [one for _, one in known], scale, same_exposure)


def labelled_pixels(
    images: Sequence[PreparedImage], classes: int, seed: int
) -> tuple[KnownPixels, ...]:
    """Take pixels of labelled images; near a boundary, all classes there are equally likely."""
    return tuple(_labelled(one.targets, classes, seed) for one in images)


def _labelled(targets: NDArray[np.uint8], classes: int, seed: int) -> KnownPixels:
    labelled = np.flatnonzero(targets != IGNORE_INDEX)
    random = np.random.default_rng(seed)
    positions = random.choice(labelled, min(_LABELLED, len(labelled)), replace=False)
    near = [
        ndimage.maximum_filter(targets == channel, _NEAR).ravel()[positions]
        for channel in range(classes)
    ]
    likely = np.stack(near, axis=1).astype(np.float32)
    return KnownPixels(positions, likely / likely.sum(axis=1, keepdims=True))


def _luminance(channels: NDArray[np.float32]) -> float:
    return float(channels[0] if len(channels) == 1 else LUMINANCE @ channels)


def _look(image: AnyMicrograph, factor: float) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the specimen's luminance at a magnification, and which pixels count.

    Of a large image, windows from all over it are returned below one another.
    """
    height, width = image.specimen_shape[:2]
    if isinstance(image, Micrograph) and height * width * factor**2 <= _WHOLE:
        return _resampled(image.specimen, image.specimen_analysable, factor)
    side = min(round(_WINDOW / factor), height, width)
    starts = [np.linspace(0, length - side, _WINDOWS).astype(int) for length in (height, width)]
    values, usable = [], []
    for row in starts[0].tolist():
        stored = image.specimen_rows(row, row + side)
        analysable = image.analysable_rows(row, row + side)
        for column in starts[1]:
            columns = slice(column, column + side)
            part = None if analysable is None else analysable[:, columns]
            seen, counts = _resampled(stored[:, columns], part, factor)
            inner = np.zeros_like(counts)
            inner[_SEAM:-_SEAM, _SEAM:-_SEAM] = counts[_SEAM:-_SEAM, _SEAM:-_SEAM]
            values.append(seen)
            usable.append(inner)
    return np.concatenate(values), np.concatenate(usable)


def _resampled(
    stored: NDArray[np.generic], analysable: NDArray[np.bool_] | None, factor: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Resample an image; a pixel counts where all of it and around it can be analysed."""
    grey = as_channels(stored, "grey")
    if analysable is None or analysable.all():
        values = rescale(grey, factor).astype(np.float32)
        return values, np.ones(values.shape, dtype=bool)
    usual = np.median(grey[analysable].astype(np.float64)) if analysable.any() else 0
    filled = np.where(analysable, grey, np.asarray(usual, dtype=grey.dtype))
    values = rescale(filled, factor).astype(np.float32)
    share = rescale(analysable.astype(np.float32), factor).astype(np.float32)
    return values, share >= 1 - 1e-6


_of_panoramas: OfImages[Floats] = OfImages(
    lambda panorama, factor: describe_some(*_look(panorama, factor))
)
