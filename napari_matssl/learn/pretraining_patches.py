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

    Parameters
    ----------
    micrographs
        Their info bars are left out.
    settings
        Size and overlap of patches, and intensity scaling.

    Raises
    ------
    InputError
        If an image is constant, or hardly any part of them is made of numbers.
    """

    def __init__(self, micrographs: Sequence[Micrograph], settings: PretrainSettings) -> None:
        self.channels: Channels = "rgb" if any(m.is_rgb for m in micrographs) else "grey"
        self._size = settings.patch_size
        self._images: list[NDArray[np.float16]] = []
        self._scaling: list[IntensityScaling] = []
        self._places: list[tuple[int, int, int]] = []
        for index, micrograph in enumerate(micrographs):
            scaling = fit_intensity_scaling(micrograph, settings.intensity_scaling, self.channels)
            image = scaling.unit(specimen_values(micrograph, self.channels))
            self._scaling.append(scaling)
            # A quarter of an 8-bit grey level at most is lost, and half the bytes have to be moved.
            self._images.append(image.astype(np.float16))
            places = [
                (index, row, column)
                for row in patch_starts(image.shape[1], self._size, settings.overlap)
                for column in patch_starts(image.shape[2], self._size, settings.overlap)
            ]
            known = micrograph.specimen_analysable
            if known is not None:  # patches of which most is no number teach nothing
                size = self._size
                places = [p for p in places if known[p[1] :, p[2] :][:size, :size].mean() >= 0.5]
            self._places += places
        if micrographs and not self._places:
            raise InputError(
                "No patch of the images is made of numbers.", "Add images without NaN."
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
