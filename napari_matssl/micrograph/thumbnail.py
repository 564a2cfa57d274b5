"""A small picture of a micrograph for tables and pickers."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_matssl.errors import InputError
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.intensity_scaling import fit_intensity_scaling
from napari_matssl.settings import IntensityScalingSettings

_PER_PIXEL = 8  # pixels averaged for one of the thumbnail, in each direction
_MID_GREY = 128


def thumbnail(micrograph: Micrograph, side: int = 64) -> NDArray[np.uint8]:
    """Draw the specimen small, its contrast stretched, with a longer side of so many px.

    Returns
    -------
    ``(h, w, 3)``, RGB; mid-grey if the image is constant or has pixels that are no numbers.
    """
    specimen = micrograph.specimen
    height, width = specimen.shape[:2]
    longest = max(height, width)
    size = (max(1, round(width * side / longest)), max(1, round(height * side / longest)))
    # Of a panorama, only every n-th pixel is averaged.
    step = max(1, longest // (side * _PER_PIXEL))
    known = micrograph.specimen_analysable
    few = replace(
        micrograph,
        pixels=specimen[::step, ::step],
        info_bar=None,
        analysable=None if known is None else known[::step, ::step],
    )
    try:
        values = fit_intensity_scaling(
            few, IntensityScalingSettings(), "rgb" if few.is_rgb else "grey"
        )
    except InputError:  # such an image can be shown, but not learnt from
        return np.full((size[1], size[0], 3), _MID_GREY, dtype=np.uint8)
    levels = (values.unit(few.pixels) * 255).round().astype(np.uint8)
    picture = Image.fromarray(levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0).copy())
    return np.array(picture.convert("RGB").resize(size, Image.Resampling.BOX))
