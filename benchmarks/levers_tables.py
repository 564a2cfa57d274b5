"""Markdown tables of what ``levers.py`` has found: groups of sets, mean and worst."""

from collections.abc import Sequence
from statistics import fmean

from development import SWEEP

Figures = dict[str, float | None]
Found = dict[str, dict[str, list[Figures]]]
"""Figures of sets and seeds by group and row."""


def tables(found: Found) -> str:
    """Write a table of sets that look like somebody's work, and one of sweeps."""
    sweeps = {name: rows for name, rows in found.items() if name.startswith(SWEEP)}
    others = {name: rows for name, rows in found.items() if name not in sweeps}
    return "\n".join(_table(part) for part in (others, sweeps) if part)


def _table(found: Found) -> str:
    """Write rows of groups: mIoU, error of the fraction, images beyond the limit and remarked."""
    rows = list(next(iter(found.values())))
    cells = " | ".join("mIoU | fraction error | silent | remarked" for _ in rows)
    heads = " | ".join(f"**{row}** | | |" for row in rows)
    lines = [f"| | {heads} |", "|---" * (4 * len(rows) + 1) + "|", f"| | {cells} |"]
    for name, group in found.items():
        lines.append(f"| {name} | {' | '.join(_cells(group[row]) for row in rows)} |")
    lines.append(f"| **mean** | {' | '.join(_mean(found, row) for row in rows)} |")
    lines.append(f"| **worst** | {' | '.join(_worst(found, row) for row in rows)} |")
    lines += [text for row in rows[1:] for text in ("", _compared(found, row, rows[0]))]
    return "\n".join(lines) + "\n"


def _cells(sets: Sequence[Figures]) -> str:
    images, beyond, silent, remarked = (
        sum(one[key] or 0 for one in sets) for key in ("images", "beyond", "silent", "remarked")
    )
    return (
        f"{_miou(sets):.3f} | {_error(sets):.1f} | {silent:.0f} of {beyond:.0f} "
        f"| {remarked:.0f} of {images:.0f}"
    )


def _mean(found: Found, row: str) -> str:
    groups = [group[row] for group in found.values()]
    every = [one for group in groups for one in group]
    counts = _cells(every).split(" | ")[2:]
    miou, error = fmean(map(_miou, groups)), fmean(map(_error, groups))
    return " | ".join((f"{miou:.3f}", f"{error:.1f}", *counts))


def _worst(found: Found, row: str) -> str:
    """Say the lowest mIoU and the largest mean error of a single set."""
    every = [one for group in found.values() for one in group[row]]
    miou, error = min(one["miou"] or 0 for one in every), max(_error([one]) for one in every)
    return f"{miou:.3f} | {error:.1f} | |"


def _compared(found: Found, row: str, other: str) -> str:
    """Say how far a row is ahead of another: in the mean over groups, and where it's worst."""
    ahead = {name: 100 * (_miou(g[row]) - _miou(g[other])) for name, g in found.items()}
    less = {name: _error(g[other]) - _error(g[row]) for name, g in found.items()}
    low, off = min(ahead, key=ahead.__getitem__), min(less, key=less.__getitem__)
    return (
        f"{row} against {other}: mIoU {fmean(ahead.values()):+.1f} points, at worst "
        f"{ahead[low]:+.1f} ({low}); fraction error {-fmean(less.values()):+.1f} points, at worst "
        f"{-less[off]:+.1f} ({off}).\n"
    )


def _miou(sets: Sequence[Figures]) -> float:
    return fmean(one["miou"] or 0.0 for one in sets)


def _error(sets: Sequence[Figures]) -> float:
    return fmean(one["fraction_error"] or 0.0 for one in sets)
