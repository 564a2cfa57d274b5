"""Write the report of what was measured: page, PDF and workbook."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import pandas as pd
from pandas.api.types import is_numeric_dtype

from napari_matssl.errors import InputError, MatSSLError, StoppedError, printable
from napari_matssl.export.tables import is_replaceable
from napari_matssl.files import atomic_write
from napari_matssl.labels.names import few
from napari_matssl.measure.phases import PhaseFraction
from napari_matssl.progress import Control, Job, Progress
from napari_matssl.report.contents import Contents, Overlay, Pictures, SourceFile
from napari_matssl.report.html import make_page
from napari_matssl.report.pdf import write_pdf
from napari_matssl.report.xlsx import save_workbook
from napari_matssl.tasks.reporting.report_plan import PlannedReport, ReportField
from napari_matssl.tasks.reporting.report_sources import (
    chosen_for_pictures,
    draw_overlay,
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
    files
        That the figures come from, or stand in, with their checksums.
    """

    page: Path
    workbook: Path
    pdf: Path | None
    remarks: tuple[str, ...] = ()
    files: tuple[SourceFile, ...] = ()


def write_report(
    planned: PlannedReport, out: Path, tables: Sequence[Path], before: Sequence[SourceFile] = ()
) -> Job[WrittenReport]:
    """Write ``report.html``, ``report.xlsx`` and, where a program can print it, ``report.pdf``.

    Parameters
    ----------
    planned
        What it says.
    out
        A folder. Files there that can't be replaced stay, and the new ones get a number.
    tables
        CSV files of the same tables, which are named with their checksums.
    before
        Files of an earlier report of the same figures: none of them may have changed since.

    Yields
    ------
    A progress per file that is read, and per picture.

    Raises
    ------
    InputError
        If a mask or an image can't be read any more, a mask was replaced since it was measured, or
        one of `before` has changed.
    OutputError
        If a file can't be written.
    StoppedError
        If the job was sent STOP; no file of the report was replaced then.
    """
    planned = _printable(planned)
    files, remarks = yield from _list_files(planned, out, tables)
    if not before:
        for one in planned.fields:
            one.check()
    if changed := [one.name for one in before if one not in files]:
        raise InputError(
            f"{few(changed, 8)} changed since the figures were made: the report stays as it was.",
            "Make the figures again.",
        )
    pictures, lines = yield from _draw(planned)
    contents = _contents(planned, files, pictures, (*remarks, *lines))
    page, workbook, pdf = _places(out)
    yield from _step("writing the report", 0, 2)
    html = make_page(contents)
    with atomic_write(page) as new_page, atomic_write(workbook) as new_workbook:
        new_page.write_text(html, encoding="utf-8", newline="\n")
        save_workbook(contents, new_workbook)  # both are put in place, or none
    yield Progress("printing the report", 1, 2)
    reason = write_pdf(page, pdf)
    pdf_there = None if reason else pdf
    if reason:
        pdf.unlink(missing_ok=True)  # that of an earlier report
    told = (*planned.notes, *lines, *([reason] if reason else []))
    return WrittenReport(page, workbook, pdf_there, told, files)


def _printable(planned: PlannedReport) -> PlannedReport:
    """Escape in names what isn't Unicode, as the CSV files do: pages can't hold it."""

    def words(frame: pd.DataFrame) -> pd.DataFrame:
        named = [name for name in frame if not is_numeric_dtype(frame[name].dtype)]
        shown = {
            n: frame[n].map(lambda x: printable(x) if isinstance(x, str) else x) for n in named
        }
        return frame.assign(**shown)

    return replace(
        planned,
        fields=tuple(replace(one, name=printable(one.name)) for one in planned.fields),
        tables={name: words(frame) for name, frame in planned.tables.items()},
        rows=tuple(replace(row, image=printable(row.image)) for row in planned.rows),
    )


Steps = Generator[Progress, Control | None, None]


def _step(stage: str, step: int, total: int) -> Steps:
    if (yield Progress(stage, step, total)) is Control.STOP:
        raise StoppedError("Stopped before the report was written; the tables are there.")


def _list_files(
    planned: PlannedReport, out: Path, tables: Sequence[Path]
) -> Generator[Progress, Control | None, tuple[tuple[SourceFile, ...], tuple[str, ...]]]:
    """Read all files that the figures come from, or stand in, for their checksums."""
    wanted = [("table", path) for path in tables]
    wanted += [("mask", one.mask) for one in planned.fields]
    wanted += [("strokes", one.strokes) for one in planned.fields if one.strokes is not None]
    images = dict.fromkeys(one.image for one in planned.fields if one.image is not None)
    wanted += [("image", path) for path in images]
    wanted += [("model", one.path) for one in planned.models if one.path is not None]
    wanted += [("input", path) for path in planned.inputs]
    files = []
    for number, (role, path) in enumerate(wanted):
        yield from _step("reading files for their checksums", number, len(wanted))
        files.append(source_file(role, path, out))
    cards = [one.card for one in planned.models if one.card is not None]
    learning = [image for card in cards for image in card.learnt_images]
    # Of a panorama, parts were learnt.
    known = {one for image in learning for one in (image.sha256, image.origin_sha256) if one}
    learnt = list(trained_on(files, known))
    lines = []
    if learnt:
        what = "field was" if len(learnt) == 1 else "fields were"
        line = f"{len(learnt)} {what} among the images that the model has learnt from: "
        lines.append(f"{line}{few(learnt, 20)}.")
    sha256 = {path: file.sha256 for (_, path), file in zip(wanted, files, strict=True)}
    others = [one.name for one in planned.fields if one.image and _is_other(one, sha256[one.image])]
    if others:
        lines.append(
            f"The image is another one now than when it was segmented: {few(others, 20)}. Figures "
            "are of the mask."
        )
    return tuple(files), tuple(lines)


def _is_other(one: ReportField, sha256: str) -> bool:
    """Whether an image was changed since its mask was made, as far as the mask tells."""
    return one.origin is not None and one.origin.image_sha256 not in ("", sha256)


def _draw(
    planned: PlannedReport,
) -> Generator[Progress, Control | None, tuple[Pictures, tuple[str, ...]]]:
    """Draw some of the masks over their images; what can't be drawn is told."""
    chosen = chosen_for_pictures(planned.fields)
    fractions = _fractions(planned.rows)
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
    more = [one.name for one in planned.fields if one.image is not None and one.name not in names]
    without = [one.name for one in planned.fields if one.image is None]
    return Pictures(tuple(drawn), tuple(more), (*failed, *without)), tuple(lines)


def _fractions(rows: Sequence[PhaseFraction]) -> Mapping[str, dict[int, float | None]]:
    found: dict[str, dict[int, float | None]] = {}
    for row in rows:
        found.setdefault(row.image, {})[row.class_id] = row.fraction_percent
    return found


def _contents(
    planned: PlannedReport,
    files: tuple[SourceFile, ...],
    pictures: Pictures,
    remarks: Sequence[str],
) -> Contents:
    lines = dict.fromkeys((*_doubts(planned.fields), *planned.remarks, *remarks))
    return Contents(
        details=planned.details,
        date=planned.date,
        written=datetime.now().astimezone().isoformat(timespec="seconds"),
        settings=planned.settings,
        tables=planned.tables,
        colours={c.name: c.colour for one in planned.fields for c in one.classes.classes},
        sizes=planned.sizes,
        corrected=planned.corrected,
        pictures=pictures,
        models=tuple(one.facts() for one in planned.models),
        segmenting=segmenting(one.origin for one in planned.fields),
        versions=versions(),
        files=files,
        remarks=tuple(map(printable, lines)),
        recipe=planned.recipe,
    )


def _doubts(fields: Sequence[ReportField]) -> list[str]:
    """Return a line on each image whose pixel size, grey values or mask are doubtful."""
    sizes = [(one.name, one.pixel_size.doubt) for one in fields if one.pixel_size is not None]
    doubts = [f"{name}: {doubt}" for name, doubt in sizes if doubt]
    origins = [(one.name, one.origin) for one in fields if one.origin is not None]
    doubts += [
        f"{name} is {origin.light} by its grey values: {'; '.join(origin.reasons)}."
        for name, origin in origins
        if origin.reasons
    ]
    return doubts + [f"{name}: {origin.unsure}." for name, origin in origins if origin.unsure]


def _places(out: Path) -> tuple[Path, Path, Path]:
    """Return where page, workbook and PDF go: with a number where another program holds one."""
    for number in range(1, _MOST_NUMBERS):
        mark = "" if number == 1 else f"-{number}"
        paths = [out / f"{Path(n).stem}{mark}{Path(n).suffix}" for n in (PAGE, WORKBOOK, PDF)]
        if all(map(is_replaceable, paths)):
            break
    return paths[0], paths[1], paths[2]
