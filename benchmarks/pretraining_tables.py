"""Table and plot of what ``pretraining.py`` has found."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib
from marks import write_between_marks

from napari_matssl.learn.card_files import read_card
from napari_matssl.learn.shipped_weights import MICROGRAPHS, weights_path

matplotlib.use("Agg")
import matplotlib.pyplot as plt

Seeds = dict[tuple[str, str], dict[str, float]]
"""mIoU by seed, by start and set."""

ADVISED = "own 20, 10 min"
"""What the program advises: the user's own folder, ten minutes."""

WORTH_IT = 2.0
"""A gain worth ten minutes, points of mIoU."""

NO_MINUTES, NO_IMAGES = 0.5, 4.0
"""Where on the logarithmic axes nothing is."""

PLOT = "../docs/images/pretraining.png"


def write_tables(results: dict[str, dict[str, Any]], names: Sequence[str], notes: Path) -> None:
    """Put table and plot between the marks of a Markdown file, and print the table."""
    seeds: Seeds = defaultdict(dict)
    for key, cell in sorted(results.items()):
        start, name, seed = key.split(" | ")
        seeds[start, name][seed] = cell["miou"] or 0.0
    starts = sorted({start for start, _ in seeds}, key=_order)
    names = [name for name in names if any(n == name for _, n in seeds)]
    lines = [f"| start | {' | '.join(names)} | against ImageNet |", "|---" * (len(names) + 2) + "|"]
    for start in starts:
        said = [_spread(list(seeds.get((start, name), {}).values())) for name in names]
        lines.append(f"| {start} | {' | '.join(said)} | {_gain(seeds, start, names)} |")
    dates = sorted({cell["date"] for cell in results.values()})
    when = f"Computed {dates[0]} to {dates[-1]}." if dates else ""
    lines += ["", *_pairs(seeds, names, ADVISED)]
    table = "\n".join([*lines, "", f"![Pretraining]({PLOT})", "", when, ""])
    print(table)
    _plot(dict(seeds), names, notes.parent / PLOT)
    write_between_marks("pretraining.py", table, notes)


def _pairs(seeds: Seeds, names: Sequence[str], start: str) -> list[str]:
    """Set out the runs from a start beside the same runs from ImageNet's weights."""
    lines = [f"| set, seed | imagenet | {start} | gain, points |", "|---|---|---|---|"]
    gains = []
    for name in names:
        ours, theirs = seeds.get((start, name), {}), seeds.get(("imagenet", name), {})
        for seed in sorted(ours.keys() & theirs.keys()):
            gains.append(100 * (ours[seed] - theirs[seed]))
            lines.append(
                f"| {name}, {seed} | {theirs[seed]:.3f} | {ours[seed]:.3f} | {gains[-1]:+.1f} |"
            )
    if not gains:
        return []
    enough = sum(gain >= WORTH_IT for gain in gains)
    return [
        *lines,
        f"| all | | | {fmean(gains):+.1f}; {enough} of {len(gains)} gain {WORTH_IT:g} or more |",
    ]


def _order(start: str) -> tuple[int, float, float]:
    kinds = ("random", "imagenet", "micrographs", "own", "other", "both")
    numbers = [float(n) for n in re.findall(r"[\d.]+", start)]
    return kinds.index(start.replace(",", " ").split()[0]), *((0.0, 0.0, *numbers)[-2:])


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    said = f"{fmean(values):.3f}"
    return said + (f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else "")


def _gain(seeds: Seeds, start: str, names: Sequence[str]) -> str:
    """Say the mean difference to ImageNet's weights, over the sets and seeds that both have."""
    gains, runs = [], 0
    for name in names:
        ours, theirs = seeds.get((start, name), {}), seeds.get(("imagenet", name), {})
        common = ours.keys() & theirs.keys()
        runs += len(common)
        if common:
            gains.append(fmean(ours[seed] - theirs[seed] for seed in common))
    return f"{100 * fmean(gains):+.1f} points (sets: {len(gains)}, runs: {runs})" if gains else "-"


def _plot(seeds: Seeds, names: Sequence[str], path: Path) -> None:
    """Draw mIoU against minutes of pretraining, and against images at the time most used.

    Every seed has lines of its own: one seed's strokes are easier than another's.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True)
    shipped = read_card(weights_path(MICROGRAPHS)).metrics["minutes"]
    for number, name in enumerate(names):
        colour = f"C{number}"
        shift = 1.03 ** (number - (len(names) - 1) / 2)  # points beside each other
        for start, marker in (("imagenet", "*"), ("random", "x"), ("micrographs", "D")):
            spent = shipped if start == "micrographs" else NO_MINUTES
            for value in seeds.get((start, name), {}).values():
                left.plot(spent * shift, value, marker, color=colour, ms=7)
                if start != "micrographs":
                    right.plot(NO_IMAGES * shift, value, marker, color=colour, ms=7)
        for source, line in (("own", "-"), ("other", ":"), ("both", "--")):
            for seed, none in seeds.get(("imagenet", name), {}).items():
                minutes, images = {NO_MINUTES: none}, {NO_IMAGES: none}
                for (start, other), values in seeds.items():
                    if other == name and start.startswith(source) and seed in values:
                        numbers = [float(n) for n in re.findall(r"[\d.]+", start)]
                        count = numbers[0] if len(numbers) > 1 else 0
                        if count in (0, 20):
                            minutes[numbers[-1]] = values[seed]
                        if source == "own" and numbers[-1] == 10:
                            images[count] = values[seed]
                for axes, points in ((left, minutes), (right, images)):
                    places = sorted(points)
                    if len(places) > 1:
                        heights = [points[place] for place in places]
                        across = [place * shift for place in places]
                        axes.plot(across, heights, line, color=colour, marker="o", ms=4, lw=1.2)
        left.plot([], [], color=colour, label=name)
    left.set_xscale("log")
    right.set_xscale("log")
    left.set_xticks((NO_MINUTES, 2, 10, 60), ("none", "2", "10", "60"))
    right.set_xticks((NO_IMAGES, 10, 20, 60), ("none", "10", "20", "60"))
    left.set_xlabel("minutes of pretraining")
    right.set_xlabel("own images, pretrained on for 10 minutes")
    left.set_ylabel("mIoU on test images; a line for each seed")
    right.legend(*left.get_legend_handles_labels(), fontsize=8, loc="lower right")
    left.set_title(
        "star ImageNet, cross random, diamond the encoder in the box\n"
        "solid own images, dotted other ones, dashed both",
        fontsize=9,
    )
    for axes, ends in ((left, (0.35, 90)), (right, (3, 90))):
        axes.set_xlim(*ends)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
