"""Running a segmenter over one micrograph, tile by tile."""

import logging
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_matssl.errors import ComputeError
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.device import Compute, device_errors, free_memory, is_out_of_memory
from napari_matssl.learn.encoders import STRIDE
from napari_matssl.learn.magnification import magnification, rescale
from napari_matssl.learn.tiles import Blender, Enlarger, Tile, bands, plan_rows
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.normalise import GreyValues, as_channels, fit_grey_values
from napari_matssl.progress import Control, Preview, Progress
from napari_matssl.settings import PredictSettings

log = logging.getLogger(__name__)

SMALLEST_TILE = 64


@dataclass(frozen=True)
class Segmentation:
    """What a segmenter makes of one micrograph.

    Parameters
    ----------
    mask
        ``(H, W)`` uint8 class ids at the size of the micrograph; the info bar holds the class
        table's ``not_analysed``.
    probabilities
        ``(K, H, W)`` uint8, 255 times each class's probability; None unless asked for.
    """

    mask: NDArray[np.uint8]
    probabilities: NDArray[np.uint8] | None


def segment(
    network: nn.Module,
    card: ModelCard,
    micrograph: Micrograph,
    compute: Compute,
    settings: PredictSettings,
    keep_probabilities: bool = False,
    show: bool = False,
) -> Generator[Progress, Control | None, Segmentation | None]:
    """Segment one micrograph.

    Yields a :class:`~napari_matssl.progress.Progress` per tile. Sent
    :attr:`~napari_matssl.progress.Control.STOP`, returns None: half a mask is no mask.

    Parameters
    ----------
    network
        In evaluation mode, on the device of `compute`.
    card
        Says how the image is normalised and magnified, and what the classes are.
    keep_probabilities
        Also return probabilities.
    show
        Yield a preview of every tile.

    Raises
    ------
    InputError
        If the image is constant or has values that are not finite.
    ComputeError
        If memory doesn't suffice even for small tiles.
    """
    tile, overlap = settings.tile, settings.tile_overlap
    while True:
        try:
            with device_errors(f"segmenting {micrograph.name}"):
                return (
                    yield from _attempt(
                        network,
                        card,
                        micrograph,
                        compute,
                        tile,
                        overlap,
                        keep_probabilities,
                        show,
                    )
                )
        except ComputeError as error:
            if not (error.__cause__ and is_out_of_memory(error.__cause__)):
                raise
            if tile // 2 < SMALLEST_TILE:
                raise
            tile //= 2
            overlap = min(overlap, tile)  # or the margins alone would fill the memory
            free_memory(compute)
        yield Progress(
            "segmenting", 0, 1, message=f"{micrograph.name}: out of memory, tiles of {tile} px now"
        )


def _attempt(
    network: nn.Module,
    card: ModelCard,
    micrograph: Micrograph,
    compute: Compute,
    tile: int,
    overlap: int,
    keep_probabilities: bool,
    show: bool,
) -> Generator[Progress, Control | None, Segmentation | None]:
    assert card.classes is not None
    grey = fit_grey_values(micrograph, card.normalisation, card.channels)
    specimen = as_channels(micrograph.specimen, card.channels)
    image = rescale(specimen, magnification(card, micrograph))
    height, width = image.shape[:2]
    padded = [-(-side // STRIDE) * STRIDE for side in (height, width)]
    rows = plan_rows(padded[0], padded[1], tile, overlap, STRIDE)
    total = sum(len(row) for row in rows)
    blender = Blender(len(card.classes), padded[1])
    enlarger = Enlarger((height, width), specimen.shape[:2])
    sink = _Sink(micrograph, card, keep_probabilities)
    done = 0
    for row, finished in bands(height, rows):
        for part in row:
            probabilities = _probabilities(network, image, grey, part, compute)
            blender.add(part, probabilities)
            done += 1
            preview = None
            if show:
                channels = probabilities.argmax(axis=0)
                preview = _preview(channels, part, (height, width), micrograph, card)
            progress = Progress("segmenting", done, total, preview=preview)
            if (yield progress) is Control.STOP:
                return None
        sink.add(enlarger.add(blender.finish(finished)[:, :, :width]))
    return Segmentation(sink.mask, sink.probabilities)


def _probabilities(
    network: nn.Module, image: NDArray[np.generic], grey: GreyValues, tile: Tile, compute: Compute
) -> NDArray[np.float32]:
    """Probabilities of one tile ``(K, H, W)``; what lies beyond the image is mirrored."""
    part = image[tile.rows.start : tile.rows.stop, tile.columns.start : tile.columns.stop]
    beyond = (
        tile.rows.stop - tile.rows.start - part.shape[0],
        tile.columns.stop - tile.columns.start - part.shape[1],
    )
    values = grey.standardise(grey.unit(part))
    values = np.pad(values, ((0, 0), (0, beyond[0]), (0, beyond[1])), mode="symmetric")
    batch = torch.from_numpy(values)[None].expand(1, 3, -1, -1)
    with torch.inference_mode(), compute.autocast():
        logits = network(compute.place_images(batch))
        probabilities: NDArray[np.float32] = logits[0].float().softmax(dim=0).cpu().numpy()
    return probabilities


def _preview(
    channels: NDArray[np.intp],
    tile: Tile,
    seen: tuple[int, int],
    micrograph: Micrograph,
    card: ModelCard,
) -> Preview:
    """Show what one tile writes, its margins left out, at the size of the micrograph.

    `seen` is the size of the whole image as the network sees it.
    """
    assert card.classes is not None
    picks, starts = [], []
    for span, length, size in zip(
        (tile.rows, tile.columns), seen, micrograph.specimen.shape[:2], strict=True
    ):
        written = np.flatnonzero(span.weights > 0) + span.start
        first, last = int(written[0]), min(int(written[-1]) + 1, length)
        begin, end = (round(place * size / length) for place in (first, last))
        pick = ((np.arange(begin, end) + 0.5) * length / size).astype(np.intp)
        picks.append(np.clip(pick, first, last - 1) - span.start)
        starts.append(begin)
    ids = np.array(card.classes.ids, dtype=np.uint8)[channels[np.ix_(*picks)]]
    return Preview(micrograph.name, starts[0], starts[1], ids)


class _Sink:
    """Turn finished bands of probabilities into rows of the mask."""

    def __init__(self, micrograph: Micrograph, card: ModelCard, keep_probabilities: bool) -> None:
        assert card.classes is not None
        shape = (micrograph.height, micrograph.width)
        self._ids = np.array(card.classes.ids, dtype=np.uint8)
        self._row = 0
        self.mask = np.full(shape, card.classes.not_analysed, dtype=np.uint8)
        self.probabilities = (
            np.zeros((len(self._ids), *shape), dtype=np.uint8) if keep_probabilities else None
        )

    def add(self, band: NDArray[np.float32]) -> None:
        rows = slice(self._row, self._row + band.shape[1])
        self.mask[rows] = self._ids[band.argmax(axis=0)]
        if self.probabilities is not None:
            self.probabilities[:, rows] = np.rint(band * 255).astype(np.uint8)
        self._row = rows.stop
