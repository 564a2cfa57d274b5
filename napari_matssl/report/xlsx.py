"""The report as a workbook whose means and intervals are live formulas."""

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from napari_matssl.errors import printable
from napari_matssl.report.contents import Contents
from napari_matssl.report.methods import limits, methods, standard_items
from napari_matssl.report.observations import SUMMARIES, observed
from napari_matssl.report.recipe_sections import recipe_rows
from napari_matssl.report.sheets import Formula, Sheet
from napari_matssl.report.summary_sheets import summary_sheets
from napari_matssl.report.wording import is_blank, plural
from napari_matssl.report.workbook_seal import CHECKSUMS, FILE_COLUMNS, FILES, seal_of, seal_rows
from napari_matssl.report.workbook_values import fill_in_values

MOST_ROWS: Final = 20_000
"""Tables with more rows stay in their CSV files alone."""

_HEAD = PatternFill("solid", fgColor="2B4A66")
_LIVE = PatternFill("solid", fgColor="E8F3E8")
_RULE = Border(bottom=Side(style="thin", color="D5DADF"))
_WRAPPED = Alignment(wrap_text=True, vertical="top")
_NARROWEST, _WIDEST, _SENTENCE, _SHA = 9, 46, 100, 64
_LINE = 15.0
_LOOKED_AT = 200
"""Rows by which the width of a column is chosen."""

_NEWER = re.compile(r"\b(STDEV\.S|T\.INV\.2T)\(")


def save_workbook(contents: Contents, path: Path) -> None:
    """Write the workbook to a path, on which nothing of worth may stand.

    Raises
    ------
    OSError
        If it can't be written.
    """
    book = Workbook()
    book.remove(book.active)
    sheets = [_front(contents), *_results(contents), *_tables(contents), _files(contents)]
    values = {n: _write(book, sheet) for n, sheet in enumerate(sheets, start=1)}
    _write(book, Sheet(CHECKSUMS, ("sheet", "sha256"), tuple(seal_rows(seal_of(book)))))
    book.calculation.fullCalcOnLoad = True
    book.save(path)
    fill_in_values(path, values)


def _front(contents: Contents) -> Sheet:
    details = contents.details
    rows: list[tuple[str, ...]] = [
        ("Specimen", details.specimen),
        ("Preparation, etchant", details.etchant),
        ("Orientation of the section", details.orientation),
        ("Operator", details.operator),
        ("Date", contents.date),
        *(("Remarks", line) for line in details.remarks),
        *recipe_rows(contents.recipe),
        *((name, value) for name, value in standard_items(contents) if value),
        *(("Remarks on the figures", line) for line in contents.remarks),
        *(("Methods", line) for line in methods(contents)),
        *(("Limits", line) for line in limits(contents)),
        ("Green cells", "are live formulas on the sheets by field; all others are values."),
        ("Written", contents.written),
    ]
    for name, frame in contents.tables.items():
        if len(frame) > MOST_ROWS:
            rows.append(
                ("Not in this workbook", f"{name}: {plural(len(frame), 'row')} are too many")
            )
    return Sheet("Report", ("item", "value"), tuple(rows))


def _results(contents: Contents) -> Iterable[Sheet]:
    for of in SUMMARIES:
        if of.summary in contents.tables:
            yield from summary_sheets(of, observed(contents.tables, of), contents.tables)


def _tables(contents: Contents) -> Iterable[Sheet]:
    live = {of.summary for of in SUMMARIES}
    for name, frame in contents.tables.items():
        if name not in live and len(frame) <= MOST_ROWS:
            rows = (tuple(map(_plain, row)) for row in frame.itertuples(index=False))
            yield Sheet(name, tuple(map(str, frame.columns)), tuple(rows))


def _files(contents: Contents) -> Sheet:
    rows = ((one.role, one.name, one.place, one.sha256) for one in contents.files)
    return Sheet(FILES, FILE_COLUMNS, tuple(rows))


def _plain(value: Any) -> Any:
    if is_blank(value):
        return None
    return value.item() if hasattr(value, "item") else value


def _write(book: Workbook, sheet: Sheet) -> dict[str, float]:
    """Write a sheet; return the values of its formulas by the names of their cells."""
    written = book.create_sheet(sheet.title)
    values: dict[str, float] = {}
    for column, text in enumerate(sheet.headings, start=1):
        _style_heading(_words(written.cell(1, column), text))
    for number, row in enumerate(sheet.rows, start=2):
        for column, value in enumerate(row, start=1):
            if value is None or value == "":
                continue
            cell = written.cell(number, column)
            if isinstance(value, Formula):
                cell.value = _NEWER.sub(r"_xlfn.\1(", value.text)
                cell.fill = _LIVE
                values[cell.coordinate] = value.value
            elif isinstance(value, str):
                _words(cell, value)
            else:
                cell.value = value
            if isinstance(value, float | Formula):
                cell.number_format = _format(value.value if isinstance(value, Formula) else value)
    _lay_out(written, sheet)
    return values


def _words(cell: Cell, text: str) -> Cell:
    """Write words, also such as a spreadsheet would compute."""
    cell.value = printable(text)
    cell.data_type = "s"
    return cell


def _format(value: float) -> str:
    if value == int(value) and abs(value) < 1e15:
        return "General"
    size = abs(value)
    return (
        "0.00E+00"
        if size < 1e-4
        else "0.000000"
        if size < 0.01
        else "0.0000"
        if size < 1
        else "0.00"
    )


def _style_heading(cell: Cell) -> None:
    cell.font = Font(name="Calibri", size=11, bold=True, color="FFFFFF")
    cell.fill = _HEAD
    cell.alignment = Alignment(wrap_text=True, vertical="center")


def _lay_out(written: Worksheet, sheet: Sheet) -> None:
    """Freeze and repeat the heading, set widths, fit the sheet to the width of a page."""
    written.freeze_panes = "A2"
    written.print_title_rows = "1:1"
    written.page_setup.orientation = "landscape"
    written.page_setup.paperSize = written.PAPERSIZE_A4
    written.page_setup.fitToHeight = 0
    written.sheet_properties.pageSetUpPr.fitToPage = True
    if sheet.rows and len(sheet.headings) > 2:
        written.auto_filter.ref = written.dimensions
    widths = [
        _width(heading, [row[n] for row in sheet.rows[:_LOOKED_AT]])
        for n, heading in enumerate(sheet.headings)
    ]
    for number, width in enumerate(widths, start=1):
        written.column_dimensions[get_column_letter(number)].width = width
    written.row_dimensions[1].height = 2 * _LINE
    for number, row in enumerate(sheet.rows, start=2):
        lines = [_lines(cell, width) for cell, width in zip(row, widths, strict=True)]
        if max(lines, default=1) > 1:  # not every program finds the height by itself
            written.row_dimensions[number].height = _LINE * max(lines)
            for cell in written[number]:
                cell.alignment = _WRAPPED


def _lines(cell: Any, width: float) -> int:
    """Return how many lines a cell takes."""
    if not isinstance(cell, str) or len(cell) <= width:
        return 1
    return math.ceil(1.1 * len(cell) / width)


def _width(heading: str, cells: Sequence[Any]) -> float:
    """Choose the width of a column, in letters; sentences are wrapped, checksums aren't."""
    texts = [one if isinstance(one, str) else "1234567.89" for one in cells if one is not None]
    longest = max(map(len, texts), default=0)
    most = _SENTENCE if len(heading) < _NARROWEST and longest > 2 * _WIDEST else _WIDEST
    if any(" " not in text and len(text) == _SHA for text in texts):
        most = _SHA + 6
    # A heading may wrap between its words.
    word = max(len(part) for part in heading.split())
    return float(min(max(_NARROWEST, longest + 2, word + 3), most))
