"""The commands that bring models and labels to other programs, and from them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_matssl.commands.arguments import Classes
from napari_matssl.console import run_job
from napari_matssl.errors import SettingsError
from napari_matssl.printing import print_line

Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace a file that is there")]


def export(
    model: Annotated[Path, typer.Argument(help="model of finetune, or a published U-Net++")],
    out: Annotated[Path, typer.Option("--out", help="file to write")],
    form: Annotated[
        Literal["onnx", "torchscript", "bioimageio"],
        typer.Option(
            "--format",
            help="onnx for most programs; torchscript for PyTorch's; bioimageio: a package of both "
            "with a description",
        ),
    ] = "onnx",
    check: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="IMAGE",
            help="image to compare both on; may be given several times; else painted images of the "
            "model's project, or synthetic ones",
        ),
    ] = None,
    author: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="who made the model, for a package; may be given several times"
        ),
    ] = None,
    licence: Annotated[
        str, typer.Option(metavar="SPDX", help="of the package, such as CC-BY-4.0")
    ] = "",
    overwrite: Overwrite = False,
) -> None:
    """Write a model for other programs, and check that it gives the same classes there."""
    from napari_matssl.learn.card_files import read_card
    from napari_matssl.tasks.exchanging.credits import Credits

    if form != "bioimageio" and (author or licence):
        raise SettingsError(
            "Author and licence are for a package.", "Add --format bioimageio, or leave them out."
        )
    read_card(model, kind="segmenter")
    from napari_matssl.tasks.exporting.job import export_model

    credits = Credits(tuple(author or ()), licence)
    outcome = run_job(export_model(model, form, out, check or (), overwrite, credits))
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
    from napari_matssl.tasks.exchanging.importing import import_model

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
            help="annotations of COCO, LabelMe, CVAT, Supervisely, Fiji or cellpose, or masks of "
            "colours or grey values: files, or their folders; with --format, the folder of our "
            "label images"
        ),
    ],
    images: Annotated[Path, typer.Option(help="folder of the images that are annotated, or one")],
    out: Annotated[
        Path,
        typer.Option(
            help="folder for the label images and classes.json; with --format, file of COCO or "
            "folder of LabelMe's files"
        ),
    ],
    form: Annotated[
        Literal["coco", "labelme"] | None,
        typer.Option("--format", help="write our label images for other programs"),
    ] = None,
    classes: Classes = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--class", metavar="NAME", help="class of all ROIs of Fiji or masks of cellpose"
        ),
    ] = None,
    roi_classes: Annotated[
        Literal["group", "name"] | None,
        typer.Option(help="what tells the class of a ROI: its group, or its name up to a dash"),
    ] = None,
    colour: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=#RRGGBB",
            help="class of a colour in masks of colours; once for each class",
        ),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=N",
            help="class of a grey value in masks of one channel; once for each class",
        ),
    ] = None,
    line_width: Annotated[
        float | None,
        typer.Option(
            min=1, max=1000, metavar="PX", help="width of lines and dots [3]", show_default=False
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="replace files that are there")
    ] = False,
) -> None:
    """Make label images of the annotations of other programs, or write ours for these.

    What can't be used is left out and listed; the exit status is 3 then.
    """
    if form is not None:
        if name is not None or roi_classes is not None or line_width is not None or colour or value:
            raise SettingsError(
                "--class, --roi-classes, --colour, --value and --line-width are for reading, "
                "--format is for writing.",
                "Leave out one or the other.",
            )
        _hand_out(sources, images, out, form, classes, overwrite)
        return
    from napari_matssl.labels.exchange.colour_masks import colours_of
    from napari_matssl.labels.exchange.recognising import Reading
    from napari_matssl.labels.exchange.value_masks import values_of
    from napari_matssl.tasks.exchanging.exchange_labels import bring_in_labels
    from napari_matssl.tasks.exchanging.find_labels import LINE_WIDTH_PX

    if colour and value:
        raise SettingsError(
            "A mask has colours or grey values, not both.", "Give --colour or --value."
        )
    colours, values = colours_of(colour or ()), values_of(value or ())
    reading = Reading(name, roi_classes, tuple(colours.items()), tuple(values.items()))
    width = LINE_WIDTH_PX if line_width is None else line_width
    outcome = run_job(bring_in_labels(sources, images, out, reading, classes, width, overwrite))
    result = outcome.result
    numbered = (f"{one.id} {one.name}" for one in result.table.classes)
    print_line(f"Classes: {', '.join(numbered)}")
    programs = ", ".join(result.programs)
    print_line(f"{len(result.written)} of {result.wanted} label images in {out}, from {programs}")
    outcome.leave(result.skipped)


def _hand_out(
    sources: list[Path],
    images: Path,
    out: Path,
    form: Literal["coco", "labelme"],
    classes: Path | None,
    overwrite: bool,
) -> None:
    """Write label images for other programs."""
    from napari_matssl.tasks.exchanging.labels_for_others import hand_out_labels

    if len(sources) > 1:
        raise SettingsError(
            "--format takes one folder of label images.", "Give one folder, or one label image."
        )
    outcome = run_job(hand_out_labels(sources[0], images, out, form, classes, overwrite))
    result = outcome.result
    print_line(f"Labels of {len(result.images)} of {result.wanted} images: {out}")
    outcome.leave(result.skipped)
