"""Segmentation of panoramas: the mask grows on disk, and an interrupted run is gone on with."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_matssl import __version__
from napari_matssl.errors import InputError
from napari_matssl.export.growing_mask import GrowingMask
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.provenance import MaskFacts
from napari_matssl.learn.card import ModelCard, TrainingImage
from napari_matssl.learn.device import Compute
from napari_matssl.learn.grey_scale import fit_scaling
from napari_matssl.learn.inference import class_ids, segment_rows
from napari_matssl.learn.light import Light, judge
from napari_matssl.learn.uncertain_area import UncertainArea, UncertainPixels, UncertainTally
from napari_matssl.measure.cleaning import CleanedRows
from napari_matssl.micrograph.panorama import Panorama
from napari_matssl.progress import Job, Progress
from napari_matssl.settings import Cleaning, PredictSettings
from napari_matssl.tasks.provenance import ModelIdentity, torch_version

_BAR_ROWS = 1024  # of an info bar that are written at once


@dataclass(frozen=True)
class SegmentedPanorama:
    """Results of a model for one panorama.

    Parameters
    ----------
    name
        The panorama's.
    mask
        All of it, on disk, as it was found.
    read
        Returns its rows from one to before another, cleaned.
    pixels
        How many of them each value of the mask has.
    facts
        Pixel size and provenance, for the mask's file.
    """

    name: str
    mask: GrowingMask
    read: Callable[[int, int], NDArray[np.uint8]]
    pixels: Mapping[int, int]
    facts: MaskFacts


@dataclass(frozen=True)
class PanoramaPlace:
    """Where a panorama goes.

    Parameters
    ----------
    growing
        File in which its mask grows.
    keep
        Called with the result, in the thread of the job.
    """

    growing: Path
    keep: Callable[[SegmentedPanorama, Panorama], None]


@dataclass(frozen=True)
class GrownMask:
    """What was counted and judged while a mask grew."""

    pixels: Mapping[int, int]
    uncertain: UncertainArea
    light: Light | None


def grow_mask(
    network: nn.Module,
    card: ModelCard,
    panorama: Panorama,
    compute: Compute,
    settings: PredictSettings,
    mask: GrowingMask,
) -> Job[GrownMask | None]:
    """Segment a panorama into a file, from the row on at which an earlier run has ended.

    Parameters
    ----------
    network
        In evaluation mode, on the device of `compute`.
    card
        Of the network.
    mask
        It is gone on with.

    Yields
    ------
    A progress per tile; sent STOP, the job returns None, and what is done stays.

    Raises
    ------
    InputError
        If the image is constant, or can't be read.
    OutputError
        If the mask can't be written.
    ComputeError
        If memory doesn't suffice even for small tiles.
    """
    message = _resumed_in_words(panorama.name, mask)
    if message:
        yield Progress("segmenting", 0, 1, message=message)
    height, width = panorama.specimen_shape[0], panorama.width
    counted = _Counted(card, mask.resumed.counts)
    scaled = fit_scaling(panorama, card)

    def take(band: Tensor) -> None:
        ids = class_ids(band, card)
        analysable = panorama.analysable_rows(mask.rows, mask.rows + len(ids))
        if analysable is not None:
            ids[~analysable] = card.classes.no_class
        counted.uncertain.add(band, analysable)
        mask.add(ids, counted.with_rows(ids))

    if mask.rows < height:
        whole = yield from segment_rows(
            network, card, panorama, compute, settings, scaled.scaling, take, mask.rows
        )
        if not whole:
            return None
    while mask.rows < panorama.height:  # the info bar
        rows = min(_BAR_ROWS, panorama.height - mask.rows)
        ids = np.full((rows, width), card.classes.no_class, dtype=np.uint8)
        mask.add(ids, counted.with_rows(ids))
    light = None
    if scaled.match is not None and card.grey_reference is not None:
        light = judge(scaled.match, card.grey_reference, counted.pixels, card.classes)
    return GrownMask(counted.pixels, counted.uncertain.area(), light)


class _Counted:
    """What is counted in the rows of a mask, so that it can be gone on with."""

    def __init__(self, card: ModelCard, counts: Mapping[str, Any] | None) -> None:
        self.uncertain = UncertainPixels(len(card.classes), card.temperature)
        self._pixels = np.zeros(256, dtype=np.int64)
        if counts is not None:
            for value, count in counts["pixels"].items():
                self._pixels[int(value)] = count
            rows, pixels, ranked = counts["uncertain"]
            self.uncertain.go_on_from(UncertainTally(rows, pixels, tuple(ranked)))

    @property
    def pixels(self) -> dict[int, int]:
        """Pixels of each value that there is."""
        return {int(v): int(self._pixels[v]) for v in np.flatnonzero(self._pixels)}

    def with_rows(self, ids: NDArray[np.uint8]) -> dict[str, Any]:
        """Count more rows; return all that was counted, for JSON."""
        self._pixels += np.bincount(ids.ravel(), minlength=256)
        return {"pixels": self.pixels, "uncertain": self.uncertain.tally}


def key_of(
    panorama: Panorama, this: TrainingImage, model: ModelIdentity, settings: PredictSettings
) -> dict[str, str]:
    """Return what a mask depends on as it grows, by names for people.

    `this` is the image's fingerprint. How a mask is cleaned at the end isn't among it.
    """
    size, bar = panorama.pixel_size, panorama.info_bar
    settings = settings.with_cleaning(Cleaning())
    stated = (panorama.page, None if size is None else (size.x_um, size.y_um), bar and bar.row)
    return {
        "the image": f"{this.sha256} {json.dumps(stated)}",
        "the model": model.sha256 or model.created,
        "the settings": json.dumps(settings.model_dump(mode="json"), sort_keys=True),
        "the program": f"{__version__}, PyTorch {torch_version()}",
    }


def _resumed_in_words(name: str, mask: GrowingMask) -> str:
    resumed = mask.resumed
    if resumed.rows:
        return f"{name}: an interrupted run is gone on with from row {resumed.rows:,} on."
    if resumed.why_anew:
        return f"{name}: an interrupted run can't be gone on with ({resumed.why_anew}); anew."
    return ""


def without_neighbours(
    panorama: Panorama, card: ModelCard, settings: PredictSettings
) -> tuple[PredictSettings, str]:
    """Leave out what needs all of a mask at once.

    Returns
    -------
    The settings without that, and a line on it; empty if nothing of the kind was set.
    """
    used = settings.model_copy(update={"detached_components": "keep"})
    if not card.unbroken_classes(settings.detached_components):
        return used, ""
    extent = f"{panorama.width:,} x {panorama.height:,} px"
    line = f"{panorama.name} is too large ({extent}) for merging detached components: left out."
    return used, line


def clean_grown(
    mask: GrowingMask,
    grown: GrownMask,
    panorama: Panorama,
    classes: ClassTable,
    cleaning: Cleaning,
) -> tuple[Callable[[int, int], NDArray[np.uint8]], Mapping[int, int]]:
    """Clean a mask that has grown, by bands of rows.

    Returns
    -------
    What gives its rows from one to before another, and pixels by value.

    Raises
    ------
    InputError
        If it has too many regions.
    """
    size = panorama.pixel_size
    area = None if size is None else size.area_um2
    extent = (panorama.height, panorama.width)
    try:
        rows = CleanedRows(mask.read, extent, classes, cleaning, area)
    except InputError as error:
        raise error.reworded(f"{panorama.name}: {error.what}") from error
    return (mask.read, grown.pixels) if rows.counts is None else (rows.read, rows.counts)
