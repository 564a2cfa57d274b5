"""The commands that bring models and labels to other programs, and from them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_matssl.commands.arguments import Classes
from napari_matssl.console import run_job
from napari_matssl.printing import print_line

Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace a file that is there")]


def export(
    model: Annotated[Path, typer.Argument(help="model of finetune, or a published U-Net++")],
    out: Annotated[Path, typer.Option("--out", help="file to write")],
    form: Annotated[
        Literal["onnx", "torchscript"],
        typer.Option("--format", help="onnx for most programs; torchscript for PyTorch's"),
    ] = "onnx",
    check: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="IMAGE",
            help="image to compare both on; may be given several times; else painted images of the "
            "model's project, or synthetic ones",
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a model for other programs, and check that it gives the same classes there."""
    from napari_matssl.learn.card import read_card

    read_card(model, kind="segmenter")
    from napari_matssl.tasks.exporting import export_model

    outcome = run_job(export_model(model, form, out, check or (), overwrite))
    print_line(f"{out}: {outcome.result.agreement.in_words()}")
    outcome.leave()


def import_(
    source: Annotated[
        Path, typer.Argument(help="package of bioimage.io (.zip), or a published U-Net++ (.pth)")
    ],
    out: Annotated[Path, typer.Option("--out", help="model file to write (.safetensors)")],
    classes: Annotated[
        Path | None,
        typer.Option(help="class table (JSON) with a name for each channel, in ascending order"),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a model of others as a file of this program."""
    from napari_matssl.tasks.importing import import_model

    imported = import_model(source, out, classes, overwrite)
    card = imported.card
    how = (
        "the file in the package" if imported.unchanged else f"{card.architecture}, {card.encoder}"
    )
    print_line(f"{out}: {how}, classes {', '.join(card.classes.names)}")


def labels(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="annotations of COCO, LabelMe, CVAT, Supervisely or Fiji: files, or their folders"
        ),
    ],
    images: Annotated[Path, typer.Option(help="folder of the images that are annotated, or one")],
    out: Annotated[Path, typer.Option(help="folder for the label images and classes.json")],
    classes: Classes = None,
    name: Annotated[
        str | None,
        typer.Option("--class", metavar="NAME", help="class of all ROIs of Fiji"),
    ] = None,
    roi_classes: Annotated[
        Literal["group", "name"] | None,
        typer.Option(help="what tells the class of a ROI: its group, or its name up to a dash"),
    ] = None,
    line_width: Annotated[
        float, typer.Option(min=1, max=1000, metavar="PX", help="width of lines and dots")
    ] = 3.0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="replace files that are there")
    ] = False,
) -> None:
    """Make label images of the annotations of other programs.

    What can't be used is left out and listed; the exit status is 3 then.
    """
    from napari_matssl.labels.exchange.recognising import Reading
    from napari_matssl.tasks.exchange_labels import bring_in_labels

    reading = Reading(name, roi_classes)
    outcome = run_job(
        bring_in_labels(sources, images, out, reading, classes, line_width, overwrite)
    )
    result = outcome.result
    numbered = (f"{one.id} {one.name}" for one in result.table.classes)
    print_line(f"Classes: {', '.join(numbered)}")
    programs = ", ".join(result.programs)
    print_line(f"{len(result.written)} of {result.wanted} label images in {out}, from {programs}")
    outcome.leave(result.skipped)
