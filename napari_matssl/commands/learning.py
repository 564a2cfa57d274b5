"""The commands that make encoders and models."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from napari_matssl.commands.arguments import (
    Classes,
    Devices,
    InfoBar,
    Nodes,
    Split,
    Splits,
    info_bar_choice,
    ranks_of,
    split_choice,
)
from napari_matssl.console import rescued_output, run_job
from napari_matssl.options import with_settings
from napari_matssl.printing import print_line
from napari_matssl.settings import (
    FinetuneSettings,
    PretrainSettings,
)


@with_settings(PretrainSettings)
def pretrain(
    folders: Annotated[list[Path], typer.Argument(help="folders of unlabelled micrographs")],
    out: Annotated[Path, typer.Option("--out", help="encoder file to write (.safetensors)")],
    settings: PretrainSettings,
    exclude: Annotated[
        list[Path] | None,
        typer.Option(
            help="images to leave out, with all that show the same field: a JSON file with their "
            "names, an image or a folder; may be given several times"
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on from the last epoch")] = False,
    devices: Devices = None,
    nodes: Nodes = None,
) -> None:
    """Pretrain an encoder on folders of unlabelled micrographs (MatSSL and peers)."""
    from napari_matssl.tasks.exclusion import find_exclusion
    from napari_matssl.tasks.inputs import read_folder
    from napari_matssl.tasks.models import pretrain_encoder

    with ranks_of(devices, nodes, settings.device) as ranks, rescued_output(out.name):
        excluded = find_exclusion(exclude or [], folders)
        for remark in excluded.remarks:
            print_line(remark)
        read = partial(read_folder, folders, excluded.names)
        job = pretrain_encoder(read, settings, out, resume, excluded.read, ranks)
        outcome = run_job(job)
    result = outcome.result
    if result.checkpoint is not None:
        print_line(f"Stopped early; --resume goes on from {result.checkpoint}.")
    elif not result.complete:
        print_line("Stopped in the first epoch; there is no checkpoint to go on from.")
    if count := len(result.card.left_out):
        print_line(f"Left out as copies of excluded images: {count}; {out.name} names them.")
    losses = result.epoch_losses
    trend = f", loss {losses[0]:.3f} to {losses[-1]:.3f}" if losses else ""
    epochs = "1 epoch" if len(losses) == 1 else f"{len(losses)} epochs"
    print_line(f"{out}: {settings.encoder}, {result.patches} patches, {epochs}{trend}")
    outcome.leave(result.skipped)


@with_settings(FinetuneSettings)
def finetune(
    images: Annotated[Path, typer.Argument(help="folder of images")],
    labels: Annotated[Path, typer.Argument(help="folder of label images of the same stems")],
    out: Annotated[Path, typer.Option("--out", help="model file to write (.safetensors)")],
    settings: FinetuneSettings,
    splits: Splits = None,
    split: Split = None,
    classes: Classes = None,
    info_bar: InfoBar = None,
    go_on_from: Annotated[
        Path | None, typer.Option(help="model to go on from instead of an encoder")
    ] = None,
    devices: Devices = None,
    nodes: Nodes = None,
) -> None:
    """Fine-tune a model on painted micrographs."""
    from napari_matssl.files import check_writable
    from napari_matssl.labels.payoff import payoff_in_words
    from napari_matssl.learn.card import ModelCard
    from napari_matssl.tasks.inputs import read_painted_set

    with ranks_of(devices, nodes, settings.device) as ranks, rescued_output(out.name):
        check_writable(out)
        painted = read_painted_set(
            images,
            labels,
            settings.unlabelled,
            classes,
            split_choice(splits, split),
            info_bar_choice(info_bar or "auto"),
        )
        settings = settings.model_copy(update={"unlabelled": painted.unlabelled})
        for remark in painted.remarks:
            print_line(remark)
        print_line(
            f"{len(painted.training)} painted images, {len(painted.validation)} to validate; "
            f"classes from {painted.source}: {', '.join(painted.table.names)}"
        )
        from napari_matssl.tasks.models import train_model

        job = train_model(lambda: painted, settings, out, go_on_from, ranks=ranks)
        outcome = run_job(job)
    trained = outcome.result
    metrics = trained.card.metrics
    score = f", validation mIoU {metrics['val_miou']:.3f}" if "val_miou" in metrics else ""
    how = f"{trained.steps} steps" if trained.steps else "fitted"
    early = ", stopped early" if outcome.interrupted or trained.failure is not None else ""
    print_line(f"{out}: {how} in {metrics['minutes']:.2g} min{score}{early}")
    card = trained.card
    assert isinstance(card, ModelCard)
    held_out = card.held_out
    if held_out is not None and (right := held_out.right_in_words()):
        who = "the instant classifier" if held_out.stand_in else "the model"
        print_line(f"In {held_out.in_words()}, {who} finds {right}.")
    if words := payoff_in_words(card.payoff, len(card.training_images)):
        print_line(words)
    outcome.leave(unfinished=trained.failure is not None)
