"""The commands that use a model."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_matssl.commands.arguments import (
    Classes,
    InfoBar,
    Scheduler,
    Split,
    Splits,
    info_bar_choice,
    split_choice,
)
from napari_matssl.console import run_job
from napari_matssl.options import with_settings
from napari_matssl.printing import print_error, print_line
from napari_matssl.settings import (
    PredictSettings,
)


@with_settings(PredictSettings, without=("info_bar",))
def predict(
    model: Annotated[Path, typer.Argument(help="model of finetune, or a published U-Net++")],
    inputs: Annotated[list[Path], typer.Argument(help="images, or folders of images")],
    out: Annotated[Path, typer.Option("--out", help="folder for masks and tables")],
    settings: PredictSettings,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="also write <stem>_probabilities.tif, 0 to 255")
    ] = False,
    overlay: Annotated[bool, typer.Option(help="write <stem>_overlay.png")] = True,
    info_bar: InfoBar = None,
    page: Annotated[
        int | None, typer.Option(min=1, help="which image of files that hold several")
    ] = None,
    missing: Annotated[
        bool | None,
        typer.Option(
            "--missing/--again",
            help="keep masks that are there already if image, model, settings and versions are "
            "the same, or make all again [--again; with --scheduler --missing]",
            show_default=False,
        ),
    ] = None,
    scheduler: Scheduler = None,
) -> None:
    """Segment images: masks, overlays and phase fractions.

    Images that can't be used are left out and listed; the exit status is 3 then. Panoramas (more
    than 67 megapixels, and OME-Zarr) are segmented by rows into a TIFF; the same command goes on
    with one that was interrupted.
    """
    bar = info_bar_choice(info_bar or settings.info_bar)
    settings = settings.model_copy(update={"info_bar": "none" if bar is None else "auto"})
    from napari_matssl.learn.card_files import read_card
    from napari_matssl.micrograph.reading import SUFFIXES, ZARR, find_micrographs
    from napari_matssl.tasks.recipe.run_guard import check_no_run

    check_no_run(out)
    read_card(model, kind="segmenter")
    paths = find_micrographs(inputs, (*SUFFIXES, ZARR))
    from napari_matssl.export.outputs import Outputs

    outputs = Outputs(masks_tiff=False, overlays=overlay, probabilities=probabilities)
    row = bar if isinstance(bar, int) else None
    if scheduler is None:
        from napari_matssl.learn.segmenter import read_segmenter
        from napari_matssl.tasks.predicting.predict import predict

        given = read_segmenter(model), paths, out, settings, outputs, model, row, page
        outcome = run_job(predict(*given, missing is True))
    else:
        from napari_matssl.tasks.predicting.predict import predict_on
        from napari_matssl.tasks.predicting.scheduler import connect

        with connect(scheduler) as cluster:
            where = cluster.each, model, paths, out, settings, outputs, row, page
            outcome = run_job(predict_on(*where, missing is not False))
    from napari_matssl.console_tables import show_corrected, show_summary

    result = outcome.result
    show_summary(row for image in result.images for row in image.phases)
    show_corrected(result.corrected)
    new = [image.seconds for image in result.images if not image.kept]
    kept = f", {len(result.images) - len(new)} of them kept" * (len(new) < len(result.images))
    seconds = f", {sum(new) / len(new):.2f} s per image" if new else ""
    print_line(f"{len(result.images)} of {len(paths)} images in {out}{kept}{seconds}")
    tables = result.phases, result.summary, result.corrected_table
    if written := [str(out / table.name) for table in tables if table is not None]:
        print_line(f"Tables: {', '.join(written)}")
    outcome.leave(result.skipped, result.failure)


@with_settings(PredictSettings, only=("magnifications", "detached_components", "device"))
def evaluate(
    model: Annotated[Path, typer.Argument(help="model of finetune, or a published U-Net++")],
    images: Annotated[Path, typer.Argument(help="folder of images")],
    labels: Annotated[Path, typer.Argument(help="folder of label images of the same stems")],
    settings: PredictSettings,
    splits: Splits = None,
    split: Split = None,
    subset: Annotated[str, typer.Option(help="part of the split to score")] = "test",
    protocol: Annotated[
        Literal["native", "matssl", "oxide"],
        typer.Option(
            help="native: all classes at native size; matssl: background against the rest at "
            "512x512; oxide: that class alone"
        ),
    ] = "native",
    classes: Classes = None,
    info_bar: InfoBar = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="file for the scores")] = None,
) -> None:
    """Score a model on labelled images, pooled over pixels."""
    from napari_matssl.files import check_writable, write_json
    from napari_matssl.learn.card_files import read_card
    from napari_matssl.tasks.scoring_labels import read_truth

    if json_file is not None:
        check_writable(json_file)
    card = read_card(model, kind="segmenter")
    truth = read_truth(
        images,
        labels,
        card,
        split_choice(splits, split),
        subset,
        classes,
        info_bar_choice(info_bar or settings.info_bar),
    )
    for remark in truth.remarks:
        print_line(remark)
    from napari_matssl.console_tables import show_evaluation
    from napari_matssl.learn.segmenter import read_segmenter
    from napari_matssl.tasks.evaluate import evaluate

    outcome = run_job(evaluate(read_segmenter(model), truth.painted, settings, protocol))
    result = outcome.result
    if not result.images:
        print_error("Stopped before the first image was scored: nothing was written.")
        outcome.leave()
    show_evaluation(result)
    done = len(result.images) + len(result.skipped)
    wanted = len(truth.painted)
    if done < wanted:
        print_line(
            f"Stopped after {done} of {wanted} images: these are no scores of the whole set."
        )
        if json_file is not None:
            print_line(f"{json_file} was not written.")
    elif json_file is not None:
        write_json(json_file, {"model": model.name, **result.to_json()})
    outcome.leave(result.skipped)
