"""Segment a list of images and write masks, overlays and phase fractions."""

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from napari_matssl.errors import MatSSLError, OutputError, StoppedError
from napari_matssl.export.outputs import MASK_PNG, MASK_TIFF, UNFINISHED, Outputs
from napari_matssl.export.results import ResultFolder
from napari_matssl.files import check_writable, check_writable_folder
from napari_matssl.labels.class_table_files import CLASSES_FILE
from napari_matssl.learn.card import ModelCard
from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.segmenter import Segmenter
from napari_matssl.measure.corrected import CorrectedFractions, correct_fractions
from napari_matssl.micrograph.image import PixelSize
from napari_matssl.progress import Job, Progress, Skipped
from napari_matssl.settings import PredictSettings
from napari_matssl.tasks.batch import Each, Ended, Prepared, each_in_turn, none_left
from napari_matssl.tasks.measuring.project_places import Places, places_of_images
from napari_matssl.tasks.predicting.kept_masks import describe_older_files, describe_replaced
from napari_matssl.tasks.predicting.predict_check import (
    CheckedBatch,
    CheckedImage,
    Reading,
    check_images,
    check_names,
    check_space,
)
from napari_matssl.tasks.predicting.predict_images import (
    PredictPlan,
    SegmentedImage,
    check_elsewhere,
    checking,
    segment_elsewhere,
    segmenting,
)
from napari_matssl.tasks.predicting.segmenting import SegmentingRun
from napari_matssl.tasks.provenance import identify_model, new_run


@dataclass(frozen=True)
class PredictResult:
    """Results of the images.

    Parameters
    ----------
    images
        Those that were segmented, or whose masks were there already.
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
    missing: bool = False,
    pixel_size: PixelSize | None = None,
    places: bool = True,
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
    missing
        Keep masks that are there already if they would be the same.
    pixel_size
        Of images that have none.
    places
        Whether specimens count in the tables as the project of the images keeps them.

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
    _check_places(paths, out)
    name = new_run()
    run = SegmentingRun(segmenter, model, settings, probabilities=outputs.probabilities, run=name)
    reading = Reading(settings, bar_row, page, pixel_size)
    plan = PredictPlan(model, run.identity, out, settings, reading, outputs, name, missing)
    results = _results(out, segmenter.card, outputs)
    job = _Predicting(
        plan,
        results,
        each_in_turn,
        partial(checking, plan, segmenter.card),
        partial(segmenting, plan, run, results.files, results.begin),
        places=places,
    )
    return (yield from job.run(paths, run.begin()))


def predict_on(
    each: Each,
    model: Path,
    paths: Sequence[Path],
    out: Path,
    settings: PredictSettings,
    outputs: Outputs | None = None,
    bar_row: int | None = None,
    page: int | None = None,
    missing: bool = True,
) -> Job[PredictResult]:
    """Segment images as :func:`predict`, in processes that see the same files under their names.

    Masks, tables and messages are the same. Sent STOP, the processes leave off at the next tile.

    Parameters
    ----------
    each
        Has them do it.
    model
        A model file.
    paths, out, settings, outputs, bar_row, page, missing
        As for :func:`predict`.
    """
    outputs = outputs or Outputs(masks_tiff=False)
    paths, out, model = [path.absolute() for path in paths], out.absolute(), model.absolute()
    _check_places(paths, out)
    card = read_card(model, kind="segmenter")
    identity, reading = identify_model(model, card), Reading(settings, bar_row, page)
    plan = PredictPlan(model, identity, out, settings, reading, outputs, new_run(), missing)
    results = _results(out, card, outputs)
    check, segment = partial(check_elsewhere, plan), partial(segment_elsewhere, plan)
    job = _Predicting(plan, results, each, check, segment, elsewhere=True)
    return (yield from job.run(paths, ""))


def _check_places(paths: Sequence[Path], out: Path) -> None:
    check_names(paths, out)
    check_writable_folder(out)
    check_writable(out / CLASSES_FILE)


def _results(out: Path, card: ModelCard, outputs: Outputs) -> ResultFolder:
    correct = partial(correct_fractions, held_out=card.held_out)
    return ResultFolder(out, card.classes, outputs, correct)


class _Predicting:
    """One run into a folder."""

    def __init__(
        self,
        plan: PredictPlan,
        results: ResultFolder,
        each: Each,
        check: Callable[[], Prepared[Path, CheckedImage]],
        segment: Callable[[], Prepared[CheckedImage, SegmentedImage]],
        elsewhere: bool = False,
        places: bool = True,
    ) -> None:
        self._plan, self._results, self._each = plan, results, each
        self._check, self._segment, self._elsewhere = check, segment, elsewhere
        self._done: dict[str, SegmentedImage] = {}
        self._order: list[str] = []
        self._count_places, self._places = places and plan.outputs.tables, Places({})

    def run(self, paths: Sequence[Path], message: str) -> Job[PredictResult]:
        """Check all images, and segment those that can be."""
        message = "\n".join(filter(None, [message, self._results.remark()]))
        if (yield Progress("checking", 0, len(paths), message=message)) is not None:
            raise _no_mask_error()
        batch = yield from check_images(self._each, self._check, paths, self._plan.reading)
        if batch is None:
            raise _no_mask_error()
        self._order = [one.path.name for one in batch.images]
        if self._count_places:
            self._places = places_of_images({one.path.name: one.path for one in batch.images})
        if self._places.remark:
            yield Progress("segmenting", 0, 1, message=self._places.remark)
        for one in batch.images:
            if one.kept:
                name, mask = one.path.name, self._mask_of(one)
                self._done[name] = SegmentedImage(name, mask, 0.0, one.kept, kept=True)
        missing = {one.path.name: one for one in batch.images if not one.kept}
        if self._done:
            yield Progress("segmenting", 0, 1, message=self._kept_line(len(paths)))
        if line := describe_replaced((self._mask_of(one), one.path) for one in missing.values()):
            yield Progress("segmenting", 0, 1, message=line)
        bytes_per_pixel = self._plan.outputs.bytes_per_pixel(len(self._results.table))
        check_space(self._plan.out, missing.values(), bytes_per_pixel)
        return (yield from self._segment_all(batch, missing))

    def _mask_of(self, image: CheckedImage) -> Path:
        ending = MASK_TIFF if image.is_panorama else MASK_PNG
        return self._results.files.path(image.path.name, ending)

    def _kept_line(self, total: int) -> str:
        return (
            f"{len(self._done)} of {total} images have masks of this model and these settings "
            "already, which are kept."
        )

    def _segment_all(
        self, batch: CheckedBatch, missing: dict[str, CheckedImage]
    ) -> Job[PredictResult]:
        """Segment the images and write the tables, whatever ends the job."""
        ended, failure = Ended((), None, stopped=False), None
        try:
            if self._done or (missing and self._elsewhere):
                self._results.begin()  # kept masks, too, are of the classes that it names
            if missing:
                ended = yield from self._each(
                    self._segment, missing, "segmenting", self._done.__setitem__
                )
        except OutputError as error:
            failure = error
        except BaseException:  # including a second Ctrl-C, and a job that is closed
            with contextlib.suppress(OutputError):
                self._finish(restore=not self._elsewhere)
            raise
        tables = None
        try:
            tables, remark = self._finish()
            if remark:
                yield Progress("segmenting", 1, 1, message=remark)
        except OutputError as error:
            failure = failure or error
        if not self._done:
            if failure is None and not ended.stopped:
                raise none_left(ended.first, len(ended.skipped))
            raise failure or _no_mask_error(self._unfinished(missing))
        made = [name for name in self._done if name in missing and not missing[name].is_panorama]
        if line := describe_older_files(self._results.files, made):
            yield Progress("segmenting", 1, 1, message=line)
        unfinished = self._unfinished(missing)
        if unfinished:
            line = f"{', '.join(unfinished)}: what is done is kept for the same command."
            yield Progress("segmenting", 1, 1, message=line)
        phases, summary, corrected = tables or (None, None, None)
        return PredictResult(
            self._images(),
            phases,
            summary,
            batch.skipped + ended.skipped,
            ended.stopped,
            failure,
            corrected,
            self._results.corrected,
        )

    def _unfinished(self, names: Iterable[str]) -> list[str]:
        """Return the panoramas of which rows are on disk."""
        files = self._results.files
        return [name for name in names if os.path.exists(files.path(name, UNFINISHED))]

    def _images(self) -> tuple[SegmentedImage, ...]:
        """Return what is done, in the order of the images as they were given."""
        return tuple(self._done[name] for name in self._order if name in self._done)

    def _finish(self, restore: bool = True) -> tuple[tuple[Path, ...] | None, str]:
        """Write the tables."""
        for one in self._images():
            at = self._places.of(one.name)
            phases = [
                replace(phase, specimen=at.specimen, section=at.section, group=at.group)
                for phase in one.phases
            ]
            self._results.add(one.name, phases)
        return self._results.finish(restore)


def _no_mask_error(unfinished: Sequence[str] = ()) -> StoppedError:
    before = "Stopped before the first image was segmented"
    if unfinished:
        return StoppedError(f"{before}: the same command goes on with {', '.join(unfinished)}.")
    return StoppedError(f"{before}: nothing was written.")
