"""The seal of a workbook: what its cells hold, not how a spreadsheet stores or shows them."""

from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

from openpyxl import Workbook, load_workbook
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.worksheet import Worksheet

from napari_matssl.errors import InputError
from napari_matssl.files import check_regular, unreadable_file
from napari_matssl.report.contents import SourceFile
from napari_matssl.report.seal import Finding, Seal, digest, grouped

FILES: Final = "Files"
CHECKSUMS: Final = "Checksums"
"""Titles of the sheets with the files, and with the seal."""

WHOLE: Final = "whole workbook"
FILE_COLUMNS: Final = ("role", "name", "place", "sha256")


def seal_of(book: Workbook) -> Seal:
    """Return the checksums of all sheets but that of the seal."""
    sheets = [sheet for sheet in book.worksheets if sheet.title != CHECKSUMS]
    return Seal(tuple((sheet.title, _digest(sheet)) for sheet in sheets))


def seal_rows(seal: Seal) -> list[tuple[str, str]]:
    """Return the rows of the seal's sheet."""
    return [*seal.parts, (WHOLE, grouped(seal.checksum))]


def check_workbook(path: Path) -> tuple[str, list[Finding], tuple[SourceFile, ...]]:
    """Compare a workbook with its seal; one that a spreadsheet saved anew is the same.

    Returns
    -------
    The checksum of the workbook as it is now, what was found of its sheets, and the files that it
    names.

    Raises
    ------
    InputError
        If it can't be read, or has no seal.
    """
    check_regular(path)
    try:
        book = load_workbook(path)
    except OSError as error:
        raise unreadable_file(path, error) from error
    except (BadZipFile, InvalidFileException, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path} is no readable workbook.", "Give the file as it was.") from error
    if CHECKSUMS not in book.sheetnames:
        raise InputError(
            f"{path} has no sheet {CHECKSUMS}, so it is no report of this program.",
            "Give the report.html or report.xlsx of a measurement.",
        )
    stated = [
        (str(row[0]), str(row[1]))
        for row in book[CHECKSUMS].iter_rows(min_row=2, max_col=2, values_only=True)
        if row[0]
    ]
    seal = Seal(tuple(row for row in stated if row[0] != WHOLE))
    now = seal_of(book)
    findings = seal.compare(now)
    findings += Seal(((WHOLE, dict(stated).get(WHOLE, "")),)).compare(
        Seal(((WHOLE, grouped(seal.checksum)),))
    )
    return now.checksum, findings, _files(book)


def _files(book: Workbook) -> tuple[SourceFile, ...]:
    if FILES not in book.sheetnames:
        return ()
    rows = book[FILES].iter_rows(min_row=2, max_col=len(FILE_COLUMNS), values_only=True)
    return tuple(SourceFile(*(str(cell or "") for cell in row)) for row in rows if any(row))


def _digest(sheet: Worksheet) -> str:
    cells = (cell for row in sheet.iter_rows() for cell in row if cell.value not in (None, ""))
    return digest(f"{cell.coordinate}\t{_text(cell.value, cell.data_type)}" for cell in cells)


def _text(value: Any, kind: str) -> str:
    """Return what a cell holds, in one form for all programs."""
    if kind == "f":
        plain = str(value).upper().replace("_XLFN.", "").replace("$", "").replace(" ", "")
        return f"formula {plain}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"text {' '.join(str(value).split())}"
    return f"number {value:.12g}"
