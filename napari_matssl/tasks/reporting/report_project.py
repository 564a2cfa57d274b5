"""Measure a project and write its report, as the window does."""

from pathlib import Path

from napari_matssl.errors import InputError, StoppedError
from napari_matssl.export.run_tables import CORRECTED
from napari_matssl.export.tables import describe_other_names, write_frames_or_numbered
from napari_matssl.files import check_writable_folder
from napari_matssl.labels.names import few
from napari_matssl.measure.corrected import corrected_frame
from napari_matssl.progress import Job, Progress
from napari_matssl.project.folder import Project
from napari_matssl.tasks.measuring.correcting import correct_project
from napari_matssl.tasks.measuring.export_project import check_export_folder
from napari_matssl.tasks.measuring.measure_files import FIELDS
from napari_matssl.tasks.measuring.measure_plan import MeasurePlan
from napari_matssl.tasks.measuring.measures import describe_older
from napari_matssl.tasks.measuring.point_counts import ALL_POINTS, COUNT, COUNT_SUMMARY
from napari_matssl.tasks.measuring.project_meter import ProjectMeter
from napari_matssl.tasks.reporting.report_plan import (
    PlannedReport,
    Request,
    plan_project_report,
)
from napari_matssl.tasks.reporting.write_report import (
    PAGE,
    PDF,
    WORKBOOK,
    WrittenReport,
    write_report,
)


def existing_report(project: Project, out: Path, plan: MeasurePlan) -> tuple[Path, ...]:
    """List the files that :func:`report_project` would overwrite.

    Raises
    ------
    OutputError
        If `out` is the folder of the images, or inside the project's own.
    """
    check_export_folder(project, out)
    counts = (COUNT, COUNT_SUMMARY, ALL_POINTS)
    names = (PAGE, PDF, WORKBOOK, FIELDS, CORRECTED, *plan.table_names, *counts)
    return tuple(out / name for name in names if (out / name).exists())


def report_project(
    meter: ProjectMeter, plan: MeasurePlan, out: Path, request: Request | None = None
) -> Job[WrittenReport]:
    """Write the tables of a project's final masks, and the report of them.

    Parameters
    ----------
    meter
        Of the project; it measures again what has changed.
    plan
        The measures.
    out
        Folder for tables and report.
    request
        What was typed; the project keeps it.

    Yields
    ------
    A progress per image, file and picture.

    Raises
    ------
    InputError
        If no image is segmented, one can't be read any more, or images change all the time.
    OutputError
        If `out` can't be written, is the folder of the images, or inside the project's own.
    SettingsError
        If a measure needs a class, and none is named.
    StoppedError
        If the job was sent STOP; no report is written then.
    """
    project = meter.project
    check_export_folder(project, out)
    check_writable_folder(out)
    measured = yield from meter.measure_at_once(plan)
    if measured.stopped:
        raise StoppedError("Stopped before all images were measured: nothing was written.")
    if not measured.images:
        raise InputError(
            measured.problems[0]
            if measured.problems
            else f"No image in {project.folder} is segmented.",
            "Segment some images first.",
        )
    if changed := meter.changed_since(measured):
        raise InputError(
            f"{few(changed)} changed while it was measured: nothing was written.",
            "Paint or clean after the report, and write it again.",
        )
    planned = plan_project_report(project, measured, request or Request())
    wanted = {out / name: frame for name, frame in planned.tables.items()}
    written = write_frames_or_numbered(wanted)
    if remark := describe_other_names(tuple(wanted), written):
        yield Progress("writing the report", 0, 1, message=remark)
    beside = _write_uncorrected(project, planned, out)
    if remark := describe_older((*written, *beside)):
        yield Progress("writing the report", 0, 1, message=remark)
    return (yield from write_report(planned, out, written))


def _write_uncorrected(project: Project, planned: PlannedReport, out: Path) -> tuple[Path, ...]:
    """Replace a table of corrected fractions where none could be corrected, as an export does."""
    path = out / CORRECTED
    if CORRECTED in planned.tables or not planned.rows or not path.is_file():
        return ()
    frame = corrected_frame(correct_project(project, planned.rows).rows)
    return write_frames_or_numbered({path: frame})
