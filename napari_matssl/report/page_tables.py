"""Tables of the page, cut so that they fit on A4."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from napari_matssl.report.contents import FIELDS, PHASES, SUMMARY, Contents
from napari_matssl.report.observations import FRACTION
from napari_matssl.report.wording import heading, in_csv, in_print, is_blank

WIDEST: Final = 9
"""Columns of figures that stand beside each other on a page at most."""

WIDEST_BESIDE_FIELDS: Final = 7
"""The same beside names of files."""

_KEYS: Final = ("image", "group", "specimen", "section", "class", "method", "figure")
_WORDS: Final = frozenset(
    (
        *(*_KEYS, "over", "reason", "light", "pixel_size_source", "line_direction_deg"),
        *("counted_by", "first_time", "last_time"),
    )
)
_BOUNDS: Final = ("ci95_low", "ci95_high")
_ABOVE: Final = ("images", "over", "reason", *_BOUNDS)
"""Columns that are told above a table, or have another place in it."""

_IN_SUMMARY: Final = (
    *("group", "class", "n", "mean_percent", "s_percent", "ci95_percent"),
    *("relative_accuracy_percent", "fields_for_10_percent", "s_between_percent"),
    "s_within_percent",
)


@dataclass(frozen=True)
class PageCell:
    """A cell: as it is printed, and as it stands in the CSV file."""

    text: str
    csv: str
    number: bool


@dataclass(frozen=True)
class PageTable:
    """A table of the page.

    Parameters
    ----------
    source
        Name of the CSV file that its figures stand in.
    headings
        For people.
    rows
        As many cells as headings.
    keys
        How many of the columns name the row.
    """

    source: str
    headings: tuple[str, ...]
    rows: tuple[tuple[PageCell, ...], ...]
    keys: int


def summary_table(contents: Contents) -> list[PageTable]:
    """Make the table of area fractions, per group and class."""
    return _cut(SUMMARY, contents.tables[SUMMARY], _IN_SUMMARY)


def figures_table(contents: Contents, summary: str) -> list[PageTable]:
    """Make the table of another measure's summary; rows without any value are left out."""
    frame = contents.tables[summary]
    frame = frame[frame["n"] > 0]
    frame = _without_px(frame) if len(frame) else frame
    left = [name for name in frame.columns if name not in _ABOVE]
    place = left.index("ci95") + 1
    return _cut(summary, frame, (*left[:place], *_BOUNDS, *left[place:]))


def table_per_field(contents: Contents, name: str) -> list[PageTable]:
    """Make a table that has a row per field and class; figures in px only where some lack um."""
    frame = contents.tables[name]
    left = [c for c in frame.columns if c.endswith("_px") and _counterpart(c) in frame]
    calibrated = [c for c in left if not (frame[c].notna() & frame[_counterpart(c)].isna()).any()]
    return _cut(name, frame.drop(columns=calibrated), tuple(frame.columns))


def fractions_per_field(contents: Contents) -> list[PageTable]:
    """Make the table of area fractions with a row per field and a column per class."""
    frame = contents.tables[PHASES]
    images = list(dict.fromkeys(frame["image"]))
    classes = list(dict.fromkeys(frame["class"]))
    found = {
        (image, name): value
        for image, name, value in zip(frame["image"], frame["class"], frame[FRACTION], strict=True)
    }
    about = contents.fields.set_index("image")
    light = dict(zip(frame["image"], frame["light"], strict=True))
    keys = ["image", *(k for k in ("group", "specimen", "section") if _tells(about[k]))]
    doubts = any(light.values())
    unsure = dict(zip(frame["image"], frame["uncertain_percent"], strict=True))
    known = frame["uncertain_percent"].notna().any()
    rows = []
    for image in images:
        names = [_cell(image), *(_cell(about.at[image, key]) for key in keys[1:])]
        figures = [_figure(found.get((image, name))) for name in classes]
        last = [_figure(unsure[image])] if known else []
        rows.append((*names, *figures, *([_cell(light[image])] if doubts else []), *last))
    headings = [*map(heading, keys), *(f"{name} (%)" for name in classes)]
    headings += ["grey values"] if doubts else []
    headings += ["unsure of (%)"] if known else []
    return _in_blocks(PHASES, headings, rows, len(keys))


def fields_table(contents: Contents) -> list[PageTable]:
    """Make the table of fields: size, pixel size with its source, analysed area."""
    columns = (
        *("image", "width_px", "height_px", "analysed_pixels", "pixel_width_um"),
        *("pixel_height_um", "analysed_area_um2", "pixel_size_source"),
        "pixel_size_doubt",
    )
    frame = contents.fields
    square = frame["pixel_width_um"].equals(frame["pixel_height_um"])
    left = {"pixel_height_um"} if square else set()
    left |= {"pixel_size_source"} if pixel_source(contents) else set()
    return _cut(FIELDS, frame, tuple(name for name in columns if name not in left))


def pixel_source(contents: Contents) -> tuple[str, ...]:
    """Return a line on where pixel sizes come from, if that is the same for all."""
    sources = set(contents.fields["pixel_size_source"])
    if len(sources) != 1 or "" in sources:
        return ()
    return (f"Pixel sizes come from: {next(iter(sources))}.",)


def plain_table(source: str, frame: pd.DataFrame) -> list[PageTable]:
    """Make a table of all columns."""
    return columns_table(source, frame, tuple(frame.columns))


def columns_table(source: str, frame: pd.DataFrame, columns: Sequence[str]) -> list[PageTable]:
    """Make a table of some columns, in this order."""
    return _cut(source, frame, columns)


def _cut(source: str, frame: pd.DataFrame, wanted: Sequence[str]) -> list[PageTable]:
    """Take those of some columns that say something."""
    columns = [name for name in wanted if name in frame and _says(frame, name)]
    keys = [name for name in columns if name in _KEYS]
    others = [name for name in columns if name not in _KEYS]
    rows = [
        tuple(_typed(name, value) for name, value in zip([*keys, *others], cells, strict=True))
        for cells in frame[[*keys, *others]].itertuples(index=False)
    ]
    return _in_blocks(source, [heading(one) for one in [*keys, *others]], rows, len(keys))


def _in_blocks(
    source: str,
    headings: list[str],
    rows: Sequence[tuple[PageCell, ...]],
    keys: int,
) -> list[PageTable]:
    """Divide a table that is too wide into several, each with the names of its rows."""
    count = len(headings) - keys
    widest = WIDEST_BESIDE_FIELDS if headings[:1] == [heading("image")] else WIDEST
    parts = max(1, -(-count // widest))
    most = -(-count // parts)
    tables = []
    for start in range(keys, max(len(headings), keys + 1), max(most, 1)):
        chosen = [*range(keys), *range(start, min(start + most, len(headings)))]
        cut = tuple(tuple(row[n] for n in chosen) for row in rows)
        tables.append(PageTable(source, tuple(headings[n] for n in chosen), cut, keys))
    return tables


def _says(frame: pd.DataFrame, name: str) -> bool:
    """Whether a column isn't blank, or the name of the one group that there is."""
    column = frame[name]
    if name == "group":
        return _tells(column)
    return not all(map(is_blank, column))


def _tells(column: pd.Series) -> bool:
    return any(str(one) not in ("", "all") for one in column)


def _without_px(summary: pd.DataFrame) -> pd.DataFrame:
    """Leave out the rows in px of what has a row in um; groups may be calibrated or not."""
    keys = [name for name in _KEYS if name in summary and name != "figure"]
    of = [tuple(map(in_csv, row)) for row in summary[keys].itertuples(index=False)]
    rows = list(zip(of, summary["figure"], strict=True))
    there = set(rows)
    kept = [
        not (figure.endswith("_px") and (key, _counterpart(figure)) in there)
        for key, figure in rows
    ]
    return summary[kept]


def _counterpart(column: str) -> str:
    plain = column.removesuffix("_px")
    return f"{plain}_um2" if plain.endswith("area") else f"{plain}_um"


def _typed(name: str, value: Any) -> PageCell:
    if name == "figure":
        return PageCell(heading(str(value)), str(value), False)
    return _cell(value) if name in _WORDS else _figure(value, name)


def _cell(value: Any) -> PageCell:
    text = in_csv(value)
    return PageCell(text, text, False)


def _figure(value: Any, column: str = "") -> PageCell:
    if isinstance(value, str):
        return _cell(value)
    return PageCell(in_print(_plain(value), column), in_csv(_plain(value)), True)


def _plain(value: Any) -> Any:
    """Return a number of NumPy as one of Python; None for what is undefined."""
    if is_blank(value):
        return None
    return value.item() if hasattr(value, "item") else value


def colour_of(colours: Mapping[str, str], name: str) -> str:
    """Return the colour of a class; grey for one that has none."""
    return colours.get(name, "#666666")
