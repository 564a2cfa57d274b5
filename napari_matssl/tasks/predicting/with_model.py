"""Segmentation by a model file, handed over mask by mask: what the window does."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from napari_matssl.errors import InputError
from napari_matssl.labels.renumbering import ids_by
from napari_matssl.learn.segmenter import read_segmenter
from napari_matssl.micrograph.panorama import AnyMicrograph
from napari_matssl.progress import Job, Progress
from napari_matssl.settings import Cleaning, PredictSettings
from napari_matssl.tasks.info_bars import without_info_bar
from napari_matssl.tasks.predicting.panoramas import PanoramaPlace
from napari_matssl.tasks.predicting.segmenting import (
    EVERY_ID,
    SegmentedBatch,
    SegmentedMicrograph,
    SegmentingRun,
)


def segment_with_model(
    model: Path,
    micrographs: Mapping[str, Callable[[], AnyMicrograph]],
    settings: PredictSettings,
    keep: Callable[[SegmentedMicrograph], None],
    renumber: Mapping[int, int] | None = None,
    probabilities: bool = False,
    panoramas: Callable[[str], PanoramaPlace] | None = None,
) -> Job[SegmentedBatch]:
    """Segment micrographs one after another and hand each result over as it is done.

    One that can't be used is left out and listed; the others are segmented all the same.

    Parameters
    ----------
    model
        Model file.
    micrographs
        By name; read one at a time.
    settings
        Tiles, info bar, device; regions are not cleaned here, for the mask stays as found.
    keep
        Called with each result, in the thread of the job.
    renumber
        New id of each class id of the model, for masks and previews; "not analysed" becomes 0.
        None keeps the model's ids.
    probabilities
        Also give probabilities and uncertainty.
    panoramas
        Tells by its name where a panorama goes, whose mask keeps the model's ids while it grows;
        None: panoramas are left out.

    Yields
    ------
    A progress per tile, each with a preview. Sent STOP, the job returns with what is done.

    Raises
    ------
    ModelFileError, DeviceError
        If the model can't be used, or the device isn't there.
    InputError, ComputeError
        If no micrograph can be used.
    """
    if not micrographs:
        raise InputError("There is no image to segment.", "Open an image or a folder.")
    yield Progress("preparing", 0, 1)
    # Masks are cleaned where they are shown and measured, not here.
    used = settings.with_cleaning(Cleaning())
    ids = EVERY_ID if renumber is None else ids_by(renumber)
    run = SegmentingRun(read_segmenter(model), model, used, ids, probabilities, show=True)
    yield Progress("preparing", 0, 1, message=run.begin())
    if settings.info_bar == "none":
        micrographs = {name: partial(_whole, read) for name, read in micrographs.items()}
    return (
        yield from run.segment(
            micrographs, lambda found, _micrograph: keep(found), panoramas=panoramas
        )
    )


def _whole(read: Callable[[], AnyMicrograph]) -> AnyMicrograph:
    """Read a micrograph and take its info bar for specimen."""
    return without_info_bar(read())
