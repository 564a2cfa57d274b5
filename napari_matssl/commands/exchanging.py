"""The commands that bring models to other programs, and from them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

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
