"""The figures of the MatSSL paper, and ours beside them."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paper_tasks import TASKS

from napari_matssl.learn.methods import TITLES

IMAGENET, MICRONET = "ImageNet", "MicroNet"
ARCHITECTURES = {"unet++": "U-Net++", "segformer": "transformer", "cs-unet": "CS-UNet"}
"""Networks by their names in the settings; the paper's transformer is that of MicroLite."""


@dataclass(frozen=True)
class Figure:
    """A figure of the paper, mIoU in %.

    Parameters
    ----------
    task, architecture, start
        What was trained.
    miou
        As printed.
    own
        Whether the set itself was pretrained on, too; None where that is not the question.
    """

    task: str
    architecture: str
    start: str
    miou: str
    own: bool | None = None


def _pretrained(task: str, start: str, without_own: str, with_own: str) -> tuple[Figure, Figure]:
    return (
        Figure(task, "unet++", start, without_own, own=False),
        Figure(task, "unet++", start, with_own, own=True),
    )


def _coating(
    number: int, micronet: str, transformer: str, cs_unet: str, matssl: str
) -> tuple[Figure, ...]:
    task = f"EBC-{number}"
    return (
        Figure(task, "unet++", MICRONET, micronet),
        Figure(task, "segformer", MICRONET, transformer),
        Figure(task, "cs-unet", MICRONET, cs_unet),
        Figure(task, "unet++", TITLES["matssl"], matssl),
    )


_BATCH = 128

PAPER = (
    Figure("metaldam", "unet++", IMAGENET, "66.73"),
    *_pretrained("metaldam", TITLES["densecl"], "68.76", "68.34"),
    *_pretrained("metaldam", TITLES["mocov2"], "67.18", "68.40"),
    *_pretrained("metaldam", TITLES["matssl"], "69.95", "69.02"),
    Figure("aachen", "unet++", IMAGENET, "65.59"),
    *_pretrained("aachen", TITLES["densecl"], "65.82", "65.56"),
    *_pretrained("aachen", TITLES["mocov2"], "65.90", "65.65"),
    *_pretrained("aachen", TITLES["matssl"], "65.98", "65.86"),
    *_coating(1, "95.17", "93.01", "95.98", "96.79"),
    *_coating(2, "84.60", "84.30", "86.73", "94.70"),
    *_coating(3, "42.58", "56.72", "45.69", "84.53"),
)
"""With ResNet-50 where U-Net++ is pretrained. The rows on EBC do not share one metric."""

REMARKS = (
    "The paper's figures on EBC do not share one metric (MicroNet's leaves the background out, "
    "MatSSL's counts it). For EBC-3 the paper's Table 3 names 1 training image, the published "
    'folder, on which ours are computed, has 15. \\* the published number of epochs. "Schedule": '
    "MatSSL's for all methods, as in the paper, or each method's own published one. \"Fine-tuned "
    'by": preset paper, the published recipe, or interactive, ours.'
)


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Set all figures out, with the paper's of which there is none of ours."""
    lines = [
        "| set | encoder's start | network | pretrained on | schedule | fine-tuned by | "
        "paper, ResNet-50 | here | encoder here | images pretrained on | "
        "steps of pretraining, fine-tuning |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    shown: set[Figure] = set()
    rows: list[tuple[tuple[Any, ...], str]] = []
    for cells in _by_row(results.values()):
        figure = _beside(cells[0])
        if figure is not None:
            shown.add(figure)
        first = cells[0]
        rows.append(
            (_order(first["task"], first["architecture"], first["start"]), _row(cells, figure))
        )
    for figure in PAPER:
        if figure not in shown:
            key = _order(figure.task, figure.architecture, figure.start)
            rows.append((key, _row_of_paper(figure)))
    lines += [line for _, line in sorted(rows)]
    dates = sorted({cell["date"] for cell in results.values()})
    when = f"Computed {dates[0]} to {dates[-1]}." if dates else "Nothing computed yet."
    return "\n".join([*lines, "", f"{REMARKS} {when}", ""])


def _by_row(results: Iterable[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Bring the results together that differ in the seed alone."""
    names = ("task", "start", "architecture", "pretrained_on", "schedule", "recipe", "encoder",
             "published", "batch_size")  # fmt: skip
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for cell in results:
        rows.setdefault(str([cell.get(name) for name in names]), []).append(cell)
    return list(rows.values())


def _beside(cell: Mapping[str, Any]) -> Figure | None:
    """Find the paper's figure for what was computed."""
    own = TASKS[cell["task"]][0] in cell["pretrained_on"]
    for figure in PAPER:
        same = (figure.task, figure.architecture) == (cell["task"], cell["architecture"])
        if same and figure.start == cell["start"] and figure.own in (None, own):
            return figure
    return None


def _order(task: str, architecture: str, start: str) -> tuple[Any, ...]:
    networks = list(ARCHITECTURES)
    place = networks.index(architecture) if architecture in networks else len(networks)
    return list(TASKS).index(task), place, start


def _row(cells: Sequence[Mapping[str, Any]], figure: Figure | None) -> str:
    first, found = cells[0], [cell["miou"] for cell in cells]
    miou = f"{statistics.fmean(found):.2f}"
    if len(found) > 1:
        miou += f" ({min(found):.2f} to {max(found):.2f}; {len(found)} seeds)"
    stars = ["\\*" if published else "" for published in first["published"]]
    batch = first.get("batch_size", _BATCH)
    smaller = "" if batch == _BATCH else f" of {batch}"
    steps = f"{first['pretrain_steps']:.0f}{stars[0]}" if first["images"] else "-"
    return (
        f"| {first['task']} | {first['start']} | {_network(first['architecture'])} | "
        f"{', '.join(first['pretrained_on']) or '-'} | {first['schedule'] or '-'} | "
        f"{first['recipe']} | {figure.miou if figure else '-'} | {miou} | {first['encoder']} | "
        f"{first['images'] or '-'} | {steps}, {first['finetune_steps']}{smaller}{stars[1]} |"
    )


def _network(architecture: str) -> str:
    return ARCHITECTURES.get(architecture, architecture)


def _row_of_paper(figure: Figure) -> str:
    on = {None: "", True: "the set itself, too", False: "other sets alone"}[figure.own]
    return (
        f"| {figure.task} | {figure.start} | {_network(figure.architecture)} | {on or '-'} | "
        f"- | paper | {figure.miou} | - | - | - | - |"
    )
