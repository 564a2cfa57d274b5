"""The commands of recipes: save one, run one."""

from pathlib import Path
from typing import Annotated

import typer

from napari_matssl.commands.arguments import PixelSizeText, parse_pixel_size, report_details
from napari_matssl.console import run_job
from napari_matssl.options import with_settings
from napari_matssl.printing import print_line
from napari_matssl.settings import RecipeSettings


@with_settings(RecipeSettings)
def recipe(
    project: Annotated[Path, typer.Argument(help="folder of images with a model")],
    out: Annotated[Path, typer.Option("--out", help="file to write (.recipe)")],
    settings: RecipeSettings,
    model: Annotated[
        Path | None, typer.Option(help="model of the recipe, else the newest of the folder")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="NAME",
            help="class whose objects, grains, layers or nodules are measured, else all",
        ),
    ] = None,
    pixel_size_um: PixelSizeText = None,
    etchant: Annotated[
        str, typer.Option(help="for each report: preparation and etchant; else the folder's")
    ] = "",
    orientation: Annotated[
        str, typer.Option(help="for each report: of the section; else the folder's")
    ] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="replace a file that is there")
    ] = False,
) -> None:
    """Lock model, cleaning, measures, report and limits into one file, which others run.

    Cleaning, preparation and orientation are those of the folder, settings of segmenting those of
    its masks. --pixel-size-um is for images that have no pixel size.
    """
    from napari_matssl.project.folder import Project
    from napari_matssl.report.seal import grouped
    from napari_matssl.tasks.recipe.saving import (
        RecipeRequest,
        check_recipe_place,
        save_recipe,
    )

    size = parse_pixel_size(pixel_size_um, "")
    check_recipe_place(out, overwrite)
    classes = {} if not only else {one: tuple(only) for one in settings.chosen if one != "phases"}
    details = report_details(etchant=etchant, orientation=orientation)
    request = RecipeRequest(settings, classes, model, size, details)
    opened = Project(project)
    for line in opened.remarks:
        print_line(line)
    outcome = run_job(save_recipe(opened, out, request, overwrite))
    saved = outcome.result
    for name, rule in saved.recipe.rules():
        print_line(f"{name}: {rule}")
    print_line(f"{out}, checksum {grouped(saved.checksum)}")
    outcome.leave()


def run(
    recipe: Annotated[Path, typer.Argument(help="file of the command recipe")],
    folder: Annotated[Path, typer.Argument(help="folder of images")],
    out: Annotated[Path, typer.Option("--out", help="new folder for masks, tables and the report")],
    specimen: Annotated[str, typer.Option(help="for the report: which one it is")] = "",
    operator: Annotated[str, typer.Option(help="for the report: who runs it")] = "",
) -> None:
    """Run a recipe on a folder: segment, measure, judge and report, with nothing to choose.

    Exit status 0: all images pass, 1: the run fails, 3: some are to be checked. The same command
    goes on with a run that was interrupted.
    """
    from napari_matssl.tasks.recipe.recipe_file import read_recipe

    details = report_details(specimen=specimen, operator=operator)
    file = read_recipe(recipe)
    from napari_matssl.console_tables import leave_run, show_run
    from napari_matssl.tasks.recipe.running import run_recipe

    outcome = run_job(run_recipe(file, folder, out, details))
    show_run(outcome.result)
    outcome.leave()
    leave_run(outcome.result)
