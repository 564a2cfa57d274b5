"""What a report will say: found out and checked before anything is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_matssl.errors import OutputError
from napari_matssl.labels.class_table import ClassTable
from napari_matssl.labels.provenance import Provenance
from napari_matssl.measure.corrected import CorrectedFractions
from napari_matssl.measure.phases import PhaseFraction
from napari_matssl.measure.size_distribution import ObjectSizes
from napari_matssl.micrograph.image import Micrograph, PixelSize
from napari_matssl.project.folder import Project
from napari_matssl.project.own_folder import Place
from napari_matssl.project.pixel_sizes import read_calibrated
from napari_matssl.project.record import KeptRecord
from napari_matssl.report.contents import RecipeFacts
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.settings.report_details import ReportDetails
from napari_matssl.tasks.measuring.correcting import correct_project, remark_unlearnt
from napari_matssl.tasks.measuring.correcting_masks import (
    correct_masks,
    models_of_masks,
    own_folder_of,
    with_corrected,
)
from napari_matssl.tasks.measuring.field_measures import ObjectMeasure, Phases
from napari_matssl.tasks.measuring.mask_sizes import page_of
from napari_matssl.tasks.measuring.masks_to_measure import MeasuredMask
from napari_matssl.tasks.measuring.measure_files import FIELDS, MeasuredMasks
from napari_matssl.tasks.measuring.measure_project import final_mask, final_origin
from napari_matssl.tasks.measuring.model_facts import FoundModel, find_models
from napari_matssl.tasks.measuring.point_counts import PointCounts, count_tables, project_counts
from napari_matssl.tasks.measuring.project_meter import MeasuredProject


@dataclass(frozen=True)
class ReportField:
    """A field, as a report needs it.

    Parameters
    ----------
    name
        As in the tables.
    classes, pixel_size, origin
        Of its mask.
    mask, image
        Files; no image where none was found.
    strokes
        File of painted pixels that overrule the mask; None if there is none.
    check
        Raises an InputError if the mask is another one than was measured.
    read_mask, read_image
        Read what was measured, and its micrograph.
    """

    name: str
    classes: ClassTable
    pixel_size: PixelSize | None
    origin: Provenance | None
    mask: Path
    image: Path | None
    read_mask: Callable[[], NDArray[np.uint8]]
    read_image: Callable[[], Micrograph]
    strokes: Path | None = None
    check: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Request:
    """What a report is to say beside what was measured.

    Parameters
    ----------
    details
        That were given; those of the masks' project stand in for empty ones, and it keeps them.
    date
        As it is to stand on the page; empty takes today.
    model
        File of the model that made the masks; None looks for it in the project.
    inputs
        Other files that decided something: class table, groups.
    kept
        Whether the project keeps the details, and lends those that are empty.
    """

    details: ReportDetails = field(default_factory=ReportDetails)
    date: str = ""
    model: Path | None = None
    inputs: tuple[Path, ...] = ()
    kept: bool = True


@dataclass(frozen=True)
class PlannedReport:
    """All that a report says, but for checksums and pictures.

    Parameters
    ----------
    fields
        In the order of the tables.
    settings
        Of the measurement.
    tables
        With that of corrected fractions, where there are any.
    rows
        Area fractions.
    sizes
        Of objects.
    models
        That made the masks.
    corrected
        None where there is nothing to correct.
    details, date, inputs
        As for :class:`Request`, with what the project knows.
    remarks
        Lines on the figures.
    notes
        Lines for the user, not for the page.
    recipe
        That was followed; None without one.
    """

    fields: tuple[ReportField, ...]
    settings: MeasureSettings
    tables: Mapping[str, pd.DataFrame]
    rows: tuple[PhaseFraction, ...]
    sizes: tuple[ObjectSizes, ...]
    models: tuple[FoundModel, ...]
    corrected: CorrectedFractions | None
    details: ReportDetails
    date: str
    inputs: tuple[Path, ...] = ()
    remarks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    recipe: RecipeFacts | None = None


def plan_report(
    measured: MeasuredMasks, settings: MeasureSettings, request: Request
) -> PlannedReport:
    """Plan the report of masks; their project, if there is one, keeps the details.

    Raises
    ------
    InputError
        If the record of the masks' project is damaged.
    SettingsError
        If the model that was given made none of the masks.
    """
    own = own_folder_of(measured.masks)
    models = models_of_masks(measured.masks, request.model)
    details: ReportDetails = request.details
    notes: tuple[str, ...] = ()
    if own is not None and request.kept:
        details, notes = _kept_details(KeptRecord(Place(own)), details)
    corrected = correct_masks(measured.rows, models)
    return PlannedReport(
        tuple(_field_of_mask(one) for one in measured.masks),
        settings,
        with_corrected(measured.tables, corrected),
        measured.rows,
        measured.sizes,
        models,
        corrected,
        details,
        request.date or date.today().isoformat(),
        request.inputs,
        measured.remarks,
        notes,
    )


def plan_project_report(
    project: Project, measured: MeasuredProject, request: Request
) -> PlannedReport:
    """Plan the report of a project, which keeps the details.

    Raises
    ------
    InputError
        If the record can't be read any more.
    """
    sizes = _pixel_sizes(measured.tables[FIELDS])
    counts = project_counts(project)
    fields = tuple(_field_of_image(project, name, sizes.get(name)) for name in measured.images)
    models = find_models((one.origin for one in fields), project.own, request.model)
    details, notes = _kept_details(project.record, request.details)
    phases, objects = measured.measures.get("phases"), measured.measures.get("objects")
    rows = tuple(phases.rows) if isinstance(phases, Phases) else ()
    corrected = correct_project(project, rows) if models and rows else None
    unlearnt = filter(None, [remark_unlearnt(project, rows)])
    return PlannedReport(
        fields,
        measured.plan.settings,
        {**with_corrected(measured.tables, corrected), **count_tables(project, counts)},
        rows,
        objects.sizes() if isinstance(objects, ObjectMeasure) else (),
        models,
        corrected,
        details,
        request.date or date.today().isoformat(),
        request.inputs,
        (*measured.remarks, *measured.problems, *unlearnt, *_of_counts(counts)),
        notes,
    )


def _of_counts(counts: PointCounts) -> tuple[str, ...]:
    """Return a line on each point count that isn't in the report."""
    begun = (
        f"{name}: its point count isn't finished, so it is in no figure." for name in counts.begun
    )
    return (*begun, *counts.problems)


def _field_of_mask(one: MeasuredMask) -> ReportField:
    path, image = one.file.path, one.image
    read = partial(read_calibrated, image or path, page_of(path))
    return ReportField(
        one.name,
        one.file.table,
        one.size,
        one.origin,
        path,
        image,
        one.file.read,
        read,
        check=one.check_unchanged,
    )


def _pixel_sizes(fields: pd.DataFrame) -> dict[str, PixelSize]:
    """Return the pixel sizes that figures were measured with; images are large to read again."""
    columns = (
        "image",
        "pixel_width_um",
        "pixel_height_um",
        "pixel_size_source",
        "pixel_size_doubt",
    )
    rows = fields[list(columns)].itertuples(index=False)
    return {
        str(name): PixelSize(float(x), float(y), str(source), str(doubt))
        for name, x, y, source, doubt in rows
        if source
    }


def _field_of_image(project: Project, name: str, size: PixelSize | None) -> ReportField:
    table = project.classes.table
    painted = project.masks.painted_counts and project.labels.has(name)
    return ReportField(
        name,
        table,
        size,
        final_origin(project, name, table, size),
        project.masks.path(name),
        project.images.path(name),
        partial(final_mask, project, name, table, size),
        partial(project.micrographs.read, name),
        project.labels.path(name) if painted else None,
    )


def _kept_details(
    record: KeptRecord, given: ReportDetails
) -> tuple[ReportDetails, tuple[str, ...]]:
    """Join details with those that a project has, and let it keep them; a line if it can't."""
    details = given.over(record.value.details)
    try:
        record.change(lambda kept: kept.model_copy(update={"details": details}))
    except OutputError as error:
        return details, (f"The project doesn't keep specimen, etchant and operator: {error}",)
    return details, ()
