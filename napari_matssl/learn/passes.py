"""One pass of a network over an image, at one magnification."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.device import Compute
from napari_matssl.learn.encoders import STRIDE
from napari_matssl.learn.magnification import magnification
from napari_matssl.learn.networks import tile_step
from napari_matssl.learn.rescaled_rows import RescaledRows
from napari_matssl.learn.tiles import Blender, Enlarger, Tile, plan_rows
from napari_matssl.micrograph.intensity_scaling import IntensityScaling, SpecimenValues
from napari_matssl.micrograph.panorama import AnyMicrograph
from napari_matssl.settings import PredictSettings

_HELD = 1 << 29
"""Bytes of probabilities that a pass holds at most; very wide images get lower tiles."""

_LOWEST = 128  # px


class Pass:
    """One magnification: tile by tile in, rows of probabilities at the specimen's size out.

    The image is read, and probabilities are held, for about a row of tiles at a time.

    Parameters
    ----------
    network
        In evaluation mode, on the device of `compute`.
    card
        Gives magnification and classes.
    image
        Read by rows.
    scaling
        Of the image.
    factor
        On the model's magnification.
    settings
        Give the size of tiles.
    begin
        First row of the specimen that is wanted; rows of tiles above it are left out.
    """

    def __init__(
        self,
        network: nn.Module,
        card: ModelCard,
        image: AnyMicrograph,
        compute: Compute,
        scaling: IntensityScaling,
        factor: float,
        settings: PredictSettings,
        begin: int = 0,
    ) -> None:
        self._network, self._compute, self._scaling = network, compute, scaling
        values = SpecimenValues(image, card.channels)
        self._image = RescaledRows(values, magnification(card, image) * factor)
        self.seen = self._image.size
        self._enlarger = Enlarger(self.seen, values.shape)
        top = self._enlarger.needed(begin, begin + 1)[0]
        padded = [-(-side // STRIDE) * STRIDE for side in self.seen]
        down = settings.tile
        while down > _LOWEST and 4 * len(card.classes) * padded[1] * down > _HELD:
            down //= 2
        overlap, stride = settings.tile_overlap, tile_step(network)
        rows = plan_rows(padded[0], padded[1], (down, settings.tile), overlap, stride)
        self._rows = [row for row in rows if row[0].rows.last > top]
        self.tiles = sum(len(row) for row in self._rows)
        self._blender = Blender(len(card.classes), padded[1], compute.device, top)
        self.known = self._enlarger.known(top)
        """Number of the specimen's rows that can be given, from the first one of the image on."""

    def next_row(self) -> Iterator[tuple[Tile, Tensor]]:
        """Segment the tiles of the next row, one after another."""
        row = self._rows.pop(0)
        rows = row[0].rows
        band = self._image.rows(rows.start, min(rows.stop, self.seen[0]))
        for tile in row:
            probabilities = self._probabilities(band, tile)
            self._blender.add(tile, probabilities)
            yield tile, probabilities
        finished = self._rows[0][0].rows.first if self._rows else self.seen[0]
        self.known = self._enlarger.known(min(finished, self.seen[0]))

    def give(self, start: int, stop: int) -> Tensor:
        """Return rows of the specimen, ``(K, h, W)``, and let go of what is above them."""
        first, last = self._enlarger.needed(start, stop)
        self._blender.drop(first)
        band = self._blender.rows(first, last)[:, :, : self.seen[1]]
        return self._enlarger.make(band, start, stop)

    def _probabilities(self, band: NDArray[np.generic], tile: Tile) -> Tensor:
        """Return probabilities of one tile ``(K, H, W)``; what lies beyond the image is mirrored.

        `band` are the rows of the image in which the tile lies.
        """
        part = band[:, tile.columns.start : tile.columns.stop]
        beyond = (
            tile.rows.stop - tile.rows.start - part.shape[0],
            tile.columns.stop - tile.columns.start - part.shape[1],
        )
        unit = np.pad(
            self._scaling.unit(part), ((0, 0), (0, beyond[0]), (0, beyond[1])), mode="symmetric"
        )
        values, mean, std = (
            self._compute.move(torch.from_numpy(v))
            for v in (unit, self._scaling.mean, self._scaling.std)
        )
        batch = ((values - mean[:, None, None]) / std[:, None, None])[None].expand(1, 3, -1, -1)
        with torch.inference_mode(), self._compute.autocast():
            logits: Tensor = self._network(self._compute.place_images(batch))
            return logits[0].float().softmax(dim=0)
