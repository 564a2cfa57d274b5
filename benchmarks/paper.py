r"""Run the tables of the MatSSL paper, as far as the data is there.

    python benchmarks/paper.py --ebc ../shared/data/ebc --others ../shared/data/am-slices \
        --pretrain-minutes 8
    python benchmarks/paper.py --uhcs U --metaldam M --aachen A --ebc E --encoder resnet50

That is the published recipe (``--preset paper``) for the published numbers of epochs (50 of
pretraining; 200 of fine-tuning, 50 on Aachen): for a GPU. With ``--finetune-minutes`` fine-tuning
ends after so long on this machine; with ``--pretrain-minutes`` pretraining does, and takes
``--preset quick``, since the published rate unlearns ImageNet in a short time on few images.

Folders: UHCS holds images; MetalDAM and Aachen hold ``train`` and ``test``, each with ``inputs``
and ``targets`` (the layout of the authors' release, which doesn't say which image is where: their
processed sets are announced, not published); EBC holds ``images``, ``labels``, ``splits.json``.
``--others`` is a folder of more images to pretrain on. What is missing is said, with its source,
and its rows are left out. Test images are never pretrained on. The best epoch is chosen on
validation images, where a set has any, and never on test images as the released code does.

Results are kept in ``benchmarks/paper.json`` and written into ``benchmarks/NOTES.md``.
"""

import argparse
import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import real_sets
import sets
from marks import write_between_marks

from napari_matssl.console import run_job
from napari_matssl.files import atomic_write
from napari_matssl.labels.class_table import COLOURS, ClassTable, LabelClass
from napari_matssl.labels.painted import PaintedMicrograph
from napari_matssl.learn.methods import TITLES
from napari_matssl.micrograph.image import Micrograph
from napari_matssl.micrograph.patch_grid import patch_starts
from napari_matssl.settings import FinetuneSettings, PredictSettings, PretrainSettings
from napari_matssl.tasks.evaluate import BACKGROUND, evaluate
from napari_matssl.tasks.finetune import finetune
from napari_matssl.tasks.inputs import read_folder, read_labelled
from napari_matssl.tasks.pretrain import pretrain

HERE = Path(__file__).parent
RESULTS = HERE / "paper.json"
NOTES = HERE / "NOTES.md"

PATCH = 256


@dataclass(frozen=True)
class Source:
    """One of the paper's sets.

    Parameters
    ----------
    where
        It is published.
    overlap
        Of the patches that are pretrained on.
    epochs
        Of fine-tuning; 0 for a set without labels.
    classes
        Their names, the ids from 0; with ``merged`` everything above 0 is the second.
    """

    where: str
    overlap: float
    epochs: int = 0
    classes: tuple[str, ...] = ()
    merged: bool = False


SOURCES = {
    "uhcs": Source("DeCost et al. 2017, https://hdl.handle.net/11256/940", 0.6),
    "metaldam": Source(
        "Luengo et al. 2022, https://dasci.es/transferencia/open-data/metaldam/",
        0.7,
        200,
        ("matrix", "austenite", "martensite-austenite", "precipitate", "defect"),
    ),
    "aachen": Source(
        "Iren et al. 2021, https://doi.org/10.1038/s41597-021-00926-7",
        0.0,
        50,
        ("background", "foreground"),
        merged=True,
    ),
    "ebc": Source(
        "Stuckner et al. 2022, https://github.com/nasa/pretrained-microscopy-models", 0.0, 200
    ),
}

PAPER = {
    "metaldam": {"imagenet": "66.73", "densecl": "68.76 / 68.34", "mocov2": "67.18 / 68.40",
                 "matssl": "69.95 / 69.02"},
    "aachen": {"imagenet": "65.59", "densecl": "65.82 / 65.56", "mocov2": "65.90 / 65.65",
               "matssl": "65.98 / 65.86"},
    "EBC-1": {"matssl": "96.79"},
    "EBC-2": {"matssl": "94.70"},
    "EBC-3": {"matssl": "84.53"},
}  # fmt: skip
"""mIoU in %. Two figures: pretrained without and with the set itself (the paper's Table 1)."""


@dataclass(frozen=True)
class Task:
    """A set to fine-tune on, as the paper does.

    Parameters
    ----------
    name
        Of the rows.
    data
        Painted micrographs; the table has two classes for EBC.
    images
        To pretrain on, without those that are tested on.
    settings
        Of fine-tuning, over the preset "paper".
    protocol
        How it is scored.
    """

    name: str
    data: sets.BenchmarkSet
    images: tuple[Micrograph, ...]
    settings: dict[str, Any]
    protocol: str


def ebc_task(folder: Path, split: str, others: Sequence[Micrograph]) -> Task:
    """Two classes, oxide and crack as one, at 512x512; validation images choose the epoch."""
    chosen = real_sets.ebc(folder.parent, split)

    def merge(painted: tuple[PaintedMicrograph, ...]) -> tuple[PaintedMicrograph, ...]:
        return tuple(replace(p, labels=np.where(p.labels > 1, 2, p.labels)) for p in painted)

    table = _table_of((BACKGROUND, "oxide and crack"), first=1)
    merged = replace(
        chosen,
        training=merge(chosen.training),
        validation=merge(chosen.validation),
        test=merge(chosen.test),
        table=table,
    )
    tested = {p.micrograph.name for p in chosen.test}
    own = [m for m in read_folder([folder / "images"]) if m.name not in tested]
    size = {"scale": 0.5, "crop_size": 512, "epochs": SOURCES["ebc"].epochs}
    return Task(split, merged, (*others, *own), size, "matssl")


def other_task(name: str, folder: Path, others: Sequence[Micrograph]) -> Task:
    """MetalDAM or Aachen; they have no validation images, so the last epoch is scored."""
    source = SOURCES[name]
    parts = {}
    for part in ("train", "test"):
        read = read_labelled(folder / part / "inputs", folder / part / "targets", None, "")
        if source.merged:
            read = [replace(p, labels=(p.labels > 0).astype(np.uint8)) for p in read]
        parts[part] = tuple(read)
    table = _table_of(source.classes, first=0)
    data = sets.BenchmarkSet(name, parts["train"], (), parts["test"], table)
    own = cut([p.micrograph for p in parts["train"]], source.overlap)
    return Task(
        name, data, (*others, *own), {"unlabelled": "none", "epochs": source.epochs}, "native"
    )


def _table_of(names: Sequence[str], first: int) -> ClassTable:
    return ClassTable(
        classes=tuple(
            LabelClass(id=first + n, name=name, colour=COLOURS[n]) for n, name in enumerate(names)
        )
    )


def cut(micrographs: Sequence[Micrograph], overlap: float) -> list[Micrograph]:
    """Cut patches of 256 px that overlap, one micrograph each: every set has its own overlap."""
    return [
        Micrograph(f"{m.name} {row},{column}", m.specimen[row : row + PATCH, column:][:, :PATCH])
        for m in micrographs
        for row in patch_starts(m.specimen.shape[0], PATCH, overlap)
        for column in patch_starts(m.specimen.shape[1], PATCH, overlap)
    ]


def row(task: Task, method: str, given: argparse.Namespace) -> dict[str, Any]:
    """Pretrain by a method, or not; fine-tune; score once on test."""
    start, images = given.weights, 0
    facts: dict[str, Any] = {}
    if method != "imagenet":
        values: dict[str, Any] = {"preset": "quick" if given.pretrain_minutes else "paper"}
        values |= {"method": method, "encoder": given.encoder, "weights": given.weights}
        if given.pretrain_minutes:
            values["minutes"] = given.pretrain_minutes
        result = run_job(pretrain(task.images, PretrainSettings.make({**values, "seed": 0}))).result
        path = given.work / f"{task.name}-{method}.safetensors"
        given.work.mkdir(parents=True, exist_ok=True)
        result.write(path)
        start, images = str(path), len(task.images)
        facts["pretrain_steps"] = result.card.metrics["steps"]
    values = {"preset": "paper", "encoder": given.encoder, "weights": start, **task.settings}
    if given.finetune_minutes:
        values |= {"minutes": given.finetune_minutes, "epochs": None, "validations": 20}
    settings = FinetuneSettings.make(values)
    trained = run_job(
        finetune(task.data.training, task.data.table, settings, task.data.validation)
    ).result
    scored = run_job(
        evaluate(trained.segmenter, task.data.test, PredictSettings(), task.protocol)
    ).result
    return {
        "miou": 100 * (scored.scores.miou or 0.0), "images": images,
        "finetune_steps": len(trained.losses), "minutes": trained.segmenter.card.metrics["minutes"],
        "encoder": given.encoder, "weights": given.weights,
        "published": [not given.pretrain_minutes, not given.finetune_minutes],
        "date": datetime.date.today().isoformat(), **facts,
    }  # fmt: skip


def main() -> None:
    """Run the rows that are asked for and can be run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, source in SOURCES.items():
        parser.add_argument(f"--{name}", type=Path, help=source.where)
    parser.add_argument("--others", type=Path, help="more images to pretrain on")
    parser.add_argument("--methods", nargs="+", default=["imagenet", *TITLES])
    parser.add_argument("--only", nargs="+", help="of metaldam, aachen, EBC-1, EBC-2, EBC-3")
    parser.add_argument("--encoder", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", default="imagenet", help="imagenet, random or a file")
    parser.add_argument("--pretrain-minutes", type=float, help="not the published epochs")
    parser.add_argument("--finetune-minutes", type=float, help="not the published epochs")
    parser.add_argument("--work", type=Path, default=HERE / "encoders")
    parser.add_argument("--tables", action="store_true", help="compute nothing")
    given = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for task in [] if given.tables else _tasks(given):
        for method in given.methods:
            found = row(task, method, given)
            results[f"{task.name} | {method} | {given.encoder} | {given.weights}"] = found
            print(task.name, method, found, flush=True)
            with atomic_write(RESULTS) as temporary:
                temporary.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    table = _table(results)
    print(table)
    write_between_marks("paper.py", table, NOTES)


def _tasks(given: argparse.Namespace) -> list[Task]:
    """Read what is there; say what isn't, and where to get it."""
    folders: dict[str, Path] = {}
    for name, source in SOURCES.items():
        folder = getattr(given, name)
        if folder is None or not folder.is_dir():
            print(f"{name} is missing ({folder or f'--{name} not given'}): {source.where}")
        else:
            folders[name] = folder
    unlabelled = list(read_folder([given.others])) if given.others else []
    patches = {}
    for name in ("uhcs", "metaldam", "aachen"):
        if name in folders:
            inside = folders[name] / "train" / "inputs"
            read = read_folder([inside if inside.is_dir() else folders[name]])
            patches[name] = cut(read, SOURCES[name].overlap)
    wanted = given.only or ["metaldam", "aachen", *real_sets.SPLITS]
    tasks = []
    for name in wanted:
        others = [*unlabelled, *(m for n, ms in patches.items() if n != name for m in ms)]
        if name in real_sets.SPLITS and "ebc" in folders:
            tasks.append(ebc_task(folders["ebc"], name, others))
        elif name in folders:
            tasks.append(other_task(name, folders[name], others))
    return tasks


def _table(results: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| set | encoder's start | paper, ResNet-50 | here | encoder | images pretrained on | "
        "steps of pretraining, fine-tuning (* published epochs) |",
        "|---|---|---|---|---|---|---|",
    ]
    for key, cell in sorted(results.items()):
        name, method, encoder, _ = key.split(" | ")
        stars = ["*" if published else "" for published in cell["published"]]
        pretraining = f"{cell['pretrain_steps']:.0f}{stars[0]}" if cell["images"] else "-"
        title = TITLES.get(method, cell["weights"])
        theirs = PAPER[name].get(method if method in TITLES else title, "-")
        lines.append(
            f"| {name} | {title.replace('imagenet', 'ImageNet')} | {theirs} | {cell['miou']:.2f} | "
            f"{encoder} | {cell['images'] or '-'} | {pretraining}, "
            f"{cell['finetune_steps']}{stars[1]} |"
        )
    dates = sorted({cell["date"] for cell in results.values()})
    when = f"Computed {dates[0]} to {dates[-1]}; one seed." if dates else "Nothing computed yet."
    return "\n".join([*lines, "", when, ""])


if __name__ == "__main__":
    main()
