"""Markdown tables of what ``accuracy.py`` has found."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from columns import COATINGS, CONDITIONS, ONE_IMAGE, SWEEPS
from marks import write_between_marks

FOREST = "forest, standardised"

MAIN_ROWS = {
    FOREST: "random forest",
    "plain": "plain U-Net++",
    "instant": "preset `instant`",
    "interactive": "preset `interactive`",
    "ours": "the same, before",
}
"""Rows of the main table, as ``accuracy.json`` and as a user names them."""

FORMER_ROWS = (
    "instant, before",
    "instant, before, components kept",
    "ours",
    "ours, one magnification",
    "ours, two magnifications",
    "ours, components kept",
    "ours, components merged",
    "ours, an hour",
    "ours, an hour, two magnifications",
    "ours, random weights",
    "ours, random weights, two magnifications",
)
"""The presets before grey scales were matched; nothing computes these any more."""

Results = dict[str, dict[str, Any]]
Cells = dict[tuple[str, str], list[dict[str, Any]]]
Contents = Mapping[str, Sequence[str]]
"""Names of the sets in each table, by its title."""


def write_tables(
    results: Results, rows: Sequence[str], contents: Contents, notes: Path, summary: Path
) -> None:
    """Put all tables and the main one between the marks of two Markdown files; print both."""
    cells: Cells = defaultdict(list)
    for key, cell in sorted(results.items()):
        row, name, _seed = key.split(" | ")
        cells[row, name].append(cell)
    every = _tables(results, cells, (*rows, *FORMER_ROWS), contents)
    for text, path in ((every, notes), (main_table(cells, contents), summary)):
        print(text)
        write_between_marks("accuracy.py", text, path)


def main_table(cells: Cells, contents: Contents) -> str:
    """Write figures by what was painted, for the rows that a user can choose from and their peers.

    Where a row lacks a set, it has no figure for what the set is part of.
    """
    exposures = [name for name in contents[SWEEPS] if name.endswith("other exposures")]
    changed = [name for name in contents[CONDITIONS] if "MetalDAM" in name or "UHCS" in name]
    lines = {
        "EBC-2, four images in full": ["EBC-2"],
        "the same, new conditions": ["EBC-2, new conditions"],
        "EBC-3, fifteen images in full": ["EBC-3"],
        "EBC-2, strokes on four images": ["EBC-2 strokes"],
        "MetalDAM, strokes on one image": ["MetalDAM S1 strokes"],
        "MetalDAM, strokes on four images": ["MetalDAM S4 strokes"],
        "UHCS, strokes on one image": ["UHCS S1 strokes"],
        "UHCS, strokes on four images": ["UHCS S4 strokes"],
        "both, four images, other exposure, magnification, noise": changed,
        "strokes on one image, six sets": [n for n in contents[ONE_IMAGE] if "MetalDAM" not in n],
        "sweeps of composition": [name for name in contents[SWEEPS] if name not in exposures],
        "the same, other exposures": exposures,
    }
    table = [f"| | {' | '.join(MAIN_ROWS.values())} |", "|---" * (len(MAIN_ROWS) + 1) + "|"]
    for line, names in lines.items():
        found = [_short([cells.get((row, name), []) for name in names]) for row in MAIN_ROWS]
        if any(one != "-" for one in found):
            table.append(f"| {line} | {' | '.join(found)} |")
    return "\n".join(table) + "\n"


def _short(found: Sequence[list[dict[str, Any]]]) -> str:
    """Say mIoU, the spread between seeds in brackets, and the error of fractions."""
    if not all(found):
        return "-"
    said = f"{fmean(fmean(c['miou'] for c in one) for one in found):.2f}"
    if all(len(one) > 1 for one in found):
        said += f" ({fmean(_range(one) for one in found):.2f})"
    errors = [_with_fractions(one) for one in found]
    if not all(errors):
        return said
    return f"{said}, {fmean(_mean(one, 'fraction_error') for one in errors):.1f}"


def _tables(results: Results, cells: Cells, rows: Sequence[str], contents: Contents) -> str:
    parts = []
    for title, names in contents.items():
        lines = [line for name in names for line in _set(cells, rows, name, title == COATINGS)]
        if lines:
            parts.append("\n".join((f"**{title}**\n", *_head(title == COATINGS), *lines)) + "\n")
    parts.append(against_forest(cells, contents))
    dates = sorted({cell["date"] for cell in results.values()})
    machines = sorted({cell["machine"] for cell in results.values()})
    commits = sorted({cell["commit"] for cell in results.values() if "commit" in cell})
    if dates:
        parts.append(
            f"Computed {dates[0]} to {dates[-1]} on: {'; '.join(machines)}. Cells that name "
            f"their commit: {', '.join(commits) or 'none'}.\n"
        )
    return "\n".join(parts)


def _head(coatings: bool) -> list[str]:
    extra = ["MatSSL's protocol, %", "oxide IoU", "crack IoU"] if coatings else []
    names = [
        "set", "row", "mIoU", "spread", *extra, "fraction error", "largest", "silent",
        "training", "per image", "seeds",
    ]  # fmt: skip
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]


def _set(cells: Cells, rows: Sequence[str], name: str, coatings: bool) -> list[str]:
    lines = []
    for row in rows:
        found = cells.get((row, name))
        if not found:
            continue
        figures = [name, row, f"{_mean(found, 'miou'):.3f}"]
        figures.append(f"{100 * _range(found):.1f}" if len(found) > 1 else "-")
        if coatings:
            figures.append(f"{100 * _mean(found, 'matssl'):.1f}")
            figures += [f"{_mean(found, one):.3f}" for one in ("oxide", "crack")]
        figures += _fractions(found)
        figures += [f"{_mean(found, 'training_s'):.0f} s", f"{_mean(found, 'image_s'):.2f} s"]
        lines.append(f"| {' | '.join((*figures, str(len(found))))} |")
    return lines


def _fractions(found: Sequence[dict[str, Any]]) -> list[str]:
    """Say mean and largest error, and how many images beyond the limit have no remark."""
    found = _with_fractions(found)
    if not found:
        return ["-", "-", "-"]
    silent, images = (sum(one[key] for one in found) for key in ("silent", "images"))
    largest = max(one["fraction_error_largest"] for one in found)
    return [f"{_mean(found, 'fraction_error'):.1f}", f"{largest:.1f}", f"{silent} of {images}"]


def against_forest(cells: Cells, contents: Contents) -> str:
    """Write how far rows are ahead of the standardised forest, in the mean and at worst."""
    lines = [
        "**Against the standardised forest, same strokes, points**\n",
        "| row | sets | of them | mIoU, mean | at worst | fraction error, mean | at worst |",
        "|---|---|---|---|---|---|---|",
    ]
    everything = list(dict.fromkeys(name for names in contents.values() for name in names))
    for row in (one for one in MAIN_ROWS if one not in (FOREST, *FORMER_ROWS)):
        for title, names in {**contents, "all": everything}.items():
            both = [n for n in names if cells.get((row, n)) and cells.get((FOREST, n))]
            if both:
                lines.append(f"| {row} | {title} | {len(both)} | {_lead(cells, row, both)} |")
    return "\n".join(lines) + "\n"


def _lead(cells: Cells, row: str, names: Sequence[str]) -> str:
    pairs = {name: (cells[row, name], cells[FOREST, name]) for name in names}
    ahead = {n: 100 * (_mean(a, "miou") - _mean(b, "miou")) for n, (a, b) in pairs.items()}
    low = min(ahead, key=ahead.__getitem__)
    said = f"{fmean(ahead.values()):+.1f} | {ahead[low]:+.1f} ({low})"
    measured = {n: (_with_fractions(a), _with_fractions(b)) for n, (a, b) in pairs.items()}
    more = {
        n: _mean(a, "fraction_error") - _mean(b, "fraction_error")
        for n, (a, b) in measured.items()
        if a and b
    }
    if not more:
        return f"{said} | - | -"
    off = max(more, key=more.__getitem__)
    return f"{said} | {fmean(more.values()):+.1f} | {more[off]:+.1f} ({off})"


def _with_fractions(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the seeds whose fractions were measured; older ones weren't."""
    return [one for one in found if "fraction_error" in one]


def _mean(found: Sequence[dict[str, Any]], key: str) -> float:
    """Return the mean over seeds; a class never found counts as 0."""
    return fmean(one[key] or 0.0 for one in found)


def _range(found: Sequence[dict[str, Any]]) -> float:
    """Return the spread of mIoU between seeds: the largest less the smallest."""
    values = [one["miou"] or 0.0 for one in found]
    return max(values) - min(values)
