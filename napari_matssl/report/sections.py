"""The sections of the page, in their order: what stands in each, without its looks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd
from markupsafe import Markup

from napari_matssl.labels.names import few
from napari_matssl.measure.corrected import CorrectedFractions
from napari_matssl.report.contents import CORRECTED, COUNT, COUNT_SUMMARY, PHASES, SUMMARY, Contents
from napari_matssl.report.methods import limits, methods, standard_items
from napari_matssl.report.observations import CONVERTED, SUMMARIES, Observed, SummaryOf, observed
from napari_matssl.report.page_tables import (
    PageTable,
    colour_of,
    fields_table,
    figures_table,
    fractions_per_field,
    pixel_source,
    plain_table,
    summary_table,
    table_per_field,
)
from napari_matssl.report.plots import (
    ANY,
    NOT_NEGATIVE,
    PERCENT,
    Lane,
    leaves,
    plot_counts,
    plot_means,
    plot_sizes,
)
from napari_matssl.report.point_count import (
    BY_EYE,
    count_in_words,
    count_items,
    count_per_field,
    count_table,
    intervals_in_words,
)
from napari_matssl.report.wording import heading

_MOST_LANES = 24
_MOST_SIZES = 6
_MOST_NAMED = 40
_SMALL = 8
"""Classes with less than this part of the largest one have a plot of their own."""
_MAIN = {
    "Objects": ("objects_per_mm2", "mean_diameter_um", "mean_free_path_um"),
    "Grain size": ("g_astm", "mean_intercept_um", "mean_intercept_px"),
    "Layers": ("mean_um", "mean_px"),
    "Nodules": ("nodularity_by_number_percent", "nodularity_by_area_percent", "nodules_per_mm2"),
}


@dataclass(frozen=True)
class Plot:
    """A plot and the line below it."""

    svg: Markup
    caption: str


@dataclass(frozen=True)
class Section:
    """A section of the page, which has a checksum of its own.

    Parameters
    ----------
    title
        Its heading, and the name of its part.
    text
        Paragraphs.
    items
        Names and values; a blank value is a line to fill by hand.
    items_title
        A heading for them; empty where they need none.
    plots, tables
        As they follow each other.
    notes
        Lines of a list.
    appendix
        Whether its tables may be long: they may then go on over pages.
    """

    title: str
    text: tuple[str, ...] = ()
    items: tuple[tuple[str, str], ...] = ()
    items_title: str = ""
    tables: tuple[PageTable, ...] = ()
    plots: tuple[Plot, ...] = ()
    notes: tuple[str, ...] = ()
    appendix: bool = False


def sections_before_pictures(contents: Contents) -> list[Section]:
    """Return the results: what a reader looks for first."""
    found = [_measure(contents, one) for one in SUMMARIES if one.summary in contents.tables]
    if contents.corrected is not None and contents.corrected.rows:
        place = 1 if SUMMARY in contents.tables else 0
        found.insert(place, _corrected(contents, contents.corrected))
    if COUNT_SUMMARY in contents.tables:
        found.append(_by_eye(contents))
    if contents.remarks:
        found.append(Section("Remarks", notes=contents.remarks))
    return found


def sections_after_pictures(contents: Contents) -> list[Section]:
    """Return how the figures were made, and those of single fields."""
    found = [
        Section("Methods", text=methods(contents)),
        Section("Limits", notes=limits(contents)),
    ]
    for model in contents.models:
        about = (("File", model.name or "never written"), ("SHA-256", model.sha256 or "not stored"))
        text = () if model.card else ("Its file was not found, so its card isn't shown.",)
        name = f"Model {model.name}" if len(contents.models) > 1 else "Model"
        found.append(Section(name, text=text, items=(*about, *model.card)))
    found.append(Section("Settings", items=_settings(contents)))
    if PHASES in contents.tables:
        tables = tuple(fractions_per_field(contents))
        found.append(Section("Area fractions per field", tables=tables, appendix=True))
    for one in SUMMARIES:
        if one.summary in contents.tables and one.summary != SUMMARY:
            tables = tuple(table_per_field(contents, one.fields))
            found.append(Section(f"{one.title} per field", tables=tables, appendix=True))
    if COUNT in contents.tables:
        tables = tuple(count_per_field(contents))
        found.append(Section("Point count per field", tables=tables, appendix=True))
    tables = tuple(fields_table(contents))
    found.append(Section("Fields", text=pixel_source(contents), tables=tables, appendix=True))
    return found


def _measure(contents: Contents, of: SummaryOf) -> Section:
    rows = observed(contents.tables, of)
    if of.summary == SUMMARY:
        return _fractions(contents, rows)
    plots = [*_plots_of_means(contents, of, rows)]
    if of.title == "Objects":
        plots += _plots_of_sizes(contents)
    if of.title == "Nodules":
        plots += _plot_of_size_classes(contents)
    tables = tuple(figures_table(contents, of.summary))
    text = (*_reasons(rows), *_columns_in_words(rows))
    return Section(of.title, tables=tables, plots=tuple(plots), text=text)


def _fractions(contents: Contents, rows: Sequence[Observed]) -> Section:
    lanes = [_lane(contents, one) for one in rows]
    most = max((lane.mean or 0.0 for lane in lanes), default=0.0)
    # On one axis with the matrix, a phase of 1 % would be a dot at zero.
    small = [lane for lane in lanes if (lane.mean or 0.0) < most / _SMALL]
    plots = [
        plot
        for some in ([lane for lane in lanes if lane not in small], small)
        for plot in _in_parts("Area fractions", "area fraction (%)", some, PERCENT)
    ]
    return Section(
        "Area fractions",
        text=(*_reasons(rows), *_columns_in_words(rows)),
        tables=tuple(summary_table(contents)),
        plots=tuple(plots),
        items=standard_items(contents),
        items_title="Items of an E562-style report",
    )


def _columns_in_words(rows: Sequence[Observed]) -> tuple[str, ...]:
    """Explain the columns of a summary that has intervals."""
    if not any(one.bounds() for one in rows):
        return ()
    over = " or ".join(dict.fromkeys(str(one.row["over"]) for one in rows))
    return (
        f"n: {over}; s: their standard deviation; 95 % CI ±: half width of the confidence interval "
        "of the mean; RA: relative accuracy, 100 CI / mean.",
    )


def _reasons(rows: Iterable[Observed]) -> tuple[str, ...]:
    """Return why intervals are missing: each reason once, and of what unless it is of all.

    Figures without any value, such as those in um without a pixel size, have no row on the page.
    """
    of: dict[str, dict[str, None]] = {}
    shown = [one for one in rows if one.row["n"]] or list(rows)
    every = {one.label for one in shown}
    for one in shown:
        if reason := str(one.row["reason"]):
            of.setdefault(reason, {})[one.label] = None
    return tuple(
        f"{reason[0].upper()}{reason[1:]}."
        if len(labels) == len(every)
        else f"{', '.join(labels)}: {reason}."
        for reason, labels in of.items()
    )


def _corrected(contents: Contents, corrected: CorrectedFractions) -> Section:
    lines = (corrected.reason, *corrected.remarks, corrected.limits)
    notes = tuple(filter(None, lines))
    title = "Fractions corrected for the model's own error"
    if CORRECTED not in contents.tables:
        return Section(title, notes=notes)
    tables = plain_table(CORRECTED, contents.tables[CORRECTED].drop(columns="class_id"))
    source = f"By {corrected.source}. They stand beside the fractions as found, never instead."
    return Section(title, text=(source,), tables=tuple(tables), notes=notes)


def _by_eye(contents: Contents) -> Section:
    summary = contents.tables[COUNT_SUMMARY]
    return Section(
        BY_EYE,
        text=(*count_in_words(contents.tables[COUNT]), *intervals_in_words(summary)),
        tables=tuple(count_table(contents)),
        items=count_items(summary),
        items_title="Agreement of mask and eye",
    )


def _plots_of_means(contents: Contents, of: SummaryOf, rows: Sequence[Observed]) -> Iterable[Plot]:
    for figure in _MAIN[of.title]:
        chosen = [one for one in rows if one.figure == figure and one.mean() is not None]
        if figure.endswith("_px"):  # only of what isn't drawn in um
            twin = f"{figure.removesuffix('_px')}_um"
            drawn = {o.key for o in rows if o.figure == twin and o.mean() is not None}
            chosen = [one for one in chosen if one.key not in drawn]
        if chosen:
            lanes = [_lane(contents, one) for one in chosen]
            if figure in CONVERTED:  # whose mean isn't one of these values
                lanes = [
                    replace(lane, values=_single(contents.tables[of.fields], of, one))
                    for lane, one in zip(lanes, chosen, strict=True)
                ]
            yield from _in_parts(of.title, heading(figure), lanes, _possible(figure))


def _single(fields: pd.DataFrame, of: SummaryOf, one: Observed) -> tuple[float, ...]:
    """Return a figure of single fields that a summary doesn't average."""
    for name, value in zip(of.by, one.key, strict=True):
        fields = fields[fields[name] == value]
    return tuple(float(v) for v in fields[one.figure].dropna())


def _possible(figure: str) -> tuple[float, float]:
    """Return the least and the largest value that a figure can have."""
    if figure == "g_astm":
        return ANY
    return PERCENT if figure.endswith("_percent") else NOT_NEGATIVE


def _in_parts(
    title: str, axis: str, lanes: Sequence[Lane], possible: tuple[float, float]
) -> Iterable[Plot]:
    """Draw lanes; in several plots where they are many, so that each fits on a page."""
    known = [one for one in lanes if one.mean is not None]
    for start in range(0, len(known), _MOST_LANES):
        part = known[start : start + _MOST_LANES]
        bars = " Bars: 95 % confidence interval." if any(one.bounds for one in part) else ""
        dots = "Dots: single fields. " if any(one.values for one in part) else ""
        svg = plot_means(f"{title}: {axis}", axis, part, possible)
        arrows = " Arrow: it goes on where no value can be."
        cut = any(leaves(one, possible) for one in part)
        yield Plot(svg, f"{dots}Squares: means.{bars}{arrows if cut else ''}")


def _lane(contents: Contents, one: Observed) -> Lane:
    colour = colour_of(contents.colours, str(one.row["class"]))
    return Lane(one.label, colour, tuple(one.values.values()), one.mean(), one.bounds())


def _plots_of_sizes(contents: Contents) -> Iterable[Plot]:
    filled = [one for one in contents.sizes if len(one.objects.sizes)]
    for one in filled[:_MOST_SIZES]:
        group = "" if one.group == "all" else f"{one.group}, "
        count = len(one.objects.sizes)
        svg = plot_sizes(
            f"Sizes of {one.class_name}", one, colour_of(contents.colours, one.class_name)
        )
        yield Plot(
            svg,
            f"{group}{one.class_name}: share of the objects by number, {count} that lie wholly "
            "inside their field, weighted.",
        )


def _plot_of_size_classes(contents: Contents) -> Iterable[Plot]:
    frame = contents.tables["nodules.csv"]
    names = [f"size_{n}" for n in range(1, 9)]
    for (group, name), part in frame.groupby(["group", "class"], sort=False):
        counts = [(n.removeprefix("size_"), float(part[n].fillna(0).sum())) for n in names]
        if any(count for _, count in counts):
            svg = plot_counts(f"Size classes of {name}", "size class (8 is the smallest)", counts)
            where = "" if group == "all" else f"{group}, "
            yield Plot(svg, f"{where}{name}: nodules of all fields by size class.")


def _settings(contents: Contents) -> tuple[tuple[str, str], ...]:
    chosen = contents.settings.chosen
    values = contents.settings.model_dump(mode="json")
    items = [("measures", ", ".join(chosen))]
    if "objects" in chosen:
        items.append(("line direction", str(values["line_direction"])))
    if values["mixed"]:
        items.append(("mixed pixel sizes", "allowed"))
    for group in ("grains", "layers", "nodules"):
        if group in chosen:
            of_group = values[group].items()
            items += [(f"{group}: {name.replace('_', ' ')}", _set(v)) for name, v in of_group]
    items += [(f"segmenting: {name}", value) for name, value in contents.segmenting]
    return (*items, *((f"version of {name}", value) for name, value in contents.versions))


def _set(value: object) -> str:
    return "automatic" if value is None else str(value)


def picture_notes(contents: Contents) -> tuple[str, ...]:
    """Name the fields without a picture."""
    pictures = contents.pictures
    lines = []
    if pictures.more:
        others = (
            f"Not shown: {', '.join(pictures.more)}."
            if len(pictures.more) <= _MOST_NAMED
            else "The others are named under Fields."
        )
        lines.append(
            f"{len(pictures.shown)} of {len(pictures.shown) + len(pictures.more)} fields with an "
            f"image are shown, spread evenly over all. {others}"
        )
    if pictures.without:
        lines.append(f"Without an image that fits: {few(pictures.without, _MOST_NAMED)}.")
    return tuple(lines)
