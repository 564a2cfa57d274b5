"""Running a segmenter over one micrograph, tile by tile."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_matssl.errors import OutOfMemoryError
from napari_matssl.labels.unbroken import merge_detached
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.device import Compute
from napari_matssl.learn.device_errors import device_errors, free_memory
from napari_matssl.learn.encoders import STRIDE
from napari_matssl.learn.grey_scale import Scaled, fit_scaling
from napari_matssl.learn.light import Light, judge
from napari_matssl.learn.magnification import magnification, rescale
from napari_matssl.learn.networks import tile_step
from napari_matssl.learn.temperature import SMALLEST
from napari_matssl.learn.tiles import Blender, Enlarger, Tile, bands, plan_rows
from napari_matssl.learn.uncertain_area import UncertainArea, UncertainPixels
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.intensity_scaling import IntensityScaling, specimen_values
from napari_matssl.progress import Control, Preview, Progress
from napari_matssl.settings import PredictSettings

SMALLEST_TILE = 64

MAGNIFICATIONS = (1.0, 1.6)
"""Factors on the model's magnification; the second where two are wanted.

Chosen on development sets, see benchmarks/NOTES.md."""


@dataclass(frozen=True)
class Segmentation:
    """The output of a segmenter for one micrograph.

    Parameters
    ----------
    mask
        ``(H, W)`` uint8 class ids at the size of the micrograph; the info bar and what is no number
        hold the class table's ``not_analysed``.
    probabilities
        ``(K, H, W)`` uint8, 255 times each class's probability at the model's temperature; None
        unless asked for.
    uncertain
        The area on which the network can't decide.
    light
        Whether the image is like the painted ones; None of a model that has no grey reference.
    """

    mask: NDArray[np.uint8]
    probabilities: NDArray[np.uint8] | None
    uncertain: UncertainArea
    light: Light | None = None


def segment(
    network: nn.Module,
    card: ModelCard,
    micrograph: Micrograph,
    compute: Compute,
    settings: PredictSettings,
    keep_probabilities: bool = False,
    show: bool = False,
    scaling: IntensityScaling | None = None,
) -> Generator[Progress, Control | None, Segmentation | None]:
    """Segment one micrograph.

    Yields a :class:`~napari_matssl.progress.Progress` per tile. Sent
    :attr:`~napari_matssl.progress.Control.STOP`, returns None: half a mask is no mask.

    Parameters
    ----------
    network
        In evaluation mode, on the device of `compute`.
    card
        Gives grey scale, magnification and classes.
    keep_probabilities
        Also return probabilities.
    show
        Yield a preview of every tile.
    scaling
        That of the image, if it is fitted already.

    Raises
    ------
    InputError
        If the image is constant.
    ComputeError
        If memory doesn't suffice even for small tiles.
    """
    tile, overlap = settings.tile, settings.tile_overlap
    factors = MAGNIFICATIONS if _looks_twice(card, settings) else MAGNIFICATIONS[:1]
    scaled = fit_scaling(micrograph, card) if scaling is None else Scaled(scaling)
    while True:
        try:
            with device_errors(f"segmenting {micrograph.name}"):
                passes = [
                    _Pass(network, card, micrograph, compute, scaled.scaling, factor, tile, overlap)
                    for factor in factors
                ]
                segmentation = yield from _merge(passes, micrograph, card, keep_probabilities, show)
                return _finished(segmentation, micrograph, card, settings, scaled)
        except OutOfMemoryError:
            if tile // 2 < SMALLEST_TILE:
                raise
        # Not before the clause above is left: till then the error holds what fills the memory.
        free_memory(compute.device)
        tile //= 2
        overlap = min(overlap, tile)  # or the margins alone would fill the memory
        yield Progress(
            "segmenting", 0, 1, message=f"{micrograph.name}: out of memory, tiles of {tile} px now"
        )


def _looks_twice(card: ModelCard, settings: PredictSettings) -> bool:
    """Return whether a second magnification is wanted, and worth its time (benchmarks/NOTES.md)."""
    if card.architecture == "pixel-classifier":  # it has never seen a crop magnified
        return False
    if settings.magnifications == "auto":
        return not card.densely_painted
    return settings.magnifications == "two"


def _finished(
    segmentation: Segmentation | None,
    micrograph: Micrograph,
    card: ModelCard,
    settings: PredictSettings,
    scaled: Scaled,
) -> Segmentation | None:
    """Merge components detached from strata in the mask, and judge the image.

    Probabilities stay the network's. Pixels that are not analysed are left out afterwards: each
    such spot would be a component.
    """
    if segmentation is None:
        return None
    unbroken = card.unbroken_classes(settings.detached_components).values()
    analysable = micrograph.specimen_analysable
    mask = segmentation.mask
    if unbroken or analysable is not None:
        mask = mask.copy()
    specimen = mask[: micrograph.specimen.shape[0]]
    if unbroken:
        specimen[:] = merge_detached(specimen, unbroken)
    if analysable is not None:
        specimen[~analysable] = card.classes.no_class
    light = None
    if scaled.match is not None and card.grey_reference is not None:
        light = judge(scaled.match, card.grey_reference, mask, card.classes)
    return replace(segmentation, mask=mask, light=light)


def _merge(
    passes: "Sequence[_Pass]",
    micrograph: Micrograph,
    card: ModelCard,
    keep_probabilities: bool,
    show: bool,
) -> Generator[Progress, Control | None, Segmentation | None]:
    """Average passes; the one that lags behind goes on, so that only bands are held."""
    sink = _Sink(micrograph, card, keep_probabilities)
    average = _Average(len(passes))
    total, done = sum(one.tiles for one in passes), 0
    while average.rows < micrograph.specimen.shape[0]:
        index = average.behind
        for tile, probabilities in passes[index].next_row():
            done += 1
            preview = None
            if show and index == 0:
                channels = probabilities.max(dim=0).indices.cpu().numpy()
                preview = _preview(channels, tile, passes[0].seen, micrograph, card)
            if (yield Progress("segmenting", done, total, preview=preview)) is Control.STOP:
                return None
        for band in average.add(index, passes[index].finished()):
            sink.add(band)
    return Segmentation(sink.mask, sink.probabilities, sink.uncertain.area())


class _Pass:
    """One magnification: tile by tile in, bands of probabilities at the specimen's size out."""

    def __init__(
        self,
        network: nn.Module,
        card: ModelCard,
        micrograph: Micrograph,
        compute: Compute,
        scaling: IntensityScaling,
        factor: float,
        tile: int,
        overlap: int,
    ) -> None:
        self._network, self._compute, self._scaling = network, compute, scaling
        specimen = specimen_values(micrograph, card.channels)
        self._image = rescale(specimen, magnification(card, micrograph) * factor)
        self.seen = self._image.shape[:2]
        padded = [-(-side // STRIDE) * STRIDE for side in self.seen]
        rows = plan_rows(padded[0], padded[1], tile, overlap, tile_step(network))
        self.tiles = sum(len(row) for row in rows)
        self._rows = bands(self.seen[0], rows)
        self._blender = Blender(len(card.classes), padded[1], compute.device)
        self._enlarger = Enlarger((self.seen[0], self.seen[1]), specimen.shape[:2])
        self._until = 0

    def next_row(self) -> Iterator[tuple[Tile, Tensor]]:
        """Segment the tiles of the next row, one after another."""
        row, self._until = next(self._rows)
        for tile in row:
            probabilities = _probabilities(
                self._network, self._image, self._scaling, tile, self._compute
            )
            self._blender.add(tile, probabilities)
            yield tile, probabilities

    def finished(self) -> Tensor:
        """Return the rows that the last row of tiles has finished, ``(K, h, W)``."""
        return self._enlarger.add(self._blender.finish(self._until)[:, :, : self.seen[1]])


class _Average:
    """Average streams of bands ``(K, h, W)`` that end at different rows."""

    def __init__(self, count: int) -> None:
        self._held: list[Tensor | None] = [None] * count
        self._given = [0] * count
        self.rows = 0
        """Number of rows that were averaged and returned."""

    @property
    def behind(self) -> int:
        """The stream that has given the fewest rows."""
        return self._given.index(min(self._given))

    def add(self, index: int, band: Tensor) -> Iterator[Tensor]:
        """Take the next band of a stream; yield the average of the rows that all streams have."""
        held = self._held[index]
        self._held[index] = band if held is None else torch.cat([held, band], dim=1)
        self._given[index] += band.shape[1]
        count = min(self._given) - self.rows
        if count > 0:
            self.rows += count
            ready = [one for one in self._held if one is not None]
            self._held = [one[:, count:] for one in ready]
            yield torch.stack([one[:, :count] for one in ready]).mean(dim=0)


def _probabilities(
    network: nn.Module,
    image: NDArray[np.generic],
    scaling: IntensityScaling,
    tile: Tile,
    compute: Compute,
) -> Tensor:
    """Probabilities of one tile ``(K, H, W)``; what lies beyond the image is mirrored."""
    part = image[tile.rows.start : tile.rows.stop, tile.columns.start : tile.columns.stop]
    beyond = (
        tile.rows.stop - tile.rows.start - part.shape[0],
        tile.columns.stop - tile.columns.start - part.shape[1],
    )
    unit = np.pad(scaling.unit(part), ((0, 0), (0, beyond[0]), (0, beyond[1])), mode="symmetric")
    values, mean, std = (
        compute.move(torch.from_numpy(v)) for v in (unit, scaling.mean, scaling.std)
    )
    batch = ((values - mean[:, None, None]) / std[:, None, None])[None].expand(1, 3, -1, -1)
    with torch.inference_mode(), compute.autocast():
        logits: Tensor = network(compute.place_images(batch))
        return logits[0].float().softmax(dim=0)


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
        shape = (micrograph.height, micrograph.width)
        self._ids = np.array(card.classes.ids, dtype=np.uint8)
        self._row = 0
        self._temperature = card.temperature
        self._analysable = micrograph.specimen_analysable
        self.uncertain = UncertainPixels(len(self._ids), card.temperature)
        self.mask = np.full(shape, card.classes.no_class, dtype=np.uint8)
        self.probabilities = (
            np.zeros((len(self._ids), *shape), dtype=np.uint8) if keep_probabilities else None
        )

    def add(self, band: Tensor) -> None:
        rows = slice(self._row, self._row + band.shape[1])
        channels = band.max(dim=0).indices  # 5 to 13 times as fast as argmax
        self.mask[rows] = self._ids[channels.to("cpu", torch.uint8).numpy()]
        self.uncertain.add(band, None if self._analysable is None else self._analysable[rows])
        if self.probabilities is not None:
            calibrated = self._calibrated(band)
            self.probabilities[:, rows] = (calibrated * 255).round().to("cpu", torch.uint8).numpy()
        self._row = rows.stop

    def _calibrated(self, band: Tensor) -> Tensor:
        """Bring probabilities to the model's temperature; which class leads stays the same."""
        if self._temperature == 1:
            return band
        powers = band.clamp(min=SMALLEST).pow(1 / self._temperature)
        return powers / powers.sum(dim=0)
