"""Markdown tables of what ``accuracy.py`` has found."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from marks import write_between_marks

COATINGS = ("EBC-1", "EBC-2", "EBC-3", "EBC-2 strokes", "EBC-2, new conditions")

MAIN_ROWS = {
    "forest, standardised": "random forest",
    "plain": "plain U-Net++",
    "instant": "preset `instant`",
    "ours": "preset `interactive`",
}
"""Rows of the main table, as ``accuracy.json`` and as a user names them."""

Results = dict[str, dict[str, Any]]
Cells = dict[tuple[str, str], list[dict[str, Any]]]


def write_tables(results: Results, rows: Sequence[str], notes: Path, summary: Path) -> None:
    """Put all tables and the main one between the marks of two Markdown files; print both."""
    cells: Cells = defaultdict(list)
    for key, cell in sorted(results.items()):
        row, name, _seed = key.split(" | ")
        cells[row, name].append(cell)
    for text, path in ((_tables(results, cells, rows), notes), (_main_table(cells), summary)):
        print(text)
        write_between_marks("accuracy.py", text, path)


def _main_table(cells: Cells) -> str:
    """Write mIoU by what was painted, for the rows that a user can choose from and their peers."""
    ones = sorted({name for _row, name in cells if name.endswith(", 1 image")})
    columns = {
        "EBC-2, four images in full": ["EBC-2"],
        "the same, new conditions": ["EBC-2, new conditions"],
        "EBC-3, fifteen images in full": ["EBC-3"],
        "EBC-2, strokes on four images": ["EBC-2 strokes"],
        f"strokes on one image, mean of {len(ones)} sets": ones,
        "the worst of these": ones,
    }
    lines = [f"| | {' | '.join(columns)} | training |", "|---" * (len(columns) + 2) + "|"]
    for row, label in MAIN_ROWS.items():
        figures = []
        for column, names in columns.items():
            means = [fmean(cell["miou"] for cell in cells[row, name]) for name in names]
            figures.append(f"{(min if 'worst' in column else fmean)(means):.2f}")
        scored = {name for names in columns.values() for name in names}
        times = [cell["training_s"] for name in scored for cell in cells[row, name]]
        figures.append(f"{min(times):.0f} to {max(times):.0f} s")
        lines.append(f"| {label} | {' | '.join(figures)} |")
    return "\n".join(lines) + "\n"


def _tables(results: Results, cells: Cells, rows: Sequence[str]) -> str:
    sets = list(dict.fromkeys(name for _row, name in cells))
    parts = [_coatings(cells, rows, name) for name in COATINGS if name in sets]
    ones = [name for name in sets if name not in COATINGS]
    if ones:
        parts.append(_one_image(cells, rows, ones))
    dates = sorted({cell["date"] for cell in results.values()})
    machines = sorted({cell["machine"] for cell in results.values()})
    if dates:
        parts.append(f"Computed {dates[0]} to {dates[-1]} on: {'; '.join(machines)}.\n")
    return "\n".join(parts)


def _coatings(cells: Cells, rows: Sequence[str], name: str) -> str:
    """Write one table of a set of coatings: three figures, crack, times."""
    lines = [
        f"**{name}**\n",
        "| | MatSSL's protocol, % | oxide IoU | mIoU, 3 classes | crack IoU | training | "
        "per image | seeds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        found = cells.get((row, name))
        if found:
            scores = " | ".join(
                (
                    _spread([100 * c["matssl"] for c in found], 1),
                    *(_spread([c[k] for c in found], 3) for k in ("oxide", "miou", "crack")),
                )
            )
            lines.append(f"| {row} | {scores} | {_times(found)} | {len(found)} |")
    return "\n".join(lines) + "\n"


def _one_image(cells: Cells, rows: Sequence[str], names: Sequence[str]) -> str:
    """Write the table of sets with strokes on one image: mIoU."""
    short = [name.removesuffix(", 1 image") for name in names]
    lines = [
        "**Strokes on one image, at most 90 s: mIoU**\n",
        f"| | {' | '.join(short)} | mean | training | per image | seeds |",
        "|---" * (len(names) + 5) + "|",
    ]
    for row in rows:
        found = [cells.get((row, name), []) for name in names]
        if not any(found):
            continue
        each = [_spread([c["miou"] for c in one], 3) if one else "-" for one in found]
        mean = fmean(fmean(c["miou"] for c in one) for one in found) if all(found) else None
        everything = [c for one in found for c in one]
        seeds = "/".join(sorted({str(len(one)) for one in found}))
        said = "-" if mean is None else f"{mean:.3f}"
        lines.append(f"| {row} | {' | '.join(each)} | {said} | {_times(everything)} | {seeds} |")
    return "\n".join(lines) + "\n"


def _spread(values: Sequence[float | None], digits: int) -> str:
    """Say the mean, and the range where there are several; a class never found counts as 0."""
    known = [value or 0.0 for value in values]
    said = f"{fmean(known):.{digits}f}"
    if len(known) > 1:
        said += f" ({min(known):.{digits}f} to {max(known):.{digits}f})"
    return said


def _times(found: Sequence[dict[str, Any]]) -> str:
    training, image = (fmean(c[key] for c in found) for key in ("training_s", "image_s"))
    return f"{training:.0f} s | {image:.2f} s"
