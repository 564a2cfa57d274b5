"""What the pixel classifier sees of single pixels of an image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from napari_matssl.labels.painted import IGNORE_INDEX
from napari_matssl.learn.crops import PreparedImage
from napari_matssl.learn.device import Compute
from napari_matssl.learn.encoders import STRIDE
from napari_matssl.learn.pixel_classifier import PixelHeads

_KEPT, _KEPT_ANYWHERE = 300, 1000  # painted pixels of a class in an image, and others


@dataclass(frozen=True)
class PixelFeatures:
    """Features of some pixels.

    Parameters
    ----------
    context
        ``(n, C)``, of the encoder.
    filters
        ``(n, F)``, of classical filters.
    """

    context: Tensor
    filters: Tensor

    @classmethod
    def together(cls, parts: Sequence[Self]) -> Self:
        """Return the pixels of several, in their order."""
        return cls(
            torch.cat([one.context for one in parts]), torch.cat([one.filters for one in parts])
        )

    def at(self, rows: Tensor) -> "PixelFeatures":
        """Return the pixels of these rows."""
        return PixelFeatures(self.context[rows], self.filters[rows])

    def rows(self, begin: int, end: int | None = None) -> "PixelFeatures":
        """Return some of the pixels."""
        return PixelFeatures(self.context[begin:end], self.filters[begin:end])


def features_at(
    encoder: nn.Module,
    heads: PixelHeads,
    image: PreparedImage,
    points: NDArray[np.int64],
    compute: Compute,
) -> PixelFeatures:
    """Take the features of an image at flat positions ``(n,)``, to the computer's own memory."""
    images = whole(image, compute)
    with torch.no_grad(), compute.autocast():
        groups = (heads.pick(encoder(images)), heads.look(images))
    width = image.targets.shape[1]
    rows, columns = (torch.from_numpy(place) for place in np.divmod(points, width))
    places = torch.stack([(columns + 0.5) / images.shape[3], (rows + 0.5) / images.shape[2]], 1)
    grid = compute.move((2 * places - 1).float())[None, :, None]  # (1, n, 1, 2)
    sampled = [
        torch.cat([sample(one, grid) for one in group], dim=1)[0, :, :, 0].T.cpu()
        for group in groups
    ]
    return PixelFeatures(sampled[0], sampled[1])


@dataclass(frozen=True)
class Known:
    """What a classifier is fitted to of one image.

    Parameters
    ----------
    painted
        Painted pixels.
    truth
        Their channels ``(n,)``.
    anywhere
        Pixels from all over the image.
    """

    painted: PixelFeatures
    truth: Tensor
    anywhere: PixelFeatures

    def thinned(self, each: int = _KEPT) -> "Known":
        """Keep at most so many pixels of each class, from all over them, and some others."""
        kept = []
        for channel in torch.unique(self.truth):
            own = torch.nonzero(self.truth == channel)[:, 0]
            kept.append(own[torch.linspace(0, len(own) - 1, min(len(own), each)).long()])
        rows = torch.cat(kept) if kept else torch.empty(0, dtype=torch.int64)
        others = len(self.anywhere.context)
        drawn = torch.linspace(0, others - 1, min(others, _KEPT_ANYWHERE)).long()
        return Known(self.painted.at(rows), self.truth[rows], self.anywhere.at(drawn))


def look(
    encoder: nn.Module,
    heads: PixelHeads,
    image: PreparedImage,
    points: NDArray[np.int64],
    others: NDArray[np.int64],
    compute: Compute,
) -> Known:
    """Look at an image at painted pixels and at others, given by flat positions."""
    seen = features_at(encoder, heads, image, np.concatenate([points, others]), compute)
    truth = torch.from_numpy(image.targets.ravel()[points].astype(np.int64))
    return Known(seen.rows(0, len(points)), truth, seen.rows(len(points)))


def look_at_strokes(
    encoder: nn.Module, heads: PixelHeads, image: PreparedImage, compute: Compute
) -> Known:
    """Look at an image at painted pixels and at others, as many as are kept of each."""
    flat = image.targets.ravel()
    points = [np.empty(0, np.int64)]
    for channel in np.unique(flat[flat != IGNORE_INDEX]):
        own = np.flatnonzero(flat == channel)
        points.append(own[np.linspace(0, len(own) - 1, min(len(own), _KEPT)).astype(np.intp)])
    others = np.linspace(0, flat.size - 1, _KEPT_ANYWHERE).astype(np.int64)
    return look(encoder, heads, image, np.concatenate(points), others, compute)


def sample(maps: Tensor, grid: Tensor) -> Tensor:
    """Interpolate maps at places; beyond the middles of the outermost pixels, those count.

    That is ``grid_sample`` with ``padding_mode="border"``, which PyTorch before 2.13 lacks on Apple
    GPUs: there, the places are moved to the border instead.

    Parameters
    ----------
    maps
        ``(N, C, H, W)``.
    grid
        ``(N, n, 1, 2)``: x and y from -1 to 1, the outer edges of the maps.

    Returns
    -------
    ``(N, C, n, 1)``.
    """
    size = torch.tensor([maps.shape[3], maps.shape[2]], device=grid.device)
    middle = 1 - 1 / size  # of the outermost pixels
    return functional.grid_sample(
        maps, grid.clamp(-middle, middle), padding_mode="zeros", align_corners=False
    )


def whole(image: PreparedImage, compute: Compute) -> Tensor:
    """Standardise an image and mirror it up to a size that an encoder takes ``(1, 3, H, W)``."""
    values = image.scaling.standardise(image.unit)
    beyond = [-side % STRIDE for side in values.shape[1:]]
    values = np.pad(values, ((0, 0), (0, beyond[0]), (0, beyond[1])), mode="symmetric")
    return compute.place_images(torch.from_numpy(values)[None].expand(1, 3, -1, -1))
