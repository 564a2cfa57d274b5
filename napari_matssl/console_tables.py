"""Tables and JSON for the terminal."""

import json
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import JustifyMethod
from rich.table import Table

from napari_matssl.console import DONE_WITH_EXCEPTIONS, FOUND_CHANGED
from napari_matssl.errors import printable
from napari_matssl.measure.corrected import CorrectedFractions
from napari_matssl.measure.phases import PhaseFraction, summary_frame
from napari_matssl.printing import console, print_error, print_line, printable_lines

if TYPE_CHECKING:
    from pandas import DataFrame, Series

    # these modules import torch
    from napari_matssl.tasks.demo import DemoResult
    from napari_matssl.tasks.evaluate import Evaluation
    from napari_matssl.tasks.recipe.running import RecipeRun
    from napari_matssl.tasks.verify_report import Verified


_LISTED = 8


def show_summary(rows: Iterable[PhaseFraction]) -> None:
    """Print mean, spread and confidence interval of every phase over images or specimens."""
    frame = summary_frame(rows)
    over = " or ".join(dict.fromkeys(frame["over"])) or "images"
    groups = frame["group"].nunique() > 1
    table = Table(title=f"Area fraction per class, over {over}")
    headings = ("group",) * groups + ("class", over, "mean %", "s", "95 % CI +-", "for 10 % RA")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in ("group", "class") else "right")
    for _, row in frame.iterrows():
        figures = [row["mean_percent"], row["s_percent"], row["ci95_percent"]]
        names = (row["group"],) * groups + (row["class"],)
        cells = (*map(printable, names), str(row["n"]), *(_figure(v, 2) for v in figures))
        table.add_row(*cells, _figure(row["fields_for_10_percent"], 0))
    console().print(table)
    for reason in dict.fromkeys(filter(None, frame["reason"])):
        print_line(f"{reason[0].upper()}{reason[1:]}.")


def show_figures(title: str, frame: "DataFrame") -> None:
    """Print a summary of figures over images or specimens, as far as there are values."""
    filled = frame[frame["n"] > 0]
    names = list(filled.columns[: list(filled.columns).index("figure") + 1])
    if filled["group"].nunique() < 2:
        names.remove("group")
    table = Table(title=f"{title}, over {' or '.join(dict.fromkeys(filled['over']))}")
    for heading in (*names, "n", "mean", "s", "95 % CI +-"):
        short = heading.replace("line_direction_deg", "line")
        justify: JustifyMethod = "left" if heading in names else "right"
        table.add_column(short, justify=justify, overflow="fold")  # two figures may begin alike
    for _, row in filled.iterrows():
        words = (_word(row[name]) for name in names)
        figures = (_significant(row[one]) for one in ("mean", "s"))
        table.add_row(*map(printable, words), str(row["n"]), *figures, _interval(row))
    if len(filled):
        console().print(table)


def _interval(row: "Series") -> str:
    """Return the half width of an interval, or both bounds where it isn't symmetrical, as of G."""
    bounds = [_significant(row.get(one)) for one in ("ci95_low", "ci95_high")]
    half = _significant(row["ci95"])
    return " to ".join(bounds) if half == "-" and bounds != ["-", "-"] else half


def show_corrected(corrected: CorrectedFractions) -> None:
    """Print fractions corrected for the model's own error, and what it means for them."""
    shown = [row for row in corrected.rows if row.corrected is not None]
    if shown:
        table = Table(title=f"Corrected for the model's own error, by {corrected.source}")
        groups = len({row.group for row in shown}) > 1
        headings = ("group",) * groups + ("class", "as found %", "corrected %", "95 % CI")
        for heading in headings:
            table.add_column(heading, justify="left" if heading in ("group", "class") else "right")
        for row in shown:
            names = (row.group,) * groups + (row.class_name,)
            interval = f"{_figure(row.low, 2)} to {_figure(row.high, 2)}"
            cells = (_figure(row.raw, 2), _figure(row.corrected, 2))
            table.add_row(*map(printable, names), *cells, "-" if row.low is None else interval)
        console().print(table)
    for line in filter(None, (corrected.reason, *corrected.remarks, corrected.limits)):
        print_line(printable(line))


def show_evaluation(result: "Evaluation") -> None:
    """Print scores per class and the confusion matrix."""
    from napari_matssl.learn.card import DENSE

    table = Table(title=f"Protocol {result.protocol}, {len(result.images)} images, pooled pixels")
    for heading in ("class", "IoU", "Dice", "precision", "recall", "pixels"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for name, score in result.scores.classes.items():
        shares = (score.iou, score.dice, score.precision, score.recall)
        table.add_row(name, *(_figure(share, 3) for share in shares), f"{score.pixels:,}")
    terminal = console()
    terminal.print(table)
    terminal.print(
        f"mIoU {_figure(result.scores.miou, 3)}, pixel accuracy {result.scores.pixel_accuracy:.3f}"
    )
    confusion = Table(title="Confusion matrix in pixels: rows truth, columns prediction")
    names = result.confusion_names
    for heading in ("", *names):
        confusion.add_column(heading, justify="right")
    for name, counts in zip(names, result.scores.confusion.tolist(), strict=True):
        confusion.add_row(name, *(f"{count:,}" for count in counts))
    terminal.print(confusion)
    if result.labelled_share < DENSE:
        print_line(
            f"Scored on {_figure(100 * result.labelled_share, 2)} % of the pixels, which are "
            "labelled: strokes keep away from boundaries, where most pixels are mistaken."
        )
    if result.trained_on:
        print_line(
            f"Trained on {len(result.trained_on)} of these images, or on copies, other pages or "
            "other parts of them: the scores flatter the model."
        )


def show_run(run: "RecipeRun") -> None:
    """Print the verdicts of a recipe's run, its figures, and where its report is."""
    from napari_matssl.report.recipe_sections import verdict_line

    table = Table(title="Verdicts")
    for heading in ("image", "verdict", "reason"):
        table.add_column(heading, overflow="fold")
    for one in run.images:
        table.add_row(printable(one.image), str(one.verdict), printable("; ".join(one.reasons)))
    console().print(table)
    if run.planned.rows:
        show_summary(run.planned.rows)
    for line in (*run.planned.remarks, *run.report.remarks):
        print_line(printable(line))
    assert run.planned.recipe is not None
    for line in run.planned.recipe.deviations:
        print_line(f"Deviation: {printable(line)}")
    paths = (run.report.page, run.report.pdf, run.report.workbook)
    print_line(f"Report: {', '.join(str(path) for path in paths if path is not None)}")
    print_line(verdict_line(run.planned.recipe))


def leave_run(run: "RecipeRun") -> None:
    """Exit with the status of a run's verdict, unless it passes."""
    from napari_matssl.tasks.recipe.judging import Verdict

    statuses = {Verdict.FAIL: FOUND_CHANGED, Verdict.CHECK: DONE_WITH_EXCEPTIONS}
    if status := statuses.get(run.verdict):
        raise SystemExit(status)


def show_findings(name: str, verified: "Verified") -> int:
    """Print what has become of a report and of the files that it names; return the exit status.

    Each part has a line; files have one line for each kind, with the names of those that aren't
    as they were.
    """
    from napari_matssl.report.seal import State, grouped

    print_line(f"Checksum of {printable(name)} now: {grouped(verified.checksum)}")
    kinds: dict[str, dict[State, list[str]]] = {}
    for one in verified.findings:
        if one.kind == "part":
            print_line(printable(f"{one.name}: {one.state}"))
        else:
            kinds.setdefault(one.kind, {}).setdefault(one.state, []).append(one.name)
    for kind, states in kinds.items():
        told = [f"{len(names)} unchanged" for names in [states.pop(State.UNCHANGED, [])] if names]
        told += [f"{state}: {', '.join(names)}" for state, names in states.items()]
        print_line(printable(f"{kind}: {'; '.join(told)}"))
    if verified.has(State.CHANGED):
        print_error("Something was changed since it was written.")
        return FOUND_CHANGED
    if verified.has(State.MISSING):
        print_line("Nothing was changed in what was found.")
        return DONE_WITH_EXCEPTIONS
    print_line("Nothing was changed.")
    return 0


def show_facts(facts: dict[str, Any], as_json: bool) -> None:
    """Print all facts as JSON, or those that are set as lines."""
    if as_json:
        print_line(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        if name == "pixel_size_um" and isinstance(value, list):
            height, width = value  # in JSON in the order of the axes; everywhere else x before y
            print_line(f"pixel size um: {width:g} wide, {height:g} high")
        elif value is not None:
            print_line(printable_lines(f"{name.replace('_', ' ')}: {_in_words(value)}"))


def _in_words(value: Any) -> str:
    """Describe a plain value; the beginning of a long list, the names of named things."""
    if isinstance(value, list):
        more = f" and {len(value) - _LISTED} more" if len(value) > _LISTED else ""
        return ", ".join(map(_in_words, value[:_LISTED])) + more
    if not isinstance(value, dict):
        return "none" if value is None else str(value)
    if "name" in value:
        return f"{value['id']} {value['name']}" if "id" in value else str(value["name"])
    return ", ".join(f"{name.replace('_', ' ')} {_in_words(v)}" for name, v in value.items())


def show_demo(result: "DemoResult") -> None:
    """Print the demo's scores and where its files are."""
    for scored in result.scored:
        print_line()
        print_line(f"== {scored.title}")
        show_evaluation(scored.evaluation)
        show_summary(scored.phases)
    print_line()
    print_line(f"Look at {result.picture}: image, truth and prediction side by side.")
    for line in result.places:
        print_line(line)


def _word(cell: object) -> str:
    """Write a name or a number of a table; nothing where it is blank."""
    if isinstance(cell, float):
        return "" if math.isnan(cell) else f"{cell:g}"
    return str(cell)


def _significant(value: float | None) -> str:
    if value is None or value != value:
        return "-"
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"  # not 2.391e+04


def _figure(value: float | None, digits: int) -> str:
    """Write a figure with so many decimals, or two digits where little of it would be left."""
    if value is None or value != value:  # pandas marks undefined figures with NaN
        return "-"
    little = digits and 0 < abs(value) < 10.0 ** (1 - digits)
    return f"{value:.2g}" if little else f"{value:.{digits}f}"
