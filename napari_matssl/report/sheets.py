"""Sheets of a workbook as plain rows, before a library writes them."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Formula:
    """A live cell.

    Parameters
    ----------
    text
        The formula with ``=``, functions by their names in spreadsheets.
    value
        What it gives, as the tables have it.
    """

    text: str
    value: float


@dataclass(frozen=True)
class Sheet:
    """One sheet.

    Parameters
    ----------
    title
        At most 31 characters.
    headings
        Of its columns.
    rows
        Cells are words, numbers, formulas or None for a blank.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
