"""Run a recipe: segment, measure, judge and report a folder, with nothing left to choose."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from napari_matssl.errors import MatSSLError, OutputError, StoppedError, printable
from napari_matssl.export.outputs import OVERLAY, Outputs
from napari_matssl.export.tables import describe_other_names, write_frames_or_numbered
from napari_matssl.files import check_room, temporary_folder
from napari_matssl.learn.segmenter import read_segmenter
from napari_matssl.micrograph.reading import SUFFIXES, ZARR, find_micrographs
from napari_matssl.progress import Job, Progress
from napari_matssl.project.image_settings import settings_of_image
from napari_matssl.report.contents import VERDICTS, RecipeFacts
from napari_matssl.settings.report_details import ReportDetails
from napari_matssl.tasks.batch import each_in_turn
from napari_matssl.tasks.measuring.masks_to_measure import Sources
from napari_matssl.tasks.measuring.measure_files import FIELDS, MeasuredMasks, measure_masks_by
from napari_matssl.tasks.predicting.predict import PredictResult, predict
from napari_matssl.tasks.recipe.contents import Recipe
from napari_matssl.tasks.recipe.deviations import deviations, not_given, other_files
from napari_matssl.tasks.recipe.judging import (
    Judged,
    Verdict,
    judge_image,
    judge_run,
    left_out,
    verdicts_frame,
)
from napari_matssl.tasks.recipe.machine import this_machine
from napari_matssl.tasks.recipe.recipe_file import RecipeFile, check_model
from napari_matssl.tasks.recipe.run_folder import RunRecord, check_run_folder, read_run
from napari_matssl.tasks.recipe.run_guard import RUN
from napari_matssl.tasks.reporting.report_plan import PlannedReport, Request, plan_report
from napari_matssl.tasks.reporting.write_report import WrittenReport, write_report


@dataclass(frozen=True)
class RecipeRun:
    """A run that has its report.

    Parameters
    ----------
    out
        Its folder.
    record
        As it stands in that folder.
    reasons
        Why it doesn't pass.
    images
        What became of each, in the order of the folder.
    overlays
        Pictures of masks over images, by the image's name, where there is one.
    planned
        What the report says.
    tables
        Files of its tables.
    report
        Files of the report.
    """

    out: Path
    record: RunRecord
    reasons: tuple[str, ...]
    images: tuple[Judged, ...]
    overlays: Mapping[str, Path]
    planned: PlannedReport
    tables: tuple[Path, ...]
    report: WrittenReport

    @property
    def verdict(self) -> Verdict:
        """Of the run."""
        return self.record.verdict or Verdict.FAIL


def run_recipe(
    file: RecipeFile, folder: Path, out: Path, details: ReportDetails | None = None
) -> Job[RecipeRun]:
    """Segment, measure and judge the images of a folder, and write the report.

    Images that can't be segmented or measured fail and never end the run. The same call goes on
    with a run that was interrupted: masks that would be the same are kept.

    Parameters
    ----------
    file
        The recipe.
    folder
        Of the images.
    out
        An empty folder, or that of the same run.
    details
        Specimen and operator; all else is the recipe's.

    Yields
    ------
    The progresses of segmenting, measuring and reporting.

    Raises
    ------
    InputError
        If no image can be used.
    OutputError
        If `out` can't be written, or holds something else.
    DeviceError, ComputeError
        If the device can't be used, or its memory doesn't suffice for any image.
    StoppedError
        If the job was sent STOP; there is no new report then.
    """
    recipe = file.recipe
    given = (details or ReportDetails()).over(recipe.report)
    paths = find_micrographs([folder], (*SUFFIXES, ZARR))
    begun = RunRecord(
        recipe=recipe.name,
        checksum=file.checksum,
        folder=printable(str(folder.absolute())),
        specimen=given.specimen,
    )
    check_run_folder(out, begun, paths)
    check_room(out, file.path.stat().st_size)
    with temporary_folder(out) as place:
        model = file.copy_model(place)
        check_model(file, model)
        segmenter = read_segmenter(model)
        # Again: meanwhile another run may have begun there, or one have been signed.
        before, there = check_run_folder(out, begun, paths), (out / RUN).exists()
        # Whoever interrupts a run must not make its folder free for another specimen.
        begun = begun.model_copy(update={"images": before.images})
        begun.write(out)
        try:
            segmented = yield from predict(
                segmenter,
                paths,
                out,
                recipe.prediction,
                Outputs(masks_tiff=False),
                model,
                missing=True,
                pixel_size=recipe.calibration.stated,
                places=False,  # a run is of the specimen that is entered
            )
        except MatSSLError:  # before the first mask
            with contextlib.suppress(OutputError, OSError):
                before.write(out) if there else (out / RUN).unlink(missing_ok=True)
            raise
        if segmented.failure is not None:
            raise segmented.failure
        if segmented.stopped:
            raise _stopped(len(segmented.images), len(paths))
        measured = yield from _measure(recipe, segmented, folder, len(paths))
        images = _judge(recipe, segmented, measured, paths)
        others = other_files(folder, paths, out)
        planned = _plan(file, given, measured, images, others, model)
    if read_run(out) != begun:
        raise OutputError(
            f"Another run was begun in {out} meanwhile: no report was written.",
            "Run the recipe again, into a new folder.",
        )
    wanted = {out / name: frame for name, frame in planned.tables.items()}
    tables = write_frames_or_numbered(wanted)
    if remark := describe_other_names(tuple(wanted), tables):
        yield Progress("writing the report", 0, 1, message=remark)
    report = yield from write_report(planned, out, tables)
    verdict, reasons = judge_run(images, recipe.limits)
    record = begun.judged(verdict, images, _now())
    record.write(out)
    pictures = {
        printable(one.name): out / f"{Path(one.name).stem}{OVERLAY}" for one in segmented.images
    }
    overlays = {name: path for name, path in pictures.items() if path.is_file()}
    return RecipeRun(out, record, reasons, images, overlays, planned, tables, report)


def sign_run(run: RecipeRun, name: str) -> Job[RecipeRun]:
    """Write the report of a run again, with the name of who has looked at it.

    Raises
    ------
    InputError
        If a mask, an image or a table can't be read any more, or was changed since the run.
    OutputError
        If a file can't be written, or the folder holds another run by now, or a signed one.
    StoppedError
        If the job was sent STOP; the unsigned report stays.
    """
    assert run.planned.recipe is not None
    if read_run(run.out) != run.record:
        raise OutputError(
            f"{run.out} was run or signed again meanwhile: nothing was signed.",
            "Run the recipe again, into a new folder if that one is signed.",
        )
    signed = f"{name}, {datetime.now().astimezone().isoformat(timespec='seconds')}"
    details, facts = run.planned.details, run.planned.recipe
    if not details.operator:
        details = details.model_copy(update={"operator": name})
        known = tuple(line for line in facts.deviations if line != not_given("operator"))
        facts = replace(facts, deviations=known)
    planned = replace(run.planned, recipe=replace(facts, signed=signed), details=details)
    report = yield from write_report(planned, run.out, run.tables, run.report.files)
    record = run.record.model_copy(update={"signed": signed})
    record.write(run.out)
    return replace(run, planned=planned, report=report, record=record)


def _measure(
    recipe: Recipe, segmented: PredictResult, folder: Path, total: int
) -> Job[MeasuredMasks]:
    # Images of another um/px fail by the limits; they don't end the run.
    settings = recipe.measuring.settings.model_copy(update={"mixed": True})
    sources = Sources(
        images=folder,
        pixel_size=recipe.calibration.stated,
        named_by_image=True,
        kept_places=False,
    )
    masks = [one.mask for one in segmented.images]
    try:
        return (
            yield from measure_masks_by(
                each_in_turn, masks, sources, settings, recipe.measuring.classes, leave_out=True
            )
        )
    except StoppedError as error:
        raise _stopped(len(masks), total) from error


def _judge(
    recipe: Recipe,
    segmented: PredictResult,
    measured: MeasuredMasks,
    paths: Sequence[Path],
) -> tuple[Judged, ...]:
    by_file = {one.file.path.name: one for one in measured.masks}
    left = (*segmented.skipped, *measured.skipped)
    judged = {one.name: left_out(one.name, one.reason) for one in left}
    places = {path.name: path for path in paths}
    rows = measured.tables[FIELDS]
    analysed = dict(zip(rows["image"], rows["analysed_pixels"], strict=True))
    for image in segmented.images:
        name = printable(image.name)
        if name in judged:
            continue
        mask, by_hand = by_file[image.mask.name], settings_of_image(places[image.name])
        if not analysed[mask.name]:  # it is in no figure, so it is no field either
            judged[name] = left_out(name, "all of it is of classes that are left out")
            continue
        judged[name] = judge_image(
            name,
            mask.origin,
            mask.size,
            by_hand.pixel_size is not None,
            by_hand.info_bar != "auto",
            recipe.calibration,
            recipe.limits,
        )
    return tuple(judged[name] for name in map(_listed, paths) if name in judged)


def _listed(path: Path) -> str:
    """Name an image as those that are left out are named."""
    return printable(path.name)


def _plan(
    file: RecipeFile,
    details: ReportDetails,
    measured: MeasuredMasks,
    images: tuple[Judged, ...],
    others: tuple[str, ...],
    model: Path,
) -> PlannedReport:
    recipe = file.recipe
    verdict, reasons = judge_run(images, recipe.limits)
    facts = RecipeFacts(
        name=recipe.name,
        checksum=file.checksum,
        verdict=str(verdict),
        reasons=reasons,
        rules=recipe.rules(),
        deviations=deviations(recipe, this_machine(), details, images, others),
    )
    settings = recipe.measuring.settings
    request = Request(details, "", model, (file.path,), kept=False)
    planned = plan_report(measured, settings, request)
    return replace(
        planned,
        tables={VERDICTS: verdicts_frame(images), **planned.tables},
        # The file of the recipe is named, of which the model is a part.
        models=tuple(replace(one, path=None) for one in planned.models),
        recipe=facts,
    )


def _stopped(done: int, total: int) -> StoppedError:
    return StoppedError(
        f"Stopped when {done} of {total} images were segmented: no new report was written. The "
        "same run goes on from there."
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
