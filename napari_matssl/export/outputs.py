"""Which files results are, and what they are called."""

from dataclasses import dataclass
from typing import Final

from napari_matssl.export.growing_mask import NOTES

MASK_PNG: Final = "_mask.png"
MASK_TIFF: Final = "_mask.tif"
OVERLAY: Final = "_overlay.png"
PROBABILITIES: Final = "_probabilities.tif"
UNFINISHED: Final = "_mask.unfinished"

PANORAMA_ENDINGS: Final = (MASK_TIFF, UNFINISHED, f"{UNFINISHED}{NOTES}")
"""Endings that are added to a panorama's stem for its files."""


@dataclass(frozen=True)
class Outputs:
    """Files that are written for each image, and for all together.

    Parameters
    ----------
    masks_png, masks_tiff
        Class ids as pixel values: with the classes' colours, with the pixel size for ImageJ.
    overlays
        The mask over its micrograph, with legend and scale bar.
    tables
        ``phases.csv``, ``summary.csv`` and ``corrected.csv``.
    probabilities
        Of each class, 0 to 255, where a model has just segmented.
    """

    masks_png: bool = True
    masks_tiff: bool = True
    overlays: bool = True
    tables: bool = True
    probabilities: bool = False

    def left_out_of(self, panorama: str) -> str:
        """Return a line on what is written of images smaller than a panorama alone; or nothing."""
        wanted = ["overlay"] * self.overlays + ["probabilities"] * self.probabilities
        mask = "; the mask is a TIFF" * bool(self.endings_of_panoramas)
        return f"{panorama}: no {' or '.join(wanted)} of so large an image{mask}." * bool(wanted)

    @property
    def endings(self) -> tuple[str, ...]:
        """Endings that are added to an image's stem for its files."""
        endings = [MASK_PNG] * self.masks_png + [MASK_TIFF] * self.masks_tiff
        return (*endings, *[OVERLAY] * self.overlays, *[PROBABILITIES] * self.probabilities)

    @property
    def endings_of_panoramas(self) -> tuple[str, ...]:
        """Endings that are added to a panorama's stem: its mask is a TIFF, whichever was chosen."""
        return (MASK_TIFF,) if self.masks_png or self.masks_tiff else ()

    def bytes_per_pixel(self, classes: int) -> float:
        """Estimate how much is written per pixel of the images; noise hardly compresses."""
        masks = 0.05 * self.masks_png + 1.0 * self.masks_tiff
        return masks + 1.0 * self.overlays + 0.1 * classes * self.probabilities
