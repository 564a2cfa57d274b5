"""Write the report of what was measured: page, PDF and workbook."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Final

import pandas as pd

from napari_matssl.errors import MatSSLError, StoppedError, printable
from napari_matssl.export.run_tables import CORRECTED
from napari_matssl.export.tables import is_replaceable
from napari_matssl.files import atomic_write
from napari_matssl.labels.names import few
from napari_matssl.measure.corrected import (
    CorrectedFractions,
    correct_fractions,
    corrected_frame,
)
from napari_matssl.progress import Control, Job, Progress
from napari_matssl.report.contents import Contents, Overlay, Pictures, SourceFile
from napari_matssl.report.html import make_page
from napari_matssl.report.pdf import write_pdf
from napari_matssl.report.xlsx import write_workbook
from napari_matssl.settings.measuring import MeasureSettings
from napari_matssl.settings.report_details import ReportDetails
from napari_matssl.tasks.measure_files import MeasuredMasks
from napari_matssl.tasks.model_facts import FoundModel, find_models
from napari_matssl.tasks.report_sources import (
    chosen_for_pictures,
    draw_overlay,
    find_details,
    segmenting,
    source_file,
    trained_on,
    versions,
)

PAGE: Final = "report.html"
PDF: Final = "report.pdf"
WORKBOOK: Final = "report.xlsx"

_MOST_NUMBERS: Final = 99


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
    """

    details: ReportDetails = field(default_factory=ReportDetails)
    date: str = ""
    model: Path | None = None
    inputs: tuple[Path, ...] = ()


@dataclass(frozen=True)
class PlannedReport:
    """What was found out before anything is written.

    Parameters
    ----------
    measured
        With the table of corrected fractions, where there are any.
    details, models, corrected, inputs, date
        As they will stand on the page.
    remarks
        Lines worth telling.
    """

    measured: MeasuredMasks
    details: ReportDetails
    models: tuple[FoundModel, ...]
    corrected: CorrectedFractions | None
    inputs: tuple[Path, ...]
    date: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class WrittenReport:
    """The files of a report.

    Parameters
    ----------
    page, workbook
        That were written.
    pdf
        None where no program could make one.
    remarks
        Lines worth telling.
    """

    page: Path
    workbook: Path
    pdf: Path | None
    remarks: tuple[str, ...] = ()


def plan_report(measured: MeasuredMasks, request: Request) -> PlannedReport:
    """Find the model and the details of a report, and correct fractions for the model's error.

    Raises
    ------
    InputError
        If the record of the masks' project is damaged.
    SettingsError
        If the model that was given made none of the masks.
    """
    found = find_details(measured.masks, request.details)
    origins = [one.origin for one in measured.masks]
    models = find_models(origins, found.own, request.model)
    corrected = _correct(measured, models) if models and measured.rows else None
    if corrected is not None and any(row.corrected is not None for row in corrected.rows):
        tables = {**measured.tables, CORRECTED: corrected_frame(corrected.rows)}
        measured = replace(measured, tables=tables)
    return PlannedReport(
        measured,
        found.details,
        models,
        corrected,
        request.inputs,
        request.date or date.today().isoformat(),
        (found.remark,) if found.remark else (),
    )


def _correct(measured: MeasuredMasks, models: Sequence[FoundModel]) -> CorrectedFractions:
    if len(models) > 1:
        return correct_fractions(measured.rows, None, f"the masks are of {len(models)} models")
    (model,) = models
    if model.card is None:
        why = f"the file of the model {model.name} was not found"
        return correct_fractions(measured.rows, None, why)
    return correct_fractions(measured.rows, model.card.held_out)


def write_report(
    planned: PlannedReport, settings: MeasureSettings, out: Path, tables: Sequence[Path]
) -> Job[WrittenReport]:
    """Write ``report.html``, ``report.xlsx`` and, where a program can print it, ``report.pdf``.

    Parameters
    ----------
    planned
        What :func:`plan_report` found out.
    settings
        Of the measurement.
    out
        A folder. Files there that can't be replaced stay, and the new ones get a number.
    tables
        CSV files of the same tables, which are named with their checksums.

    Yields
    ------
    A progress per file that is read, and per picture.

    Raises
    ------
    InputError
        If a mask or an image can't be read any more.
    OutputError
        If a file can't be written.
    StoppedError
        If the job was sent STOP; no file of the report was replaced then.
    """
    files, remarks = yield from _list_files(planned, out, tables)
    pictures, lines = yield from _draw(planned)
    contents = _contents(planned, settings, files, pictures, (*remarks, *lines))
    page, workbook, pdf = _places(out)
    yield from _step("writing the report", 0, 2)
    html = make_page(contents)
    with atomic_write(page) as temporary:
        temporary.write_text(html, encoding="utf-8", newline="\n")
    write_workbook(contents, workbook)
    yield Progress("printing the report", 1, 2)
    reason = write_pdf(page, pdf)
    pdf_there = None if reason else pdf
    if reason:
        pdf.unlink(missing_ok=True)  # that of an earlier report
    told = (*planned.remarks, *lines, *([reason] if reason else []))
    return WrittenReport(page, workbook, pdf_there, told)


Steps = Generator[Progress, Control | None, None]


def _step(stage: str, step: int, total: int) -> Steps:
    if (yield Progress(stage, step, total)) is Control.STOP:
        raise StoppedError("Stopped before the report was written; the tables are there.")


def _list_files(
    planned: PlannedReport, out: Path, tables: Sequence[Path]
) -> Generator[Progress, Control | None, tuple[tuple[SourceFile, ...], tuple[str, ...]]]:
    """Read all files that the figures come from, or stand in, for their checksums."""
    masks = planned.measured.masks
    wanted = [("table", path) for path in tables]
    wanted += [("mask", one.file.path) for one in masks]
    images = dict.fromkeys(one.image for one in masks if one.image is not None)
    wanted += [("image", path) for path in images]
    wanted += [("model", one.path) for one in planned.models if one.path is not None]
    wanted += [("input", path) for path in planned.inputs]
    files = []
    for number, (role, path) in enumerate(wanted):
        yield from _step("reading files for their checksums", number, len(wanted))
        files.append(source_file(role, path, out))
    cards = [one.card for one in planned.models if one.card is not None]
    known = {image.sha256 for card in cards for image in card.training_images}
    learnt = list(trained_on(files, known))
    if not learnt:
        return tuple(files), ()
    what = "field was" if len(learnt) == 1 else "fields were"
    line = f"{len(learnt)} {what} among the images that the model has learnt from: "
    return tuple(files), (f"{line}{few(learnt, 20)}.",)


def _draw(
    planned: PlannedReport,
) -> Generator[Progress, Control | None, tuple[Pictures, tuple[str, ...]]]:
    """Draw some of the masks over their images; what can't be drawn is told."""
    masks = planned.measured.masks
    chosen = chosen_for_pictures(masks)
    fractions = _fractions(planned.measured)
    drawn: list[Overlay] = []
    lines, failed = [], []
    for number, one in enumerate(chosen):
        yield from _step("drawing pictures", number, len(chosen))
        try:
            drawn.append(draw_overlay(one, fractions.get(one.name)))
        except MatSSLError as error:
            failed.append(one.name)
            lines.append(f"No picture of {one.name}: {error.what}")
    names = {one.name for one in drawn} | {*failed}
    more = [one.name for one in masks if one.image is not None and one.name not in names]
    without = [one.name for one in masks if one.image is None]
    return Pictures(tuple(drawn), tuple(more), (*failed, *without)), tuple(lines)


def _fractions(measured: MeasuredMasks) -> Mapping[str, dict[int, float | None]]:
    found: dict[str, dict[int, float | None]] = {}
    for row in measured.rows:
        found.setdefault(row.image, {})[row.class_id] = row.fraction_percent
    return found


def _contents(
    planned: PlannedReport,
    settings: MeasureSettings,
    files: tuple[SourceFile, ...],
    pictures: Pictures,
    remarks: Sequence[str],
) -> Contents:
    measured = planned.measured
    colours = {c.name: c.colour for one in measured.masks for c in one.file.table.classes}
    origins = [one.origin for one in measured.masks]
    lines = dict.fromkeys((*_light(measured.tables), *measured.remarks, *remarks))
    return Contents(
        details=planned.details,
        date=planned.date,
        written=datetime.now().astimezone().isoformat(timespec="seconds"),
        settings=settings,
        tables=measured.tables,
        colours=colours,
        sizes=measured.sizes,
        corrected=planned.corrected,
        pictures=pictures,
        models=tuple(one.facts() for one in planned.models),
        segmenting=segmenting(origins),
        versions=versions(),
        files=files,
        remarks=tuple(map(printable, lines)),
    )


def _light(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return a line on each image whose grey values aren't like those of the painted images."""
    phases = tables.get("phases.csv")
    if phases is None:
        return []
    doubtful = phases[phases["reason"] != ""].drop_duplicates("image")
    return [
        f"{image} is {light} by its grey values: {reason}."
        for image, light, reason in zip(
            doubtful["image"], doubtful["light"], doubtful["reason"], strict=True
        )
    ]


def _places(out: Path) -> tuple[Path, Path, Path]:
    """Return where page, workbook and PDF go: with a number where another program holds one."""
    for number in range(1, _MOST_NUMBERS):
        mark = "" if number == 1 else f"-{number}"
        paths = [out / f"{Path(n).stem}{mark}{Path(n).suffix}" for n in (PAGE, WORKBOOK, PDF)]
        if all(map(is_replaceable, paths)):
            break
    return paths[0], paths[1], paths[2]
