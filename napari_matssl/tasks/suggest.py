"""Where to paint: images that cover a folder's variety, and regions where a model is unsure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from napari_matssl.errors import ComputeError, InputError, MatSSLError, StoppedError, printable
from napari_matssl.learn.device import Compute, choose_compute
from napari_matssl.learn.encoders import build_encoder
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.learn.start_weights import fetch_start_weights, load_start_weights
from napari_matssl.learn.unsure_regions import UnsureRegion, turn, unsure_regions
from napari_matssl.learn.variety import Floats, distances, embed, farthest_first
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Control, Job, Progress, Skipped
from napari_matssl.project.folder import Project
from napari_matssl.settings import FinetuneSettings, IntensityScalingSettings, PredictSettings
from napari_matssl.tasks.batch import left_out, memory_errors, none_left
from napari_matssl.tasks.predicting.segmenting import SegmentedMicrograph, SegmentingRun

PER_IMAGE = 3
"""Regions of one image at most, so that a list shows several images."""


@dataclass(frozen=True)
class SuggestedImage:
    """An image to paint on.

    Parameters
    ----------
    name
        Of the image.
    distance
        From the nearest painted image or the nearest before it in the list, in spreads of the
        folder (:func:`~napari_matssl.learn.variety.distances`); None for the first of a folder in
        which nothing is painted, the most typical one.
    """

    name: str
    distance: float | None


@dataclass(frozen=True)
class SuggestedRegion:
    """A region of an image to paint on."""

    name: str
    region: UnsureRegion


@dataclass(frozen=True)
class Suggestions:
    """Where to paint.

    Parameters
    ----------
    images
        Those that aren't painted yet, in the order in which they cover the variety of the folder.
    painted
        Those that are.
    regions
        Where the model is unsure: the most uncertain ones first, one of each image, those of images
        without strokes before others (:func:`~napari_matssl.learn.unsure_regions.turn`); none
        without a model.
    skipped
        Images that can't be used, and why.
    known
        Names of all images that were looked at.
    """

    images: tuple[SuggestedImage, ...]
    painted: tuple[str, ...]
    regions: tuple[SuggestedRegion, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    known: frozenset[str] = frozenset()

    def in_words(self, count: int) -> list[str]:
        """Return a line for each of the first `count` images, and for each region."""
        lines = []
        if self.images:
            lines.append("Paint these first:")
            for rank, one in enumerate(self.images[:count], 1):
                why = "the most typical image"
                if one.distance is not None:
                    why = f"{one.distance:.1f} from the nearest painted or named one"
                lines.append(f"{rank:3}. {printable(one.name)}: {why}")
        if self.regions:
            lines.append("Then here, where the model is unsure:")
        for rank, found in enumerate(self.regions, 1):
            region = found.region
            lines.append(
                f"{rank:3}. {printable(found.name)}, row {region.row}, column {region.column}, "
                f"{region.side} px wide: {100 * region.share:.0f} % uncertain"
            )
        return lines or ["Every image is painted."]

    def to_json(self) -> dict[str, Any]:
        """Return everything but what was left out."""
        return {
            "images": [{"image": one.name, "distance": one.distance} for one in self.images],
            "painted": list(self.painted),
            "regions": [
                {
                    "image": one.name,
                    "row": one.region.row,
                    "column": one.region.column,
                    "side": one.region.side,
                    "uncertain_percent": round(100 * one.region.share, 2),
                }
                for one in self.regions
            ],
        }


def suggest(
    project: Project,
    settings: FinetuneSettings,
    segmenter: Segmenter | None = None,
    model: Path | None = None,
    regions: int = 10,
) -> Job[Suggestions]:
    """Suggest where to paint in a folder.

    Parameters
    ----------
    project
        The folder; excluded images take no part.
    settings
        Encoder, its start weights, and the device; the encoder of `segmenter` goes before.
    segmenter, model
        A model and its file; without one there are no regions.
    regions
        How many at most.

    Yields
    ------
    A progress per image, and per tile where there is a model.

    Raises
    ------
    InputError
        If no image can be used.
    SettingsError, WeightsError, DeviceError, ComputeError
        If encoder, weights or device can't be had, or memory doesn't suffice.
    StoppedError
        If it was stopped: half of a folder shows no variety.
    """
    reads = {name: partial(project.micrographs.read, name) for name in project.micrographs.analysed}
    compute = choose_compute(settings.device)
    if segmenter is None:
        yield from fetch_start_weights(settings.encoder, settings.weights)
        encoder = build_encoder(settings.encoder)
        load_start_weights(encoder, settings.encoder, settings.weights)
        scaling = settings.intensity_scaling
    else:
        encoder = segmenter.network.get_submodule("encoder")
        scaling = segmenter.card.intensity_scaling
    encoder = compute.place_to_segment(encoder.eval())
    described, skipped = yield from _describe(reads, encoder, compute, scaling)
    names = list(described)
    painted = [name for name in names if project.labels.has(name)]
    apart = distances([described[name] for name in names])
    known = [names.index(name) for name in painted]
    images = []
    for one in farthest_first(apart, known):
        near = min((float(apart[one, other]) for other in known), default=None)
        images.append(SuggestedImage(names[one], near))
        known.append(one)
    found: tuple[SuggestedRegion, ...] = ()
    if segmenter is not None:
        usable = {name: reads[name] for name in names}
        found = yield from _look(project, usable, segmenter, model, settings, regions)
    return Suggestions(tuple(images), tuple(painted), found, skipped, frozenset(reads))


def _describe(
    reads: Mapping[str, Callable[[], Micrograph]],
    encoder: nn.Module,
    compute: Compute,
    scaling: IntensityScalingSettings,
) -> Job[tuple[dict[str, Floats], tuple[Skipped, ...]]]:
    """Describe every image that can be used."""
    described: dict[str, Floats] = {}
    skipped: list[Skipped] = []
    first: MatSSLError | None = None
    for number, (name, read) in enumerate(reads.items()):
        message = f"Device: {compute.describe()}" if number == 0 else ""
        try:
            with memory_errors(name):
                described[name] = embed(encoder, read(), compute, scaling)
        except (InputError, ComputeError) as error:
            error.__traceback__ = error.__cause__ = error.__context__ = None
            first = first or error
            skipped.append(Skipped(printable(name), str(error), error.settings))
            message = left_out(skipped[-1])
        if (yield Progress("comparing", number + 1, len(reads), message=message)) is Control.STOP:
            raise StoppedError("Stopped before all images were compared: there is no suggestion.")
    if not described:
        raise none_left(first, len(reads))
    return described, tuple(skipped)


def _look(
    project: Project,
    reads: Mapping[str, Callable[[], Micrograph]],
    segmenter: Segmenter,
    model: Path | None,
    settings: FinetuneSettings,
    count: int,
) -> Job[tuple[SuggestedRegion, ...]]:
    """Find where the model is unsure, in all images."""
    found: list[tuple[int, SuggestedRegion]] = []

    def keep(segmented: SegmentedMicrograph, _micrograph: Micrograph) -> None:
        name, map_ = segmented.name, segmented.uncertainty
        assert map_ is not None
        strokes = project.labels.read(name)
        painted = None if strokes is None else strokes > 0
        regions = unsure_regions(map_, min(PER_IMAGE, count), painted)
        found.extend(
            (turn(rank, painted is not None and bool(painted.any())), SuggestedRegion(name, one))
            for rank, one in enumerate(regions)
        )

    run = SegmentingRun(
        segmenter, model, PredictSettings(device=settings.device), probabilities=True
    )
    batch = yield from run.segment(reads, keep, dict.fromkeys(reads, ()))
    if batch.stopped:
        raise StoppedError("Stopped before all images were segmented: there is no suggestion.")
    found.sort(key=lambda one: (one[0], -one[1].region.uncertainty))
    return tuple(one for _turn, one in found[:count])
