"""The command that suggests where to paint."""

from pathlib import Path
from typing import Annotated

import typer

from napari_matssl.console import run_job
from napari_matssl.options import with_settings
from napari_matssl.printing import print_line
from napari_matssl.settings import FinetuneSettings

_SHOWN = 5  # images on the console


@with_settings(FinetuneSettings, only=("encoder", "weights", "device"))
def suggest(
    folder: Annotated[Path, typer.Argument(help="folder of images; what is painted counts")],
    settings: FinetuneSettings,
    model: Annotated[
        Path | None, typer.Option(help="also find the regions where this model is unsure")
    ] = None,
    regions: Annotated[int, typer.Option(min=0, help="how many regions at most")] = 10,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="file for all images and regions")
    ] = None,
) -> None:
    """Suggest where to paint: images that cover the folder's variety, and unsure regions.

    Each image is the one most unlike those painted or named before it.
    """
    from napari_matssl.files import check_writable, write_json
    from napari_matssl.learn.card_files import read_card
    from napari_matssl.project.folder import Project

    if json_file is not None:
        check_writable(json_file)
    if model is not None:
        read_card(model, kind="segmenter")
    project = Project(folder)
    for remark in project.remarks:
        print_line(remark)
    from napari_matssl.learn.segmenter import read_segmenter
    from napari_matssl.tasks.suggest import suggest

    segmenter = None if model is None else read_segmenter(model)
    outcome = run_job(suggest(project, settings, segmenter, model, regions))
    found = outcome.result
    for line in found.in_words(_SHOWN):
        print_line(line)
    if json_file is not None:
        write_json(json_file, found.to_json())
    outcome.leave(found.skipped)
