"""Segment a list of images and write masks, overlays and phase fractions."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from napari_matssl.errors import MatSSLError, OutputError, StoppedError
from napari_matssl.export.results import MASK_PNG, Outputs, ResultFolder
from napari_matssl.files import check_writable, check_writable_folder
from napari_matssl.labels.class_table_files import CLASSES_FILE
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.measure.corrected import CorrectedFractions, correct_fractions
from napari_matssl.measure.phases import PhaseFraction
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.progress import Job, Progress, Skipped
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.predict_check import (
    CheckedBatch,
    Reading,
    check_images,
    check_names,
    check_space,
)
from napari_matssl.tasks.segmenting import SegmentedMicrograph, SegmentingRun


@dataclass(frozen=True)
class SegmentedImage:
    """One image that was segmented.

    Parameters
    ----------
    name
        The image's file name.
    mask
        Where the mask was written.
    seconds
        For reading, segmenting and writing.
    phases
        Its area fractions.
    """

    name: str
    mask: Path
    seconds: float
    phases: tuple[PhaseFraction, ...]


@dataclass(frozen=True)
class PredictResult:
    """Results of the images.

    Parameters
    ----------
    images
        Those that were segmented.
    phases, summary, corrected_table
        The tables; None if they could not be written.
    corrected
        The fractions corrected for the model's own error.
    skipped
        Those that were left out, and why.
    stopped
        Whether the job was stopped before all were done.
    failure
        What ended the job before all were done, or kept the tables from being written.
    """

    images: tuple[SegmentedImage, ...]
    phases: Path | None
    summary: Path | None
    skipped: tuple[Skipped, ...] = ()
    stopped: bool = False
    failure: MatSSLError | None = None
    corrected_table: Path | None = None
    corrected: CorrectedFractions = field(default_factory=CorrectedFractions)


def predict(
    segmenter: Segmenter,
    paths: Sequence[Path],
    out: Path,
    settings: PredictSettings,
    outputs: Outputs | None = None,
    model: Path | None = None,
    bar_row: int | None = None,
    page: int | None = None,
) -> Job[PredictResult]:
    """Segment images and write masks, overlays and tables of phase fractions.

    Every image is read and checked before the first is segmented. One that can't be used is left
    out and listed; the tables hold what is done, whatever ends the job. Nothing is written, and no
    old result touched, before the first image is segmented.

    Parameters
    ----------
    segmenter
        From a model file.
    paths
        Image files, none of them in `out`.
    out
        Folder for ``<stem>_mask.png``, ``<stem>_overlay.png``, ``<stem>_probabilities.tif``,
        ``classes.json``, ``phases.csv``, ``summary.csv`` and ``corrected.csv``.
    outputs
        What to write; masks as PNG, overlays and tables by default.
    model
        The file of `segmenter`, which masks and tables name.
    bar_row
        First row of the info bar of every image; None finds it, as `settings` want it.
    page
        Which image of files that hold several, from 1; None takes the only or first one.

    Yields
    ------
    A progress per tile; sent STOP, the job returns with the images that are done.

    Raises
    ------
    InputError
        If no image can be used, or two would give masks of one name.
    OutputError
        If `out` can't be written or is a folder of the images.
    DeviceError, ComputeError
        If the device isn't there, or its memory doesn't suffice for any image.
    StoppedError
        If it was stopped before the first image was done.
    """
    outputs = outputs or Outputs(masks_tiff=False)
    reading = Reading(settings, bar_row, page)
    check_names(paths, out)
    check_writable_folder(out)
    check_writable(out / CLASSES_FILE)
    run = SegmentingRun(segmenter, model, settings, probabilities=outputs.probabilities)
    correct = partial(correct_fractions, held_out=segmenter.card.held_out)
    results = ResultFolder(out, segmenter.classes, outputs, correct)
    message = "\n".join(filter(None, [run.begin(), results.remark()]))
    if (yield Progress("checking", 0, len(paths), message=message)) is not None:
        raise _no_mask_error()
    batch = yield from check_images(segmenter, paths, out, reading, outputs.endings)
    if batch is None:
        raise _no_mask_error()
    check_space(out, batch.images, outputs.bytes_per_pixel(len(segmenter.classes)))
    return (yield from _Writing(results).results_of(run, batch, reading))


class _Writing:
    """One run into a folder."""

    def __init__(self, results: ResultFolder) -> None:
        self._results = results
        self._done: list[SegmentedImage] = []
        self._clock = time.monotonic()

    def results_of(
        self, run: SegmentingRun, batch: CheckedBatch, reading: Reading
    ) -> Job[PredictResult]:
        """Segment the images and write the tables, whatever ends the job."""
        reads = {one.path.name: partial(reading.read, one.path) for one in batch.images}
        reported = {one.path.name: one.remarks for one in batch.images}
        skipped, stopped, failure = batch.skipped, False, None
        self._clock = time.monotonic()
        try:
            segmented = yield from run.segment(reads, self._keep, reported)
            skipped += segmented.skipped
            stopped = segmented.stopped
        except OutputError as error:
            failure = error
        except BaseException:  # including a second Ctrl-C, and a job that is closed
            with contextlib.suppress(OutputError):
                self._results.finish()
            raise
        tables = None
        try:
            tables, remark = self._results.finish()
            if remark:
                yield Progress("segmenting", 1, 1, message=remark)
        except OutputError as error:
            failure = failure or error
        if not self._done:
            raise failure or _no_mask_error()
        phases, summary, corrected = tables or (None, None, None)
        return PredictResult(
            tuple(self._done),
            phases,
            summary,
            skipped,
            stopped,
            failure,
            corrected,
            self._results.corrected,
        )

    def _keep(self, segmented: SegmentedMicrograph, micrograph: Micrograph) -> None:
        """Write the files of one image."""
        origin, probabilities = segmented.facts.provenance, segmented.probabilities
        phases = self._results.write(micrograph, segmented.mask, origin, probabilities)
        path = self._results.folder / f"{Path(segmented.name).stem}{MASK_PNG}"
        seconds, self._clock = time.monotonic() - self._clock, time.monotonic()
        self._done.append(SegmentedImage(segmented.name, path, seconds, tuple(phases)))


def _no_mask_error() -> StoppedError:
    return StoppedError("Stopped before the first image was segmented: nothing was written.")
