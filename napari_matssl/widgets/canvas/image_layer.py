"""Appearance of a micrograph as an image layer of napari."""

from typing import Any

from napari_matssl.errors import InputError
from napari_matssl.micrograph.panorama import AnyMicrograph

# Percentiles are imported where they are used: napari loads this module with the reader.

PIXEL_SIZE = "matssl_pixel_size"
"""Key of a layer's metadata: the ``PixelSize`` that its scale was made from, or None."""

INFO_BAR = "matssl_info_bar"
"""Key of a layer's metadata: its ``InfoBar``, or None if it is known to have none."""


def image_arguments(micrograph: AnyMicrograph) -> dict[str, Any]:
    """Describe a micrograph for a napari image layer.

    Black and white are percentiles of the specimen. Calibrated images are in micrometres. Pixel
    size and info bar are kept in the layer's metadata.

    Returns
    -------
    Arguments for ``viewer.add_image``, or the second part of layer data.
    """
    arguments: dict[str, Any] = {
        "name": micrograph.name,
        "rgb": micrograph.is_rgb,
        "metadata": {
            PIXEL_SIZE: micrograph.pixel_size,
            INFO_BAR: micrograph.info_bar,
        },
    }
    size = micrograph.pixel_size
    if size is not None:
        arguments |= {"scale": (size.y_um, size.x_um), "units": ("um", "um")}
    if not micrograph.is_rgb:
        arguments["contrast_limits"] = black_and_white(micrograph)
    return arguments


def black_and_white(micrograph: AnyMicrograph) -> tuple[float, float] | None:
    """Return the stored values that are shown black and white; None where napari chooses them."""
    from napari_matssl.micrograph.intensity_scaling import fit_intensity_scaling
    from napari_matssl.settings import IntensityScalingSettings

    try:
        values = fit_intensity_scaling(micrograph, IntensityScalingSettings(), "grey")
    except InputError:  # blank or not finite: napari chooses limits, and jobs report the fault
        return None
    return values.low, values.high
