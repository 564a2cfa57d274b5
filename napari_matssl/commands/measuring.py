"""The commands that measure masks, and set what measuring needs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_matssl.commands.arguments import (
    PixelSizeText,
    Scheduler,
    parse_pixel_size,
    report_details,
)
from napari_matssl.console import run_job
from napari_matssl.errors import printable
from napari_matssl.options import with_settings
from napari_matssl.printing import print_line
from napari_matssl.settings import (
    MeasureSettings,
)

if TYPE_CHECKING:
    from napari_matssl.micrograph.image import Micrograph


@with_settings(MeasureSettings)
def measure(
    masks: Annotated[list[Path], typer.Argument(help="mask images, or folders of masks")],
    out: Annotated[
        Path, typer.Option("--out", help="folder for the tables, or phases' table alone (.csv)")
    ],
    settings: MeasureSettings,
    classes: Annotated[
        Path | None, typer.Option(help="class table (JSON); else classes.json beside the masks")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="folder of the images, for their pixel sizes")
    ] = None,
    pixel_size_um: PixelSizeText = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            help="CSV file with the columns image, specimen and perhaps section, group; else those "
            "that the project of the images keeps count"
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="NAME",
            help="class whose objects, grains, layers or nodules are measured, else all; a layer "
            "and graphite have to be named",
        ),
    ] = None,
    numbered_grains: Annotated[
        bool,
        typer.Option(
            "--numbered-grains",
            help="each value of the masks is the number of a grain, 0 lies between them; for grain "
            "size alone",
        ),
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="also write report.html, report.pdf and report.xlsx")
    ] = False,
    specimen: Annotated[
        str, typer.Option(help="for the report; kept in the masks' project, as the next four")
    ] = "",
    etchant: Annotated[str, typer.Option(help="for the report: preparation and etchant")] = "",
    orientation: Annotated[str, typer.Option(help="for the report: of the section")] = "",
    operator: Annotated[str, typer.Option(help="for the report: who has measured")] = "",
    remark: Annotated[
        list[str] | None,
        typer.Option(metavar="LINE", help="for the report; may be given several times"),
    ] = None,
    date: Annotated[str, typer.Option(help="for the report [today]", show_default=False)] = "",
    model: Annotated[
        Path | None,
        typer.Option(
            help="model of the masks, if their project doesn't have it: corrects fractions for "
            "its own error, and stands in the report"
        ),
    ] = None,
    scheduler: Scheduler = None,
) -> None:
    """Measure masks, whoever made them: phase fractions, objects, grain size, intervals."""
    from napari_matssl.console_tables import show_corrected, show_figures, show_summary
    from napari_matssl.errors import SettingsError
    from napari_matssl.export.tables import describe_other_names, write_frames_or_numbered
    from napari_matssl.tasks.measuring.correcting_masks import (
        correct_masks,
        models_of_masks,
        with_corrected,
    )
    from napari_matssl.tasks.measuring.masks_to_measure import Sources
    from napari_matssl.tasks.measuring.measure_files import measure_masks, measure_masks_by
    from napari_matssl.tasks.measuring.measures import (
        check_table_place,
        describe_older,
        table_paths,
    )

    size = parse_pixel_size(pixel_size_um, "stated with --pixel-size-um")
    check_table_place(out, settings)
    details = report_details(
        specimen=specimen,
        etchant=etchant,
        orientation=orientation,
        operator=operator,
        remarks=tuple(remark or ()),
    )
    if not report:
        _check_no_report(details, date)
    elif out.suffix.lower() == ".csv":
        raise SettingsError(
            f"{out} is the name of one table, but a report has several.", "Name a folder."
        )
    if model is not None and not report and "phases" not in settings.chosen:
        raise SettingsError(
            "--model corrects phase fractions, which aren't measured.",
            "Add phases to --measures, or leave --model out.",
        )
    sources = Sources(classes, images, size, groups, numbered_grains)
    if scheduler is None:
        measured = measure_masks(masks, sources, settings, only or ())
    else:
        from napari_matssl.tasks.predicting.scheduler import connect

        with connect(scheduler) as cluster:
            job = measure_masks_by(cluster.each, masks, sources, settings, only or ())
            measured = run_job(job).result
    planned = None
    if report:
        from napari_matssl.tasks.reporting.report_plan import Request, plan_report

        inputs = tuple(path for path in (classes, groups) if path is not None)
        planned = plan_report(measured, settings, Request(details, date, model, inputs))
        corrected, tables = planned.corrected, planned.tables
    else:
        corrected = correct_masks(measured.rows, models_of_masks(measured.masks, model))
        tables = with_corrected(measured.tables, corrected)
    for line in measured.remarks:
        print_line(line)
    if measured.rows:
        show_summary(measured.rows)
    if corrected is not None:
        show_corrected(corrected)
    for name, frame in tables.items():
        if "figure" in frame:
            show_figures(name.removesuffix("_summary.csv").capitalize(), frame)
    wanted = table_paths(out, tables)
    written = write_frames_or_numbered(wanted)
    if line := describe_other_names(tuple(wanted), written):
        print_line(line)
    if out.suffix.lower() != ".csv" and (line := describe_older(wanted)):
        print_line(line)
    print_line(f"Tables: {', '.join(map(str, written))}")
    if planned is not None:
        _write_report(planned, out, written)


def verify(
    report: Annotated[Path, typer.Argument(help="report.html or report.xlsx, or a recipe")],
    masks: Annotated[
        Path | None, typer.Option(help="folder of the masks, if they are elsewhere now")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="folder of the images, if they are elsewhere now")
    ] = None,
) -> None:
    """Find what was changed in a report and the files that it names, or in a recipe.

    Exit status 0: nothing, 1: something, 3: nothing, but files that it names weren't found.
    """
    from napari_matssl.console_tables import show_findings
    from napari_matssl.tasks.verify_report import verify_report

    folders = {role: path for role, path in (("mask", masks), ("image", images)) if path}
    verified = verify_report(report, folders)
    raise SystemExit(show_findings(report.name, verified))


def calibrate(
    images: Annotated[list[Path], typer.Argument(help="images, or folders of images")],
    bar_px: Annotated[float | None, typer.Option(help="length of the scale bar in px")] = None,
    bar_um: Annotated[float | None, typer.Option(help="the same length in um")] = None,
    pixel_size_um: PixelSizeText = None,
) -> None:
    """Set the pixel size of images, in the project of their folder; no image is changed."""
    from napari_matssl.errors import SettingsError
    from napari_matssl.micrograph.reading import find_micrographs
    from napari_matssl.tasks.measuring.calibrate import calibrate, size_of_bar

    size = parse_pixel_size(pixel_size_um, "set by hand")
    by_bar = bar_px is not None and bar_um is not None
    if by_bar == (size is not None) or (bar_px is None) != (bar_um is None):
        raise SettingsError(
            "The pixel size is missing, or given twice.",
            "Give --bar-px N and --bar-um L, or --pixel-size-um X [Y].",
        )
    if bar_px is not None and bar_um is not None:
        size = size_of_bar(bar_px, bar_um)
    words = f"{size.in_words} ({size.source})"

    def tell(one: "Micrograph") -> None:
        print_line(f"{printable(one.name)}: {words}")
        for remark in one.remarks:
            print_line(remark)

    calibrate(find_micrographs(images), size, by_bar, tell)


def _write_report(planned: Any, out: Path, tables: Sequence[Path]) -> None:
    """Write a report, and print where it is."""
    from napari_matssl.tasks.reporting.write_report import write_report

    outcome = run_job(write_report(planned, out, tables))
    made = outcome.result
    for line in made.remarks:
        print_line(line)
    paths = (made.page, made.pdf, made.workbook)
    print_line(f"Report: {', '.join(str(path) for path in paths if path is not None)}")
    outcome.leave()


def _check_no_report(details: Any, date: str) -> None:
    """Refuse what is for a report where none was asked for."""
    from napari_matssl.errors import SettingsError

    if not details.empty or date:
        raise SettingsError(
            "Specimen, etchant, orientation, operator, remark and date are for a report.",
            "Add --report.",
        )
