"""Unlabelled patches for pretraining."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_matssl.errors import InputError
from napari_matssl.learn.card import Channels
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.intensity_scaling import (
    IntensityScaling,
    fit_intensity_scaling,
    specimen_values,
)
from napari_matssl.micrograph.patch_grid import patch_starts
from napari_matssl.settings import PretrainSettings


class PatchSet:
    """All patches of a set of micrographs, cut when they are asked for.

    Patches are standardised by their image, not by themselves. Constant ones are left out, and
    those of which most is no number.

    Parameters
    ----------
    micrographs
        Their info bars are left out.
    settings
        Size and overlap of patches, and intensity scaling.
    overlaps
        One for each micrograph, instead of that of the settings.

    Raises
    ------
    InputError
        If an image is constant, or no patch is left.
    """

    def __init__(
        self,
        micrographs: Sequence[Micrograph],
        settings: PretrainSettings,
        overlaps: Sequence[float] | None = None,
    ) -> None:
        self.channels: Channels = "rgb" if any(m.is_rgb for m in micrographs) else "grey"
        self._size = settings.patch_size
        self._images: list[NDArray[np.float16]] = []
        self._scaling: list[IntensityScaling] = []
        self._places: list[tuple[int, int, int]] = []
        overlaps = overlaps or [settings.overlap] * len(micrographs)
        for index, (micrograph, overlap) in enumerate(zip(micrographs, overlaps, strict=True)):
            scaling = fit_intensity_scaling(micrograph, settings.intensity_scaling, self.channels)
            image = scaling.unit(specimen_values(micrograph, self.channels))
            self._scaling.append(scaling)
            # A quarter of an 8-bit grey level at most is lost, and half the bytes have to be moved.
            self._images.append(image.astype(np.float16))
            known = micrograph.specimen_analysable
            for row in patch_starts(image.shape[1], self._size, overlap):
                for column in patch_starts(image.shape[2], self._size, overlap):
                    window = np.s_[row : row + self._size, column : column + self._size]
                    if known is not None and known[window].mean() < 0.5:
                        continue
                    if _is_constant(image[(slice(None), *window)]):
                        continue
                    self._places.append((index, row, column))
        if micrographs and not self._places:
            raise InputError(
                "No patch of the images shows anything: each is constant, or mostly no numbers.",
                "Add other images.",
            )

    def __len__(self) -> int:
        return len(self._places)

    def take(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Cut patches.

        Returns
        -------
        Patches ``(N, C, P, P)`` float16 from 0 to 1, and mean and std of their images ``(N, C)``.
        """
        patches, means, stds = [], [], []
        for number in numbers:
            index, row, column = self._places[number]
            part = self._images[index][:, row : row + self._size, column : column + self._size]
            beyond = [(0, self._size - side) for side in part.shape[1:]]
            patches.append(np.pad(part, ((0, 0), *beyond), mode="symmetric"))
            means.append(self._scaling[index].mean)
            stds.append(self._scaling[index].std)
        return tuple(torch.from_numpy(np.stack(a)) for a in (patches, means, stds))  # type: ignore[return-value]


def _is_constant(patch: NDArray[np.float32]) -> bool:
    """Whether every channel of a patch ``(C, h, w)`` has one value alone."""
    return bool((patch == patch[:, :1, :1]).all())
