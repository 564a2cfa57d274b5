"""Running a segmenter over one image, tile by tile."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_matssl.errors import OutOfMemoryError
from napari_matssl.labels.counting import count_values
from napari_matssl.labels.unbroken import merge_detached
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.device import Compute
from napari_matssl.learn.device_errors import device_errors, free_memory
from napari_matssl.learn.grey_scale import Scaled, fit_scaling
from napari_matssl.learn.light import Light, judge
from napari_matssl.learn.passes import Pass
from napari_matssl.learn.temperature import SMALLEST
from napari_matssl.learn.tiles import Tile
from napari_matssl.learn.uncertain_area import UncertainArea, UncertainPixels
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.intensity_scaling import IntensityScaling
from napari_matssl.micrograph.panorama import AnyMicrograph
from napari_matssl.progress import Control, Preview, Progress
from napari_matssl.settings import PredictSettings

_BAND = 1 << 21
"""Pixels of the specimen whose probabilities are enlarged and averaged at once."""

SMALLEST_TILE = 64

MAGNIFICATIONS = (1.0, 1.6)
"""Factors on the model's magnification; the second where two are wanted.

Chosen on development sets, see benchmarks/NOTES.md."""

TWICE_TAKES = 1 + MAGNIFICATIONS[1] ** 2
"""How many times as long both take as the first alone."""


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
    scaled = fit_scaling(micrograph, card) if scaling is None else Scaled(scaling)
    sink = _Sink(micrograph, card, keep_probabilities)
    whole = yield from segment_rows(
        network, card, micrograph, compute, settings, scaled.scaling, sink.add, show=show
    )
    if not whole:
        return None
    mask = _finished(sink.mask, micrograph, card, settings)
    light = None
    if scaled.match is not None and card.grey_reference is not None:
        light = judge(scaled.match, card.grey_reference, count_values(mask), card.classes)
    return Segmentation(mask, sink.probabilities, sink.uncertain.area(), light)


def segment_rows(
    network: nn.Module,
    card: ModelCard,
    image: AnyMicrograph,
    compute: Compute,
    settings: PredictSettings,
    scaling: IntensityScaling,
    take: Callable[[Tensor], None],
    begin: int = 0,
    show: bool = False,
) -> Generator[Progress, Control | None, bool]:
    """Segment the specimen of an image row by row; its memory doesn't grow with the height.

    Parameters
    ----------
    network, card, compute, settings, scaling, show
        As for :func:`segment`.
    image
        Read by rows.
    take
        Called with the probabilities of the next rows of the specimen, ``(K, h, W)``.
    begin
        First row that is wanted.

    Returns
    -------
    True, or False after STOP.

    Raises
    ------
    ComputeError
        If memory doesn't suffice even for small tiles.
    """
    factors = MAGNIFICATIONS if looks_twice(card, settings) else MAGNIFICATIONS[:1]
    row = begin

    def counted(band: Tensor) -> None:
        nonlocal row
        take(band)
        row += band.shape[1]

    while True:
        try:
            with device_errors(f"segmenting {image.name}"):
                passes = [
                    Pass(network, card, image, compute, scaling, factor, settings, row)
                    for factor in factors
                ]
                return (yield from _average(passes, image, card, counted, row, show))
        except OutOfMemoryError:
            tile = settings.tile // 2
            if tile < SMALLEST_TILE:
                raise
        # Not before the clause above is left: till then the error holds what fills the memory.
        free_memory(compute.device)
        # With the overlap of before, the margins alone would fill the memory.
        smaller = {"tile": tile, "tile_overlap": min(settings.tile_overlap, tile)}
        settings = settings.model_copy(update=smaller)
        yield Progress(
            "segmenting", 0, 1, message=f"{image.name}: out of memory, tiles of {tile} px now"
        )


def class_ids(band: Tensor, card: ModelCard) -> NDArray[np.uint8]:
    """Return the classes that lead in probabilities ``(K, h, W)``, as ids ``(h, W)``."""
    channels = band.max(dim=0).indices  # 5 to 13 times as fast as argmax
    ids = np.array(card.classes.ids, dtype=np.uint8)
    found: NDArray[np.uint8] = ids[channels.to("cpu", torch.uint8).numpy()]
    return found


def looks_twice(card: ModelCard, settings: PredictSettings) -> bool:
    """Return whether a second magnification is wanted, and worth its time (benchmarks/NOTES.md)."""
    if card.architecture == "pixel-classifier":  # it has never seen a crop magnified
        return False
    if settings.magnifications == "auto":
        return not card.densely_painted
    return settings.magnifications == "two"


def _finished(
    mask: NDArray[np.uint8], micrograph: Micrograph, card: ModelCard, settings: PredictSettings
) -> NDArray[np.uint8]:
    """Merge components detached from strata in the mask.

    Probabilities stay the network's. Pixels that are not analysed are left out afterwards: each
    such spot would be a component.
    """
    unbroken = card.unbroken_classes(settings.detached_components).values()
    analysable = micrograph.specimen_analysable
    specimen = mask[: micrograph.specimen_shape[0]]
    if unbroken:
        specimen[:] = merge_detached(specimen, unbroken)
    if analysable is not None:
        specimen[~analysable] = card.classes.no_class
    return mask


def _average(
    passes: Sequence[Pass],
    image: AnyMicrograph,
    card: ModelCard,
    take: Callable[[Tensor], None],
    row: int,
    show: bool,
) -> Generator[Progress, Control | None, bool]:
    """Average passes; the one that lags behind goes on, so that only bands are held."""
    height, width = image.specimen_shape[:2]
    most = max(1, _BAND // width)
    total, done = sum(one.tiles for one in passes), 0
    while row < height:
        index = min(range(len(passes)), key=lambda n: passes[n].known)
        for tile, probabilities in passes[index].next_row():
            done += 1
            preview = None
            if show and index == 0:
                channels = probabilities.max(dim=0).indices.cpu().numpy()
                preview = _preview(channels, tile, passes[0].seen, (height, width), image, card)
            if (yield Progress("segmenting", done, total, preview=preview)) is Control.STOP:
                return False
        known = min(one.known for one in passes)
        while row < known:
            until = min(row + most, known)
            bands = [one.give(row, until) for one in passes]
            take(bands[0] if len(bands) == 1 else torch.stack(bands).mean(dim=0))
            row = until
    return True


def _preview(
    channels: NDArray[np.intp],
    tile: Tile,
    seen: tuple[int, int],
    specimen: tuple[int, int],
    image: AnyMicrograph,
    card: ModelCard,
) -> Preview:
    """Show what one tile writes, its margins left out, at the size of the micrograph.

    `seen` and `specimen` are the sizes of the image as the network sees it, and as it is stored.
    """
    picks, starts = [], []
    for span, length, size in zip((tile.rows, tile.columns), seen, specimen, strict=True):
        first, last = span.first, min(span.last, length)
        begin, end = (round(place * size / length) for place in (first, last))
        pick = ((np.arange(begin, end) + 0.5) * length / size).astype(np.intp)
        picks.append(np.clip(pick, first, last - 1) - span.start)
        starts.append(begin)
    ids = np.array(card.classes.ids, dtype=np.uint8)[channels[np.ix_(*picks)]]
    return Preview(image.name, starts[0], starts[1], ids)


class _Sink:
    """Turn finished bands of probabilities into rows of the mask."""

    def __init__(self, micrograph: Micrograph, card: ModelCard, keep_probabilities: bool) -> None:
        shape, classes = (micrograph.height, micrograph.width), len(card.classes)
        self._card, self._analysable = card, micrograph.specimen_analysable
        self._row = 0
        self.uncertain = UncertainPixels(classes, card.temperature)
        self.mask = np.full(shape, card.classes.no_class, dtype=np.uint8)
        self.probabilities = (
            np.zeros((classes, *shape), dtype=np.uint8) if keep_probabilities else None
        )

    def add(self, band: Tensor) -> None:
        rows = slice(self._row, self._row + band.shape[1])
        self.mask[rows] = class_ids(band, self._card)
        if self.probabilities is not None:
            calibrated = self._calibrated(band)
            self.probabilities[:, rows] = (calibrated * 255).round().to("cpu", torch.uint8).numpy()
        self.uncertain.add(band, None if self._analysable is None else self._analysable[rows])
        self._row = rows.stop

    def _calibrated(self, band: Tensor) -> Tensor:
        """Bring probabilities to the model's temperature; which class leads stays the same."""
        temperature = self._card.temperature
        if temperature == 1:
            return band
        powers = band.clamp(min=SMALLEST).pow(1 / temperature)
        return powers / powers.sum(dim=0)
