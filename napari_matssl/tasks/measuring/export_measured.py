"""Export a project with the tables of all its measures."""

from pathlib import Path

from napari_matssl.export.outputs import Outputs
from napari_matssl.export.run_tables import CORRECTED
from napari_matssl.export.tables import describe_other_names, write_frames_or_numbered
from napari_matssl.labels.names import few
from napari_matssl.progress import Job, Progress, drain
from napari_matssl.project.folder import Project
from napari_matssl.tasks.measuring.correcting import remark_unlearnt
from napari_matssl.tasks.measuring.export_project import Exported, existing_exports, export_project
from napari_matssl.tasks.measuring.field_measures import Phases
from napari_matssl.tasks.measuring.measure_files import FIELDS
from napari_matssl.tasks.measuring.measure_plan import MeasurePlan
from napari_matssl.tasks.measuring.measures import TABLES, describe_older
from napari_matssl.tasks.measuring.project_meter import ProjectMeter


def existing_tables(
    project: Project, out: Path, outputs: Outputs, plan: MeasurePlan
) -> tuple[Path, ...]:
    """List the files that :func:`export_measured` would overwrite.

    Raises
    ------
    OutputError
        If `out` is the folder of the images, or inside the project's own.
    """
    names = _own_tables(plan) if outputs.tables else ()
    existing = tuple(out / name for name in names if (out / name).exists())
    return (*existing_exports(project, out, outputs), *existing)


def export_measured(
    meter: ProjectMeter, out: Path, outputs: Outputs, plan: MeasurePlan
) -> Job[Exported]:
    """Write masks and tables of a project, and the tables of all its measures.

    The former are those of :func:`~napari_matssl.tasks.measuring.export_project.export_project`.

    Measuring comes first, so that nothing is written if a measure can't be made. Images that change
    while they are written are among the problems.

    Parameters
    ----------
    meter
        Of the project; it measures again what has changed.
    out
        Folder for the files: also ``fields.csv``, and the tables of each measure.
    outputs
        What is wanted; tables among it.
    plan
        The measures.

    Yields
    ------
    A progress per image; sent STOP, the job returns with the images that are done, all tables being
    of these images.

    Raises
    ------
    InputError, OutputError, SettingsError
        As exporting and measuring do.
    """
    project = meter.project
    if not outputs.tables:
        return (yield from export_project(project, out, outputs))
    measured = yield from meter.measure_at_once(plan)
    exported = yield from export_project(project, out, outputs, measured.images or None)
    if not exported.images:
        return exported
    tables = measured.tables
    if exported.images != measured.images:  # some were left out, or the job was stopped
        tables = drain(meter.measure(plan, exported.images)).tables  # all is known by now
    wanted = {out / name: tables[name] for name in _own_tables(plan)}
    written = write_frames_or_numbered(wanted)
    if remark := describe_other_names(tuple(wanted), written):
        yield Progress("exporting", 1, 1, message=remark)
    others = (out / name for name in (CORRECTED, *TABLES["phases"]))  # written or set aside above
    if remark := describe_older((*written, *others)):
        yield Progress("exporting", 1, 1, message=remark)
    phases = measured.measures.get("phases")
    if isinstance(phases, Phases) and (remark := remark_unlearnt(project, phases.rows)):
        yield Progress("exporting", 1, 1, message=remark)
    problems = dict.fromkeys((*measured.problems, *exported.problems))
    changed = [name for name in meter.changed_since(measured) if name in exported.images]
    if changed:
        problems[f"{few(changed)} changed meanwhile: the files don't agree. Export again."] = None
    total = max(len(measured.wanted), exported.wanted)
    return Exported(out, exported.images, total, tuple(problems))


def _own_tables(plan: MeasurePlan) -> tuple[str, ...]:
    """Return the names of the tables that the export of masks doesn't write."""
    return (FIELDS, *(name for name in plan.table_names if name not in TABLES["phases"]))
